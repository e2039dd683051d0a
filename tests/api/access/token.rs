//! `POST /v1/token`, the heartbeat and the public keys.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use mayfly::{
    access::{
        rules::Rules,
        snapshot::{PublicKey, Snapshot},
        token,
    },
    clock::Clock,
    seal::KeyFile,
};
use mayfly_tests::{Answer, Vault, vault::plain};
use serde_json::{Value, json};

/// One part of a token, as JSON.
fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn post(vault: &Vault, headers: &[(&str, &str)], body: &str) -> Answer {
    let body = body.as_bytes().to_vec();
    vault.send(Method::POST, "/v1/token", headers, body).await
}

#[tokio::test]
async fn a_grant_has_the_shape_that_clients_read() {
    let vault = Vault::start().await;
    let answer = vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let grant = answer.json();
    let keys: Vec<&String> = grant.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["accessToken", "expiresIn", "refreshToken", "tokenType"]
    );
    assert_eq!(grant["expiresIn"], 3000);
    assert_eq!(grant["tokenType"], "bearer");
    assert_eq!(grant["refreshToken"], "");

    let token = grant["accessToken"].as_str().unwrap();
    assert_eq!(token.split('.').count(), 3);
    let (header, claims) = (part(token, 0), part(token, 1));
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["kid"].as_str().unwrap().len(), 36);
    assert_eq!(claims["sub"], "roles:admin");
    assert_eq!(claims["cid"], vault.client_id);
    assert_eq!(claims["aud"], "mayfly");
    let stored = plain(&vault.items_of("VAULT").remove(0));
    let issuer = format!("mayfly:{}", stored["vaultId"].as_str().unwrap());
    assert_eq!(claims["iss"], issuer);
    let now = vault.clock.now().unix_timestamp();
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(now), &json!(now + 3600))
    );
    let role = plain(&vault.items_of("ROLE#admin").remove(0));
    assert_eq!(claims["pid"], role["id"]);
}

#[tokio::test]
async fn each_grant_is_a_token_of_its_own() {
    let vault = Vault::start().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        let answer = vault.sign_in(&vault.client_id, &vault.client_secret).await;
        let token = answer.json()["accessToken"].as_str().unwrap().to_owned();
        assert!(seen.insert(part(&token, 1)["jti"].to_string()));
    }
}

#[tokio::test]
async fn json_and_forms_sign_in_and_an_authorization_header_is_ignored() {
    let vault = Vault::start().await;
    let (id, secret) = (&vault.client_id, &vault.client_secret);
    let json = |id: &str| {
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret})
            .to_string()
    };
    let cased =
        json!({"Grant_Type": "client_credentials", "CLIENT_ID": id, "client_Secret": secret});
    let padded = json!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret,
        "username": "", "refresh_token": "", "provider": "", "unknown": {"a": 1},
    });
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&x=");
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let with_charset = (
        "content-type",
        "application/x-www-form-urlencoded; charset=UTF-8",
    );
    for (headers, body) in [
        (vec![], json(id)),
        (vec![("authorization", "")], json(id)),
        (vec![("authorization", "Bearer nonsense")], json(id)),
        (vec![("content-type", "application/json")], json(id)),
        (vec![], json(&id.to_uppercase())),
        (vec![], cased.to_string()),
        (vec![], padded.to_string()),
        (vec![form_type], form.clone()),
        (vec![form_type], json(id)),
        (vec![with_charset], form),
    ] {
        let answer = post(&vault, &headers, &body).await.expect(200);
        let token = answer.json()["accessToken"].as_str().unwrap().to_owned();
        for bearer in [
            token.clone(),
            format!("Bearer {token}"),
            format!("bearer {token}"),
        ] {
            vault
                .ask_as(&bearer, Method::GET, "/v1/secrets/x", None)
                .await
                .expect(404);
        }
    }
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_a_400_that_names_the_field() {
    let vault = Vault::start().await;
    let grant = "client_credentials";
    for (body, says) in [
        (
            json!({"grant_type": grant, "client_secret": "x"}).to_string(),
            "client_id: is required",
        ),
        (
            json!({"grant_type": grant, "client_id": "", "client_secret": "x"}).to_string(),
            "client_id: is required",
        ),
        (
            json!({"grant_type": grant, "client_id": "x"}).to_string(),
            "client_secret: is required",
        ),
        (
            json!({"grant_type": 7}).to_string(),
            "grant_type: must be a string",
        ),
        ("nonsense".to_owned(), "body: "),
        (String::new(), "body: "),
    ] {
        post(&vault, &[], &body).await.refused(400, says);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_credential_the_answer_is_the_same() {
    let vault = Vault::start().await;
    let unknown = uuid::Uuid::new_v4().to_string();
    let longer = format!("{}x", vault.client_secret);
    let right = vault.client_secret.clone();
    for (id, secret) in [
        (vault.client_id.as_str(), "wrong"),
        (&vault.client_id, &longer),
        (&unknown, &right),
        ("not-an-id", &right),
        ("roles:admin", &right),
    ] {
        vault
            .sign_in(id, secret)
            .await
            .refused(401, "unable to authenticate");
    }
}

#[tokio::test]
async fn a_warm_grant_makes_one_read_and_one_record() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
    assert_eq!(vault.wire.operations(), ["BatchGetItem", "PutItem"]);
}

#[tokio::test]
async fn failed_grants_are_recorded_but_not_all_of_them() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let failures = |vault: &Vault| {
        let mut records = vault.audit();
        records.retain(|record| record["message"] == "login failed");
        records
    };
    for _ in 0..50 {
        vault.sign_in(&vault.client_id, "wrong").await.expect(401);
    }
    let records = failures(&vault);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], 401);
    assert_eq!(records[0]["path"], "token");
    assert_eq!(records[0]["principal"], "");
    assert_eq!(records[0]["clientId"], vault.client_id);
    vault.clock.advance(Duration::from_secs(1));
    vault.sign_in(&vault.client_id, "wrong").await.expect(401);
    assert_eq!(failures(&vault).len(), 2);
}

#[tokio::test]
async fn the_heartbeat_says_whether_there_is_an_admin() {
    let fresh = Vault::empty(Arc::new(KeyFile::ephemeral().unwrap()));
    let beat = fresh.ask(Method::GET, "/v1/heartbeat", None).await;
    assert_eq!(beat.expect(200).json()["statusCode"], 2);
    fresh
        .sign_in(&uuid::Uuid::new_v4().to_string(), "x")
        .await
        .refused(401, "unable to authenticate");
    fresh.read("x").await.refused(401, "unable to authenticate");

    let vault = Vault::start().await;
    for process in [&vault, &vault.another()] {
        let beat = process.ask(Method::GET, "/v1/heartbeat", None).await;
        let code = beat.expect(200).json()["statusCode"].as_i64().unwrap();
        assert_ne!(code, 2);
    }
}

#[tokio::test]
async fn the_public_keys_verify_a_token() {
    let vault = Vault::start().await;
    let answer = vault
        .ask_as("", Method::GET, "/v1/.well-known/jwks.json", None)
        .await
        .expect(200)
        .json();
    let keys = answer["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let text = |name: &str| keys[0][name].as_str().unwrap().to_owned();
    assert_eq!((text("kty"), text("crv")), ("OKP".into(), "Ed25519".into()));
    assert_eq!((text("alg"), text("use")), ("EdDSA".into(), "sig".into()));
    assert!(keys[0].get("d").is_none(), "no private half");
    let stored = plain(&vault.items_of("VAULT").remove(0));
    let key = PublicKey {
        kid: text("kid"),
        x: text("x"),
        from: 0,
    };
    let vault_id = stored["vaultId"].as_str().unwrap().parse().unwrap();
    let rules = Rules::of(
        Snapshot::new(vault_id, Vec::new(), key),
        "any epoch".to_owned(),
    );
    let verified = token::verify(&vault.token, &rules, vault.clock.now());
    assert_eq!(verified.unwrap().unwrap().claims.sub, "roles:admin");
}
