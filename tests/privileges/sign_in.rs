//! Signing in, in every way, right and wrong.

use std::{sync::Arc, time::Duration};

use http::Method;
use mayfly::{
    app::Setup,
    seal::{KeyFile, Purpose},
};
use mayfly_tests::{Vault, privileges::Record, vault::access_token};
use serde_json::{Value, json};

use crate::scenario::{PASSWORD, Scenario};

/// The first admin of another vault, a user, is made over HTTP.
pub(crate) async fn by_http_and_with_a_code(record: Record) {
    let keys = Arc::new(KeyFile::ephemeral().unwrap());
    let vault = Vault::empty(keys).recording(record).with_setup(Setup::Open);
    let body = json!({"userName": "root", "password": PASSWORD});
    let made = vault
        .ask_as("", Method::POST, "/v1/initialize", Some(&body))
        .await;
    assert!(made.status < 300, "{}", made.text());
}

pub(crate) async fn play(scenario: &mut Scenario) {
    scenario.get("heartbeat").await;
    scenario.get(".well-known/jwks.json").await;
    scenario.invoke_token(json!({"rotate": {}})).await;
    scenario
        .invoke_token(json!({"rotate": {"voidTokens": true}}))
        .await;
    scenario.invoke_token(json!({"recover": true})).await;
    scenario.vault.wait(Duration::from_mins(5)).await;
    users(scenario).await;
    clients(scenario).await;
}

async fn users(scenario: &mut Scenario) {
    scenario.make_user("ada").await;
    scenario.login("ada", "wrong").await.expect(401);
    let signed_in = scenario.login("ada", PASSWORD).await.expect(200).json();
    let refresh = |token: &Value| json!({"grant_type": "refresh_token", "refresh_token": token});
    let renewed = scenario.grant(refresh(&signed_in["refreshToken"])).await;
    let renewed = renewed.expect(200).json();
    // Used twice, it is a thief's.
    scenario
        .grant(refresh(&signed_in["refreshToken"]))
        .await
        .expect(401);
    drop(renewed);
    let other = scenario.login("ada", PASSWORD).await.expect(200).json();
    let token = other["refreshToken"].as_str().unwrap();
    scenario.post(&format!("revoke/{token}"), Value::Null).await;

    // A password under an older branch key is hashed anew when it is typed.
    let sealer = &scenario.vault.app.sealer;
    sealer.rotate(Purpose::Verifier).await.unwrap();
    scenario.vault.wait(Duration::from_mins(20)).await;
    for _ in 0..5 {
        scenario.login("ada", PASSWORD).await.expect(200);
    }
}

async fn clients(scenario: &Scenario) {
    scenario.post("roles", json!({"name": "app"})).await;
    let limited = json!({"role": "app", "usesLimit": 2, "ttl": 3600});
    let client = scenario.post("clients", limited).await.json();
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("clientId"), text("clientSecret"));
    access_token(&scenario.vault.sign_in(&id, &secret).await.expect(200));
    scenario.vault.sign_in(&id, "wrong").await.expect(401);

    let waiting = json!({"role": "app", "url": true});
    let waiting = scenario.post("clients", waiting).await.json();
    let address = waiting["urlPath"].as_str().unwrap();
    let code = address.rsplit_once('/').unwrap().1;
    let target = format!("/v1/clients/bootstrap/{code}");
    let opened = scenario
        .vault
        .send(Method::GET, &target, &[], Vec::new())
        .await;
    opened.expect(200);
    let again = scenario
        .vault
        .send(Method::GET, &target, &[], Vec::new())
        .await;
    again.expect(400);
}
