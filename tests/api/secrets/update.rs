//! `PUT /v1/secrets/{path}`

use std::time::Duration;

use http::Method;
use mayfly_tests::Vault;
use serde_json::{Value, json};

#[tokio::test]
async fn merging_leaves_alone_what_is_absent_null_or_empty() {
    updated(
        stored(),
        &[
            (json!({}), json!({})),
            (
                json!({"data": null, "attributes": null, "description": null}),
                json!({}),
            ),
            (
                json!({"data": {}, "attributes": {}, "description": ""}),
                json!({}),
            ),
            (
                json!({"Data": {}, "Attributes": {}, "Overwrite": false}),
                json!({}),
            ),
            (json!({"overwrite": null}), json!({})),
            (json!({"description": "e"}), json!({"description": "e"})),
        ],
    )
    .await;
}

#[tokio::test]
async fn merging_lays_top_level_keys_over_and_replaces_nested_values_whole() {
    updated(
        stored(),
        &[
            (
                json!({"data": {"b": 2, "n": {"x": 9}}}),
                json!({"data": {"a": 1, "b": 2, "n": {"x": 9}}}),
            ),
            (
                json!({"data": {"a": null, "n": []}}),
                json!({"data": {"a": null, "n": []}}),
            ),
            (
                json!({"attributes": {"u": 2, "o": {"q": 1}}}),
                json!({"attributes": {"t": 1, "u": 2, "o": {"q": 1}}}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn overwriting_replaces_data_and_description_but_attributes_only_if_some_come() {
    updated(
        stored(),
        &[
            (json!({"overwrite": true}), json!({"data": {}, "description": ""})),
            (
                json!({"overwrite": true, "data": null, "description": null, "attributes": null}),
                json!({"data": {}, "description": ""}),
            ),
            (
                json!({"Overwrite": true, "Data": {"b": 2}, "Description": "", "Attributes": {}}),
                json!({"data": {"b": 2}, "description": ""}),
            ),
            (
                json!({"overwrite": true, "data": {"b": 2}, "description": "e", "attributes": {"u": 1}}),
                json!({"data": {"b": 2}, "description": "e", "attributes": {"u": 1}}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn attributes_that_were_never_set_stay_null_until_some_come() {
    let never = json!({"data": {}, "attributes": null, "description": ""});
    updated(
        never,
        &[
            (json!({"attributes": {}}), json!({})),
            (json!({"attributes": {}, "overwrite": true}), json!({})),
            (
                json!({"attributes": {"u": 1}}),
                json!({"attributes": {"u": 1}}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_update_moves_version_and_time_and_keeps_the_rest() {
    let vault = Vault::start().await;
    let created = vault
        .create("a/b", json!({"data": {"n": 0}}))
        .await
        .expect(201)
        .json();
    for n in 1..=3 {
        vault.clock.advance(Duration::from_secs(1));
        let answer = vault
            .update("a:b", json!({"data": {"n": n}}))
            .await
            .expect(200)
            .json();
        assert_eq!(answer["version"], n.to_string());
        assert_eq!(answer["lastModified"], format!("2026-01-01T00:00:0{n}Z"));
        for field in ["id", "path", "created", "createdBy"] {
            assert_eq!(answer[field], created[field], "{field}");
        }
    }
}

#[tokio::test]
async fn an_update_of_the_same_content_is_a_version_too() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);

    vault
        .update("a", json!({"data": {"n": 0}}))
        .await
        .expect(200);

    assert_eq!(vault.read("a").await.expect(200).json()["version"], "1");
}

#[tokio::test]
async fn a_secret_is_updated_by_any_of_its_names() {
    let vault = Vault::start().await;
    let created = vault.create("a/b", json!({})).await.expect(201).json();
    let id = created["id"].as_str().unwrap();

    for way in ["a/b", "a:b", "//a//b/", id, &format!("x?id={id}")] {
        let answer = vault
            .update(way, json!({"data": {"way": way}}))
            .await
            .expect(200)
            .json();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["data"]["way"], way);
    }
}

#[tokio::test]
async fn updating_what_is_not_there_is_a_404_and_makes_nothing() {
    let vault = Vault::start().await;
    for path in [
        "a",
        "a/b",
        "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
        "a/version/3",
        "restore",
    ] {
        vault
            .update(path, json!({"data": {"n": 1}}))
            .await
            .refused(404, "unable to find item with specified identifier");
    }
    assert!(vault.items_of("SECRET").is_empty());
}

#[tokio::test]
async fn a_soft_deleted_secret_is_not_updated() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    vault.delete("a").await.expect(200);
    let before = vault.items_of("SECRET");

    vault
        .update("a", json!({"data": {"n": 2}}))
        .await
        .refused(404, "will be removed");
    vault
        .put("a/rollback/0")
        .await
        .refused(404, "will be removed");

    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn an_update_keeps_every_digit_of_what_it_does_not_touch() {
    let vault = Vault::start().await;
    let body = br#"{"data":{"n":1234567890123456789012345.10}}"#.to_vec();
    let headers = [("authorization", vault.token.as_str())];
    vault
        .send(Method::POST, "/v1/secrets/a", &headers, body)
        .await
        .expect(201);

    vault
        .update("a", json!({"data": {"m": 1}}))
        .await
        .expect(200);

    let read = vault.read("a").await.expect(200).text();
    assert!(
        read.contains(r#""n":1234567890123456789012345.10"#),
        "{read}"
    );
}

fn stored() -> Value {
    json!({
        "data": {"a": 1, "n": {"x": 1, "y": 2}},
        "attributes": {"t": 1, "o": {"p": 1}},
        "description": "d",
    })
}

/// For each case a secret as `stored`: updating it with the first changes nothing but what the second names.
async fn updated(stored: Value, cases: &[(Value, Value)]) {
    let vault = Vault::start().await;
    for (number, (sent, changed)) in cases.iter().enumerate() {
        let path = format!("a{number}");
        vault.create(&path, stored.clone()).await.expect(201);

        let answer = vault.update(&path, sent.clone()).await.expect(200).json();

        for field in ["data", "attributes", "description"] {
            let expected = changed.get(field).unwrap_or(&stored[field]);
            assert_eq!(answer[field], *expected, "{field} after {sent}");
        }
        assert_eq!(answer["version"], "1");
        assert_eq!(vault.read(&path).await.expect(200).json(), answer);
    }
}
