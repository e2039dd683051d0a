//! The life of what access is made of: made, changed, marked for deletion, brought back, removed.
//!
//! Each function adds its writes to a [`Change`], with the conditions that make them safe; whoever calls adds what else
//! the change means and commits it as a whole.

use time::OffsetDateTime;

use crate::{
    app::App,
    change::Change,
    clock::unix_millis,
    domain::secret::{DELETED_FOR, MAX_VERSIONS},
    error::Error,
    store::{
        schema::{Head, Key, Kind, RemovalRecord},
        table::Items,
        writes::Only,
    },
};

/// The head named `name` among what was read, dead or alive; not one whose 72 hours are over.
pub fn find<T: Kind>(
    items: &Items,
    name: &str,
    now: OffsetDateTime,
) -> Result<Option<Head<T>>, Error> {
    let head: Option<Head<T>> = items.record(&Key::head::<T>(name))?;
    Ok(head.filter(|head| !is_over(head, now)))
}

/// The live head named `name` among what was read.
pub fn live<T: Kind>(items: &Items, name: &str, now: OffsetDateTime) -> Result<Head<T>, Error> {
    match find::<T>(items, name, now)? {
        None => Err(Error::NotFound),
        Some(head) if head.deleted_at.is_some() => Err(Error::MarkedForDeletion(T::WORD)),
        Some(head) => Ok(head),
    }
}

/// Whether its 72 hours are over.
pub fn is_over<T>(head: &Head<T>, now: OffsetDateTime) -> bool {
    let kept = i64::try_from(DELETED_FOR.whole_milliseconds()).unwrap_or(0);
    head.deleted_at
        .is_some_and(|at| at + kept <= unix_millis(now))
}

/// Writes a head where there is none. What is over there must have been cleared away before.
pub fn create<T: Kind>(change: &mut Change<'_>, app: &App, head: &Head<T>) -> Result<(), Error> {
    change.push(app.table.write(head, &Only::IfNew)?);
    Ok(())
}

/// Writes `body` as the next version of `old`, which is kept as an earlier one; answers the new head.
pub fn replace<T: Kind>(
    change: &mut Change<'_>,
    app: &App,
    old: &Head<T>,
    body: T,
    by: &str,
) -> Result<Head<T>, Error> {
    let head = Head {
        version: old.version + 1,
        rev: old.rev + 1,
        modified: unix_millis(app.clock.now()),
        modified_by: by.to_owned(),
        body,
        ..old.clone()
    }
    .listed();
    change.push(app.table.write(&head, &unchanged(old))?);
    if T::VERSIONED {
        change.push(app.table.write(&old.archived(), &Only::Always)?);
        if let Some(oldest) = head.version.checked_sub(MAX_VERSIONS) {
            let key = Key::earlier::<T>(&old.name, old.id, oldest);
            change.push(app.table.remove(&key, &Only::Always)?);
        }
    }
    Ok(head)
}

/// Marks a live head for deletion. Tokens that rest on it end with this, and for good.
pub fn soft_delete<T: Kind>(
    change: &mut Change<'_>,
    app: &App,
    old: &Head<T>,
) -> Result<(), Error> {
    let now = unix_millis(app.clock.now());
    let head = Head {
        rev: old.rev + 1,
        deleted_at: Some(now),
        indexed: None,
        body: old.body.voided(),
        ..old.clone()
    };
    let due = now + i64::try_from(DELETED_FOR.whole_milliseconds()).unwrap_or(0);
    let purge = RemovalRecord::purge(T::ENTITY, &old.folded(), old.id, due);
    change.push(app.table.write(&head, &unchanged(old))?);
    change.push(app.table.write(&purge, &Only::Always)?);
    Ok(())
}

/// Brings a soft-deleted head back as it was.
pub fn restore<T: Kind>(change: &mut Change<'_>, app: &App, old: &Head<T>) -> Result<(), Error> {
    let head = Head {
        rev: old.rev + 1,
        deleted_at: None,
        ..old.clone()
    }
    .listed();
    change.push(app.table.write(&head, &unchanged(old))?);
    change.push(app.table.remove(&Key::purge(old.id), &Only::Always)?);
    Ok(())
}

/// Removes a head for good. The task that is written with it lets whoever comes later remove what belongs to it.
pub fn remove<T: Kind>(change: &mut Change<'_>, app: &App, old: &Head<T>) -> Result<(), Error> {
    let now = unix_millis(app.clock.now());
    let task = RemovalRecord::task(T::ENTITY, &old.folded(), old.id, now);
    change.push(app.table.remove(&old.key, &unchanged(old))?);
    change.push(app.table.remove(&Key::purge(old.id), &Only::Always)?);
    change.push(app.table.write(&task, &Only::Always)?);
    Ok(())
}

fn unchanged<T>(head: &Head<T>) -> Only {
    Only::IfUnchanged {
        id: head.id,
        rev: head.rev,
    }
}
