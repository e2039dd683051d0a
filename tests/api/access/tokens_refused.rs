//! Whatever ends a token ends it at the very next request, in every other warm process, at no call more than a read
//! makes anyway.

use std::time::Duration;

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Vault,
    vault::{access_token, rule},
};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const BETTER: &str = "better horse battery";
const SECRET: &str = "/v1/secrets/a/b";

/// Somebody who is signed in: the token, and the client that got it.
struct Signed {
    token: String,
    client: String,
}

async fn post(vault: &Vault, target: &str, body: Value) -> Value {
    let answer = vault.ask(Method::POST, target, Some(&body)).await;
    assert!(answer.status < 300, "{target}: {}", answer.text());
    answer.json()
}

/// Signs in a role or a user that may read the secret.
async fn signed_in(vault: &Vault, who: &str) -> Signed {
    vault
        .create("a/b", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault
        .set_rules(vec![rule(
            Effect::Allow,
            &format!("{who}:app"),
            "secrets:a:b",
            "read",
        )])
        .await;
    if who == "roles" {
        post(vault, "/v1/roles", json!({"name": "app"})).await;
        let client = post(vault, "/v1/clients", json!({"role": "app"})).await;
        let text = |name: &str| client[name].as_str().unwrap().to_owned();
        let granted = vault
            .sign_in(&text("clientId"), &text("clientSecret"))
            .await;
        return Signed {
            token: access_token(&granted.expect(200)),
            client: text("clientId"),
        };
    }
    post(
        vault,
        "/v1/users",
        json!({"userName": "app", "password": PASSWORD}),
    )
    .await;
    let grant = json!({"grant_type": "password", "username": "app", "password": PASSWORD});
    let granted = vault
        .ask_as("", Method::POST, "/v1/token", Some(&grant))
        .await;
    Signed {
        token: access_token(&granted.expect(200)),
        client: String::new(),
    }
}

/// What ends a token: requests of the admin, or with the token itself.
fn fates() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let role = json!({"name": "app"});
    let user = json!({"userName": "app", "password": PASSWORD});
    let own = json!({"currentPassword": PASSWORD, "newPassword": BETTER});
    vec![
        ("roles", vec![("DELETE /v1/roles/app", json!(null))]),
        (
            "roles",
            vec![("DELETE /v1/roles/app?force=true", json!(null))],
        ),
        (
            "roles",
            vec![
                ("DELETE /v1/roles/app?force=true", json!(null)),
                ("POST /v1/roles", role),
            ],
        ),
        ("roles", vec![("DELETE /v1/clients/{client}", json!(null))]),
        (
            "roles",
            vec![("DELETE /v1/clients/{client}?force=true", json!(null))],
        ),
        ("users", vec![("DELETE /v1/users/app", json!(null))]),
        (
            "users",
            vec![("DELETE /v1/users/app?force=true", json!(null))],
        ),
        (
            "users",
            vec![
                ("DELETE /v1/users/app?force=true", json!(null)),
                ("POST /v1/users", user),
            ],
        ),
        (
            "users",
            vec![("PUT /v1/users/app", json!({"password": BETTER}))],
        ),
        (
            "users",
            vec![("PUT /v1/users/app", json!({"password": PASSWORD}))],
        ),
        ("users", vec![("OWN /v1/users/app/password", own)]),
    ]
}

#[tokio::test]
async fn what_ends_a_token_ends_it_at_the_next_request_everywhere() {
    for (who, requests) in fates() {
        let vault = Vault::start().await;
        let signed = signed_in(&vault, who).await;
        let other = vault.another();
        other.wire.bad_weather(0);
        let read = || other.ask_as(&signed.token, Method::GET, SECRET, None);
        read().await.expect(200);
        other.wire.clear();
        read().await.expect(200);
        assert_eq!(other.wire.operations(), ["BatchGetItem", "PutItem"], "warm");
        for (line, body) in &requests {
            let (method, target) = line.split_once(' ').unwrap();
            let target = target.replace("{client}", &signed.client);
            let body = Some(body).filter(|body| !body.is_null());
            let done = match method {
                "OWN" => {
                    vault
                        .ask_as(&signed.token, Method::POST, &target, body)
                        .await
                }
                method => vault.ask(method.parse().unwrap(), &target, body).await,
            };
            assert!(done.status < 300, "{line}: {}", done.text());
        }
        other.wire.clear();
        read().await.refused(401, "unable to authenticate");
        assert_eq!(other.wire.operations(), ["BatchGetItem"], "{requests:?}");
        let vault_too = vault.ask_as(&signed.token, Method::GET, SECRET, None).await;
        vault_too.refused(401, "unable to authenticate");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_costs_nothing_at_all() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let other = vault.another();
    other.wire.bad_weather(0);
    other.ask(Method::GET, "/v1/roles", None).await.expect(200);
    vault.clock.advance(Duration::from_hours(1));
    other.wire.clear();
    let refused = other.ask(Method::GET, "/v1/roles", None).await;
    refused.refused(401, "unable to authenticate");
    assert_eq!(other.wire.operations(), [""; 0]);
}
