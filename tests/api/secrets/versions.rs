//! `GET /v1/secrets/{path}/version/{n}`

use mayfly_tests::{Answer, Vault, vault::plain};
use serde_json::{Value, json};

#[tokio::test]
async fn the_current_version_and_n_before_it_are_answered_newest_first() {
    let vault = Vault::start().await;
    vault
        .create("a/b", json!({"data": {"n": 0}, "attributes": {"n": 0}}))
        .await
        .expect(201);
    for n in 1..=3 {
        let change =
            json!({"data": {"n": n}, "attributes": {"n": n}, "description": format!("d{n}")});
        vault.update("a/b", change).await.expect(200);
    }
    let id = vault.read("a/b").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();

    for (path, expected) in [
        ("a/b/version/0", vec!["3"]),
        ("a/b/version/1", vec!["3", "2"]),
        ("a/b/version/2", vec!["3", "2", "1"]),
        ("a/b/version/3", vec!["3", "2", "1", "0"]),
        ("a/b/version/4", vec!["3", "2", "1", "0"]),
        ("a/b/version/18446744073709551615", vec!["3", "2", "1", "0"]),
        ("a:b/version/1", vec!["3", "2"]),
        ("a/b//version/1/?edit=false", vec!["3", "2"]),
        (&format!("{id}/version/1"), vec!["3", "2"]),
        (&format!("x/version/1?id={id}"), vec!["3", "2"]),
    ] {
        assert_eq!(versions(&vault.read(path).await), expected, "{path}");
    }

    let all = vault.read("a/b/version/3").await.expect(200).json();
    assert_eq!(all.as_object().unwrap().len(), 1);
    let oldest = &all["data"][3];
    assert_eq!(oldest["data"], json!({"n": 0}));
    assert_eq!(oldest["attributes"], json!({"n": 0}));
    assert_eq!(oldest["description"], "");
    assert_eq!(oldest["id"], id);
    assert_eq!(all["data"][1]["description"], "d2");
}

#[tokio::test]
async fn each_version_says_when_and_by_whom_it_was_written() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault.clock.advance(std::time::Duration::from_mins(1));
    vault
        .update("a", json!({"description": "d"}))
        .await
        .expect(200);

    let all = vault.read("a/version/1").await.expect(200).json();

    assert_eq!(all["data"][0]["lastModified"], "2026-01-01T00:01:00Z");
    assert_eq!(all["data"][1]["lastModified"], "2026-01-01T00:00:00Z");
    for version in all["data"].as_array().unwrap() {
        assert_eq!(version["created"], "2026-01-01T00:00:00Z");
        assert_eq!(version["lastModifiedBy"], "roles:admin");
    }
}

#[tokio::test]
async fn versions_of_what_is_not_there_are_a_404() {
    let vault = Vault::start().await;

    for path in [
        "a/version/1",
        "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21/version/0",
    ] {
        vault
            .read(path)
            .await
            .refused(404, "unable to find item with specified identifier");
    }
}

#[tokio::test]
async fn the_last_100_versions_are_kept_and_older_ones_are_removed() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    for n in 1..=105 {
        vault
            .update("a", json!({"data": {"n": n}}))
            .await
            .expect(200);
    }

    let answer = vault.read("a/version/500").await.expect(200);

    let expected: Vec<String> = (6..=105).rev().map(|n: u32| n.to_string()).collect();
    assert_eq!(versions(&answer), expected);
    assert_eq!(answer.json()["data"][99]["data"]["n"], 6);
    let stored: Vec<Value> = vault
        .items_of("SECRET#a")
        .iter()
        .map(|item| plain(item)["version"].clone())
        .collect();
    assert_eq!(stored.len(), 100);
    assert!(!stored.contains(&json!(5)));
    vault
        .put("a/rollback/5")
        .await
        .refused(404, "unable to find item");
    let back = vault.put("a/rollback/6").await.expect(200).json();
    assert_eq!(back["version"], "106");
    assert_eq!(back["data"], json!({"n": 6}));
}

#[tokio::test]
async fn an_answer_over_4_mb_is_refused_with_the_largest_n_that_fits() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": "x".repeat(250 * 1024)}}))
        .await
        .expect(201);
    for n in 1..=20 {
        vault
            .update("a", json!({"description": format!("d{n}")}))
            .await
            .expect(200);
    }

    let answer = vault.read("a/version/20").await;
    let message = answer.message();
    answer.refused(400, "version: asks for more than 4 MB");

    let fits: usize = message.rsplit(' ').next().unwrap().parse().unwrap();
    let largest = vault.read(&format!("a/version/{fits}")).await.expect(200);
    assert_eq!(versions(&largest).len(), fits + 1);
    assert!(largest.body.len() <= 4 * 1024 * 1024);
    let more = vault.read(&format!("a/version/{}", fits + 1)).await;
    more.refused(400, &format!("the largest that fits is {fits}"));
}

fn versions(answer: &Answer) -> Vec<String> {
    let body = answer.clone().expect(200).json();
    let all = body["data"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|version| version["version"].as_str().unwrap_or_default().to_owned())
        .collect()
}
