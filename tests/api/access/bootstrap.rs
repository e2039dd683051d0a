//! The first admin, and a way back in.

use std::sync::Arc;

use http::Method;
use mayfly::{error::Error, http::lambda::Direct, seal::KeyFile};
use mayfly_tests::{Vault, privileges::Deployed};
use serde_json::{Value, json};

pub(crate) fn empty() -> Vault {
    Vault::empty(Arc::new(KeyFile::ephemeral().unwrap()))
}

/// A direct invocation of the token function.
pub(crate) async fn invoke(vault: &Vault, payload: Value) -> Result<Value, Error> {
    let direct = Direct {
        principal: None,
        alias: None,
        payload,
        request_id: "req-1".to_owned(),
    };
    mayfly_token::invoke(vault.function(Deployed::Token).clone(), direct).await
}

/// Signs in with an answered credential and reads as it.
pub(crate) async fn assert_admin(vault: &Vault, credential: &Value) {
    let text = |name: &str| credential[name].as_str().unwrap().to_owned();
    assert_eq!(credential["role"], "admin");
    let answer = vault
        .sign_in(&text("clientId"), &text("clientSecret"))
        .await
        .expect(200);
    let token = answer.json()["accessToken"].as_str().unwrap().to_owned();
    vault
        .ask_as(&token, Method::GET, "/v1/secrets/x", None)
        .await
        .expect(404);
}

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let vault = empty();
    let credential = invoke(&vault, json!({"bootstrap": {}})).await.unwrap();
    assert_admin(&vault, &credential).await;
    assert_admin(&vault.another(), &credential).await;
    let before = vault.items();
    for process in [&vault, &vault.another()] {
        let again = invoke(process, json!({"bootstrap": {}})).await.unwrap_err();
        assert!(again.to_string().contains("{\"recover\": true}"), "{again}");
        assert!(matches!(again, Error::Refused(_)));
    }
    assert_eq!(vault.items(), before, "a refusal changes nothing");
    assert_eq!(vault.items_of("CLIENT#").len(), 1);
    assert_admin(&vault, &credential).await;
}

#[tokio::test]
async fn bootstraps_that_race_make_one_admin() {
    for _ in 0..10 {
        let vault = empty();
        let (two, three) = (vault.another(), vault.another());
        let ask = || json!({"bootstrap": {}});
        let (a, b, c) = tokio::join!(
            invoke(&vault, ask()),
            invoke(&two, ask()),
            invoke(&three, ask()),
        );
        let mut made: Vec<Value> = Vec::new();
        for outcome in [a, b, c] {
            match outcome {
                Ok(credential) => made.push(credential),
                Err(error) => assert!(
                    matches!(error, Error::Refused(_) | Error::Conflict(_)),
                    "{error:?}"
                ),
            }
        }
        assert_eq!(made.len(), 1);
        for prefix in ["CLIENT#", "ROLE#", "SIGNKEY#", "VAULT", "INITIALISED"] {
            assert_eq!(vault.items_of(prefix).len(), 1, "{prefix}");
        }
        for process in [&vault, &two, &three] {
            assert_admin(process, &made[0]).await;
        }
    }
}

#[tokio::test]
async fn recovery_makes_another_admin_and_is_recorded() {
    let vault = Vault::start().await;
    let before = vault.audit().len();
    let credential = invoke(&vault, json!({"recover": true})).await.unwrap();
    let records = vault.audit();
    assert_eq!(records.len(), before + 1);
    let record = records
        .iter()
        .find(|record| record["path"] == "token:recover")
        .unwrap();
    assert_eq!(record["action"], "INVOKE");
    assert_eq!(record["status"], 201);
    assert_eq!(record["principal"], "system");
    assert_eq!(record["requestId"], "req-1");
    assert_admin(&vault, &credential).await;
    assert_ne!(credential["clientId"], vault.client_id);
    vault.read("x").await.expect(404);
    let bootstraps = records
        .iter()
        .filter(|record| record["path"] == "token:bootstrap" && record["status"] == 201);
    assert_eq!(bootstraps.count(), 1);
}

#[tokio::test]
async fn recovery_brings_the_admin_role_back() {
    for removed in [false, true] {
        let vault = Vault::start().await;
        let mut role = vault.items_of("ROLE#admin").remove(0);
        if removed {
            vault.delete_item(&role);
        } else {
            role["deletedAt"] = json!({"N": "1"});
            vault.put_item(&role);
        }
        vault.read("x").await.expect(401);
        let credential = invoke(&vault, json!({"recover": true})).await.unwrap();
        assert_admin(&vault, &credential).await;
        vault.read("x").await.refused(401, "unable to authenticate");
    }
}

#[tokio::test]
async fn recovery_before_the_first_admin_is_refused() {
    let vault = empty();
    let refused = invoke(&vault, json!({"recover": true})).await.unwrap_err();
    assert!(
        refused.to_string().contains("{\"bootstrap\": {}}"),
        "{refused}"
    );
    assert_eq!(vault.items().len(), 0);
}

#[tokio::test]
async fn any_other_payload_is_refused() {
    let vault = empty();
    for payload in [
        json!({}),
        json!(null),
        json!("bootstrap"),
        json!({"recover": false}),
        json!({"recover": "true"}),
        json!({"bootstrap": {}, "recover": true}),
    ] {
        let refused = invoke(&vault, payload.clone()).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("payload: "),
            "{payload}: {refused}"
        );
    }
    assert_eq!(vault.items().len(), 0);
}
