//! Reading dynamic AWS secrets that assume a role.

use std::time::Duration;

use http::Method;
use mayfly_tests::{
    Vault,
    vault::{ACCOUNT, ROLE, assume_role, dynamic, role},
};
use serde_json::json;

use crate::cloud::{identity, mints, only_mint, vault_with_reader, with};

#[tokio::test]
async fn the_answer_is_the_secret_with_minted_data() {
    let vault = vault_with_reader().await;

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
    assert_eq!(data["ttl"], 900);
    assert_eq!(data["expiration"], "2026-01-01T00:15:00Z");
    assert_eq!(answer["path"], "aws:reader");
    assert_eq!(answer["version"], "0");
    assert_eq!(answer["attributes"]["roleArn"], ROLE);
    assert_eq!(
        answer["attributes"]["linkConfig"],
        json!({"linkType": "dynamic", "linkedSecret": "aws:base"})
    );
}

#[tokio::test]
async fn minted_keys_are_the_role_until_their_ttl_is_over() {
    let vault = vault_with_reader().await;
    let answer = vault.read("aws/reader").await.expect(200).json();
    let session = only_mint(&vault).field("RoleSessionName").to_owned();

    let who = identity(&vault, &answer["data"], "us-east-1").await;
    assert_eq!(
        who.unwrap(),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/{session}")
    );
    vault.clock.advance(Duration::from_secs(899));
    assert!(identity(&vault, &answer["data"], "us-east-1").await.is_ok());
    vault.clock.advance(Duration::from_secs(1));
    let refused = identity(&vault, &answer["data"], "us-east-1").await;
    assert_eq!(refused.unwrap_err(), "ExpiredToken");
}

#[tokio::test]
async fn each_read_mints_anew_and_the_version_stays() {
    let vault = vault_with_reader().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        let answer = vault.read("aws/reader").await.expect(200).json();
        assert_eq!(answer["version"], "0");
        assert!(seen.insert(answer["data"]["accessKey"].to_string()));
    }
    assert_eq!(mints(&vault).len(), 5);
    for read in ["aws/reader/version/9", "aws/reader?edit=true"] {
        let text = vault.read(read).await.expect(200).text();
        assert!(!text.contains("ASIA"), "nothing minted is kept: {text}");
    }
}

#[tokio::test]
async fn nothing_but_a_plain_read_mints() {
    let vault = vault_with_reader().await;
    let id = vault.read("aws/reader::description").await.json()["id"].clone();
    let id = id.as_str().unwrap();
    for read in [
        "aws/reader::description".to_owned(),
        "aws/reader/version/1".to_owned(),
        "aws/reader?edit=true".to_owned(),
        format!("{id}?edit=true"),
        "aws::listpaths".to_owned(),
    ] {
        let answer = vault.read(&read).await.expect(200).json();
        assert!(
            answer["data"].is_null() || answer["data"] == json!({}) || answer["data"].is_array(),
            "{read}: {answer}"
        );
    }
    vault.search("searchTerm=aws").await.expect(200);
    vault
        .search("searchTerm=aws:base&search.links=true")
        .await
        .expect(200);
    vault
        .update("aws/reader", json!({"description": "new"}))
        .await
        .expect(200);
    vault.delete("aws/reader").await.expect(200);
    vault.put("aws/reader/restore").await.expect(200);
    vault.put("aws/reader/rollback/0").await.expect(200);
    assert_eq!(mints(&vault).len(), 0);

    vault.read(id).await.expect(200);
    assert_eq!(mints(&vault).len(), 1, "reading by id mints too");
}

#[tokio::test]
async fn a_temporary_base_key_mints_with_its_session_token() {
    let vault = vault_with_reader().await;
    let minted = vault.read("aws/reader").await.expect(200).json()["data"].clone();
    let mut chained = role("arn:aws:iam::123456789012:role/chained");
    chained.trusted_users = vec![ROLE.to_owned()];
    vault.sandbox.add_role(chained).unwrap();
    let data = json!({
        "accessKey": minted["accessKey"], "secretKey": minted["secretKey"],
        "sessionToken": minted["sessionToken"], "region": "us-east-1",
    });
    let base = json!({"data": data, "attributes": {"type": "aws"}});
    vault.create("aws/hop", base).await.expect(201);
    let attributes = |ttl: u32| {
        let arn = "arn:aws:iam::123456789012:role/chained";
        with(assume_role(), &json!({"roleArn": arn, "ttl": ttl}))
    };
    vault
        .create_dynamic("aws/far", "aws:hop", attributes(3601))
        .await
        .refused(400, "attributes.ttl: must be at most 3600");
    vault
        .create_dynamic("aws/far", "aws:hop", attributes(3600))
        .await
        .expect(201);
    let answer = vault.read("aws/far").await.expect(200).json();
    let who = identity(&vault, &answer["data"], "us-east-1")
        .await
        .unwrap();
    assert!(who.contains("assumed-role/chained/"), "{who}");
}

#[tokio::test]
async fn attributes_that_no_provider_knows_are_kept() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({"team": "x"})).await;
    let tags = json!({"cost-center": 7, "nested": {"a": [1, null]}, "Ttl": "not ours"});
    let attributes = with(assume_role(), &tags);
    vault
        .create_dynamic("aws/reader", "aws:base", attributes.clone())
        .await
        .expect(201);
    let answer = vault.read("aws/reader").await.expect(200).json();
    assert_eq!(
        answer["attributes"],
        dynamic("aws:base", attributes)["attributes"]
    );
}

#[tokio::test]
async fn a_head_request_mints_nothing() {
    let vault = vault_with_reader().await;
    let answer = vault
        .ask(Method::HEAD, "/v1/secrets/aws/reader", None)
        .await;
    assert_eq!(answer.status, 405);
    assert!(vault.sandbox.calls().is_empty());
}
