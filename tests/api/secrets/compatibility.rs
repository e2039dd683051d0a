//! What broke, or would break, a published DSV client.

use http::Method;
use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_comes_bare_or_with_bearer() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);

    for header in [
        vault.token.clone(),
        format!("Bearer {}", vault.token),
        format!("bearer {}", vault.token),
        format!(" Bearer  {} ", vault.token),
    ] {
        get(&vault, "/v1/secrets/a", &[("authorization", &header)])
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn without_a_good_token_everything_is_a_401_that_says_so() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    let basic = format!("Basic {}", vault.token);
    let cut = vault
        .token
        .chars()
        .take(vault.token.len() - 2)
        .collect::<String>();
    let headers: &[&[(&str, &str)]] = &[
        &[],
        &[("authorization", "")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer")],
        &[("authorization", &basic)],
        &[("authorization", "a.b.c")],
        &[("authorization", &cut)],
    ];
    for headers in headers {
        for (method, target) in every_route() {
            let answer = vault.send(method, target, headers, b"{}".to_vec()).await;
            is_error(&answer, 401, "unable to authenticate");
        }
    }
    vault.read("a").await.expect(200);
}

#[tokio::test]
async fn an_empty_authorization_does_not_disturb_signing_in() {
    let vault = Vault::start().await;
    let body = json!({
        "grant_type": "client_credentials",
        "client_id": vault.client_id, "client_secret": vault.client_secret,
    });
    let headers = [("authorization", ""), ("content-type", "application/json")];

    let answer = vault
        .send(
            Method::POST,
            "/v1/token",
            &headers,
            body.to_string().into_bytes(),
        )
        .await;

    assert!(answer.expect(200).json()["accessToken"].is_string());
}

#[tokio::test]
async fn a_method_or_path_that_is_not_there_answers_json() {
    let vault = Vault::start().await;
    for (method, target, status) in [
        (Method::PATCH, "/v1/secrets/a", 405),
        (Method::POST, "/v1/secrets", 405),
        (Method::DELETE, "/v1/secrets", 405),
        (Method::PUT, "/v1/secrets", 405),
        (Method::GET, "/v1/nothing", 404),
        (Method::GET, "/v2/secrets/a", 404),
        (Method::GET, "/", 404),
        (Method::POST, "/v1/secretsx/a", 404),
    ] {
        let answer = vault.ask(method.clone(), target, Some(&json!({}))).await;
        is_error(&answer, status, "");
    }
}

#[tokio::test]
async fn every_client_error_is_json_with_code_and_message() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    for (answer, status) in [
        (vault.create("a", json!({})).await, 400),
        (vault.create("b%20c", json!({})).await, 400),
        (vault.create("b", json!({"data": 1})).await, 400),
        (vault.read("b").await, 404),
        (vault.read("%00").await, 400),
        (vault.put("b/restore").await, 404),
        (vault.search("limit=x").await, 400),
        (vault.delete("b").await, 404),
    ] {
        is_error(&answer, status, "");
    }
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let vault = Vault::start().await;
    vault
        .create("a/b/", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    vault.read("a/b/").await.expect(200);
    vault
        .update("a/b/", json!({"data": {"n": 1}}))
        .await
        .expect(200);
    vault.put("a/b/rollback/0/").await.expect(200);
    vault.delete("a/b/").await.expect(200);
    vault.put("a/b/restore/").await.expect(200);
    let found = vault
        .ask(Method::GET, "/v1/secrets/?searchTerm=b", None)
        .await;
    assert_eq!(found.expect(200).json()["total"], 1);
    vault.delete("a/b/?force=true").await.expect(204);
}

#[tokio::test]
async fn headers_that_clients_send_besides_are_ignored() {
    let vault = Vault::start().await;
    let headers = [
        ("authorization", vault.token.as_str()),
        ("content-type", "application/json"),
        ("delinea-dsv-client", "cli-1.41.1-linux/amd64"),
        ("user-agent", "dsv-1.41.1-linux-amd64"),
        ("accept", "*/*"),
    ];
    let body = br#"{"Data":{"n":1},"Description":"","Attributes":{},"Overwrite":false}"#.to_vec();
    vault
        .send(Method::POST, "/v1/secrets/a", &headers, body)
        .await
        .expect(201);
    get(&vault, "/v1/secrets/a?edit=false", &headers)
        .await
        .expect(200);
    // A body needs no content type, and a wrong one does no harm.
    let headers = [
        ("authorization", vault.token.as_str()),
        ("content-type", "text/plain"),
    ];
    vault
        .send(Method::PUT, "/v1/secrets/a", &headers, b"{}".to_vec())
        .await
        .expect(200);
}

#[tokio::test]
async fn versions_are_strings_and_times_whole_seconds() {
    let vault = Vault::start().await;
    vault.clock.advance(std::time::Duration::from_millis(999));
    vault.create("a", json!({})).await.expect(201);
    vault.update("a", json!({})).await.expect(200);
    let answers = [
        vault.read("a").await.expect(200).json(),
        vault.read("a::description").await.expect(200).json(),
        vault.read("a/version/1").await.expect(200).json()["data"][1].clone(),
        vault.search("").await.expect(200).json()["data"][0].clone(),
    ];
    for answer in answers {
        assert!(answer["version"].is_string());
        for field in ["created", "lastModified"] {
            let text = answer[field].as_str().unwrap();
            assert_eq!(
                (text.len(), text.ends_with('Z'), text.contains('.')),
                (20, true, false)
            );
        }
    }
}

#[tokio::test]
async fn a_published_clients_session_works_from_end_to_end() {
    let vault = Vault::start().await;
    let sent = |data: Value, overwrite: bool| json!({"Data": data, "Description": "", "Attributes": {}, "Overwrite": overwrite});
    vault
        .create("us/db", sent(json!({"pw": "1"}), false))
        .await
        .expect(201);
    // `secret edit`: read to edit, then overwrite with all of it.
    let edit = vault.read("us/db?edit=true").await.expect(200).json();
    assert_eq!(edit["data"], json!({"pw": "1"}));
    vault
        .update("us/db", sent(json!({"pw": "2", "user": "u"}), true))
        .await
        .expect(200);
    // `secret rollback` without a version: describe, then one less.
    let described = vault
        .read("us/db::description?edit=false")
        .await
        .expect(200)
        .json();
    let current: u64 = described["version"].as_str().unwrap().parse().unwrap();
    let back = vault
        .put(&format!("us/db/rollback/{}", current - 1))
        .await
        .expect(200)
        .json();
    assert_eq!(back["data"], json!({"pw": "1"}));
    let message = vault
        .delete("us/db?force=false")
        .await
        .expect(200)
        .message();
    assert!(message.contains("marked for deletion and will be removed in about 72 hours"));
    assert_eq!(vault.put("us/db/restore").await.expect(200).text(), "");
    assert_eq!(
        vault.delete("us/db?force=true").await.expect(204).text(),
        ""
    );
}

fn every_route() -> Vec<(Method, &'static str)> {
    vec![
        (Method::GET, "/v1/secrets"),
        (Method::GET, "/v1/secrets/a"),
        (Method::GET, "/v1/secrets/a::description"),
        (Method::GET, "/v1/secrets/a::listpaths"),
        (Method::GET, "/v1/secrets/a/version/1"),
        (Method::GET, "/v1/secrets/missing"),
        (Method::POST, "/v1/secrets/b"),
        (Method::PUT, "/v1/secrets/a"),
        (Method::PUT, "/v1/secrets/a/rollback/0"),
        (Method::PUT, "/v1/secrets/a/restore"),
        (Method::DELETE, "/v1/secrets/a?force=true"),
    ]
}

async fn get(vault: &Vault, target: &str, headers: &[(&str, &str)]) -> Answer {
    vault.send(Method::GET, target, headers, Vec::new()).await
}

/// JSON with an integer `code` and a `message` that is not empty.
#[track_caller]
fn is_error(answer: &Answer, status: u16, part: &str) {
    answer.clone().refused(status, part);
    assert!(!answer.message().is_empty(), "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/json");
}
