//! Reading dynamic AWS secrets.

use mayfly_tests::{
    Vault,
    vault::{ROLE, assume_role},
};
use serde_json::json;

#[tokio::test]
async fn reading_a_dynamic_secret_assumes_the_role() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);

    let answer = vault.read("aws/reader").await.expect(200).json();

    assert!(
        answer["data"]["accessKey"]
            .as_str()
            .unwrap()
            .starts_with("ASIASANDBOX")
    );
    assert_eq!(answer["data"]["ttl"], 900);
    assert_eq!(answer["data"]["expiration"], "2026-01-01T00:15:00Z");
    assert_eq!(answer["version"], "0");
    assert_eq!(answer["attributes"]["roleArn"], ROLE);
}

#[tokio::test]
async fn a_warm_read_makes_three_calls_in_two_steps() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault.read("aws/reader").await.expect(200).json();

    vault.wire.clear();
    vault.read("aws/reader").await.expect(200).json();

    let mut operations = vault.wire.operations();
    operations.sort();
    assert_eq!(operations, ["AssumeRole", "BatchGetItem", "PutItem"]);
    assert_eq!(vault.wire.depth(), 2);
}
