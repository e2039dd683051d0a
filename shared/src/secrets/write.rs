//! Writing secrets: each change is one transaction, so nothing is ever half written.

use uuid::Uuid;

use crate::{
    access::caller,
    app::App,
    audit::Trail,
    change::{Attempt, Change},
    clock::unix_millis,
    domain::{
        link::Link,
        location::{Location, Place},
        principal::Principal,
        secret::{Content, DELETED_FOR, MAX_VERSIONS},
    },
    error::Error,
    leases::rule::Rule,
    provider,
    secrets::{
        link::{self, Tie},
        purge, stored,
    },
    store::{
        schema::{Key, LinkRecord, RemovalRecord, SecretIdRecord, SecretRecord, TaskRecord},
        writes::Only,
    },
};

/// Writes a new secret. `Lost` if something else was made there meanwhile.
pub async fn create(
    app: &App,
    trail: &Trail,
    at: &Location,
    content: &Content,
    tie: Option<&Tie>,
    by: &Principal,
) -> Result<Attempt<SecretRecord>, Error> {
    let now = unix_millis(app.clock.now());
    let mut record = SecretRecord {
        key: Key::secret(at),
        id: Uuid::new_v4(),
        at: at.clone(),
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

    let mut change = Change::new(app);
    change.push(app.table.write(&record, &Only::IfNew)?);
    let alias = SecretIdRecord::new(record.id, at);
    change.push(app.table.write(&alias, &Only::IfNew)?);
    require_owner(&mut change, app, at)?;
    relink(&mut change, app, None, tie)?;
    change
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

    let mut change = changing(app, old, &record)?;
    let earlier = SecretRecord {
        key: Key::version(&old.at, old.id, old.version),
        indexed: None,
        ..old.clone()
    };
    change.push(app.table.write(&earlier, &Only::Always)?);
    if let Some(oldest) = record.version.checked_sub(MAX_VERSIONS) {
        change.push(
            app.table
                .remove(&Key::version(&old.at, old.id, oldest), &Only::Always)?,
        );
    }
    // Others mint from a base by what it is: while they do, it may not become a dynamic secret or change its cloud.
    let becomes_another = record.kind != old.kind || (record.link.is_some() && old.link.is_none());
    if becomes_another {
        require_unlinked(&mut change, app, old)?;
    }
    if becomes_another || !mints_as_before(app, old, content).await? {
        require_unleased(&mut change, app, old)?;
    }
    relink(&mut change, app, old.link.as_ref(), tie)?;
    change
        .commit(trail, 200, "updated")
        .await?
        .try_map(|()| Ok(record))
}

/// Marks a live secret for deletion. A dynamic one lets go of its base.
///
/// Its leases end with their ttl, or now, if `revoking` says so.
pub async fn soft_delete(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
    revoking: Option<&TaskRecord>,
) -> Result<Attempt<()>, Error> {
    let now = unix_millis(app.clock.now());
    let record = SecretRecord {
        rev: old.rev + 1,
        deleted_at: Some(now),
        indexed: None,
        ..old.clone()
    };
    let due = now + i64::try_from(DELETED_FOR.whole_milliseconds()).unwrap_or(0);
    let mut change = changing(app, old, &record)?;
    let end = RemovalRecord::purge(old.at.place.entity(), &old.at.name(), old.id, due);
    change.push(app.table.write(&end, &Only::Always)?);
    require_unlinked(&mut change, app, old)?;
    require_unleased(&mut change, app, old)?;
    relink(&mut change, app, old.link.as_ref(), None)?;
    if let Some(revoking) = revoking {
        change.push(app.table.write(revoking, &Only::IfNew)?);
    }
    change.commit(trail, 200, "marked for deletion").await
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
    let mut change = changing(app, old, &record)?;
    change.push(app.table.remove(&Key::purge(old.id), &Only::Always)?);
    require_owner(&mut change, app, &old.at)?;
    relink(&mut change, app, None, tie)?;
    change.commit(trail, 200, "restored").await
}

/// Removes a secret for good: head, alias and count at once, its earlier versions right after.
///
/// The task that is written with it lets whoever comes later finish, should this process not. Its leases end with their
/// ttl, or now, if `revoking` says so.
pub async fn force_delete(
    app: &App,
    trail: &Trail,
    old: &SecretRecord,
    revoking: Option<&TaskRecord>,
) -> Result<Attempt<()>, Error> {
    let mut change = Change::new(app);
    purge::push_removal(&mut change, app, old)?;
    if let Some(revoking) = revoking {
        change.push(app.table.write(revoking, &Only::IfNew)?);
    }
    if old.deleted_at.is_none() {
        relink(&mut change, app, old.link.as_ref(), None)?;
    }
    let done = change.commit(trail, 204, "removed").await?;
    if matches!(done, Attempt::Done(()))
        && let Err(error) = purge::remove_versions(app, old.id, &Key::secret(&old.at)).await
    {
        tracing::warn!(
            error = crate::error::chain(&error),
            "earlier versions are left to their task"
        );
    }
    Ok(done)
}

/// Begins with `record` in place of `old`, if that is still as it was read.
fn changing<'a>(
    app: &'a App,
    old: &SecretRecord,
    record: &SecretRecord,
) -> Result<Change<'a>, Error> {
    let only = Only::IfUnchanged {
        id: old.id,
        rev: old.rev,
    };
    let mut change = Change::new(app);
    change.push(app.table.write(record, &only)?);
    Ok(change)
}

/// Whoever's home it is in lives: in the home of someone gone, nobody would ever find it again.
fn require_owner(change: &mut Change<'_>, app: &App, at: &Location) -> Result<(), Error> {
    if let Place::Home(home) = &at.place {
        let owner = caller::key_of(&home.owner)?;
        change.push(app.table.require(&owner, &Only::IfLive(home.id))?);
    }
    Ok(())
}

/// Nothing links to `old`.
fn require_unlinked(change: &mut Change<'_>, app: &App, old: &SecretRecord) -> Result<(), Error> {
    let links = Key::links(&old.at);
    let write = app.table.require(&links, &Only::IfUnlinked)?;
    change.push_guard(write, link::still_linked);
    Ok(())
}

/// Nothing that was minted from `old` must still be taken back with it. A dynamic secret is not needed for that.
fn require_unleased(change: &mut Change<'_>, app: &App, old: &SecretRecord) -> Result<(), Error> {
    if stored::cloud(old).is_some() && app.keeps(Rule::BaseGuard) {
        let count = Key::lease_count(old.id);
        let write = app.table.require(&count, &Only::IfUnleased)?;
        change.push_guard(write, link::still_leased);
    }
    Ok(())
}

/// Whether what takes the place of `old` takes back as the same principal what `old` minted. A new secret of the same
/// principal does.
async fn mints_as_before(app: &App, old: &SecretRecord, new: &Content) -> Result<bool, Error> {
    match stored::cloud(old) {
        None => Ok(true),
        Some(cloud) => {
            let before = stored::open(&app.sealer, old).await?;
            Ok(provider::is_same_principal(cloud, &before.data, &new.data))
        }
    }
}

/// The base lives and is a base; the counts move from the old link to the new one.
fn relink(
    change: &mut Change<'_>,
    app: &App,
    old: Option<&LinkRecord>,
    new: Option<&Tie>,
) -> Result<(), Error> {
    let table = &app.table;
    let kept = match (old, new) {
        (Some(old), Some(new)) => old.base == new.link.base && old.base_id == new.link.base_id,
        _ => false,
    };
    if let Some(Tie { link, kind }) = new {
        let only = Only::IfBase {
            id: link.base_id,
            kind: kind.clone(),
        };
        let base = Location::in_vault(&link.base);
        change.push(table.require(&Key::secret(&base), &only)?);
        if !kept {
            change.push(table.count_links(&Key::links(&base), link.base_id, 1)?);
        }
    }
    if let Some(old) = old.filter(|_| !kept) {
        let links = Key::links(&Location::in_vault(&old.base));
        change.push(table.count_links(&links, old.base_id, -1)?);
    }
    Ok(())
}
