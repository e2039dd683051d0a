//! The worker as Lambda runs it: woken by the stream, swept by the schedule, one record at a time.

use mayfly::store::schema::{PURGE, SECRET, TASK, due_sort, shard_of};
use mayfly_local::embedded::TABLE;
use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape, batch, inserted, scheduled},
    runtime_api::Outcome,
};
use serde_json::{Value, json};
use uuid::Uuid;

fn put(vault: &Deployment, item: &Value) {
    let put = json!({"TableName": TABLE, "Item": item});
    let put = serde_json::from_value(put).unwrap();
    vault.database.put_item(put).unwrap();
}

/// What lies under a partition key's beginning.
fn items(vault: &Deployment, prefix: &str) -> Vec<Value> {
    let scan = serde_json::from_value(json!({"TableName": TABLE})).unwrap();
    let found = serde_json::to_value(vault.database.scan(scan).unwrap()).unwrap();
    let mut items = found["Items"].as_array().cloned().unwrap_or_default();
    items.retain(|item| item["pk"]["S"].as_str().unwrap().starts_with(prefix));
    items
}

/// Leaves a removal to be finished; answers its partition key.
fn removal(vault: &Deployment) -> String {
    let id = Uuid::new_v4().to_string();
    let pk = format!("{TASK}#{id}");
    put(
        vault,
        &json!({
            "pk": {"S": pk},
            "sk": {"S": "HEAD"},
            "entity": {"S": SECRET},
            "name": {"S": "gone"},
            "id": {"S": id},
            "duePk": {"S": shard_of(TASK, &id)},
            "dueSk": {"S": format!("{}#{id}", due_sort(1))},
        }),
    );
    pk
}

/// Makes it so that everything that was soft-deleted was so for ages.
fn age(vault: &Deployment) {
    for mut item in items(vault, "") {
        if item.get("deletedAt").is_some() {
            item["deletedAt"] = json!({"N": "1"});
        } else if item["pk"]["S"].as_str().unwrap().starts_with(PURGE) {
            let id = item["id"]["S"].as_str().unwrap();
            item["dueSk"] = json!({"S": format!("{}#{id}", due_sort(1))});
        } else {
            continue;
        }
        put(vault, &item);
    }
}

#[tokio::test]
async fn the_stream_wakes_it_and_a_record_that_cannot_be_read_is_passed() {
    let vault = Deployment::start(&[]).await.unwrap();
    vault.first_token().await.unwrap();
    let mut records: Vec<Value> = (1..=8).map(|n| inserted(n, &removal(&vault))).collect();
    records.insert(3, json!({"eventSource": "aws:dynamodb", "dynamodb": "?"}));
    records.push(records[0].clone());

    for _ in 0..2 {
        let outcome = vault.lease_worker.invoke(batch(&records)).await.unwrap();
        assert_eq!(outcome, Outcome::Answer(json!({"batchItemFailures": []})));
    }

    assert!(items(&vault, TASK).is_empty());
    let logs = vault.lease_worker.stop().await.unwrap().logs;
    assert!(
        logs.contains("a record of the stream cannot be read"),
        "{logs}"
    );
}

#[tokio::test]
async fn the_schedule_purges_what_was_deleted_72_hours_ago() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for (method, path) in [("POST", "a"), ("POST", "b"), ("DELETE", "a")] {
        let sent = Sent::new(method, format!("/v1/secrets/{path}"))
            .header("authorization", &token)
            .json(&json!({"data": {"n": 1}}));
        let answer = vault.send(Shape::HttpApi, &sent).await.unwrap();
        assert!(answer.status < 300, "{}", answer.text());
    }
    let left = |path: &str| items(&vault, &format!("SECRET#{path}")).len();
    let sweep = async || {
        vault
            .lease_worker
            .invoke(scheduled())
            .await
            .unwrap()
            .answer()
    };
    assert_eq!(sweep().await.unwrap()["removals"]["done"], 0);
    assert_eq!((left("a"), left("b")), (1, 1));

    age(&vault);
    let swept = sweep().await.unwrap();

    assert_eq!(
        swept["removals"],
        json!({"done": 1, "failed": 0, "unreadable": 0})
    );
    assert_eq!(swept["errors"], 0);
    assert_eq!((left("a"), left("b")), (0, 1));
    assert!(items(&vault, PURGE).is_empty() && items(&vault, TASK).is_empty());
}

#[tokio::test]
async fn anything_else_is_refused_and_says_what_is_taken() {
    let vault = Deployment::start(&[]).await.unwrap();
    let http = Sent::new("GET", "/v1/secrets/a").event(Shape::HttpApi);
    for (event, said) in [
        (http, "event: this function takes no HTTP"),
        (
            json!({"mayfly": "dance"}),
            "event: must be a batch of the table's stream",
        ),
        (json!([]), "event: must be a batch of the table's stream"),
    ] {
        match vault.lease_worker.invoke(event).await.unwrap() {
            Outcome::Failed {
                error_type,
                message,
            } => {
                assert_eq!(error_type, "Invalid");
                assert!(message.starts_with(said), "{message}");
            }
            Outcome::Answer(answer) => panic!("answered {answer}"),
        }
    }
}
