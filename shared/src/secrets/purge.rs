//! Removing what was deleted: what was soft-deleted after its 72 hours, and earlier versions of what was removed.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access,
    app::App,
    change::Change,
    clock::unix_millis,
    domain::location::{Home, Place},
    error::{Error, chain},
    leases::rule::Rule,
    metrics,
    secrets::{link, stored},
    store::{
        due::{Due, DueItem},
        schema::{BROWSE, HOME, Key, PURGE, RemovalRecord, SECRET, SecretRecord, TASK},
        search::{Walk, page},
        table::TransactError,
        writes::Only,
    },
};

/// How many versions are looked up at a time.
const PAGE: usize = 100;

/// Adds the removal of `old`, head, alias and count at once. Secrets that link to it stand in the way.
pub(crate) fn push_removal(
    change: &mut Change<'_>,
    app: &App,
    old: &SecretRecord,
) -> Result<(), Error> {
    let table = &app.table;
    let entity = old.at.place.entity();
    let only = Only::IfUnchanged {
        id: old.id,
        rev: old.rev,
    };
    change.push(table.remove(&Key::secret(&old.at), &only)?);
    change.push(table.remove(&Key::secret_id(entity, old.id), &Only::Always)?);
    let links = table.remove(&Key::links(&old.at), &Only::IfUnlinked)?;
    change.push_guard(links, link::still_linked);
    if stored::cloud(old).is_some() && app.keeps(Rule::BaseGuard) {
        let leases = table.remove(&Key::lease_count(old.id), &Only::IfUnleased)?;
        change.push_guard(leases, link::still_leased);
    }
    change.push(table.remove(&Key::purge(old.id), &Only::Always)?);
    let now = unix_millis(app.clock.now());
    let task = RemovalRecord::task(entity, &old.at.name(), old.id, now);
    change.push(table.write(&task, &Only::Always)?);
    Ok(())
}

/// Removes all earlier versions of the removed thing `id` whose head was `head`, then the task that says so. May be run
/// any number of times.
pub async fn remove_versions(app: &App, id: Uuid, head: &Key) -> Result<(), Error> {
    app.table.delete_versions(&head.pk, id).await?;
    app.table.delete_all([Key::task(id)]).await
}

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Things that are gone now, with all that belonged to them.
    pub done: usize,
    /// What did not work; the next sweep tries again.
    pub failed: usize,
    /// Records that say nothing this version understands. They are left as they are.
    pub unreadable: usize,
}

/// Removes what is due, what has waited longest first, until there is no more or `until` has come. Each thing is treated
/// alone: what fails or cannot be read is logged, counted and left for another time, and keeps nothing else waiting.
pub async fn sweep(app: &App, until: OffsetDateTime) -> Swept {
    let mut swept = Swept::default();
    let now = app.clock.now();
    // What is half removed may take half of the time.
    for (list, until) in [(TASK, now + (until - now) / 2), (PURGE, until)] {
        if let Err(error) = sweep_list(app, list, until, &mut swept).await {
            tracing::warn!(list, error = chain(&error), "what is due was not found");
            swept.failed += 1;
        }
    }
    swept
}

async fn sweep_list(
    app: &App,
    list: &str,
    until: OffsetDateTime,
    swept: &mut Swept,
) -> Result<(), Error> {
    let mut due = Due::new(&app.table, list, app.clock.now());
    while app.clock.now() < until {
        let Some(found) = due.next::<RemovalRecord>().await? else {
            return Ok(());
        };
        for late in found.iter().filter(|item| item.record.is_ok()) {
            due.was_late(late.since);
        }
        for DueItem { key, record, .. } in found {
            if app.clock.now() >= until {
                return Ok(());
            }
            let outcome = match (record, list) {
                (Ok(task), TASK) => finish(app, &task, until).await,
                (Ok(end), _) => purge(app, &end, until).await,
                (Err(error), _) => {
                    tracing::warn!(
                        item = key.pk,
                        error = chain(&error),
                        "a removal is left alone"
                    );
                    metrics::unreadable_record();
                    swept.unreadable += 1;
                    continue;
                }
            };
            match outcome {
                Ok(done) => swept.done += usize::from(done),
                Err(error) => {
                    tracing::warn!(item = key.pk, error = chain(&error), "not removed");
                    swept.failed += 1;
                }
            }
        }
    }
    Ok(())
}

/// Finishes the removal under `key`, if it is still to be done; answers whether it was.
pub async fn finish_task(app: &App, key: &Key, until: OffsetDateTime) -> Result<bool, Error> {
    match app.table.get::<RemovalRecord>(key).await? {
        Some(task) => finish(app, &task, until).await,
        None => Ok(false),
    }
}

/// Removes one soft-deleted thing, each kind in its own way.
async fn purge(app: &App, due: &RemovalRecord, until: OffsetDateTime) -> Result<bool, Error> {
    match due.entity.as_str() {
        SECRET | HOME => purge_secret(app, due).await,
        _ => access::purge::purge(app, due, until).await,
    }
}

/// Removes what was left of one removed thing; answers whether that was all of it.
async fn finish(app: &App, task: &RemovalRecord, until: OffsetDateTime) -> Result<bool, Error> {
    match task.entity.as_str() {
        SECRET | HOME => remove_versions(app, task.id, &task.head())
            .await
            .map(|()| true),
        entity => access::purge::remove_rest(app, entity, &task.name, task.id, until).await,
    }
}

/// Removes one soft-deleted secret. One that was restored meanwhile is left alone.
async fn purge_secret(app: &App, due: &RemovalRecord) -> Result<bool, Error> {
    let head: Option<SecretRecord> = app.table.get(&due.head()).await?;
    let Some(head) =
        head.filter(|head| head.id == due.id && stored::is_over(head, app.clock.now()))
    else {
        app.table.delete_all([due.key.clone()]).await?;
        return Ok(false);
    };
    remove(app, &head).await
}

/// Removes all secrets of the home of someone who is gone for good, as far as it gets by `until`; answers whether that
/// was all of them. May be run any number of times; those that are marked for deletion have an end of their own.
pub async fn remove_home(app: &App, home: Home, until: OffsetDateTime) -> Result<bool, Error> {
    let place = Place::Home(home);
    let mut walk = Walk {
        index: BROWSE,
        entity: &place.indexed(),
        prefix: String::new(),
        whole: false,
        descending: false,
        after: None,
    };
    let mut outcome = Ok(true);
    loop {
        let page = page(&app.table, &walk, PAGE, |_: &Key| true).await?;
        for key in page.found {
            if app.clock.now() >= until {
                return outcome.map(|_| false);
            }
            // One that cannot be read keeps the home, but none of the others.
            match remove_at(app, &key).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => outcome = Err(error),
            }
        }
        if page.next.is_none() {
            return outcome;
        }
        walk.after = page.next;
    }
}

async fn remove_at(app: &App, key: &Key) -> Result<(), Error> {
    match app.table.get::<SecretRecord>(key).await? {
        Some(head) => remove(app, &head).await.map(|_| ()),
        None => Ok(()),
    }
}

/// Removes what is over at a location where something new is to be made.
pub async fn clear(app: &App, over: &SecretRecord) -> Result<(), Error> {
    remove(app, over).await.map(|_| ())
}

async fn remove(app: &App, old: &SecretRecord) -> Result<bool, Error> {
    let mut change = Change::new(app);
    push_removal(&mut change, app, old)?;
    match change.write().await {
        Ok(()) => remove_versions(app, old.id, &Key::secret(&old.at))
            .await
            .map(|()| true),
        // Another sweep was faster, or somebody made room there.
        Err(TransactError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
