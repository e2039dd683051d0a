//! The lock of an existing application: it orders those who change its passwords.
//!
//! Graph keeps an application's passwords as one list, and changes that overlap lose entries or are refused. Nothing is
//! proven by holding the lock: its holder may have slept past its end.

use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use uuid::Uuid;

use crate::{
    app::App,
    change::Change,
    clock::unix_millis,
    domain::lease::after,
    error::Error,
    store::{
        schema::{AppLockRecord, Key},
        table::TransactError,
        writes::Only,
    },
};

/// A function runs at most 30 s; as long again, and nobody can be holding it who still works.
const HELD_FOR: Duration = Duration::from_mins(1);

/// The write that takes the lock for the lease `id` if it is free.
pub(crate) fn take(app: &App, app_object_id: &str, id: Uuid) -> Result<TransactWriteItem, Error> {
    let now = unix_millis(app.clock.now());
    let until = after(now, HELD_FOR);
    let record = AppLockRecord {
        key: Key::app_lock(app_object_id),
        id,
        held_until: until,
        expires: until / 1000 + 60,
    };
    app.table.write(&record, &Only::IfFree(now))
}

/// The write that gives it back. It stands in the way if somebody else has it by now.
pub(crate) fn give_back(
    app: &App,
    app_object_id: &str,
    id: Uuid,
) -> Result<TransactWriteItem, Error> {
    app.table
        .remove(&Key::app_lock(app_object_id), &Only::IfHeldBy(id))
}

/// Takes the lock now; answers whether it was free.
pub(crate) async fn try_take(app: &App, app_object_id: &str, id: Uuid) -> Result<bool, Error> {
    let mut change = Change::new(app);
    change.push(take(app, app_object_id, id)?);
    was_written(change).await
}

/// Gives it back now, if this lease still has it.
pub(crate) async fn release(app: &App, app_object_id: &str, id: Uuid) -> Result<(), Error> {
    let mut change = Change::new(app);
    change.push(give_back(app, app_object_id, id)?);
    was_written(change).await.map(|_| ())
}

async fn was_written(change: Change<'_>) -> Result<bool, Error> {
    match change.write().await {
        Ok(()) => Ok(true),
        Err(TransactError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
