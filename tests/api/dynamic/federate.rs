//! Reading dynamic AWS secrets that federate.

use std::time::Duration;

use mayfly_tests::{
    Vault,
    vault::{ACCOUNT, POLICY},
};
use serde_json::{Value, json};

use crate::cloud::{identity, mints, only_mint, vault_with_reader, with};

fn federate() -> Value {
    json!({"providerType": "federate", "policyArn": POLICY})
}

async fn federating(attributes: Value) -> Vault {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", attributes)
        .await
        .expect(201);
    vault.wire.clear();
    vault
}

#[tokio::test]
async fn minted_keys_are_the_federated_user_until_their_ttl_is_over() {
    let vault = federating(with(federate(), &json!({"ttl": 129_600}))).await;

    let answer = vault.read("aws/reader").await.expect(200).json();

    let data = answer["data"].as_object().unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "accessKey",
            "expiration",
            "secretKey",
            "sessionToken",
            "ttl"
        ]
    );
    assert_eq!(data["ttl"], 129_600);
    assert_eq!(data["expiration"], "2026-01-02T12:00:00Z");
    let name = only_mint(&vault).field("Name").to_owned();
    let who = identity(&vault, &answer["data"], "us-east-1").await;
    assert_eq!(
        who.unwrap(),
        format!("arn:aws:sts::{ACCOUNT}:federated-user/{name}")
    );
    vault.clock.advance(Duration::from_hours(36));
    let refused = identity(&vault, &answer["data"], "us-east-1").await;
    assert_eq!(refused.unwrap_err(), "ExpiredToken");
}

#[tokio::test]
async fn the_federations_name_is_the_issuance_of_the_audit_record() {
    let vault = federating(federate()).await;
    vault.read("aws/reader").await.expect(200);

    let sent = only_mint(&vault);
    let issuance = sent.field("Name").strip_prefix("mf-").unwrap();
    assert_eq!(issuance.len(), 26);
    let records = vault.audit();
    let record = records
        .iter()
        .find(|record| record["issuance"] == issuance)
        .unwrap();
    assert_eq!(record["principal"], "roles:admin");
    assert_eq!(record["path"], "secrets:aws:reader");
}

#[tokio::test]
async fn policies_tags_and_ttl_are_sent() {
    let policy = json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
    let attributes = json!({
        "providerType": "federate", "policy": policy.to_string(), "ttl": 1000,
        "sessionTags": {"team": "blue"},
    });
    let vault = federating(attributes).await;
    let answer = vault.read("aws/reader").await.expect(200).json();

    assert_eq!(answer["data"]["ttl"], 1000);
    let sent = only_mint(&vault);
    assert_eq!(sent.field("DurationSeconds"), "1000");
    assert_eq!(sent.field("Tags.member.1.Key"), "team");
    assert_eq!(sent.field("Tags.member.1.Value"), "blue");
    assert_eq!(sent.field("PolicyArns.member.1.arn"), "");
    let text = sent.field("Policy");
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), policy);
}

#[tokio::test]
async fn a_federation_that_could_not_work_is_not_written() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let deny = json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}});
    let allow = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    for (attributes, field) in [
        (json!({"providerType": "federate"}), "policyArn"),
        (
            json!({"providerType": "federate", "policyArns": []}),
            "policyArn",
        ),
        (
            json!({"providerType": "federate", "policy": deny}),
            "policy",
        ),
        (with(federate(), &json!({"policy": allow})), "policy"),
        (
            with(federate(), &json!({"roleArn": mayfly_tests::vault::ROLE})),
            "roleArn",
        ),
        (with(federate(), &json!({"externalId": "ab"})), "externalId"),
        (
            with(federate(), &json!({"sourceIdentity": true})),
            "sourceIdentity",
        ),
        (with(federate(), &json!({"ttl": 899})), "ttl"),
        (with(federate(), &json!({"ttl": 129_601})), "ttl"),
    ] {
        vault
            .create_dynamic("aws/reader", "aws:base", attributes)
            .await
            .refused(400, &format!("attributes.{field}: "));
    }
    vault.read("aws/reader").await.expect(404);
    assert_eq!(mints(&vault).len(), 0);
}

#[tokio::test]
async fn a_temporary_base_key_cannot_federate() {
    let vault = vault_with_reader().await;
    let minted = vault.read("aws/reader").await.expect(200).json()["data"].clone();
    let data = with(
        json!({"region": "us-east-1"}),
        &json!({
            "accessKey": minted["accessKey"], "secretKey": minted["secretKey"],
            "sessionToken": minted["sessionToken"],
        }),
    );
    let base = json!({"data": data, "attributes": {"type": "aws"}});
    vault.create("aws/hop", base).await.expect(201);
    vault
        .create_dynamic("aws/far", "aws:hop", federate())
        .await
        .refused(
            400,
            "attributes.providerType: federate needs a base with a long-term",
        );
}
