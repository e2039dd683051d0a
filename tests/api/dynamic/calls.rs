//! How many upstream calls a dynamic read makes, and that what a process remembers never decides.

use mayfly_tests::{
    Vault,
    vault::{assume_role, role},
};
use serde_json::json;

use crate::cloud::{only_mint, vault_with_reader, with};

const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/other";

fn count(vault: &Vault, operation: &str) -> usize {
    let operations = vault.wire.operations();
    operations.iter().filter(|one| *one == operation).count()
}

/// Another process, warm but for this dynamic secret.
async fn newcomer(vault: &Vault) -> Vault {
    let other = vault.another();
    other.read("aws/base").await.expect(200);
    other.wire.clear();
    other
}

#[tokio::test]
async fn the_first_read_of_a_link_makes_two_table_reads() {
    let vault = newcomer(&vault_with_reader().await).await;
    vault.read("aws/reader").await.expect(200);
    let mut operations = vault.wire.operations();
    operations.sort();
    assert_eq!(
        operations,
        ["AssumeRole", "BatchGetItem", "BatchGetItem", "PutItem"]
    );
    assert_eq!(vault.wire.depth(), 3);
}

#[tokio::test]
async fn a_warm_read_makes_one_table_read_then_mints_beside_its_record() {
    let vault = vault_with_reader().await;
    vault.wire.bad_weather(0);
    vault.read("aws/reader").await.expect(200);
    for read in ["aws/reader", "aws:reader", "/aws//reader"] {
        vault.wire.clear();
        vault.read(read).await.expect(200);
        let mut operations = vault.wire.operations();
        operations.sort();
        assert_eq!(operations, ["AssumeRole", "BatchGetItem", "PutItem"]);
        assert_eq!(vault.wire.depth(), 2);
    }
}

#[tokio::test]
async fn a_warm_read_by_id_makes_one_table_read_too() {
    let vault = vault_with_reader().await;
    vault.wire.bad_weather(0);
    let id = vault.read("aws/reader").await.json()["id"].clone();
    let id = id.as_str().unwrap();
    vault.read(id).await.expect(200);
    vault.wire.clear();
    vault.read(id).await.expect(200);
    assert_eq!(count(&vault, "BatchGetItem"), 1);
    assert_eq!(vault.wire.depth(), 2);
}

#[tokio::test]
async fn a_moved_link_is_followed_at_once_and_costs_one_more_read() {
    let vault = vault_with_reader().await;
    vault.wire.bad_weather(0);
    vault.sandbox.add_role(role(OTHER_ROLE)).unwrap();
    vault.read("aws/reader").await.expect(200);
    let other = vault.another();
    other
        .create_base("aws/second", json!({"externalId": "of-the-second"}))
        .await;
    let link = json!({"linkType": "dynamic", "linkedSecret": "aws:second"});
    let moved = with(
        assume_role(),
        &json!({"linkConfig": link, "roleArn": OTHER_ROLE}),
    );
    other
        .update("aws/reader", json!({ "attributes": moved }))
        .await
        .expect(200);

    for reads in [2, 1] {
        vault.wire.clear();
        vault.read("aws/reader").await.expect(200);
        assert_eq!(count(&vault, "BatchGetItem"), reads);
        let sent = only_mint(&vault);
        assert_eq!(sent.field("RoleArn"), OTHER_ROLE);
        assert_eq!(sent.field("ExternalId"), "of-the-second");
    }
}

#[tokio::test]
async fn an_unlinked_secret_mints_no_more() {
    let vault = vault_with_reader().await;
    vault.read("aws/reader").await.expect(200);
    vault
        .another()
        .update("aws/reader", json!({"attributes": {"linkConfig": null}}))
        .await
        .expect(200);
    vault.wire.clear();
    let answer = vault.read("aws/reader").await.expect(200).json();
    assert_eq!(answer["data"], json!({}));
    assert_eq!(count(&vault, "AssumeRole"), 0);
}

#[tokio::test]
async fn reads_at_the_same_time_do_not_disturb_each_others_memory() {
    for _ in 0..20 {
        let vault = newcomer(&vault_with_reader().await).await;
        let (one, two, three) = tokio::join!(
            vault.read("aws/reader"),
            async {
                tokio::task::yield_now().await;
                vault.read("aws/reader").await
            },
            async {
                for _ in 0..7 {
                    tokio::task::yield_now().await;
                }
                vault.read("aws/reader").await
            },
        );
        for answer in [one, two, three] {
            answer.expect(200);
        }
    }
}

#[tokio::test]
async fn a_refusal_by_rule_makes_one_read_and_one_record() {
    let vault = vault_with_reader().await;
    vault.wire.bad_weather(0);
    let token = vault.make_role("nobody").await;
    for path in ["aws/reader", "aws/missing"] {
        vault.wire.clear();
        let target = format!("/v1/secrets/{path}");
        vault
            .ask_as(&token, http::Method::GET, &target, None)
            .await
            .refused(403, "Invalid permissions");
        assert_eq!(vault.wire.operations(), ["BatchGetItem", "PutItem"]);
        assert_eq!(vault.wire.depth(), 2);
    }
}
