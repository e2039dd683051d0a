//! The table's stream: a wake-up for what was just put down to be done. The schedule finds whatever is missed here, so a
//! record fails only while the table cannot be reached: anything else would keep the records behind it from being read.

use std::collections::BTreeSet;

use mayfly::{app::App, error::chain, housekeeping, metrics, store::schema::Key};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// What is needed of a record.
#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    keys: Keys,
    sequence_number: String,
}

#[derive(Deserialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Does what the records tell of, each alone; answers those that Lambda is to send again.
pub(crate) async fn wake(app: &App, records: &[Value], until: OffsetDateTime) -> Value {
    let (mut failed, mut seen) = (Vec::new(), BTreeSet::new());
    let (mut done, mut unreadable) = (0, 0);
    for record in records {
        let Ok(Record { dynamodb: change }) = Record::deserialize(record) else {
            tracing::warn!("a record of the stream cannot be read");
            metrics::unreadable_record();
            unreadable += 1;
            continue;
        };
        let key = Key {
            pk: change.keys.pk.text,
            sk: change.keys.sk.text,
        };
        // What is out of time is left to the schedule, and what is told twice is done once.
        if app.clock.now() >= until || !seen.insert(key.clone()) {
            continue;
        }
        match housekeeping::wake(app, &key, until).await {
            Ok(was) => done += usize::from(was),
            Err(error) => {
                let again = error.is_retryable();
                tracing::warn!(item = key.pk, again, error = chain(&error), "not done");
                if again {
                    failed.push(json!({"itemIdentifier": change.sequence_number}));
                }
            }
        }
    }
    tracing::debug!(
        records = records.len(),
        done,
        unreadable,
        failed = failed.len(),
        "woken"
    );
    json!({ "batchItemFailures": failed })
}
