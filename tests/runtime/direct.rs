//! Direct invocation, and who may take HTTP events.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
    runtime_api::Outcome,
    vault::{assume_role, base, dynamic},
};
use serde_json::{Value, json};

/// A vault whose gateway invokes `live`, and whose alias `reports` acts as the admin.
async fn deployed() -> (Deployment, String) {
    let env = [(
        "MAYFLY_ALIASES",
        r#"{"reports":"roles:admin","nobody":"roles:gone"}"#,
    )];
    let vault = Deployment::start(&env).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for (path, body) in [
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        let create = Sent::new("POST", format!("/v1/secrets/{path}"))
            .header("authorization", &token)
            .json(&body);
        vault
            .send(Shape::HttpApi, &create)
            .await
            .unwrap()
            .expect(201);
    }
    (vault, token)
}

fn failed(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed {
            error_type,
            message,
        } => (error_type, message),
        Outcome::Answer(answer) => panic!("answered {answer}"),
    }
}

#[tokio::test]
async fn a_mapped_alias_mints_as_its_principal() {
    let (vault, _) = deployed().await;
    let invoke = |payload: Value| vault.dynamic_read.invoke_as(Some("reports"), payload);
    let minted = invoke(json!({"path": "reader"}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert!(minted["data"]["sessionToken"].is_string());
    let stored = invoke(json!({"path": "reader", "version": 0}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert_eq!(stored["data"], json!({}));
}

#[tokio::test]
async fn a_failed_direct_invocation_says_what_kind_of_failure_it_was() {
    let (vault, _) = deployed().await;
    for (alias, payload, expected) in [
        (Some("other"), json!({"path": "reader"}), "Forbidden"),
        (None, json!({"path": "reader"}), "Forbidden"),
        (Some("nobody"), json!({"path": "reader"}), "Unauthenticated"),
        (Some("reports"), json!({"path": "gone"}), "NotFound"),
        (Some("reports"), json!({"path": "a b"}), "Invalid"),
        (Some("reports"), json!({"paht": "reader"}), "Invalid"),
        (Some("reports"), json!(7), "Invalid"),
    ] {
        let (kind, message) = failed(
            vault
                .dynamic_read
                .invoke_as(alias, payload.clone())
                .await
                .unwrap(),
        );
        assert_eq!(kind, expected, "{alias:?} {payload}: {message}");
    }
    let (kind, _) = failed(vault.crud.invoke(json!({"path": "reader"})).await.unwrap());
    assert_eq!(kind, "Refused", "crud has no direct invocation");
}

#[tokio::test]
async fn http_events_are_taken_on_the_gateways_alias_only() {
    let (vault, token) = deployed().await;
    let event = Sent::new("GET", "/v1/secrets/reader")
        .header("authorization", &token)
        .event(Shape::HttpApi);
    let (kind, _) = failed(
        vault
            .dynamic_read
            .invoke_as(Some("reports"), event.clone())
            .await
            .unwrap(),
    );
    assert_eq!(kind, "Refused");
    let answer = vault
        .dynamic_read
        .invoke(event)
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert_eq!(answer["statusCode"], 200);
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_can_be_made_again_by_recovery() {
    let vault = Deployment::start(&[]).await.unwrap();
    let (kind, _) = failed(vault.token.invoke(json!({"recover": true})).await.unwrap());
    assert_eq!(kind, "Invalid");
    vault
        .token
        .invoke(json!({"bootstrap": {}}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    let (kind, message) = failed(vault.token.invoke(json!({"bootstrap": {}})).await.unwrap());
    assert_eq!(kind, "Invalid", "{message}");
    let recovered = vault
        .token
        .invoke(json!({"recover": true}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    let grant = json!({
        "grant_type": "client_credentials",
        "client_id": recovered["clientId"],
        "client_secret": recovered["clientSecret"],
    });
    vault
        .send(Shape::HttpApi, &Sent::new("POST", "/v1/token").json(&grant))
        .await
        .unwrap()
        .expect(200);
}
