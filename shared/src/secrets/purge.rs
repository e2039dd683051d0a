//! Removing what was deleted: soft-deleted secrets after their 72 hours, and earlier versions of removed ones.

use aws_sdk_dynamodb::types::TransactWriteItem;
use uuid::Uuid;

use crate::{
    app::App,
    clock::unix_millis,
    domain::path::SecretPath,
    error::Error,
    secrets::stored,
    store::{
        schema::{DUE, Key, PURGE, RemovalRecord, SecretRecord, TASK, due_sort, shards_of},
        table::{Range, TransactError},
        writes::Only,
    },
};

/// How many versions are looked up at a time.
const PAGE: usize = 100;

/// The writes that remove `old` at once, and the position of the one that stands in the way while secrets link to it.
pub(crate) fn removal(
    app: &App,
    old: &SecretRecord,
) -> Result<(Vec<TransactWriteItem>, usize), Error> {
    let table = &app.table;
    let task = RemovalRecord::task(old.id, &old.path, unix_millis(app.clock.now()));
    let writes = vec![
        table.remove(
            &Key::secret(&old.path),
            &Only::IfUnchanged {
                id: old.id,
                rev: old.rev,
            },
        )?,
        table.remove(&Key::secret_id(old.id), &Only::Always)?,
        table.remove(&Key::links(&old.path), &Only::IfUnlinked)?,
        table.remove(&Key::purge(old.id), &Only::Always)?,
        table.write(&task, &Only::Always)?,
    ];
    Ok((writes, 2))
}

/// Removes all earlier versions of a removed secret, then the task that says so. May be run any number of times.
pub async fn remove_versions(app: &App, id: Uuid, path: &SecretPath) -> Result<(), Error> {
    let prefix = Key::version_prefix(id);
    let partition = Key::secret(path).pk;
    loop {
        let to = format!("{prefix}~");
        let range = Range {
            index: None,
            partition: &partition,
            from: &prefix,
            to: &to,
            descending: false,
            limit: PAGE,
        };
        let found: Vec<Key> = app.table.query(range).await?;
        if found.is_empty() {
            return app.table.delete_all([Key::task(id)]).await;
        }
        app.table.delete_all(found).await?;
    }
}

/// Purges what is due now, at most `limit` secrets; answers how many. Each is treated alone: what fails is left for
/// the next run, and its error is answered after the others had their turn.
pub async fn sweep(app: &App, limit: usize) -> Result<usize, Error> {
    let mut outcomes = Vec::new();
    for record in due(app, PURGE, limit).await? {
        outcomes.push(purge(app, &record).await);
    }
    for record in due(app, TASK, limit).await? {
        let removed = remove_versions(app, record.id, &record.path).await;
        outcomes.push(removed.map(|()| true));
    }
    let outcomes: Vec<bool> = outcomes.into_iter().collect::<Result<_, _>>()?;
    Ok(outcomes.into_iter().filter(|done| *done).count())
}

/// Everything of `entity` that is due now.
async fn due(app: &App, entity: &'static str, limit: usize) -> Result<Vec<RemovalRecord>, Error> {
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

/// Removes one soft-deleted secret. One that was restored meanwhile is left alone.
async fn purge(app: &App, due: &RemovalRecord) -> Result<bool, Error> {
    let head: Option<SecretRecord> = app.table.get(&Key::secret(&due.path)).await?;
    let Some(head) =
        head.filter(|head| head.id == due.id && stored::is_over(head, app.clock.now()))
    else {
        app.table.delete_all([due.key.clone()]).await?;
        return Ok(false);
    };
    let (writes, _) = removal(app, &head)?;
    match app.table.transact(Uuid::new_v4(), writes).await {
        Ok(()) => remove_versions(app, head.id, &head.path)
            .await
            .map(|()| true),
        // Another sweep was faster, or somebody made room at the path.
        Err(TransactError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is over at a path where something new is to be made.
pub async fn clear(app: &App, over: &SecretRecord) -> Result<(), Error> {
    let (writes, _) = removal(app, over)?;
    match app.table.transact(Uuid::new_v4(), writes).await {
        Ok(()) => remove_versions(app, over.id, &over.path).await,
        Err(TransactError::Cancelled(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
