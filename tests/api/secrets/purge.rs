//! The end of soft-deleted secrets, and finishing what an interrupted removal left.

use std::time::Duration;

use mayfly_tests::{Vault, vault::assume_role, wire::Trouble};
use serde_json::{Value, json};

const SPAN: Duration = Duration::from_hours(72);
const JUST_LESS: Duration = Duration::from_millis(72 * 3_600_000 - 1);

#[tokio::test]
async fn a_soft_deleted_secret_is_purged_after_72_hours_and_not_before() {
    let mut vault = Vault::start().await;
    // Waiting out a bad answer moves this clock, and here a millisecond counts.
    vault.wire.bad_weather(0);
    let before = all_of_secrets(&vault);
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    for n in 1..=3 {
        vault
            .update("a", json!({"data": {"n": n}}))
            .await
            .expect(200);
    }
    vault.delete("a").await.expect(200);
    let marked = all_of_secrets(&vault);

    vault.wait(JUST_LESS).await;
    assert_eq!(vault.purge().await.done, 0);
    assert_eq!(all_of_secrets(&vault), marked);

    vault.wait(Duration::from_millis(1)).await;
    assert_eq!(vault.purge().await.done, 1);
    assert_eq!(all_of_secrets(&vault), before);
    assert_eq!(vault.purge().await.done, 0);
}

#[tokio::test]
async fn what_lives_is_not_swept() {
    let mut vault = Vault::start().await;
    vault.create_base("base", json!({})).await;
    vault
        .create_dynamic("dynamic", "base", assume_role())
        .await
        .expect(201);
    vault.create("gone", json!({})).await.expect(201);
    vault.delete("gone").await.expect(200);
    vault.wait(SPAN).await;

    assert_eq!(vault.purge().await.done, 1);

    vault.read("base").await.expect(200);
    vault.read("dynamic").await.expect(200);
}

#[tokio::test]
async fn an_interrupted_removal_is_finished_by_the_sweep() {
    let vault = Vault::start().await;
    let before = all_of_secrets(&vault);
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    for n in 1..=5 {
        vault
            .update("a", json!({"data": {"n": n}}))
            .await
            .expect(200);
    }
    for _ in 0..8 {
        vault.wire.next("DeleteItem", Trouble::AccessDenied);
    }

    vault.delete("a?force=true").await.expect(204);

    assert!(!vault.items_of("TASK#").is_empty());
    vault.read("a").await.refused(404, "unable to find item");
    // Someone makes another secret there before the rest of the first is gone.
    vault
        .create("a", json!({"data": {"new": 1}}))
        .await
        .expect(201);
    vault
        .update("a", json!({"data": {"new": 2}}))
        .await
        .expect(200);

    for _ in 0..8 {
        if vault.purge().await.failed == 0 {
            break;
        }
    }
    assert!(vault.items_of("TASK#").is_empty());
    let versions = vault.read("a/version/9").await.expect(200).json();
    assert_eq!(versions["data"].as_array().unwrap().len(), 2);
    vault.delete("a?force=true").await.expect(204);
    assert_eq!(all_of_secrets(&vault), before);
}

#[tokio::test]
async fn an_interrupted_purge_is_finished_by_the_next() {
    for trouble in [Trouble::Unreachable, Trouble::LostAnswer] {
        let mut vault = Vault::start().await;
        let before = all_of_secrets(&vault);
        vault.create("a", json!({})).await.expect(201);
        vault
            .update("a", json!({"data": {"n": 1}}))
            .await
            .expect(200);
        vault.delete("a").await.expect(200);
        vault.wait(SPAN).await;
        for operation in ["TransactWriteItems", "DeleteItem"] {
            for _ in 0..5 {
                vault.wire.next(operation, trouble);
            }
        }

        for _ in 0..8 {
            vault.purge().await;
        }

        assert_eq!(all_of_secrets(&vault), before, "{trouble:?}");
    }
}

#[tokio::test]
async fn one_secret_that_cannot_be_purged_does_not_keep_the_others() {
    let mut vault = Vault::start().await;
    for n in 0..4 {
        vault.create(&format!("a{n}"), json!({})).await.expect(201);
        vault.delete(&format!("a{n}")).await.expect(200);
    }
    vault.wait(SPAN).await;
    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);

    assert_eq!(vault.purge().await.failed, 1);

    assert_eq!(vault.items_of("PURGE#").len(), 1);
    assert_eq!(vault.purge().await.done, 1);
}

#[tokio::test]
async fn two_sweeps_at_once_purge_everything_once() {
    let mut vault = Vault::start().await;
    let before = all_of_secrets(&vault);
    for n in 0..6 {
        vault.create(&format!("a{n}"), json!({})).await.expect(201);
        vault.delete(&format!("a{n}")).await.expect(200);
    }
    vault.wait(SPAN).await;
    let other = vault.another();

    let (one, two) = tokio::join!(vault.purge(), other.purge());

    assert!(one.done + two.done >= 6);
    assert_eq!(all_of_secrets(&vault), before);
}

/// Every item that tells of secrets.
fn all_of_secrets(vault: &Vault) -> Vec<Value> {
    ["SECRET", "PURGE#", "TASK#"]
        .iter()
        .flat_map(|prefix| vault.items_of(prefix))
        .collect()
}
