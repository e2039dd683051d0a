//! Writing secrets: each change is one transaction, so nothing is ever half written.

use std::future::Future;

use aws_sdk_dynamodb::types::TransactWriteItem;
use uuid::Uuid;

use crate::{
    app::App,
    audit::Trail,
    clock::unix_millis,
    domain::{
        link::Link,
        path::SecretPath,
        principal::Principal,
        secret::{Content, DELETED_FOR, MAX_VERSIONS},
    },
    error::Error,
    secrets::{link::Tie, purge, stored},
    store::{
        schema::{Key, LinkRecord, LinksRecord, RemovalRecord, SecretIdRecord, SecretRecord},
        table::{Cancelled, Item, TransactError, backoff, decode},
        writes::Only,
    },
};

/// How often a lost race is run again from a fresh read. Someone wins every round, so this is how many writers can
/// change one secret at the same moment and all be heard.
const TRIES: u32 = 48;

/// How one attempt ended.
pub enum Attempt<T> {
    /// It is done.
    Done(T),
    /// Someone else changed what was read; read again.
    Lost,
}

impl<T> Attempt<T> {
    /// Makes something else of what was done.
    pub fn try_map<U>(self, make: impl FnOnce(T) -> Result<U, Error>) -> Result<Attempt<U>, Error> {
        match self {
            Self::Done(done) => make(done).map(Attempt::Done),
            Self::Lost => Ok(Attempt::Lost),
        }
    }
}

/// Runs `attempt` until it is done; each run reads afresh. Too many lost races are a `Conflict`.
pub async fn until_done<T, F>(app: &App, attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<Attempt<T>, Error>>,
{
    for round in 0..TRIES {
        match attempt().await? {
            Attempt::Done(done) => return Ok(done),
            Attempt::Lost => app.clock.sleep(backoff(round)).await,
        }
    }
    Err(Error::Conflict(
        "the secret is being changed by others; try again".to_owned(),
    ))
}

/// A transaction in the making: the writes, and which of them says what when it stands in the way.
struct Transaction<'a> {
    app: &'a App,
    writes: Vec<TransactWriteItem>,
    unlinked_at: Option<usize>,
}

impl<'a> Transaction<'a> {
    fn new(app: &'a App) -> Self {
        Self {
            app,
            writes: Vec::new(),
            unlinked_at: None,
        }
    }

    fn push(&mut self, write: TransactWriteItem) {
        self.writes.push(write);
    }

    /// Removes or requires the link count, which must be zero.
    fn push_unlinked(&mut self, write: TransactWriteItem) {
        self.unlinked_at = Some(self.writes.len());
        self.push(write);
    }

    /// The base lives and is a base; the counts move from the old link to the new one.
    fn tie(&mut self, old: Option<&LinkRecord>, new: Option<&Tie>) -> Result<(), Error> {
        let table = &self.app.table;
        let kept = match (old, new) {
            (Some(old), Some(new)) => old.base == new.link.base && old.base_id == new.link.base_id,
            _ => false,
        };
        if let Some(Tie { link, kind }) = new {
            let only = Only::IfBase {
                id: link.base_id,
                kind: kind.clone(),
            };
            self.push(table.require(&Key::secret(&link.base), &only)?);
            if !kept {
                self.push(table.count_links(&Key::links(&link.base), link.base_id, 1)?);
            }
        }
        if let Some(old) = old.filter(|_| !kept) {
            self.push(table.count_links(&Key::links(&old.base), old.base_id, -1)?);
        }
        Ok(())
    }

    /// Writes all with the audit record of success, or nothing.
    async fn commit(
        mut self,
        trail: &Trail,
        status: u16,
        message: &str,
    ) -> Result<Attempt<()>, Error> {
        let record = trail.record(self.app.clock.now(), status, message, None);
        self.writes
            .push(self.app.table.write(&record, &Only::Always)?);
        match self.app.table.transact(Uuid::new_v4(), self.writes).await {
            Ok(()) => {
                trail.mark_recorded();
                Ok(Attempt::Done(()))
            }
            Err(error) => match self.unlinked_at.and_then(|position| error.at(position)) {
                Some(Cancelled::Condition(item)) => Err(still_linked(item.clone())),
                _ => lost_or_failed(error),
            },
        }
    }
}

fn lost_or_failed(error: TransactError) -> Result<Attempt<()>, Error> {
    let TransactError::Cancelled(reasons) = &error else {
        return Err(error.into());
    };
    let known = |reason: &Cancelled| {
        matches!(
            reason,
            Cancelled::No | Cancelled::Condition(_) | Cancelled::Conflict
        )
    };
    match reasons.iter().find(|reason| !known(reason)) {
        None => Ok(Attempt::Lost),
        Some(Cancelled::Other(code))
            if code == "ThrottlingError" || code == "ProvisionedThroughputExceeded" =>
        {
            Ok(Attempt::Lost)
        }
        Some(_) => Err(error.into()),
    }
}

fn still_linked(item: Option<Item>) -> Error {
    let Some(record) = item.and_then(|item| decode::<LinksRecord>(item).ok()) else {
        return Error::Refused("dynamic secrets are linked to this secret".to_owned());
    };
    let path = record.key.pk.trim_start_matches("SECRET#").to_owned();
    Error::Refused(format!(
        "dynamic secrets are linked to this secret ({}); list them with \
         GET /v1/secrets?search.links=true&searchTerm={path}, and remove or relink them first",
        record.links
    ))
}

/// Writes a new secret. `Lost` if its path was taken meanwhile.
pub async fn create(
    app: &App,
    trail: &Trail,
    path: &SecretPath,
    content: &Content,
    tie: Option<&Tie>,
    by: &Principal,
) -> Result<Attempt<SecretRecord>, Error> {
    let now = unix_millis(app.clock.now());
    let mut record = SecretRecord {
        key: Key::secret(path),
        id: Uuid::new_v4(),
        path: path.clone(),
        version: 0,
        rev: 0,
        attributes: None,
        description: String::new(),
        created: now,
        created_by: by.to_string(),
        modified: now,
        modified_by: by.to_string(),
        kind: None,
        link: None,
        sealed: Vec::new(),
        deleted_at: None,
        indexed: None,
    };
    stored::fill(&app.sealer, &mut record, content, tie.map(|tie| &tie.link)).await?;
    record.indexed = Some(record.index_keys());

    let mut transaction = Transaction::new(app);
    transaction.push(app.table.write(&record, &Only::IfNew)?);
    let alias = SecretIdRecord {
        key: Key::secret_id(record.id),
        path: path.clone(),
    };
    transaction.push(app.table.write(&alias, &Only::IfNew)?);
    transaction.tie(None, tie)?;
    transaction
        .commit(trail, 201, "created")
        .await?
        .try_map(|()| Ok(record))
}

/// Writes `content` as the next version of `old`, which is kept as an earlier one.
pub async fn replace(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
    content: &Content,
    tie: Option<&Tie>,
    by: &Principal,
) -> Result<Attempt<SecretRecord>, Error> {
    let mut record = SecretRecord {
        version: old.version + 1,
        rev: old.rev + 1,
        modified: unix_millis(app.clock.now()),
        modified_by: by.to_string(),
        ..old.clone()
    };
    let link: Option<&Link> = tie.map(|tie| &tie.link);
    stored::fill(&app.sealer, &mut record, content, link).await?;
    record.indexed = Some(record.index_keys());

    let mut transaction = Transaction::new(app);
    transaction.push(app.table.write(
        &record,
        &Only::IfUnchanged {
            id: old.id,
            rev: old.rev,
        },
    )?);
    let earlier = SecretRecord {
        key: Key::version(&old.path, old.id, old.version),
        indexed: None,
        ..old.clone()
    };
    transaction.push(app.table.write(&earlier, &Only::Always)?);
    if let Some(oldest) = record.version.checked_sub(MAX_VERSIONS) {
        transaction.push(
            app.table
                .remove(&Key::version(&old.path, old.id, oldest), &Only::Always)?,
        );
    }
    // Others mint from a base by what it is: while they do, it may not become a dynamic secret or change its cloud.
    if record.kind != old.kind || (record.link.is_some() && old.link.is_none()) {
        transaction.push_unlinked(
            app.table
                .require(&Key::links(&old.path), &Only::IfUnlinked)?,
        );
    }
    transaction.tie(old.link.as_ref(), tie)?;
    transaction
        .commit(trail, 200, "updated")
        .await?
        .try_map(|()| Ok(record))
}

/// Marks a live secret for deletion. A dynamic one lets go of its base.
pub async fn soft_delete(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
) -> Result<Attempt<()>, Error> {
    let now = unix_millis(app.clock.now());
    let record = SecretRecord {
        rev: old.rev + 1,
        deleted_at: Some(now),
        indexed: None,
        ..old.clone()
    };
    let due = now + i64::try_from(DELETED_FOR.whole_milliseconds()).unwrap_or(0);
    let mut transaction = Transaction::new(app);
    transaction.push(app.table.write(
        &record,
        &Only::IfUnchanged {
            id: old.id,
            rev: old.rev,
        },
    )?);
    transaction.push(
        app.table
            .write(&RemovalRecord::purge(old.id, &old.path, due), &Only::Always)?,
    );
    transaction.push_unlinked(
        app.table
            .require(&Key::links(&old.path), &Only::IfUnlinked)?,
    );
    transaction.tie(old.link.as_ref(), None)?;
    transaction.commit(trail, 200, "marked for deletion").await
}

/// Brings a soft-deleted secret back as it was; a dynamic one is tied to its base again.
pub async fn restore(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
    content: &Content,
    tie: Option<&Tie>,
) -> Result<Attempt<()>, Error> {
    let mut record = SecretRecord {
        rev: old.rev + 1,
        deleted_at: None,
        ..old.clone()
    };
    stored::fill(&app.sealer, &mut record, content, tie.map(|tie| &tie.link)).await?;
    record.indexed = Some(record.index_keys());
    let mut transaction = Transaction::new(app);
    transaction.push(app.table.write(
        &record,
        &Only::IfUnchanged {
            id: old.id,
            rev: old.rev,
        },
    )?);
    transaction.push(app.table.remove(&Key::purge(old.id), &Only::Always)?);
    transaction.tie(None, tie)?;
    transaction.commit(trail, 200, "restored").await
}

/// Removes a secret for good: head, alias and count at once, its earlier versions right after.
///
/// The task that is written with it lets whoever comes later finish, should this process not.
pub async fn force_delete(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
) -> Result<Attempt<()>, Error> {
    let mut transaction = Transaction::new(app);
    let (removal, unlinked) = purge::removal(app, old)?;
    transaction.writes = removal;
    transaction.unlinked_at = Some(unlinked);
    if old.deleted_at.is_none() {
        transaction.tie(old.link.as_ref(), None)?;
    }
    let done = transaction.commit(trail, 204, "removed").await?;
    if matches!(done, Attempt::Done(()))
        && let Err(error) = purge::remove_versions(app, old.id, &old.path).await
    {
        tracing::warn!(
            error = crate::error::chain(&error),
            "earlier versions are left to their task"
        );
    }
    Ok(done)
}
