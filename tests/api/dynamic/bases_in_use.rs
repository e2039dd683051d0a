//! A base that dynamic secrets link to stays, until they let go.

use mayfly_tests::{
    Vault,
    vault::{assume_role, base, dynamic},
};
use serde_json::json;

use crate::{
    cloud::{vault_with_reader, with},
    links::count,
};

#[tokio::test]
async fn a_base_in_use_stays_a_base() {
    let vault = vault_with_reader().await;
    vault.create_base("aws/second", json!({})).await;
    let says = "dynamic secrets are linked to this secret (1)";
    let link = json!({"linkType": "dynamic", "linkedSecret": "aws:second"});
    for attributes in [
        json!({"type": "sql"}),
        json!({"type": null}),
        with(assume_role(), &json!({"linkConfig": link})),
    ] {
        let change = json!({"data": {}, "attributes": attributes, "overwrite": true});
        vault.update("aws/base", change).await.refused(400, says);
    }
    for delete in ["aws/base", "aws/base?force=true"] {
        let answer = vault.delete(delete).await;
        assert!(
            answer
                .message()
                .contains("GET /v1/secrets?search.links=true&searchTerm="),
            "{}",
            answer.message()
        );
        answer.refused(400, says);
    }
    vault
        .update("aws/base", json!({"description": "fine"}))
        .await
        .expect(200);
    vault.read("aws/reader").await.expect(200);
    let listed = vault.search("searchTerm=aws/base&search.links=true").await;
    assert_eq!(listed.json()["data"][0]["path"], "aws:reader");
}

#[tokio::test]
async fn a_rolled_back_base_in_use_stays_a_base() {
    let vault = Vault::start().await;
    vault
        .create("aws/base", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault.update("aws/base", base(json!({}))).await.expect(200);
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault
        .put("aws/base/rollback/0")
        .await
        .refused(400, "dynamic secrets are linked to this secret (1)");
}

#[tokio::test]
async fn every_way_of_letting_go_frees_the_base() {
    let relink = dynamic("aws:second", json!({}));
    let unlink = json!({"attributes": {"linkConfig": null}});
    let other = json!({"data": {"a": 1}, "attributes": {"tag": "x"}, "overwrite": true});
    for (name, change) in [("relink", relink), ("unlink", unlink), ("overwrite", other)] {
        let vault = vault_with_reader().await;
        vault.create_base("aws/second", json!({})).await;
        vault.update("aws/reader", change).await.expect(200);
        assert_eq!(count(&vault, "aws:base"), 0, "{name}");
        vault.delete("aws/base").await.expect(200);
    }
    for delete in ["aws/reader", "aws/reader?force=true"] {
        let vault = vault_with_reader().await;
        let status = if delete.contains("force") { 204 } else { 200 };
        vault.delete(delete).await.expect(status);
        assert_eq!(count(&vault, "aws:base"), 0, "{delete}");
        vault.delete("aws/base?force=true").await.expect(204);
    }
    let vault = vault_with_reader().await;
    vault.delete("aws/reader").await.expect(200);
    vault.delete("aws/reader?force=true").await.expect(204);
    assert_eq!(count(&vault, "aws:base"), 0, "let go once, not twice");
}

#[tokio::test]
async fn the_count_is_right_after_many_changes() {
    let vault = vault_with_reader().await;
    vault.create_base("aws/second", json!({})).await;
    for round in 0..12 {
        let to = ["aws:second", "aws:base"][round % 2];
        let body = dynamic(to, json!({"round": round}));
        vault.update("aws/reader", body).await.expect(200);
        let again = json!({"description": format!("round {round}")});
        vault.update("aws/reader", again).await.expect(200);
        if round % 3 == 0 {
            vault.delete("aws/reader").await.expect(200);
            vault.put("aws/reader/restore").await.expect(200);
        }
    }
    vault.put("aws/reader/rollback/1").await.expect(200);
    assert_eq!(count(&vault, "aws:second"), 1);
    assert_eq!(count(&vault, "aws:base"), 0);
}
