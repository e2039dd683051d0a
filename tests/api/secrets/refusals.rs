//! What no write takes: a 400 that names the field, and nothing stored.

use http::Method;
use mayfly_tests::Vault;
use serde_json::{Value, json};

#[tokio::test]
async fn a_body_that_is_no_such_object_is_refused_by_name() {
    let vault = Vault::start().await;
    vault
        .create("there", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");
    let cases: &[(&str, &str)] = &[
        ("", "body: "),
        ("{", "body: "),
        ("nonsense", "body: "),
        ("[]", "body: "),
        ("null", "body: "),
        ("\"text\"", "body: "),
        (r#"{"data":{}} {}"#, "body: "),
        (r#"{"data":{"a":1,}}"#, "body: "),
        ("{\"data\":{\"a\":\"\u{1}\"}}", "body: "),
        (r#"{"data":"text"}"#, "data: "),
        (r#"{"data":[1]}"#, "data: "),
        (r#"{"data":7}"#, "data: "),
        (r#"{"attributes":[]}"#, "attributes: "),
        (r#"{"attributes":"x"}"#, "attributes: "),
        (r#"{"description":7}"#, "description: "),
        (r#"{"description":{}}"#, "description: "),
        (r#"{"overwrite":"yes"}"#, "overwrite: "),
        (r#"{"overwrite":1}"#, "overwrite: "),
        (
            r#"{"data":{"a":1},"data":{"a":2}}"#,
            "body: has a key twice",
        ),
        (
            r#"{"data":{"a":1},"Data":{"a":2}}"#,
            "body: has a key twice",
        ),
        (r#"{"x":1,"X":2}"#, "body: has a key twice"),
        (r#"{"data":{"a":1,"a":2}}"#, "body: has a key twice"),
        (
            r#"{"data":{"l":[{"b":{"a":1,"\u0061":2}}]}}"#,
            "body: has a key twice",
        ),
        (
            r#"{"attributes":{"a":{"b":1,"b":2}}}"#,
            "body: has a key twice",
        ),
    ];
    for (body, part) in cases {
        for (method, path) in [(Method::POST, "new"), (Method::PUT, "there")] {
            send(&vault, method, path, body.as_bytes())
                .await
                .refused(400, part);
        }
    }
    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let vault = Vault::start().await;

    send(&vault, Method::POST, "a", b"{\"data\":{\"a\":\"\xff\"}}")
        .await
        .refused(400, "body: ");

    assert!(vault.items_of("SECRET").is_empty());
}

#[tokio::test]
async fn json_may_nest_32_deep_and_no_deeper() {
    let vault = Vault::start().await;
    // The body and `data` are two levels.
    let nested = |n: usize| {
        format!(
            r#"{{"data":{{"a":{}{}}}}}"#,
            "[".repeat(n - 2),
            "]".repeat(n - 2)
        )
    };

    send(&vault, Method::POST, "a", nested(33).as_bytes())
        .await
        .refused(400, "body: nests deeper than 32");
    assert!(vault.items_of("SECRET").is_empty());
    send(&vault, Method::POST, "a", nested(32).as_bytes())
        .await
        .expect(201);
    vault.read("a").await.expect(200);
}

#[tokio::test]
async fn a_refusal_never_quotes_what_was_sent() {
    let vault = Vault::start().await;
    for body in [
        r#"{"data": hunter2}"#,
        r#"{"data":"hunter2"}"#,
        r#"{"data":{"hunter2":1,"hunter2":2}}"#,
        r#"{"data":{"a":1},"overwrite":"hunter2"}"#,
        r#"{"hunter2":1,"Hunter2":2}"#,
    ] {
        let answer = send(&vault, Method::POST, "a", body.as_bytes())
            .await
            .expect(400);
        assert!(
            !answer.text().to_lowercase().contains("hunter2"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_path_that_cannot_name_a_secret_is_refused() {
    let vault = Vault::start().await;
    let long = "a".repeat(513);
    let deep = "a/".repeat(257);
    let cases = [
        long.as_str(),
        deep.as_str(),
        "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
        "6A2F41A3-C54C-4BB0-9A5C-3C0E8F9A4D21",
        "a/restore",
        "a:restore",
        "restore",
        "a/version/3",
        "a:version:3",
        "version/3",
        "a/rollback/0",
        "a:rollback:0",
        "a::description",
        "a::listpaths",
        "a%20b",
        "a*b",
        "a,b",
        "a%c3%a4",
        "a%2Fb%20",
        "a%252Fb",
        "a%3Fb",
        "a%23b",
        "a%5Cb",
        "a%00b",
        "a%0ab",
        "a%ff",
        "..",
        "a/../b",
        "a/./b",
        "%2e%2e/a",
        "a/@/b",
        ":",
        "-",
    ];
    for path in cases {
        vault
            .create(path, json!({"data": {"a": 1}}))
            .await
            .refused(400, "path: ");
        assert!(vault.items_of("SECRET").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn what_only_resembles_a_reserved_name_is_a_name() {
    let vault = Vault::start().await;
    for path in [
        "a/version",
        "a/version/x",
        "a/rollback",
        "a/restored",
        "a/version/3/b",
        "restore/a",
        "a/6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
        "a/description",
        "x@y+z._-0",
    ] {
        vault
            .create(path, json!({"data": {"p": path}}))
            .await
            .expect(201);
        assert_eq!(vault.read(path).await.expect(200).json()["data"]["p"], path);
        vault
            .update(path, json!({"data": {"q": 1}}))
            .await
            .expect(200);
        vault
            .delete(&format!("{path}?force=true"))
            .await
            .expect(204);
    }
}

#[tokio::test]
async fn wrong_parameter_values_are_refused_by_name() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");
    let cases = [
        (Method::GET, "/v1/secrets/a?edit=yes", "edit: "),
        (Method::GET, "/v1/secrets/a?edit=1", "edit: "),
        (Method::GET, "/v1/secrets/a?id=a", "id: "),
        (Method::GET, "/v1/secrets/a?edit=true&edit=false", "edit: "),
        (Method::GET, "/v1/secrets/a::listpaths?limit=x", "limit: "),
        (Method::PUT, "/v1/secrets/a?id=7", "id: "),
        (Method::DELETE, "/v1/secrets/a?force=yes", "force: "),
        (Method::DELETE, "/v1/secrets/a?force=TRUE", "force: "),
        (
            Method::DELETE,
            "/v1/secrets/a?force=true&force=true",
            "force: ",
        ),
        (Method::DELETE, "/v1/secrets/a?id=7", "id: "),
    ];
    for (method, target, part) in cases {
        vault
            .ask(method, target, Some(&json!({"data": {"n": 2}})))
            .await
            .refused(400, part);
    }
    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn a_refused_update_leaves_the_secret_as_it_was() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": "x".repeat(200 * 1024)}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");
    let too_much: &[(Value, &str)] = &[
        (json!({"data": {"m": "x".repeat(60 * 1024)}}), "data: "),
        (
            json!({"attributes": {"m": "x".repeat(33 * 1024)}}),
            "attributes: ",
        ),
        (
            json!({"description": "x".repeat(32 * 1024 + 1)}),
            "description: ",
        ),
        (
            json!({"attributes": {"linkConfig": {"linkType": "dynamic"}}}),
            "attributes.linkConfig",
        ),
    ];
    for (body, part) in too_much {
        vault.update("a", body.clone()).await.refused(400, part);
    }
    assert_eq!(vault.items_of("SECRET"), before);
}

async fn send(vault: &Vault, method: Method, path: &str, body: &[u8]) -> mayfly_tests::Answer {
    let target = format!("/v1/secrets/{path}");
    vault
        .send(
            method,
            &target,
            &[("authorization", &vault.token)],
            body.to_vec(),
        )
        .await
}
