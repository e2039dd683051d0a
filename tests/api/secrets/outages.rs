//! A table that stays away, stays busy, or loses every race: the right answer, and nothing written.

use mayfly_local::embedded::ATTEMPTS;
use mayfly_tests::{Vault, wire::Trouble};
use serde_json::json;

#[tokio::test]
async fn a_table_that_stays_away_is_a_503_and_nothing_is_written() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");

    for n in 0..4 {
        for _ in 0..ATTEMPTS {
            vault.wire.next("TransactWriteItems", Trouble::Unreachable);
        }
        let answer = match n {
            0 => vault.create("b", json!({"data": {"n": 1}})).await,
            1 => vault.update("a", json!({"data": {"n": 1}})).await,
            2 => vault.delete("a").await,
            _ => vault.delete("a?force=true").await,
        };
        assert_eq!(answer.headers["retry-after"], "1");
        answer.refused(503, "the table is unavailable");
        assert_eq!(vault.items_of("SECRET"), before);
    }
    for _ in 0..ATTEMPTS {
        vault.wire.next("BatchGetItem", Trouble::Unreachable);
    }
    vault
        .read("a")
        .await
        .refused(503, "the table is unavailable");
    vault.read("a").await.expect(200);
}

#[tokio::test]
async fn a_table_that_stays_busy_is_a_429_with_a_time_to_wait() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault.create("a", json!({})).await.expect(201);
    for (trouble, times) in [(Trouble::Throttled, ATTEMPTS), (Trouble::Unprocessed, 6)] {
        for _ in 0..times {
            vault.wire.next("BatchGetItem", trouble);
        }
        let answer = vault.read("a").await;
        assert_eq!(answer.headers["retry-after"], "1");
        answer.refused(429, "busy");
    }
    vault.read("a").await.expect(200);
}

#[tokio::test]
async fn a_write_that_loses_every_race_is_a_409() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    let before = vault.items_of("SECRET");
    for _ in 0..48 * 3 {
        vault.wire.next("TransactWriteItems", Trouble::Conflict);
    }

    vault
        .update("a", json!({"data": {"n": 1}}))
        .await
        .refused(409, "changed by others");

    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_leave() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .create("a", json!({"data": {"n": "value-mark"}}))
        .await
        .expect(201);
    vault.wire.next("PutItem", Trouble::AccessDenied);

    let answer = vault.read("a").await;

    assert!(!answer.text().contains("value-mark"));
    answer.refused(500, "internal error");
}

#[tokio::test]
async fn a_write_without_its_audit_record_is_not_done() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let records = vault.audit().len();

    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);
    vault
        .create("a", json!({}))
        .await
        .refused(500, "internal error");

    assert!(vault.items_of("SECRET").is_empty());
    let told = vault.audit();
    assert_eq!(told.len(), records + 1);
    assert!(told.iter().any(|record| record["status"] == 500));
}
