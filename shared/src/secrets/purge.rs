//! Removing what was deleted: what was soft-deleted after its 72 hours, and earlier versions of what was removed.

use uuid::Uuid;

use crate::{
    access,
    app::App,
    change::Change,
    clock::unix_millis,
    domain::location::{Home, Place},
    error::Error,
    secrets::{link, stored},
    store::{
        schema::{
            BROWSE, DUE, HOME, Key, PURGE, RemovalRecord, SECRET, SecretRecord, SecretSummary,
            TASK, due_sort, shards_of,
        },
        search::{Walk, page},
        table::{Range, TransactError},
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

/// Purges what is due now, at most `limit` things; answers how many. Each is treated alone: what fails is left for
/// the next run, and its error is answered after the others had their turn.
pub async fn sweep(app: &App, limit: usize) -> Result<usize, Error> {
    let mut outcomes = Vec::new();
    for record in due(app, PURGE, limit).await? {
        outcomes.push(purge(app, &record).await);
    }
    for record in due(app, TASK, limit).await? {
        outcomes.push(finish(app, &record).await.map(|()| true));
    }
    let outcomes: Vec<bool> = outcomes.into_iter().collect::<Result<_, _>>()?;
    Ok(outcomes.into_iter().filter(|done| *done).count())
}

/// Everything of `entity` that is due now.
async fn due(app: &App, entity: &str, limit: usize) -> Result<Vec<RemovalRecord>, Error> {
    let now = format!("{}~", due_sort(unix_millis(app.clock.now())));
    let mut found = Vec::new();
    for shard in shards_of(entity) {
        let range = Range {
            index: Some(DUE),
            partition: &shard,
            from: "0",
            to: &now,
            descending: false,
            limit,
        };
        found.extend(app.table.query::<DueRecord>(range).await?);
    }
    found.truncate(limit);
    let keys: Vec<Key> = found.into_iter().map(|record| record.key).collect();
    let mut records = Vec::new();
    for chunk in keys.chunks(PAGE) {
        let items = app.table.batch_get(chunk.iter().cloned()).await?;
        for key in chunk {
            records.extend(items.record(key)?);
        }
    }
    Ok(records)
}

/// What the index answers; the rest is read from the table, strongly consistent.
#[derive(serde::Deserialize)]
struct DueRecord {
    #[serde(flatten)]
    key: Key,
}

/// Removes one soft-deleted thing, each kind in its own way.
async fn purge(app: &App, due: &RemovalRecord) -> Result<bool, Error> {
    match due.entity.as_str() {
        SECRET | HOME => purge_secret(app, due).await,
        _ => access::purge::purge(app, due).await,
    }
}

/// Removes what was left of one removed thing.
async fn finish(app: &App, task: &RemovalRecord) -> Result<(), Error> {
    match task.entity.as_str() {
        SECRET | HOME => remove_versions(app, task.id, &task.head()).await,
        entity => access::purge::remove_rest(app, entity, &task.name, task.id).await,
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

/// Removes all secrets of the home of someone who is gone for good. May be run any number of times; those that are marked
/// for deletion have an end of their own.
pub async fn remove_home(app: &App, home: Home) -> Result<(), Error> {
    let place = Place::Home(home);
    let mut walk = Walk {
        index: BROWSE,
        entity: &place.indexed(),
        prefix: String::new(),
        whole: false,
        descending: false,
        after: None,
    };
    loop {
        let page = page(&app.table, &walk, PAGE, |_: &SecretSummary| true).await?;
        for summary in page.found {
            let key = Key::secret(&place.at(&summary.path));
            if let Some(head) = app.table.get::<SecretRecord>(&key).await? {
                remove(app, &head).await?;
            }
        }
        if page.next.is_none() {
            return Ok(());
        }
        walk.after = page.next;
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
