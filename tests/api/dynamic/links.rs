//! Linking rules: when a dynamic secret is written, brought back, and read.

use mayfly_tests::{
    Vault,
    vault::{ROLE, assume_role, dynamic},
};
use serde_json::{Value, json};

use crate::cloud::{mints, vault_with_reader, with};

const FIELD: &str = "attributes.linkConfig.linkedSecret: ";

/// How many dynamic secrets the table says link to `path`.
pub(crate) fn count(vault: &Vault, path: &str) -> i64 {
    let items = vault.items_of(&format!("SECRET#{path}"));
    let links = items
        .iter()
        .find(|item| item["sk"]["S"] == "LINKS" && item["pk"]["S"] == format!("SECRET#{path}"));
    links.map_or(0, |item| {
        item["links"]["N"].as_str().unwrap().parse().unwrap()
    })
}

/// The stored head of a secret.
fn head(vault: &Vault, path: &str) -> Value {
    let items = vault.items_of(&format!("SECRET#{path}"));
    let head = items.into_iter().find(|item| item["sk"]["S"] == "HEAD");
    head.unwrap()
}

/// Secrets that cannot be linked to, with what the refusal says.
async fn vault_with_wrong_bases() -> (Vault, [(&'static str, String); 5]) {
    let vault = vault_with_reader().await;
    let plain = json!({"data": {"a": 1}});
    let sql = json!({"data": {"a": 1}, "attributes": {"type": "sql"}});
    vault.create("no/type", plain).await.expect(201);
    vault.create("other/type", sql).await.expect(201);
    vault.create_base("gone", json!({})).await;
    vault.delete("gone").await.expect(200);
    let says = |text: &str| format!("{FIELD}{text}");
    let wrong = [
        ("missing", says("does not exist")),
        ("gone", says("is marked for deletion")),
        ("aws:reader", says("is itself a dynamic secret")),
        ("no:type", says("is no base secret")),
        ("other:type", says("is no base secret")),
    ];
    (vault, wrong)
}

#[tokio::test]
async fn only_a_live_base_can_be_linked_to() {
    let (vault, wrong) = vault_with_wrong_bases().await;
    vault.create("plain", json!({})).await.expect(201);
    for (linked, says) in &wrong {
        let body = dynamic(linked, assume_role());
        vault.create("new", body.clone()).await.refused(400, says);
        vault.update("plain", body.clone()).await.refused(400, says);
        if *linked != "aws:reader" {
            vault.update("aws/reader", body).await.refused(400, says);
        }
    }
    let own = dynamic("new", assume_role());
    vault
        .create("new", own)
        .await
        .refused(400, &format!("{FIELD}must not be the secret itself"));
    vault.read("new").await.expect(404);
    assert_eq!(count(&vault, "aws:base"), 1);
}

#[tokio::test]
async fn a_link_is_dynamic_and_carries_no_data() {
    let vault = vault_with_reader().await;
    let linked =
        |config: Value| json!({"attributes": with(assume_role(), &json!({"linkConfig": config}))});
    for (config, says) in [
        (
            json!({"linkType": "static", "linkedSecret": "aws:base"}),
            "attributes.linkConfig.linkType: must be \"dynamic\"",
        ),
        (
            json!({"linkedSecret": "aws:base"}),
            "attributes.linkConfig.linkType: must be \"dynamic\"",
        ),
        (json!({"linkType": "dynamic"}), FIELD),
        (json!({"linkType": "dynamic", "linkedSecret": "a b"}), FIELD),
        (
            json!("aws:base"),
            "attributes.linkConfig: must be an object",
        ),
    ] {
        vault
            .create("new", linked(config.clone()))
            .await
            .refused(400, says);
        vault
            .update("aws/reader", linked(config))
            .await
            .refused(400, says);
    }
    let full = with(
        dynamic("aws:base", assume_role()),
        &json!({"data": {"a": 1}}),
    );
    vault
        .create("new", full)
        .await
        .refused(400, "data: must be empty");
    vault
        .update("aws/reader", json!({"data": {"a": 1}}))
        .await
        .refused(400, "data: must be empty");
    vault
        .create("plain", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault
        .update("plain", dynamic("aws:base", assume_role()))
        .await
        .refused(400, "data: must be empty");
}

#[tokio::test]
async fn rolling_back_links_again_through_the_full_check() {
    let vault = vault_with_reader().await;
    let unlinked = json!({"attributes": {"linkConfig": null}});
    vault.update("aws/reader", unlinked).await.expect(200);
    assert_eq!(count(&vault, "aws:base"), 0);

    vault.delete("aws/base").await.expect(200);
    vault
        .put("aws/reader/rollback/0")
        .await
        .refused(400, &format!("{FIELD}is marked for deletion"));
    vault.delete("aws/base?force=true").await.expect(204);
    vault
        .put("aws/reader/rollback/0")
        .await
        .refused(400, &format!("{FIELD}does not exist"));
    vault.create("aws/base", json!({})).await.expect(201);
    vault
        .put("aws/reader/rollback/0")
        .await
        .refused(400, &format!("{FIELD}is no base secret"));
    vault.delete("aws/base?force=true").await.expect(204);
    vault.create_base("aws/base", json!({})).await;
    vault.put("aws/reader/rollback/0").await.refused(
        400,
        &format!("{FIELD}is not the secret that this one was linked to"),
    );
    assert_eq!(vault.read("aws/reader").await.json()["version"], "1");

    let relinked = dynamic("aws:base", json!({}));
    vault.update("aws/reader", relinked).await.expect(200);
    vault
        .update("aws/base", json!({"attributes": {"maxTtl": 800}}))
        .await
        .expect(200);
    vault
        .put("aws/reader/rollback/2")
        .await
        .refused(400, "attributes.ttl: must be at most 800");
}

#[tokio::test]
async fn restoring_links_again_through_the_full_check() {
    let vault = vault_with_reader().await;
    vault.delete("aws/reader").await.expect(200);
    assert_eq!(count(&vault, "aws:base"), 0, "a deleted secret lets go");

    vault.delete("aws/base").await.expect(200);
    vault
        .put("aws/reader/restore")
        .await
        .refused(400, &format!("{FIELD}is marked for deletion"));
    vault.put("aws/base/restore").await.expect(200);
    let tight = json!({"attributes": {"allowedRoleArns": []}});
    vault.update("aws/base", tight).await.expect(200);
    vault.put("aws/reader/restore").await.refused(
        400,
        "attributes.roleArn: must be in the base's allowedRoleArns",
    );
    vault
        .update(
            "aws/base",
            json!({"attributes": {"allowedRoleArns": [ROLE]}}),
        )
        .await
        .expect(200);
    vault.put("aws/reader/restore").await.expect(200);
    assert_eq!(count(&vault, "aws:base"), 1);
    vault.read("aws/reader").await.expect(200);

    vault.delete("aws/reader").await.expect(200);
    vault.delete("aws/base?force=true").await.expect(204);
    vault.create_base("aws/base", json!({})).await;
    vault.put("aws/reader/restore").await.refused(
        400,
        &format!("{FIELD}is not the secret that this one was linked to"),
    );
    assert_eq!(count(&vault, "aws:base"), 0);
}

#[tokio::test]
async fn a_tie_that_no_longer_holds_does_not_mint() {
    type Edit = fn(&Vault, Value);
    let cases: [(Edit, &str); 5] = [
        (|vault, base| vault.delete_item(&base), "does not exist"),
        (
            |vault, base| {
                vault.put_item(&with(base, &json!({"deletedAt": {"N": "1767225600000"}})));
            },
            "is marked for deletion",
        ),
        (
            |vault, base| {
                let link = head(vault, "aws:reader")["link"].clone();
                vault.put_item(&with(base, &json!({ "link": link })));
            },
            "is itself a dynamic secret",
        ),
        (
            |vault, mut base| {
                base.as_object_mut().unwrap().remove("kind");
                vault.put_item(&base);
            },
            "is no base secret",
        ),
        (
            |vault, base| {
                let id = "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21";
                vault.put_item(&with(base, &json!({"id": {"S": id}})));
            },
            "is not the secret that this one was linked to",
        ),
    ];
    for (edit, says) in cases {
        let vault = vault_with_reader().await;
        vault.read("aws/reader").await.expect(200);
        edit(&vault, head(&vault, "aws:base"));
        for process in [&vault, &vault.another()] {
            process.wire.clear();
            process
                .read("aws/reader")
                .await
                .refused(400, &format!("the linked secret aws:base {says}"));
            assert_eq!(mints(process).len(), 0);
        }
    }
}

#[tokio::test]
async fn a_base_that_was_made_again_is_another_one() {
    let vault = vault_with_reader().await;
    vault.read("aws/reader").await.expect(200);
    vault.delete_item(&head(&vault, "aws:base"));
    vault.another().create_base("aws/base", json!({})).await;
    vault
        .read("aws/reader")
        .await
        .refused(400, "is not the secret that this one was linked to");
    let touched = json!({"description": "touched"});
    vault
        .update("aws/reader", touched)
        .await
        .refused(400, &format!("{FIELD}is not the secret"));
}
