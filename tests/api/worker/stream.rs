//! Wake-ups by the table's stream: each record alone, in any order, any number of times.

use std::time::Duration;

use mayfly::{
    clock::{Clock, unix_millis},
    store::schema::{Key, RemovalRecord, SECRET},
};
use mayfly_tests::{
    Vault,
    events::{batch, inserted, scheduled, sequence},
    wire::Trouble,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{work, work_for};

/// How often a call is tried.
const TRIES: u32 = 4;

/// Leaves so many removals to be finished; answers their partition keys.
async fn left_to_do(vault: &Vault, count: usize) -> Vec<String> {
    let mut keys = Vec::new();
    for _ in 0..count {
        let id = Uuid::new_v4();
        let now = unix_millis(vault.clock.now());
        let task = RemovalRecord::task(SECRET, "gone", id, now);
        vault.app.table.put(&task).await.unwrap();
        keys.push(Key::task(id).pk);
    }
    keys
}

fn none_failed() -> Value {
    json!({"batchItemFailures": []})
}

#[tokio::test]
async fn each_record_is_done_alone_in_any_order_any_number_of_times() {
    let vault = Vault::start().await;
    let keys = left_to_do(&vault, 4).await;
    let unreadable = [
        json!(7),
        json!({"eventSource": "aws:dynamodb"}),
        json!({"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"pk": {"N": "1"}}}}),
    ];
    let mut records: Vec<Value> = (1..).zip(&keys).map(|(n, key)| inserted(n, key)).collect();
    records.reverse();
    records.splice(1..1, unreadable);
    records.push(inserted(4, &keys[3]));
    records.push(inserted(9, "TASK#no-such-task"));
    records.push(inserted(10, "SECRET#a"));

    assert_eq!(work(&vault, batch(&records)).await.unwrap(), none_failed());
    assert!(vault.items_of("TASK#").is_empty());

    vault.wire.bad_weather(0);
    vault.wire.clear();
    assert_eq!(work(&vault, batch(&records)).await.unwrap(), none_failed());
    let calls = vault.wire.operations();
    assert_eq!(calls, ["GetItem"; 5], "one look at each task");
}

#[tokio::test]
async fn a_record_fails_only_while_the_table_cannot_be_reached() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let keys = left_to_do(&vault, 3).await;
    let records: Vec<Value> = (1..).zip(&keys).map(|(n, key)| inserted(n, key)).collect();
    for _ in 0..TRIES {
        vault.wire.next("GetItem", Trouble::Unreachable);
    }

    let answer = work(&vault, batch(&records)).await.unwrap();
    let failed = json!({"batchItemFailures": [{"itemIdentifier": sequence(1)}]});
    assert_eq!(answer, failed);
    assert_eq!(vault.items_of("TASK#").len(), 1, "its neighbours are done");

    vault.wire.next("GetItem", Trouble::AccessDenied);
    let answer = work(&vault, batch(&records)).await.unwrap();
    assert_eq!(answer, none_failed(), "sending it again would not help");

    assert_eq!(work(&vault, batch(&records)).await.unwrap(), none_failed());
    assert!(vault.items_of("TASK#").is_empty());
}

#[tokio::test]
async fn what_is_out_of_time_is_left_to_the_schedule() {
    let vault = Vault::start().await;
    let keys = left_to_do(&vault, 2).await;
    let records: Vec<Value> = (1..).zip(&keys).map(|(n, key)| inserted(n, key)).collect();

    let answer = work_for(&vault, Duration::ZERO, batch(&records)).await;
    assert_eq!(answer.unwrap(), none_failed());
    assert_eq!(vault.items_of("TASK#").len(), 2);

    let swept = work(&vault, scheduled()).await.unwrap();
    assert_eq!(swept["removals"]["done"], 2);
    assert!(vault.items_of("TASK#").is_empty());
}

#[tokio::test]
async fn a_task_of_a_later_release_is_passed_and_left_as_it_is() {
    let vault = Vault::start().await;
    let keys = left_to_do(&vault, 1).await;
    let mut item = vault.items_of("TASK#").remove(0);
    item["entity"] = json!({"S": "LATER"});
    vault.put_item(&item);
    let records = [inserted(1, &keys[0])];
    assert_eq!(work(&vault, batch(&records)).await.unwrap(), none_failed());
    assert_eq!(vault.items_of("TASK#"), [item]);
}
