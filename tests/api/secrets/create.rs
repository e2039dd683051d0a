//! `POST /v1/secrets/{path}`

use std::time::Duration;

use mayfly_tests::Vault;
use serde_json::{Value, json};
use uuid::Uuid;

const MARKED: &str = "secret marked for deletion and will be removed in about 72 hours";

#[tokio::test]
async fn a_new_secret_is_answered_with_every_field() {
    let vault = Vault::start().await;
    vault.clock.advance(Duration::from_millis(1_789));

    let answer = vault
        .create(
            "servers/us-east/db",
            json!({"data": {"host": "db1"}, "attributes": {"tag": "x"}, "description": "the db"}),
        )
        .await
        .expect(201);

    assert_eq!(answer.headers["content-type"], "application/json");
    let mut body = answer.json();
    let id: Uuid = serde_json::from_value(body["id"].take()).unwrap();
    assert_eq!(id.get_version_num(), 4);
    assert_eq!(
        body,
        json!({
            "id": null,
            "path": "servers:us-east:db",
            "attributes": {"tag": "x"},
            "description": "the db",
            "data": {"host": "db1"},
            "created": "2026-01-01T00:00:01Z",
            "createdBy": "roles:admin",
            "lastModified": "2026-01-01T00:00:01Z",
            "lastModifiedBy": "roles:admin",
            "version": "0",
        })
    );
    let read = vault.read("servers/us-east/db").await.expect(200).json();
    assert_eq!(read["id"], id.to_string());
    assert_eq!(read["data"], json!({"host": "db1"}));
}

#[tokio::test]
async fn what_was_not_sent_has_its_empty_form() {
    let vault = Vault::start().await;
    let cases = [
        (json!({}), json!(null), json!("")),
        (
            json!({"attributes": null, "data": null, "description": null}),
            json!(null),
            json!(""),
        ),
        (
            json!({"attributes": {}, "data": {}, "description": ""}),
            json!({}),
            json!(""),
        ),
    ];
    for (number, (sent, attributes, description)) in cases.into_iter().enumerate() {
        let path = format!("a{number}");
        let created = vault.create(&path, sent.clone()).await.expect(201).json();
        let read = vault.read(&path).await.expect(200).json();
        for answer in [created, read] {
            assert_eq!(answer["attributes"], attributes, "{sent}");
            assert_eq!(answer["description"], description, "{sent}");
            assert_eq!(answer["data"], json!({}), "{sent}");
            assert!(answer.as_object().unwrap().contains_key("attributes"));
        }
    }
}

#[tokio::test]
async fn top_level_keys_count_in_any_case_and_inner_ones_as_they_are() {
    let vault = Vault::start().await;

    let sent = json!({
        "Data": {"Key": 1, "key": 2}, "DESCRIPTION": "d", "Attributes": {"Tag": "T"}, "Overwrite": false,
    });
    let answer = vault.create("a", sent).await.expect(201).json();

    assert_eq!(answer["data"], json!({"Key": 1, "key": 2}));
    assert_eq!(answer["description"], "d");
    assert_eq!(answer["attributes"], json!({"Tag": "T"}));
}

#[tokio::test]
async fn unknown_keys_are_ignored() {
    let vault = Vault::start().await;

    let sent = json!({"data": {"a": 1}, "id": "mine", "version": "9", "path": "b", "more": [1]});
    let answer = vault.create("a", sent).await.expect(201).json();

    assert_ne!(answer["id"], "mine");
    assert_eq!(answer["version"], "0");
    assert_eq!(answer["path"], "a");
    assert!(answer.get("more").is_none());
}

#[tokio::test]
async fn a_path_that_is_taken_is_refused_in_every_spelling() {
    let vault = Vault::start().await;
    vault
        .create("a/b", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");

    for path in ["a/b", "a:b", "/a//b/", "a%2Fb", "a%3Ab"] {
        vault
            .create(path, json!({"data": {"n": 2}}))
            .await
            .refused(400, "error creating secret, secret at path already exists");
    }

    assert_eq!(vault.items_of("SECRET"), before);
    vault.create("A/b", json!({})).await.expect(201);
}

#[tokio::test]
async fn a_soft_deleted_path_is_taken_for_72_hours_and_then_makes_room() {
    let mut vault = Vault::start().await;
    // Waiting out a bad answer moves this clock, and here a millisecond counts.
    vault.wire.bad_weather(0);
    let old = vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    vault
        .update("a", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    vault.delete("a").await.expect(200);

    vault
        .wait(Duration::from_hours(72) - Duration::from_millis(1))
        .await;
    vault.create("a", json!({})).await.refused(400, MARKED);

    vault.wait(Duration::from_millis(1)).await;
    let new = vault
        .create("a", json!({"data": {"n": 3}}))
        .await
        .expect(201)
        .json();
    assert_ne!(new["id"], old["id"]);
    assert_eq!(new["version"], "0");
    assert_eq!(new["created"], "2026-01-04T00:00:00Z");
    assert_eq!(
        vault.read("a").await.expect(200).json()["data"],
        json!({"n": 3})
    );
    vault
        .read(id(&old))
        .await
        .refused(404, "unable to find item");
    let left: Vec<String> = vault
        .items()
        .iter()
        .filter(|item| item.to_string().contains(id(&old)))
        .map(|item| item["pk"].to_string())
        .filter(|pk| !pk.contains("AUDIT#"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_removed_path_can_be_used_again_at_once() {
    let vault = Vault::start().await;
    let old = vault.create("a", json!({})).await.expect(201).json();
    vault.delete("a?force=true").await.expect(204);

    let new = vault.create("a", json!({})).await.expect(201).json();

    assert_ne!(new["id"], old["id"]);
    assert_eq!(new["version"], "0");
}

#[tokio::test]
async fn the_longest_path_and_the_fullest_secret_are_stored_and_found() {
    let vault = Vault::start().await;
    let path = format!("{}:{}", "a".repeat(255), "b".repeat(256));
    let full = json!({
        "data": {"d": "x".repeat(256 * 1024 - 8)},
        "attributes": {"a": "x".repeat(32 * 1024 - 8)},
        "description": "x".repeat(32 * 1024),
    });

    vault.create(&path, full.clone()).await.expect(201);

    let read = vault.read(&path).await.expect(200).json();
    assert_eq!(read["path"], path);
    for part in ["data", "attributes", "description"] {
        assert!(read[part] == full[part], "{part} came back changed");
    }
    // Changing it writes two of its size in one transaction.
    vault
        .update(&path, json!({"data": {"d": 1}}))
        .await
        .expect(200);
    assert_eq!(
        vault.search("searchTerm=bbb").await.expect(200).json()["total"],
        1
    );
}

fn id(secret: &Value) -> &str {
    secret["id"].as_str().unwrap_or_default()
}
