//! `DELETE /v1/secrets/{path}`

use http::Method;
use mayfly_tests::{Vault, vault::assume_role};
use serde_json::{Value, json};

const MARKED: &str = "secret marked for deletion and will be removed in about 72 hours";
const NOT_FOUND: &str = "unable to find item with specified identifier";

#[tokio::test]
async fn a_soft_delete_says_what_will_happen_and_twice_says_it_twice() {
    let vault = Vault::start().await;
    let created = vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();

    for way in [
        "a",
        "a?force=false",
        "a?force=",
        "//a/",
        created["id"].as_str().unwrap(),
    ] {
        let answer = vault.delete(way).await.expect(200).json();
        assert_eq!(answer, json!({ "message": MARKED }));
    }

    assert_eq!(vault.items_of("PURGE#").len(), 1);
    vault.read("a").await.refused(404, MARKED);
    assert_eq!(vault.search("").await.json()["total"], 0);
}

#[tokio::test]
async fn deleting_again_does_not_put_off_the_end() {
    let mut vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault.delete("a").await.expect(200);
    let before = vault.items_of("PURGE#");

    vault.wait(std::time::Duration::from_hours(24)).await;
    vault.delete("a").await.expect(200);

    assert_eq!(vault.items_of("PURGE#"), before);
}

#[tokio::test]
async fn deleting_what_is_not_there_is_a_404() {
    let vault = Vault::start().await;
    for path in [
        "a",
        "a?force=true",
        "a?force=false",
        "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
    ] {
        vault.delete(path).await.refused(404, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_forced_delete_answers_204_and_leaves_no_item() {
    let vault = Vault::start().await;
    vault
        .create("other", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    vault
        .update("other", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    let before = all_of_secrets(&vault);
    vault.create_base("a/b", json!({})).await;
    for n in 0..5 {
        vault
            .update("a/b", json!({"attributes": {"n": n}}))
            .await
            .expect(200);
    }
    vault
        .create_dynamic("dynamic", "a:b", assume_role())
        .await
        .expect(201);
    vault.delete("dynamic?force=true").await.expect(204);

    let answer = vault.delete("a/b?force=true").await.expect(204);

    assert!(answer.body.is_empty(), "{}", answer.text());
    assert_eq!(all_of_secrets(&vault), before);
    vault.read("a/b").await.refused(404, NOT_FOUND);
    vault.delete("a/b?force=true").await.refused(404, NOT_FOUND);
    vault.put("a/b/restore").await.refused(404, NOT_FOUND);
    vault.read("other/version/9").await.expect(200);
}

#[tokio::test]
async fn a_soft_deleted_secret_can_be_removed_at_once() {
    let vault = Vault::start().await;
    let before = all_of_secrets(&vault);
    let created = vault.create("a", json!({})).await.expect(201).json();
    vault
        .update("a", json!({"data": {"n": 1}}))
        .await
        .expect(200);
    vault.delete("a").await.expect(200);

    let by_id = format!("{}?force=true", created["id"].as_str().unwrap());
    vault.delete(&by_id).await.expect(204);

    assert_eq!(all_of_secrets(&vault), before);
}

#[tokio::test]
async fn a_secret_with_more_than_a_page_of_versions_is_removed_whole() {
    let vault = Vault::start().await;
    let before = all_of_secrets(&vault);
    vault.create("a", json!({})).await.expect(201);
    for n in 0..101 {
        vault
            .update("a", json!({"data": {"n": n}}))
            .await
            .expect(200);
    }

    vault.delete("a?force=true").await.expect(204);

    assert_eq!(all_of_secrets(&vault), before);
}

#[tokio::test]
async fn secrets_below_a_path_outlive_it() {
    let vault = Vault::start().await;
    for path in ["a", "a/b", "ab"] {
        vault.create(path, json!({})).await.expect(201);
    }

    vault.delete("a?force=true").await.expect(204);

    vault.read("a").await.refused(404, NOT_FOUND);
    vault.read("a/b").await.expect(200);
    vault.read("ab").await.expect(200);
}

#[tokio::test]
async fn a_base_stays_while_others_link_to_it_forced_or_not() {
    let vault = Vault::start().await;
    vault.create_base("base", json!({})).await;
    for name in ["one", "two"] {
        vault
            .create_dynamic(name, "base", assume_role())
            .await
            .expect(201);
    }

    for path in ["base", "base?force=true"] {
        vault
            .delete(path)
            .await
            .refused(400, "linked to this secret (2)");
    }
    vault.delete("one").await.expect(200);
    vault
        .delete("base")
        .await
        .refused(400, "linked to this secret (1)");
    vault.delete("two?force=true").await.expect(204);

    vault.delete("base").await.expect(200);
}

#[tokio::test]
async fn a_body_on_a_delete_does_no_harm() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);

    let body = json!({"force": true});
    vault
        .ask(Method::DELETE, "/v1/secrets/a", Some(&body))
        .await
        .expect(200);

    vault.put("a/restore").await.expect(200);
}

/// Every item that tells of secrets.
fn all_of_secrets(vault: &Vault) -> Vec<Value> {
    ["SECRET", "PURGE#", "TASK#"]
        .iter()
        .flat_map(|prefix| vault.items_of(prefix))
        .collect()
}
