//! A table that throttles, conflicts, loses answers and breaks connections: the right answers, or none, but never a
//! half-written state.

use std::future::Future;

use mayfly_tests::{
    Answer, Vault,
    vault::{assume_role, plain},
    wire::Trouble,
};
use serde_json::{Value, json};

/// One secret's life.
async fn story(vault: &Vault) {
    let created = vault
        .create("a/b", json!({"data": {"n": 0}}))
        .await
        .expect(201)
        .json();
    for n in 1..=5 {
        let key = format!("k{n}");
        let answer = vault
            .update("a/b", json!({"data": {key: n}}))
            .await
            .expect(200)
            .json();
        assert_eq!(answer["version"], n.to_string());
    }
    let read = vault.read("a/b").await.expect(200).json();
    assert_eq!(
        read["data"],
        json!({"n": 0, "k1": 1, "k2": 2, "k3": 3, "k4": 4, "k5": 5})
    );
    assert_eq!(read["id"], created["id"]);
    assert_eq!(
        patiently(|| vault.search("searchTerm=a:b"))
            .await
            .expect(200)
            .json()["total"],
        1
    );
    let back = vault.put("a/b/rollback/1").await.expect(200).json();
    assert_eq!(
        (&back["version"], &back["data"]),
        (&json!("6"), &json!({"n": 0, "k1": 1}))
    );
    vault.delete("a/b").await.expect(200);
    vault.read("a/b").await.refused(404, "will be removed");
    vault.put("a/b/restore").await.expect(200);
    let versions = vault.read("a/b/version/9").await.expect(200).json();
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(7));
}

/// A dynamic secret's life, and its base's.
async fn linked_story(vault: &Vault) {
    vault.create_base("base", json!({})).await;
    vault
        .create_dynamic("d", "base", assume_role())
        .await
        .expect(201);
    vault.read("d").await.expect(200);
    assert_eq!(links(vault), 1);
    vault
        .delete("base")
        .await
        .refused(400, "linked to this secret (1)");
    vault.delete("d").await.expect(200);
    vault.put("d/restore").await.expect(200);
    assert_eq!(links(vault), 1);
    let by_base = patiently(|| vault.search("search.links=true&searchTerm=base"))
        .await
        .expect(200);
    assert_eq!(by_base.json()["total"], 1);

    for path in ["d", "base"] {
        vault
            .delete(&format!("{path}?force=true"))
            .await
            .expect(204);
    }
}

#[tokio::test]
async fn a_whole_story_goes_well_in_any_weather() {
    for n in [3, 4, 5, 7] {
        let vault = Vault::start().await;
        vault.wire.bad_weather(n);
        story(&vault).await;
        linked_story(&vault).await;
        vault.delete("a/b?force=true").await.expect(204);
        vault.wire.bad_weather(0);
        vault.purge().await;
        let left: Vec<Value> = vault
            .items_of("SECRET")
            .into_iter()
            .chain(vault.items_of("PURGE#"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn one_trouble_of_a_transaction_is_not_noticed() {
    for trouble in [
        Trouble::Throttled,
        Trouble::Conflict,
        Trouble::LostAnswer,
        Trouble::Unreachable,
    ] {
        let vault = Vault::start().await;
        vault.wire.bad_weather(0);
        vault.create_base("base", json!({})).await;
        let hit = |vault: &Vault| vault.wire.next("TransactWriteItems", trouble);

        hit(&vault);
        let created = vault
            .create("a", json!({"data": {"n": 0}}))
            .await
            .expect(201)
            .json();
        assert_eq!(
            vault.read("a").await.expect(200).json(),
            created,
            "{trouble:?}"
        );
        hit(&vault);
        let updated = vault
            .update("a", json!({"data": {"n": 1}}))
            .await
            .expect(200)
            .json();
        assert_eq!(updated["version"], "1", "{trouble:?}: applied exactly once");
        hit(&vault);
        assert_eq!(
            vault.put("a/rollback/0").await.expect(200).json()["version"],
            "2"
        );
        hit(&vault);
        vault.delete("a").await.expect(200);
        hit(&vault);
        vault.put("a/restore").await.expect(200);
        let read = vault.read("a/version/9").await.expect(200).json();
        assert_eq!(read["data"].as_array().unwrap().len(), 3, "{trouble:?}");
        hit(&vault);
        vault
            .create_dynamic("d", "base", assume_role())
            .await
            .expect(201);
        assert_eq!(links(&vault), 1, "{trouble:?}: counted exactly once");
        hit(&vault);
        vault.delete("d").await.expect(200);
        assert_eq!(links(&vault), 0, "{trouble:?}: let go exactly once");
        hit(&vault);
        vault.delete("a?force=true").await.expect(204);
        assert_eq!(vault.items_of("SECRET#a").len(), 0);
    }
}

#[tokio::test]
async fn a_conflict_with_its_own_lost_answer_is_not_taken_for_another_writer() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault.create_base("base", json!({})).await;
    let hit = || {
        vault.wire.next("TransactWriteItems", Trouble::LostAnswer);
        vault.wire.next("TransactWriteItems", Trouble::Conflict);
    };

    hit();
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    hit();
    let updated = vault
        .update("a", json!({"data": {"n": 1}}))
        .await
        .expect(200)
        .json();
    assert_eq!(updated["version"], "1");
    assert_eq!(vault.read("a").await.expect(200).json(), updated);
    hit();
    vault
        .create_dynamic("d", "base", assume_role())
        .await
        .expect(201);
    assert_eq!(links(&vault), 1);
    hit();
    vault.delete("a?force=true").await.expect(204);
}

#[tokio::test]
async fn one_audit_record_tells_of_a_write_whose_answer_was_lost() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let before = vault.audit().len();
    vault.wire.next("TransactWriteItems", Trouble::LostAnswer);

    vault.create("a", json!({})).await.expect(201);

    assert_eq!(vault.audit().len(), before + 1);
}

#[tokio::test]
async fn one_trouble_of_a_read_is_not_noticed() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let created = vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201)
        .json();
    vault.update("a", json!({})).await.expect(200);
    for trouble in [
        Trouble::Throttled,
        Trouble::LostAnswer,
        Trouble::Unreachable,
        Trouble::Unprocessed,
    ] {
        vault.wire.next("BatchGetItem", trouble);
        let read = vault.read("a").await.expect(200).json();
        assert_eq!(read["id"], created["id"], "{trouble:?}");
        if trouble == Trouble::Unprocessed {
            continue;
        }
        vault.wire.next("Query", trouble);
        let versions = vault.read("a/version/1").await.expect(200).json();
        assert_eq!(versions["data"].as_array().unwrap().len(), 2);
        vault.wire.next("Query", trouble);
        assert_eq!(vault.search("").await.expect(200).json()["total"], 1);
        vault.wire.next("GetItem", trouble);
        vault.put("a/rollback/0").await.expect(200);
        vault.wire.next("PutItem", trouble);
        vault.read("a").await.expect(200);
    }
}

/// Asks again while the answer is to try again later: a search asks eight partitions at once, and one of them may meet
/// every trouble there is.
async fn patiently<F: Future<Output = Answer>>(ask: impl Fn() -> F) -> Answer {
    let mut answer = ask().await;
    for _ in 0..10 {
        if ![429, 503].contains(&answer.status) {
            break;
        }
        answer = ask().await;
    }
    answer
}

/// How many secrets link to `base`.
fn links(vault: &Vault) -> Value {
    let items = vault.items_of("SECRET#base");
    let count = items.iter().find(|item| item["sk"]["S"] == "LINKS");
    count.map_or(json!(0), |item| plain(item)["links"].clone())
}
