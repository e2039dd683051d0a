//! The first admin over HTTP: where nobody else could ask, or with the deployment's setup code.

use http::Method;
use mayfly::app::Setup;
use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

use crate::bootstrap::{assert_admin, empty, invoke};

const CODE: &str = "a setup code of the deployment";

async fn initialise(vault: &Vault, body: &Value) -> Answer {
    let body = body.to_string().into_bytes();
    // The DSV command line sends an empty Authorization header here.
    let headers = [("authorization", "")];
    vault
        .send(Method::POST, "/v1/initialize", &headers, body)
        .await
}

fn admin() -> Value {
    json!({"UserName": "Alice", "Password": "correct horse battery"})
}

#[tokio::test]
async fn the_first_user_is_the_admin_and_the_only_one() {
    let vault = empty().with_setup(Setup::Open);
    let heartbeat = async || {
        let answer = vault
            .send(Method::GET, "/v1/heartbeat", &[], Vec::new())
            .await;
        answer.expect(200).json()["statusCode"].clone()
    };
    assert_eq!(heartbeat().await, 2);
    initialise(&vault, &admin()).await.expect(200);
    assert_ne!(heartbeat().await, 2);
    let signed_in =
        json!({"grant_type": "password", "username": "alice", "password": "correct horse battery"});
    let body = signed_in.to_string().into_bytes();
    let answer = vault
        .send(Method::POST, "/v1/token", &[], body)
        .await
        .expect(200)
        .json();
    let token = answer["accessToken"].as_str().unwrap();
    vault
        .ask_as(token, Method::GET, "/v1/config", None)
        .await
        .expect(200);
    initialise(&vault, &admin())
        .await
        .refused(400, "has had its first admin");
    assert_eq!(vault.items_of("USER#").len(), 1);
    let credential = invoke(&vault, json!({"recover": true})).await.unwrap();
    assert_admin(&vault, &credential).await;
}

#[tokio::test]
async fn a_deployment_lets_nobody_in_without_its_code() {
    let closed = empty().with_setup(Setup::Closed);
    initialise(&closed, &admin())
        .await
        .refused(403, "Invalid permissions");
    let vault = empty().with_setup(Setup::Code(CODE.to_owned().into()));
    for code in [
        json!(null),
        json!(""),
        json!("guess"),
        json!(format!("{CODE} ")),
    ] {
        let mut body = admin();
        body["setupCode"] = code;
        initialise(&vault, &body)
            .await
            .refused(403, "Invalid permissions");
    }
    assert_eq!(vault.items().len(), 0);
    let mut body = admin();
    body["setupCode"] = json!(CODE);
    initialise(&vault, &body).await.expect(200);
    let stored = serde_json::to_string(&vault.items()).unwrap();
    assert!(!stored.contains("correct horse") && !stored.contains(CODE));
}

#[tokio::test]
async fn a_first_admin_without_a_proper_name_or_password_is_refused() {
    let vault = empty().with_setup(Setup::Open);
    for (name, password, field) in [
        ("", "correct horse battery", "userName"),
        ("a:b", "correct horse battery", "userName"),
        ("alice", "", "password"),
        ("alice", "short", "password"),
        ("alice.smith", "alice.smith", "password"),
    ] {
        let body = json!({"userName": name, "password": password});
        initialise(&vault, &body).await.refused(400, field);
    }
    assert_eq!(vault.items().len(), 0);
}
