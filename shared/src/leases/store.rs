//! Writing leases: every write is conditional on the rev that was read, and keeps the counts in step.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    app::App,
    change::Change,
    error::Error,
    leases::rule::Rule,
    metrics,
    store::{
        schema::{Key, LEASE_FORMAT, LeaseRecord},
        table::TransactError,
        writes::Only,
    },
};

/// How a conditional write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It is in the table.
    Done,
    /// Somebody else changed the lease meanwhile.
    Lost,
}

/// A stored lease or task as far as this release can read it. Reading one never fails: neighbours must not suffer.
#[derive(Deserialize)]
#[serde(from = "Value", bound = "T: DeserializeOwned")]
pub(crate) enum Stored<T> {
    /// All of it.
    Known(Box<T>),
    /// A newer release wrote it.
    Newer,
    /// Nobody wrote it so.
    Unreadable,
}

impl<T: DeserializeOwned> From<Value> for Stored<T> {
    fn from(item: Value) -> Self {
        let format = item.get("format").and_then(Value::as_u64);
        if format.is_some_and(|format| format > LEASE_FORMAT.into()) {
            return Self::Newer;
        }
        serde_json::from_value(item).map_or(Self::Unreadable, |known| Self::Known(Box::new(known)))
    }
}

/// The lease `id` as it is now.
pub(crate) async fn get(app: &App, id: Uuid) -> Result<Option<LeaseRecord>, Error> {
    app.table.get(&Key::lease(id)).await
}

/// Writes `lease` as the next rev of what was read, and `more` with it. A finished one leaves the counts.
pub(crate) async fn save(
    app: &App,
    lease: &mut LeaseRecord,
    more: Vec<TransactWriteItem>,
) -> Result<Saved, Error> {
    let only = Only::IfUnchanged {
        id: lease.id,
        rev: lease.rev,
    };
    let mut next = lease.clone();
    next.rev += 1;
    next.reindex();
    let only = if app.keeps(Rule::IntentFirst) {
        only
    } else {
        Only::Always
    };
    let mut change = Change::new(app);
    change.push(app.table.write(&next, &only)?);
    let was_unfinished = lease.indexed_as_unfinished();
    if was_unfinished && !next.life.state.is_unfinished() {
        for id in [lease.secret_id, lease.base_id] {
            change.push(app.table.count_leases(&Key::lease_count(id), -1, None)?);
        }
        change.push(
            app.table
                .remove(&Key::task_of(&lease.task_id()), &Only::Always)?,
        );
    }
    change.extend(more);
    match change.write().await {
        Ok(()) => {
            *lease = next;
            stored(lease);
            Ok(Saved::Done)
        }
        Err(TransactError::Cancelled(_)) => Ok(Saved::Lost),
        Err(error) => Err(error.into()),
    }
}

/// A lease is in the table as it is now: the state that it has entered is counted.
pub(crate) fn stored(lease: &mut LeaseRecord) {
    if let Some(state) = lease.life.stored() {
        metrics::lease(state);
    }
}

/// Removes a finished lease.
pub(crate) async fn forget(app: &App, lease: &LeaseRecord) -> Result<(), Error> {
    let keys = [Key::lease(lease.id), Key::task_of(&lease.task_id())];
    app.table.delete_all(keys).await
}
