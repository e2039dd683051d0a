//! Tokens, the heartbeat and the first admin.

use std::sync::Arc;

use http::Method;
use mayfly::{app::Setup, seal::KeyFile};
use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

use super::{Client, NUMBER, TEXT, check, holds};

const FORM: &str = "application/x-www-form-urlencoded";
const PASSWORD: &str = "correct horse battery";

/// Asks for a token as clients do: with an empty `Authorization` header.
async fn grant(vault: &Vault, content_type: &str, body: &str) -> Answer {
    let headers = [("authorization", ""), ("content-type", content_type)];
    let body = body.as_bytes().to_vec();
    let answer = vault.send(Method::POST, "/v1/token", &headers, body).await;
    check("POST /v1/token", &answer);
    answer
}

fn granted(refresh: &Value) -> Value {
    json!({"accessToken": TEXT, "tokenType": "bearer", "expiresIn": NUMBER, "refreshToken": refresh})
}

#[tokio::test]
async fn grants_as_clients_send_them() {
    let mut client = Client::admin().await;
    client.become_user("bob").await;
    let (id, secret) = (
        client.vault.client_id.clone(),
        client.vault.client_secret.clone(),
    );
    let by_client =
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
    let by_password = json!({"grant_type": "password", "username": "bob", "password": PASSWORD});
    let sidecar = json!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "cert_challenge_id": "",
        "decrypted_challenge": "",
    });
    let client_form =
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let password_form =
        "grant_type=password&username=bob&password=correct+horse%20battery&provider=";
    for (content_type, body, refresh) in [
        ("application/json", by_client.to_string(), json!("")),
        ("application/json", sidecar.to_string(), json!("")),
        ("application/json", by_password.to_string(), json!(TEXT)),
        (FORM, client_form, json!("")),
        (FORM, password_form.to_owned(), json!(TEXT)),
    ] {
        let answer = grant(&client.vault, content_type, &body).await.expect(200);
        holds(&body, "", &answer.json(), &granted(&refresh));
        let refresh_token = answer.json()["refreshToken"].as_str().unwrap().to_owned();
        if !refresh_token.is_empty() {
            let body = format!("grant_type=refresh_token&refresh_token={refresh_token}");
            let renewed = grant(&client.vault, FORM, &body).await.expect(200);
            holds(&body, "", &renewed.json(), &granted(&json!(TEXT)));
        }
    }
    let wrong =
        json!({"grant_type": "password", "username": "bob", "password": "wrong"}).to_string();
    let refused = grant(&client.vault, "application/json", &wrong)
        .await
        .expect(401);
    assert_eq!(
        refused.json(),
        json!({"code": 401, "message": "unable to authenticate"})
    );
    grant(&client.vault, FORM, "grant_type=")
        .await
        .refused(400, "grant_type");
}

#[tokio::test]
async fn a_token_comes_in_any_clothes() {
    let client = Client::admin().await;
    let token = client.token.clone();
    for header in [
        token.clone(),
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
    ] {
        for target in [
            "/v1/roles",
            "/v1/roles/",
            "/v1/config",
            "/v1/clients?role=admin",
            "/v1/secrets",
            "/v1/secrets/",
        ] {
            let headers = [("authorization", header.as_str())];
            let answer = client
                .vault
                .send(Method::GET, target, &headers, Vec::new())
                .await;
            check(target, &answer.expect(200));
        }
    }
}

#[tokio::test]
async fn a_vault_is_set_up_as_the_command_line_does_it() {
    let vault = Vault::empty(Arc::new(KeyFile::ephemeral().unwrap())).with_setup(Setup::Open);
    let ask = async |line: &str, body: &str| {
        let (method, target) = line.split_once(' ').unwrap();
        let headers = [("authorization", ""), ("content-type", "application/json")];
        let body = body.as_bytes().to_vec();
        let answer = vault
            .send(method.parse().unwrap(), target, &headers, body)
            .await;
        check(line, &answer);
        answer.expect(200).json()
    };
    let beat = ask("GET /v1/heartbeat", "").await;
    holds(
        "heartbeat",
        "",
        &beat,
        &json!({"statusCode": 2, "message": TEXT}),
    );
    let admin = format!(r#"{{"UserName":"alice","Password":"{PASSWORD}"}}"#);
    ask("POST /v1/initialize", &admin).await;
    let beat = ask("GET /v1/heartbeat", "").await;
    assert_ne!(beat["statusCode"], 2);
    let body =
        json!({"grant_type": "password", "username": "alice", "password": PASSWORD}).to_string();
    ask("POST /v1/token", &body).await;
}
