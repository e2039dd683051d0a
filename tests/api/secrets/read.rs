//! `GET /v1/secrets/{path}`

use std::time::Duration;

use http::Method;
use mayfly_tests::Vault;
use serde_json::{Value, json};

const NOT_FOUND: &str = "unable to find item with specified identifier";

#[tokio::test]
async fn every_way_to_name_a_secret_reads_the_same_one() {
    let vault = Vault::start().await;
    let created = vault
        .create("a/b/c@d+e", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    let id = created["id"].as_str().unwrap();
    let ways = [
        "a/b/c@d+e".to_owned(),
        "a:b:c@d+e".to_owned(),
        "a:b/c@d+e".to_owned(),
        "a//b/c@d+e".to_owned(),
        "/a/b/c@d+e/".to_owned(),
        "a%2Fb%2Fc%40d%2Be".to_owned(),
        "a%3Ab%3Ac@d+e".to_owned(),
        id.to_owned(),
        id.to_uppercase(),
        format!("some/other/path?id={id}"),
        "a/b/c@d+e?id=&edit=".to_owned(),
        "a/b/c@d+e?edit=false&other=x".to_owned(),
    ];
    for way in &ways {
        let answer = vault.read(way).await.expect(200).json();
        assert_eq!(answer, created, "{way}");
    }
}

#[tokio::test]
async fn a_static_secret_reads_the_same_to_edit() {
    let vault = Vault::start().await;
    let created = vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();

    assert_eq!(vault.read("a?edit=true").await.expect(200).json(), created);
}

#[tokio::test]
async fn paths_differ_by_case() {
    let vault = Vault::start().await;
    vault.create("a/B", json!({})).await.expect(201);

    vault.read("a/b").await.refused(404, NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_there_is_a_404() {
    let vault = Vault::start().await;
    vault.create("a/b", json!({})).await.expect(201);

    for path in [
        "a",
        "a/b/c",
        "x",
        "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
        "a/b/restore",
    ] {
        vault.read(path).await.refused(404, NOT_FOUND);
    }
    vault
        .read("a/b?id=6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21")
        .await
        .refused(404, NOT_FOUND);
}

#[tokio::test]
async fn a_path_that_cannot_be_is_a_400() {
    let vault = Vault::start().await;
    for path in ["a%20b", "a%252Fb", "a/../b", "a%00", &"a".repeat(513)] {
        vault.read(path).await.refused(400, "path: ");
    }
}

#[tokio::test]
async fn a_soft_deleted_secret_says_so_until_its_72_hours_are_over() {
    let mut vault = Vault::start().await;
    let created = vault.create("a", json!({})).await.expect(201).json();
    let id = created["id"].as_str().unwrap().to_owned();
    vault.delete("a").await.expect(200);

    for way in ["a", "a?edit=true", "a::description", "a/version/0", &id] {
        vault.read(way).await.refused(404, "will be removed");
    }
    vault.wait(Duration::from_hours(72)).await;
    for way in ["a", "a?edit=true", "a::description", "a/version/0", &id] {
        vault.read(way).await.refused(404, NOT_FOUND);
    }
}

#[tokio::test]
async fn data_comes_back_exactly_as_it_was_sent() {
    let vault = Vault::start().await;
    let data = concat!(
        r#"{"big":123456789012345678901234567890,"deep":{"l":[1,[2,{"x":null}]],"o":{}},"#,
        r#""empty":"","exp":1.50E+10,"false":false,"list":[],"neg":-0,"null":null,"#,
        r#""quote":"a\"b\\c\/d\u00e9\n","small":0.10000000000000000000001,"tail":1.10,"#,
        r#""uni":"ä€𝄞 中文"}"#,
    );
    let body = format!(r#"{{"data":{data}}}"#);

    let created = vault
        .send(
            Method::POST,
            "/v1/secrets/a",
            &[("authorization", &vault.token)],
            body.into_bytes(),
        )
        .await
        .expect(201);
    let read = vault.read("a").await.expect(200);
    let other_process = vault.another().read("a").await.expect(200);

    for answer in [created, read, other_process] {
        assert!(answer.text().contains(data), "{}", answer.text());
    }
    let kept = r#""big":123456789012345678901234567890"#;
    let updated = vault
        .update("a", json!({"data": {"more": 1}}))
        .await
        .expect(200);
    assert!(updated.text().contains(kept), "{}", updated.text());
}

#[tokio::test]
async fn keys_that_only_look_special_are_data() {
    let vault = Vault::start().await;
    let data = json!({
        "": "no name", "a.b": 1, "data": {"data": 2}, "$serde_json::private::RawValue": "x",
        "__proto__": {}, "Key": 1, "key": 2, "ключ": "значение",
    });

    vault
        .create("a", json!({"data": data, "attributes": data}))
        .await
        .expect(201);

    let read = vault.read("a").await.expect(200).json();
    assert_eq!(read["data"], data);
    assert_eq!(read["attributes"], data);
}

#[tokio::test]
async fn attributes_and_description_come_back_as_they_were_sent() {
    let vault = Vault::start().await;
    let attributes =
        json!({"n": 1.5, "big": 9_007_199_254_740_993_u64, "null": null, "l": [{"x": "ä"}]});

    let sent = json!({"attributes": attributes, "description": " <b>\"ä\"\n𝄞 "});
    vault.create("a", sent.clone()).await.expect(201);

    let read = vault.read("a").await.expect(200).json();
    assert_eq!(read["attributes"], attributes);
    assert_eq!(read["description"], sent["description"]);
}

#[tokio::test]
async fn an_answer_with_a_secret_is_not_to_be_kept() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);

    for path in ["a", "a::description", "a/version/1"] {
        assert_eq!(
            vault.read(path).await.expect(200).headers["cache-control"],
            "no-store"
        );
    }
}

#[tokio::test]
async fn data_is_nowhere_in_the_clear_in_the_table() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"field-mark": "value-mark"}}))
        .await
        .expect(201);
    vault
        .update("a", json!({"data": {"more": "value-mark"}}))
        .await
        .expect(200);

    let stored = Value::from(vault.items()).to_string();

    assert!(!stored.contains("field-mark") && !stored.contains("value-mark"));
}

#[tokio::test]
async fn an_id_whose_secret_was_replaced_finds_nothing() {
    let vault = Vault::start().await;
    let old = vault.create("a", json!({})).await.expect(201).json();
    let id = old["id"].as_str().unwrap();
    let alias = vault.items_of("SECRETID#").remove(0);
    vault.delete("a?force=true").await.expect(204);
    vault
        .create("a", json!({"data": {"n": 2}}))
        .await
        .expect(201);

    // What a read sees that meets the alias before the removal and the head after it.
    vault.put_item(&alias);

    vault.read(id).await.refused(404, NOT_FOUND);
    vault
        .update(id, json!({"data": {"n": 3}}))
        .await
        .refused(404, NOT_FOUND);
    vault
        .delete(&format!("{id}?force=true"))
        .await
        .refused(404, NOT_FOUND);
    assert_eq!(
        vault.read("a").await.expect(200).json()["data"],
        json!({"n": 2})
    );
}
