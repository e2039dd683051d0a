//! What is due waits for nothing that is stuck before it, and nothing is lost when the time is up.

use std::time::Duration;

use http::Method;
use mayfly::store::schema::{PURGE, TASK, due_sort, shard_of};
use mayfly_tests::Vault;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hurried_sweep;

const SPAN: Duration = Duration::from_hours(72);

/// Puts something into a list that has been due for ages; `more` says what it is.
fn put_due(vault: &Vault, list: &str, more: &Value) -> Value {
    let id = Uuid::new_v4().to_string();
    let mut item = json!({
        "pk": {"S": format!("{list}#{id}")},
        "sk": {"S": "HEAD"},
        "duePk": {"S": shard_of(list, &id)},
        "dueSk": {"S": format!("{}#{id}", due_sort(1))},
    });
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    vault.put_item(&item);
    item
}

/// Makes and soft-deletes secrets, a second apart.
async fn soft_deleted(vault: &Vault, count: usize) {
    for n in 0..count {
        let path = format!("gone/{n:02}");
        vault
            .create(&path, json!({"data": {"n": n}}))
            .await
            .expect(201);
        vault.delete(&path).await.expect(200);
        vault.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_removed_keeps_nothing_behind_it_waiting() {
    let mut vault = Vault::start().await;
    soft_deleted(&vault, 3).await;
    vault.wait(SPAN).await;
    let mut stuck = Vec::new();
    for _ in 0..120 {
        stuck.push(put_due(&vault, PURGE, &json!({"format": {"N": "9"}})));
    }
    let id = || json!({"S": Uuid::new_v4().to_string()});
    for list in [PURGE, TASK] {
        for _ in 0..10 {
            let later = json!({"id": id(), "entity": {"S": "LATER"}, "name": {"S": "x"}});
            stuck.push(put_due(&vault, list, &later));
        }
    }

    let swept = vault.purge().await;

    assert_eq!((swept.done, swept.unreadable, swept.failed), (3, 120, 20));
    let left = |prefix: &str| vault.items_of(prefix);
    assert!(left("SECRET").is_empty());
    let mut left = [left("PURGE#"), left("TASK#")].concat();
    left.sort_by_key(|item| item["pk"]["S"].to_string());
    stuck.sort_by_key(|item| item["pk"]["S"].to_string());
    assert_eq!(left, stuck, "what is not understood is left as it is");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_does_not_keep_its_neighbours() {
    let mut vault = Vault::start().await;
    soft_deleted(&vault, 4).await;
    vault.wait(SPAN).await;
    let mut head = vault.items_of("SECRET#gone:01").remove(0);
    head["version"] = json!({"S": "one"});
    vault.put_item(&head);

    let swept = vault.purge().await;

    assert_eq!((swept.done, swept.failed, swept.unreadable), (3, 1, 0));
    assert_eq!(vault.items_of("SECRET#"), [head]);
    assert_eq!(vault.items_of("PURGE#").len(), 1);
}

#[tokio::test]
async fn what_has_waited_longest_goes_first_and_nothing_is_lost() {
    const COUNT: usize = 16;
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0);
    soft_deleted(&vault, COUNT).await;
    vault.wait(SPAN).await;
    let mut done = 0;
    let mut sweeps = 0;
    while done < COUNT {
        let swept = hurried_sweep(&vault, Duration::from_millis(250)).await;
        done += usize::try_from(swept["removals"]["done"].as_u64().unwrap()).unwrap();
        sweeps += 1;
        assert!(sweeps < 50 && swept["errors"] == 0, "{swept}");
        let left = vault.items_of("SECRET#");
        assert_eq!(
            left.len(),
            COUNT - done,
            "each is there whole or not at all"
        );
        let first = left.first().map(|head| head["pk"]["S"].clone());
        let oldest = (done < COUNT).then(|| json!(format!("SECRET#gone:{done:02}")));
        assert_eq!(first, oldest);
    }
    assert!(sweeps > 1, "the time was never up");
    assert!(vault.items_of("PURGE#").is_empty() && vault.items_of("TASK#").is_empty());
    assert!(vault.items_of("SECRETID#").is_empty());
}

#[tokio::test]
async fn a_sweep_without_time_does_nothing() {
    let mut vault = Vault::start().await;
    soft_deleted(&vault, 2).await;
    vault.wait(SPAN).await;
    let before = vault.items();
    let swept = hurried_sweep(&vault, Duration::ZERO).await;
    assert_eq!(swept["removals"]["done"], 0);
    assert_eq!(vault.items(), before);
}

/// A role with secrets in its home; answers the role's name.
async fn at_home(vault: &Vault, count: usize) -> &'static str {
    let token = vault.make_role("owner").await;
    for n in 0..count {
        let target = format!("/v1/home/roles:owner/a/{n:02}");
        let body = json!({"data": {"n": n}});
        vault
            .ask_as(&token, Method::POST, &target, Some(&body))
            .await
            .expect(201);
    }
    "owner"
}

#[tokio::test]
async fn a_large_home_is_removed_piece_by_piece() {
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let role = at_home(&vault, 20).await;
    let target = format!("/v1/roles/{role}");
    vault.ask(Method::DELETE, &target, None).await.expect(200);
    vault.wait(SPAN).await;

    let mut left = vec![vault.items_of("HOME#").len()];
    for _ in 0..60 {
        hurried_sweep(&vault, Duration::from_millis(600)).await;
        left.push(vault.items_of("HOME#").len());
        if vault.items_of("TASK#").is_empty() {
            break;
        }
    }

    assert_eq!(left.last(), Some(&0), "{left:?}");
    assert!(left.iter().any(|left| (1..20).contains(left)), "{left:?}");
    for entity in ["HOME", "ROLE#owner", "PURGE#", "TASK#"] {
        assert!(vault.items_of(entity).is_empty(), "{entity}");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_keeps_its_home_but_none_of_the_others_in_it() {
    let vault = Vault::start().await;
    let role = at_home(&vault, 5).await;
    let whole = vault.items_of("HOME#").remove(2);
    let mut broken = whole.clone();
    broken["version"] = json!({"S": "two"});
    vault.put_item(&broken);

    let target = format!("/v1/roles/{role}?force=true");
    vault.ask(Method::DELETE, &target, None).await.expect(204);
    assert_eq!(vault.items_of("HOME#"), [broken]);
    assert_eq!(vault.purge().await.failed, 1);

    vault.put_item(&whole);
    let swept = vault.purge().await;
    assert_eq!((swept.done, swept.failed), (1, 0));
    assert!(vault.items_of("HOME").is_empty() && vault.items_of("TASK#").is_empty());
}
