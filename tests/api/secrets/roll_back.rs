//! `PUT /v1/secrets/{path}/rollback/{n}`

use std::time::Duration;

use mayfly_tests::Vault;
use serde_json::json;

const NOT_FOUND: &str = "unable to find item with specified identifier";

#[tokio::test]
async fn an_earlier_version_becomes_a_new_one() {
    let vault = Vault::start().await;
    let first = json!({"data": {"n": 0}, "attributes": {"a": 0}, "description": "d0"});
    let created = vault.create("a/b", first.clone()).await.expect(201).json();
    vault
        .update(
            "a/b",
            json!({"data": {"m": 1}, "attributes": {"b": 1}, "description": "d1"}),
        )
        .await
        .expect(200);
    vault.clock.advance(Duration::from_secs(5));

    let answer = vault.put("a/b/rollback/0").await.expect(200).json();

    for field in ["data", "attributes", "description"] {
        assert_eq!(answer[field], first[field], "{field}");
    }
    for field in ["id", "path", "created", "createdBy"] {
        assert_eq!(answer[field], created[field], "{field}");
    }
    assert_eq!(answer["version"], "2");
    assert_eq!(answer["lastModified"], "2026-01-01T00:00:05Z");
    assert_eq!(vault.read("a/b").await.expect(200).json(), answer);
    let all = vault.read("a/b/version/2").await.expect(200).json();
    assert_eq!(all["data"][1]["data"], json!({"n": 0, "m": 1}));
    assert_eq!(all["data"][2]["data"], json!({"n": 0}));
}

#[tokio::test]
async fn rolling_back_goes_by_any_name_and_to_any_kept_version() {
    let vault = Vault::start().await;
    let created = vault
        .create("a/b", json!({"data": {"n": 0}}))
        .await
        .expect(201)
        .json();
    let id = created["id"].as_str().unwrap();
    vault
        .update("a/b", json!({"data": {"n": 1}}))
        .await
        .expect(200);

    for (path, n) in [
        ("a:b/rollback/0".to_owned(), 0),
        ("a//b/rollback/1/".to_owned(), 1),
        (format!("{id}/rollback/2"), 0),
        (format!("x/rollback/3?id={id}"), 1),
        // The current one too.
        ("a/b/rollback/5".to_owned(), 1),
    ] {
        let answer = vault.put(&path).await.expect(200).json();
        assert_eq!(answer["data"], json!({ "n": n }), "{path}");
    }
    assert_eq!(vault.read("a/b").await.json()["version"], "6");
}

#[tokio::test]
async fn attributes_that_were_null_are_null_again() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault
        .update("a", json!({"attributes": {"t": 1}}))
        .await
        .expect(200);

    let answer = vault.put("a/rollback/0").await.expect(200).json();

    assert_eq!(answer["attributes"], json!(null));
}

#[tokio::test]
async fn a_version_that_is_not_kept_is_a_404() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);

    for path in [
        "a/rollback/1",
        "a/rollback/99999999999",
        "a/rollback/18446744073709551615",
        "b/rollback/0",
    ] {
        vault.put(path).await.refused(404, NOT_FOUND);
    }
    assert_eq!(vault.read("a").await.json()["version"], "0");
}

#[tokio::test]
async fn versions_of_a_removed_secret_do_not_come_back_at_its_path() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": "old"}}))
        .await
        .expect(201);
    vault
        .update("a", json!({"data": {"m": "old"}}))
        .await
        .expect(200);
    let versions: Vec<_> = vault.items_of("SECRET#a");
    vault.delete("a?force=true").await.expect(204);
    vault
        .create("a", json!({"data": {"n": "new"}}))
        .await
        .expect(201);
    for item in versions.iter().filter(|item| item["sk"]["S"] != "HEAD") {
        vault.put_item(item); // as if the removal had not got that far
    }
    vault
        .update("a", json!({"data": {"n": "newer"}}))
        .await
        .expect(200);

    let all = vault.read("a/version/9").await.expect(200).json();
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    let back = vault.put("a/rollback/0").await.expect(200).json();
    assert_eq!(back["data"], json!({"n": "new"}));
}
