//! Signing keys rotate with overlap: no token is refused for it, and none outlives its key.

use std::time::Duration;

use http::Method;
use mayfly::access::signing_key::rotate_when_due;
use mayfly_tests::{Vault, vault::access_token};
use serde_json::{Value, json};

use crate::bootstrap::invoke;

async fn status(vault: &Vault, token: &str) -> u16 {
    vault
        .ask_as(token, Method::GET, "/v1/secrets/x", None)
        .await
        .status
}

async fn sign_in(vault: &Vault) -> String {
    access_token(
        &vault
            .sign_in(&vault.client_id, &vault.client_secret)
            .await
            .expect(200),
    )
}

async fn kids(vault: &Vault) -> Vec<Value> {
    let answer = vault
        .send(Method::GET, "/v1/.well-known/jwks.json", &[], Vec::new())
        .await;
    let keys = answer.expect(200).json()["keys"]
        .as_array()
        .unwrap()
        .clone();
    keys.iter().map(|key| key["kid"].clone()).collect()
}

fn kid_of(token: &str) -> String {
    let header = mayfly::access::token::claimed_kid(token);
    header.unwrap()
}

#[tokio::test]
async fn a_new_key_is_known_before_it_signs_and_an_old_one_counts_to_its_last_tokens_end() {
    let vault = Vault::start().await;
    let other = vault.another();
    let first = kid_of(&vault.token);
    let answer = invoke(&vault, json!({"rotate": {}})).await.unwrap();
    let second = answer["kid"].as_str().unwrap().to_owned();
    assert_eq!(kids(&other).await.len(), 2);
    assert_eq!(kid_of(&sign_in(&other).await), first, "not yet");
    assert_eq!(status(&other, &vault.token).await, 404);

    vault.clock.advance(Duration::from_secs(121));
    let last = vault.token.clone();
    let token = sign_in(&other).await;
    assert_eq!(kid_of(&token), second);
    for process in [&vault, &other] {
        assert_eq!(status(process, &token).await, 404);
        assert_eq!(
            status(process, &last).await,
            404,
            "the old key still counts"
        );
    }
    vault.clock.advance(Duration::from_secs(4000));
    invoke(&vault, json!({"rotate": {}})).await.unwrap();
    assert_eq!(
        vault.items_of("SIGNKEY#").len(),
        2,
        "the first is forgotten"
    );
    assert!(!kids(&vault).await.contains(&json!(first)));
}

#[tokio::test]
async fn voiding_ends_every_token_at_once() {
    let vault = Vault::start().await;
    let other = vault.another();
    assert_eq!(status(&other, &vault.token).await, 404);
    invoke(&vault, json!({"rotate": {"voidTokens": true}}))
        .await
        .unwrap();
    for process in [&vault, &other] {
        assert_eq!(status(process, &vault.token).await, 401);
    }
    assert_eq!(status(&other, &sign_in(&vault).await).await, 404);
    assert_eq!(vault.items_of("SIGNKEY#").len(), 1);
    let wrong = invoke(&vault, json!({"rotate": {"voidTokens": "yes"}}))
        .await
        .unwrap_err();
    assert!(wrong.to_string().starts_with("rotate.voidTokens: "));
}

#[tokio::test]
async fn a_key_is_rotated_when_it_is_thirty_days_old() {
    let mut vault = Vault::start().await;
    assert!(!rotate_when_due(&vault.app).await.unwrap());
    vault.wait(Duration::from_hours(30 * 24)).await;
    assert!(rotate_when_due(&vault.app).await.unwrap());
    assert!(!rotate_when_due(&vault.app).await.unwrap());
    assert_eq!(kids(&vault).await.len(), 2);
}
