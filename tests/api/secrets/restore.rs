//! `PUT /v1/secrets/{path}/restore`

use std::time::Duration;

use mayfly_tests::{
    Vault,
    vault::{assume_role, plain},
};
use serde_json::json;

const NOT_FOUND: &str = "unable to find item with specified identifier";

#[tokio::test]
async fn a_restored_secret_is_as_it_was() {
    let mut vault = Vault::start().await;
    let sent = json!({"data": {"n": 1}, "attributes": {"t": 1}, "description": "d"});
    vault.create("a/b", sent).await.expect(201);
    let before = vault
        .update("a/b", json!({"data": {"m": 2}}))
        .await
        .expect(200)
        .json();
    vault.delete("a/b").await.expect(200);
    vault.wait(Duration::from_mins(10)).await;

    let answer = vault.put("a/b/restore").await.expect(200);

    assert!(answer.body.is_empty(), "{}", answer.text());
    assert_eq!(vault.read("a/b").await.expect(200).json(), before);
    assert_eq!(vault.search("searchTerm=a:b").await.json()["total"], 1);
    let versions = vault.read("a/b/version/5").await.expect(200).json();
    assert_eq!(versions["data"].as_array().unwrap().len(), 2);
    let next = vault
        .update("a/b", json!({"data": {"l": 3}}))
        .await
        .expect(200)
        .json();
    assert_eq!(next["version"], "2");
}

#[tokio::test]
async fn a_secret_is_restored_by_any_of_its_names() {
    let vault = Vault::start().await;
    let created = vault.create("a/b", json!({})).await.expect(201).json();
    let id = created["id"].as_str().unwrap();

    for way in [
        "a/b/restore",
        "a:b/restore",
        "a/b//restore/",
        &format!("{id}/restore"),
        &format!("x/restore?id={id}"),
    ] {
        vault.delete("a/b").await.expect(200);
        vault.put(way).await.expect(200);
        assert_eq!(vault.read("a/b").await.expect(200).json(), created, "{way}");
    }
}

#[tokio::test]
async fn a_restored_secret_is_not_purged() {
    let mut vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault.delete("a").await.expect(200);
    vault.wait(Duration::from_hours(71)).await;
    vault.put("a/restore").await.expect(200);
    assert!(vault.items_of("PURGE#").is_empty());

    vault.wait(Duration::from_hours(71)).await;
    assert_eq!(vault.purge().await.done, 0);

    vault.read("a").await.expect(200);
    // Deleted again, its 72 hours begin again.
    vault.delete("a").await.expect(200);
    vault.wait(Duration::from_hours(71)).await;
    assert_eq!(vault.purge().await.done, 0);
    vault.put("a/restore").await.expect(200);
}

#[tokio::test]
async fn a_purge_that_comes_late_leaves_a_restored_secret_alone() {
    let mut vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault.delete("a").await.expect(200);
    let purge = vault.items_of("PURGE#").remove(0);
    vault.put("a/restore").await.expect(200);
    vault.put_item(&purge); // as a reader of the index may still see it

    vault.wait(Duration::from_hours(73)).await;
    vault.purge().await;

    vault.read("a").await.expect(200);
    assert!(vault.items_of("PURGE#").is_empty());
}

#[tokio::test]
async fn what_is_not_marked_or_not_there_is_not_restored() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);

    vault
        .put("a/restore")
        .await
        .refused(400, "not marked for deletion");
    vault.put("b/restore").await.refused(404, NOT_FOUND);
    vault.delete("a?force=true").await.expect(204);
    vault.put("a/restore").await.refused(404, NOT_FOUND);
}

#[tokio::test]
async fn after_72_hours_there_is_nothing_to_restore() {
    let mut vault = Vault::start().await;
    // Waiting out a bad answer moves this clock, and here a millisecond counts.
    vault.wire.bad_weather(0);
    for path in ["early", "late"] {
        vault.create(path, json!({})).await.expect(201);
        vault.delete(path).await.expect(200);
    }

    vault
        .wait(Duration::from_hours(72) - Duration::from_millis(1))
        .await;
    vault.put("early/restore").await.expect(200);
    vault.wait(Duration::from_millis(1)).await;

    vault.put("late/restore").await.refused(404, NOT_FOUND);
}

#[tokio::test]
async fn a_dynamic_secret_lets_go_of_its_base_and_ties_to_it_again() {
    let vault = Vault::start().await;
    vault.create_base("base", json!({})).await;
    vault
        .create_dynamic("dynamic", "base", assume_role())
        .await
        .expect(201);
    let links = || {
        let items = vault.items_of("SECRET#base");
        let count = items.iter().find(|item| item["sk"]["S"] == "LINKS");
        count.map_or(json!(0), |item| plain(item)["links"].clone())
    };
    assert_eq!(links(), 1);

    vault.delete("dynamic").await.expect(200);
    assert_eq!(links(), 0);
    vault.put("dynamic/restore").await.expect(200);

    assert_eq!(links(), 1);
    vault.read("dynamic").await.expect(200);
    vault.delete("base").await.refused(400, "linked");
    assert_eq!(
        vault
            .search("search.links=true&searchTerm=base")
            .await
            .json()["total"],
        1
    );
}

#[tokio::test]
async fn a_dynamic_secret_whose_base_is_gone_or_another_is_not_restored() {
    let vault = Vault::start().await;
    vault.create_base("base", json!({})).await;
    vault
        .create_dynamic("dynamic", "base", assume_role())
        .await
        .expect(201);
    vault.delete("dynamic").await.expect(200);

    vault.delete("base").await.expect(200);
    vault
        .put("dynamic/restore")
        .await
        .refused(400, "linkedSecret");
    vault.delete("base?force=true").await.expect(204);
    vault
        .put("dynamic/restore")
        .await
        .refused(400, "linkedSecret");
    vault.create_base("base", json!({})).await;
    vault
        .put("dynamic/restore")
        .await
        .refused(400, "linkedSecret");

    vault.read("dynamic").await.refused(404, "will be removed");
    vault.delete("base").await.expect(200);
}
