//! Reading dynamic Azure secrets that mint an access token.

use std::time::Duration;

use mayfly_tests::{
    Vault,
    azure::{BASE_SECRET, TENANT, Tenant},
    vault::dynamic,
    wire::{Call, Trouble},
};
use serde_json::{Value, json};

const SCOPE: &str = "https://storage.azure.com/.default";

async fn vault_with_token() -> (Vault, Tenant) {
    let vault = Vault::start().await;
    let tenant = Tenant::seed(&vault);
    tenant.create_base(&vault, json!({})).await.expect(201);
    let body = dynamic(
        "azure:base",
        json!({"providerType": "token", "scopes": [SCOPE]}),
    );
    vault.create("azure/token", body).await.expect(201);
    vault.wire.clear();
    (vault, tenant)
}

fn sign_ins(vault: &Vault) -> Vec<Call> {
    let mut calls = vault.wire.calls();
    calls.retain(|call| call.operation == "POST token");
    calls
}

#[tokio::test]
async fn the_answer_is_a_token_with_the_time_that_entra_gave_it() {
    let (vault, tenant) = vault_with_token().await;
    vault.read("azure/token").await.expect(200);
    vault.wire.bad_weather(0); // what is counted here must not be tried again
    vault.wire.clear();

    let answer = vault.read("azure/token").await.expect(200).json();

    let data = answer["data"].as_object().unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "accessToken",
            "clientId",
            "expiration",
            "tenantId",
            "tokenType",
            "ttl"
        ]
    );
    assert_eq!(data["tokenType"], "Bearer");
    assert_eq!(data["clientId"], tenant.base.app_id);
    assert_eq!(data["tenantId"], TENANT);
    assert!(data["ttl"].as_i64().unwrap() > 60);
    assert_eq!(sign_ins(&vault).len(), 1);
    assert_eq!(vault.wire.depth(), 2);
}

#[tokio::test]
async fn each_read_signs_in_anew_and_leaves_nothing() {
    let (vault, _) = vault_with_token().await;
    for _ in 0..2 {
        vault.read("azure/token").await.expect(200);
    }
    let tokens = sign_ins(&vault);
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].body.contains("grant_type=client_credentials"));
    assert!(
        tokens[0]
            .body
            .contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default")
    );
    assert!(vault.items_of("LEASE#").is_empty());
}

#[tokio::test]
async fn a_busy_entra_is_asked_again_and_a_refusal_is_not() {
    let (vault, _) = vault_with_token().await;
    vault.wire.next("POST token", Trouble::Throttled);
    vault.wire.next("POST token", Trouble::Unreachable);
    vault.read("azure/token").await.expect(200);

    let wrong: Value = json!({"data": {"clientSecret": "sandbox~another~secret"}});
    vault.update("azure/base", wrong).await.expect(200);
    vault.wire.clear();
    let text = vault.read("azure/token").await.expect(400).text();
    assert!(
        text.contains("AADSTS7000215") && text.contains("client secret is wrong"),
        "{text}"
    );
    assert!(!text.contains("sandbox~"), "{text}");
    assert_eq!(sign_ins(&vault).len(), 1);
}

#[tokio::test]
async fn an_expired_base_secret_says_so() {
    let (mut vault, _) = vault_with_token().await;
    vault.wait(Duration::from_hours(24 * 366)).await;
    let text = vault.read("azure/token").await.expect(400).text();
    assert!(
        text.contains("data.clientSecret") && text.contains("has expired"),
        "{text}"
    );

    let known = json!({"attributes": {"clientSecretExpires": "2027-01-01T00:00:00Z"}, "data": {"clientSecret": BASE_SECRET}});
    let text = vault.update("azure/base", known).await.expect(400).text();
    assert!(text.contains("2027-01-01T00:00:00Z"), "{text}");
}
