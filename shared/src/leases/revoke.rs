//! Revoking by hand: one lease, or all of a prefix, a base or a principal.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    app::App,
    audit::Trail,
    change::{Attempt, Change},
    clock::unix_millis,
    domain::{
        lease::{SHOWN_FOR, State, after},
        path::SecretPath,
        principal::Principal,
    },
    error::{Error, chain},
    leases::{
        list::{Wanted, find},
        mint::{broken, close_assignment},
        store::{self, Saved, Stored},
    },
    metrics,
    provider::azure::CALL_TIMEOUT,
    store::{
        due::Due,
        schema::{Key, LeaseRecord, REVOCATION, RevocationRecord, RevokeBy, TaskRecord, TaskState},
        table::Items,
        writes::Only,
    },
};

/// How many leases one step of a bulk revocation sets to be revoked.
const STEP: usize = 50;
/// How long a wake-up is kept if no event of it arrives; the schedule finds the lease anyway.
const WAKE_FOR: Duration = Duration::from_hours(1);
/// How often a lost race on one lease is run again.
const TRIES: u32 = 10;
/// When a bulk revocation that met trouble goes on.
const REST: Duration = Duration::from_secs(30);

/// Sets `lease` to be taken back as soon as nobody writes to the cloud for it, and wakes the worker. A lease that is
/// over, or being taken back, stays as it is; one that is stuck is tried again now.
pub async fn revoke(app: &App, id: Uuid, why: &str) -> Result<LeaseRecord, Error> {
    for _ in 0..TRIES {
        let mut lease = known(app.table.get(&Key::lease(id)).await?)?;
        if matches!(lease.life.state, State::Revoked | State::Revoking) {
            return Ok(lease);
        }
        let now = unix_millis(app.clock.now());
        close_assignment(&mut lease, why);
        lease.life.revoke(now, CALL_TIMEOUT).map_err(broken)?;
        let task_id = format!("task_{}", Uuid::new_v4());
        let wake = TaskRecord::wake(task_id, &lease, now, after(now, WAKE_FOR));
        let wake = app.table.write(&wake, &Only::Always)?;
        if store::save(app, &mut lease, vec![wake]).await? == Saved::Done {
            return Ok(lease);
        }
    }
    Err(Error::Conflict(
        "the lease is being changed by others; try again".to_owned(),
    ))
}

/// The lease `id` among what was just read.
pub fn found(items: &Items, id: Uuid) -> Result<LeaseRecord, Error> {
    known(items.record(&Key::lease(id))?)
}

/// A lease that this release understands whole: it would lose what it does not know by writing it.
fn known(found: Option<Stored<LeaseRecord>>) -> Result<LeaseRecord, Error> {
    match found {
        Some(Stored::Known(lease)) => Ok(*lease),
        Some(Stored::Newer) => Err(Error::Refused(
            "a newer release of the vault wrote this lease; only that can revoke it".to_owned(),
        )),
        Some(Stored::Unreadable) => Err(Error::internal("a lease that cannot be read")),
        None => Err(Error::NotFound),
    }
}

/// The task that revokes all leases of one dynamic secret, to be written with what makes that necessary.
pub fn all_of(app: &App, secret: &SecretPath, principal: &Principal) -> TaskRecord {
    task(app, RevokeBy::Secret, secret.to_string(), principal)
}

fn task(app: &App, by: RevokeBy, value: String, principal: &Principal) -> TaskRecord {
    let now = unix_millis(app.clock.now());
    let revokes = RevocationRecord {
        by,
        value,
        principal: principal.to_string(),
        state: TaskState::Pending,
        revoked: 0,
    };
    TaskRecord::revocation(Uuid::new_v4(), revokes, now, after(now, SHOWN_FOR))
}

/// Leaves a bulk revocation to the worker, with the audit record of the request; answers its task.
pub async fn ask_for_all(
    app: &App,
    trail: &Trail,
    by: RevokeBy,
    value: String,
    principal: &Principal,
) -> Result<TaskRecord, Error> {
    let task = task(app, by, value, principal);
    ask(app, trail, &task, 202, "revocation asked for").await?;
    Ok(task)
}

/// Leaves `task` to the worker, with the audit record of the request that asks for it.
pub async fn ask(
    app: &App,
    trail: &Trail,
    task: &TaskRecord,
    status: u16,
    message: &str,
) -> Result<(), Error> {
    let mut change = Change::new(app);
    change.push(app.table.write(task, &Only::IfNew)?);
    match change.commit(trail, status, message).await? {
        Attempt::Done(()) => Ok(()),
        Attempt::Lost => Err(Error::internal("a new task was there already")),
    }
}

/// Goes on with the bulk revocations that are due, until `until`; answers how many leases were set to be revoked.
pub(crate) async fn sweep(app: &App, until: OffsetDateTime) -> Result<u64, Error> {
    let mut due = Due::new(&app.table, REVOCATION, app.clock.now());
    let mut revoked = 0;
    while app.clock.now() < until {
        let Some(found) = due.next::<Stored<TaskRecord>>().await? else {
            break;
        };
        for item in found {
            if let Ok(Stored::Known(task)) = item.record {
                due.was_late(item.since);
                revoked += go_on(app, *task, until).await;
            } else {
                metrics::unreadable_record();
                tracing::warn!(
                    item = item.key.pk,
                    "a task that cannot be read is left alone"
                );
            }
        }
    }
    Ok(revoked)
}

/// Goes on with one of them, at once.
pub(crate) async fn wake(
    app: &App,
    key: &Key,
    until: OffsetDateTime,
) -> Result<Option<Uuid>, Error> {
    match app.table.get::<Stored<TaskRecord>>(key).await? {
        Some(Stored::Known(task)) if task.revokes.is_some() => {
            go_on(app, *task, until).await;
            Ok(None)
        }
        Some(Stored::Known(task)) => {
            if task
                .lease
                .is_some_and(|id| task.task_id != format!("task_{id}"))
            {
                // It had no other use than to wake somebody.
                app.table.delete_all([task.key.clone()]).await?;
            }
            Ok(task.lease)
        }
        _ => Ok(None),
    }
}

async fn go_on(app: &App, mut task: TaskRecord, until: OffsetDateTime) -> u64 {
    let Some(mut revocation) = task.revokes.clone().filter(|one| one.state.is_open()) else {
        // It is only still shown; what is over is removed.
        if unix_millis(app.clock.now()) / 1000 >= task.expires
            && let Err(error) = app.table.delete_all([task.key.clone()]).await
        {
            tracing::warn!(error = chain(&error), "a finished task was not removed");
        }
        return 0;
    };
    let (mut revoked, mut cursor) = (0, None);
    let outcome = loop {
        if app.clock.now() >= until {
            break Ok(false);
        }
        match step(app, &revocation, cursor.take()).await {
            Ok((count, next)) => {
                revoked += count;
                match next {
                    Some(next) => cursor = Some(next),
                    None => break Ok(true),
                }
            }
            Err(error) => break Err(error),
        }
    };
    revocation.revoked += revoked;
    let now = unix_millis(app.clock.now());
    match outcome {
        Ok(true) => {
            revocation.state = TaskState::Success;
            task.due(task.expires.saturating_mul(1000));
        }
        Ok(false) => {
            revocation.state = TaskState::Started;
            task.due(now);
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "a bulk revocation goes on later");
            revocation.state = TaskState::Retry;
            task.due(after(now, REST));
        }
    }
    task.revokes = Some(revocation);
    // Two workers at once revoke the same leases, which is one and the same; either may write how far it is.
    if let Err(error) = app.table.put(&task).await {
        tracing::warn!(error = chain(&error), "a bulk revocation was not noted");
    }
    revoked
}

async fn step(
    app: &App,
    revocation: &RevocationRecord,
    after: Option<String>,
) -> Result<(u64, Option<String>), Error> {
    let wanted = Wanted::of(revocation.by, &revocation.value);
    let page = find(app, &wanted, STEP, after).await?;
    let mut revoked = 0;
    for lease in page.found {
        if matches!(lease.life.state, State::Revoked | State::Revoking) {
            continue;
        }
        match revoke(app, lease.id, "the lease was revoked").await {
            Ok(_) => revoked += 1,
            Err(Error::NotFound | Error::Refused(_)) => {} // gone, or a newer release's by now
            Err(error) => return Err(error),
        }
    }
    Ok((revoked, page.next))
}
