//! How large the parts of a secret may be: the limit is stored, one byte more is a 400 and stores nothing.

use http::Method;
use mayfly_tests::{
    Vault,
    vault::{assume_role, base},
};
use serde_json::{Value, json};

const KB: usize = 1024;

/// A body whose part in question has so many bytes besides what is around them.
type OfSize = fn(usize) -> Value;

#[tokio::test]
async fn each_part_has_its_own_limit() {
    let vault = Vault::start().await;
    // `{"a":"…"}` is 8 bytes around the text.
    let cases: [(&str, OfSize, usize); 4] = [
        (
            "data: ",
            |n| json!({"data": {"a": "x".repeat(n)}}),
            256 * KB - 8,
        ),
        (
            "attributes: ",
            |n| json!({"attributes": {"a": "x".repeat(n)}}),
            32 * KB - 8,
        ),
        (
            "description: ",
            |n| json!({"description": "x".repeat(n)}),
            32 * KB,
        ),
        (
            "data: ",
            base_of,
            16 * KB - base_of(0)["data"].to_string().len(),
        ),
    ];
    for (number, (part, body, limit)) in cases.into_iter().enumerate() {
        let before = vault.items_of("SECRET");
        let path = format!("a{number}");
        vault
            .create(&path, body(limit + 1))
            .await
            .refused(400, part);
        assert_eq!(vault.items_of("SECRET"), before);
        vault.create(&path, body(limit)).await.expect(201);
    }
}

#[tokio::test]
async fn sizes_are_bytes_not_characters() {
    let vault = Vault::start().await;

    let body = json!({"description": "ä".repeat(16 * KB + 1)});

    vault.create("a", body).await.refused(400, "description: ");
    vault
        .create("a", json!({"description": "ä".repeat(16 * KB)}))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_body_over_512_kb_is_refused_and_one_of_512_kb_is_not() {
    let vault = Vault::start().await;
    let padded = |length: usize| {
        let mut body = br#"{"data":{"a":1}}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    for (method, path) in [
        (Method::POST, "/v1/secrets/a"),
        (Method::PUT, "/v1/secrets/a"),
    ] {
        let headers = [("authorization", vault.token.as_str())];
        let before = vault.items_of("SECRET");
        vault
            .send(method.clone(), path, &headers, padded(512 * KB + 1))
            .await
            .refused(400, "body: must be at most 524288 bytes");
        assert_eq!(vault.items_of("SECRET"), before);
        let answer = vault.send(method, path, &headers, padded(512 * KB)).await;
        assert!(answer.status < 300, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_secret_becomes_a_base_only_if_it_is_small_enough() {
    let vault = Vault::start().await;
    let mut large = base_of(17 * KB);
    large["attributes"] = json!({});
    vault.create("a", large).await.expect(201);

    vault
        .update("a", json!({"attributes": {"type": "aws"}}))
        .await
        .refused(400, "data: ");

    assert_eq!(vault.read("a").await.expect(200).json()["version"], "0");
}

#[tokio::test]
async fn the_longest_paths_can_be_linked() {
    let vault = Vault::start().await;
    let (base, dynamic) = ("b".repeat(512), "d".repeat(512));
    vault.create_base(&base, json!({})).await;
    // Its path begins with that of a base which is one shorter.
    vault.create_base(&"b".repeat(511), json!({})).await;

    vault
        .create_dynamic(&dynamic, &base, assume_role())
        .await
        .expect(201);

    let linked = |base: String| {
        let vault = &vault;
        async move {
            let query = format!("search.links=true&searchTerm={base}");
            vault.search(&query).await.expect(200).json()["total"].clone()
        }
    };
    assert_eq!(linked(base.clone()).await, 1);
    assert_eq!(linked("b".repeat(511)).await, 0);
    vault.read(&dynamic).await.expect(200);
    let longest = vault
        .items()
        .iter()
        .filter_map(|item| item["linksSk"]["S"].as_str().map(str::len))
        .max();
    assert_eq!(longest, Some(1024), "DynamoDB takes no longer sort key");
}

fn base_of(n: usize) -> Value {
    let mut body = base(json!({}));
    body["data"]["more"] = "x".repeat(n).into();
    body
}
