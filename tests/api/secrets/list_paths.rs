//! `GET /v1/secrets/{prefix}::listpaths`

use mayfly_tests::Vault;
use serde_json::{Value, json};

#[tokio::test]
async fn paths_that_begin_with_the_prefix_are_listed_in_order() {
    let vault = Vault::start().await;
    for path in ["b/x", "a/2", "a/1/z", "ab", "a/10", "A/1", "gone"] {
        vault.create(path, json!({})).await.expect(201);
    }
    vault.delete("gone").await.expect(200);

    for (target, expected) in [
        ("a::listpaths", json!(["a:10", "a:1:z", "a:2", "ab"])),
        ("a/::listpaths", json!(["a:10", "a:1:z", "a:2"])),
        ("a:1::listpaths", json!(["a:10", "a:1:z"])),
        ("a/1::listpaths", json!(["a:10", "a:1:z"])),
        ("b/x::listpaths", json!(["b:x"])),
        ("x::listpaths", json!([])),
        ("gone::listpaths", json!([])),
        (
            "::listpaths",
            json!(["A:1", "a:10", "a:1:z", "a:2", "ab", "b:x"]),
        ),
        ("a::listpaths?limit=2", json!(["a:10", "a:1:z"])),
        ("a::listpaths?limit=", json!(["a:10", "a:1:z", "a:2", "ab"])),
    ] {
        let answer = vault.read(target).await.expect(200).json();
        assert_eq!(answer, json!({ "data": expected }), "{target}");
    }
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_500() {
    let vault = Vault::start().await;
    for limit in ["0", "501", "-1", "x", "1.5"] {
        vault
            .read(&format!("a::listpaths?limit={limit}"))
            .await
            .refused(400, "limit: ");
    }
    vault.read("a::listpaths?limit=500").await.expect(200);
}

#[tokio::test]
async fn a_prefix_longer_than_any_path_is_refused() {
    let vault = Vault::start().await;
    let long = "a".repeat(513);

    vault
        .read(&format!("{long}::listpaths"))
        .await
        .refused(400, "path: ");
}

#[tokio::test]
async fn without_a_limit_25_are_listed() {
    let vault = Vault::start().await;
    for n in 0..30 {
        vault
            .create(&format!("a/{n:02}"), json!({}))
            .await
            .expect(201);
    }

    let answer = vault.read("a::listpaths").await.expect(200).json();

    let expected: Vec<Value> = (0..25).map(|n| json!(format!("a:{n:02}"))).collect();
    assert_eq!(answer["data"], Value::from(expected));
}
