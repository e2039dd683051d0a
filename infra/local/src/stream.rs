//! The table's stream, as far as it wakes the worker: that a task was put into the embedded table.
//!
//! The embedded database has streams of its own, but keeps their records for ever and looks through all of them with every
//! write: after forty thousand, one takes 21 ms in place of 0.7. So what is written is told here, where every write passes
//! on its way to the table. What a process did not come to before it ended, the next one's sweep finds.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dynoxide::Database;
use mayfly::store::schema::{PK, SK, TASK};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::embedded::TABLE;

/// How many records one event holds at most, as of a deployed stream.
const BATCH: usize = 100;

/// The first sequence number: they have 21 digits at least.
const FIRST: u128 = 100_000_000_000_000_000_000;

/// Where writes are told.
#[derive(Clone)]
pub struct Tap {
    told: UnboundedSender<Value>,
    count: Arc<AtomicU64>,
}

/// What was told.
pub struct Stream(UnboundedReceiver<Value>);

/// A stream and where it begins.
pub fn channel() -> (Tap, Stream) {
    let (told, stream) = mpsc::unbounded_channel();
    let count = Arc::default();
    (Tap { told, count }, Stream(stream))
}

impl Tap {
    /// The keys of the tasks that a request is about to insert.
    pub(crate) fn inserts(database: &Database, operation: &str, body: &[u8]) -> Vec<Value> {
        // Nearly no request has one, and bodies may be large.
        let mark = format!("\"{TASK}#");
        if !body.windows(mark.len()).any(|part| part == mark.as_bytes()) {
            return Vec::new();
        }
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let puts: Vec<&Value> = match operation {
            "PutItem" => vec![&request["Item"]],
            "TransactWriteItems" => request["TransactItems"]
                .as_array()
                .map(|writes| writes.iter().map(|write| &write["Put"]["Item"]).collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        puts.into_iter()
            .filter(|item| is_task(item))
            .map(|item| json!({PK: item[PK], SK: item[SK]}))
            .filter(|key| is_new(database, key))
            .collect()
    }

    /// Tells of them, once they are there.
    pub(crate) fn tell(&self, inserts: Vec<Value>) {
        for keys in inserts {
            let number = FIRST + u128::from(self.count.fetch_add(1, Ordering::SeqCst));
            // Nobody may be listening: the next sweep finds it then.
            _ = self.told.send(json!({
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": keys,
                    "SequenceNumber": number.to_string(),
                    "StreamViewType": "KEYS_ONLY",
                },
            }));
        }
    }
}

impl Stream {
    /// The next event, as Lambda would send it; `None` once nobody writes any more.
    pub async fn next(&mut self) -> Option<Value> {
        let mut records = Vec::new();
        let some = self.0.recv_many(&mut records, BATCH).await > 0;
        some.then(|| json!({ "Records": records }))
    }
}

fn is_task(item: &Value) -> bool {
    let key = item[PK]["S"].as_str().unwrap_or_default();
    key.strip_prefix(TASK)
        .is_some_and(|rest| rest.starts_with('#'))
}

fn is_new(database: &Database, key: &Value) -> bool {
    let get = json!({"TableName": TABLE, "Key": key, "ConsistentRead": true});
    let found = serde_json::from_value(get)
        .ok()
        .and_then(|get| database.get_item(get).ok())
        .and_then(|found| serde_json::to_value(found).ok());
    // Being told twice is harmless.
    found.is_none_or(|found| found.get("Item").is_none())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use aws_sdk_dynamodb::config::SharedHttpClient;
    use mayfly::{
        clock::SystemClock,
        store::{schema::RemovalRecord, table::Table, writes::Only},
    };
    use uuid::Uuid;

    use super::*;
    use crate::embedded::{self, Embedded};

    fn task(n: u128) -> RemovalRecord {
        RemovalRecord::task("SECRET", "gone", Uuid::from_u128(n), 1)
    }

    /// The partition keys of the next event; empty if there is none.
    async fn told(stream: &mut Stream) -> Vec<String> {
        let event = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
        let event = event.ok().flatten().unwrap_or_default();
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        records
            .iter()
            .map(|record| {
                record["dynamodb"]["Keys"]["pk"]["S"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[tokio::test]
    async fn tasks_are_told_when_they_are_inserted_and_nothing_else_is() {
        let database = embedded::open(None).unwrap();
        let (tap, mut stream) = channel();
        let http = SharedHttpClient::new(Embedded::new(database).telling(tap));
        let table = Table::new(embedded::client(http), TABLE, Arc::new(SystemClock));
        let purge = RemovalRecord::purge("SECRET", "TASK#not", Uuid::from_u128(9), 1);

        table.put(&task(1)).await.unwrap();
        table.put(&task(1)).await.unwrap();
        table.put(&purge).await.unwrap();
        assert_eq!(told(&mut stream).await, [task(1).key.pk]);

        let write = |n| table.write(&task(n), &Only::Always).unwrap();
        let writes = vec![write(1), write(2), write(3)];
        table.transact(Uuid::new_v4(), writes).await.unwrap();
        assert_eq!(told(&mut stream).await, [task(2).key.pk, task(3).key.pk]);

        let refused = vec![write(4), table.write(&task(1), &Only::IfNew).unwrap()];
        table.transact(Uuid::new_v4(), refused).await.unwrap_err();
        table.delete_all([task(2).key]).await.unwrap();
        assert!(told(&mut stream).await.is_empty());
    }

    #[tokio::test]
    async fn many_are_told_in_batches_of_a_hundred_with_growing_numbers() {
        let (tap, mut stream) = channel();
        tap.tell(
            (0..150)
                .map(|n| json!({PK: {"S": format!("TASK#{n}")}}))
                .collect(),
        );
        let first = stream.next().await.unwrap();
        let second = stream.next().await.unwrap();
        let numbers: Vec<String> = [first, second]
            .iter()
            .flat_map(|event| event["Records"].as_array().unwrap().clone())
            .map(|record| {
                record["dynamodb"]["SequenceNumber"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(numbers.len(), 150);
        assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 21));
        drop(tap);
        assert_eq!(stream.next().await, None);
    }
}
