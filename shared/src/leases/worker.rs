//! The worker's part: looks at every lease that is due, finishes slow work, takes back what has ended.
//!
//! What wakes it says nothing it relies on: the `due` index finds everything. Each lease is claimed by a conditional
//! write, so two workers never send for the same one, and treated alone, so one in trouble holds nobody up. Leases of one
//! base take turns, since Graph is slow and lossy where writes of one application overlap.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    app::App,
    clock::unix_millis,
    domain::lease::{SETTLE, State, Trouble, after},
    error::{Error, chain},
    leases::{
        assign,
        mint::{broken, close_assignment},
        rule::Rule,
        store::{self, Saved, Stored},
        take_back::{self, Stopped},
    },
    metrics,
    provider::azure::{CALL_TIMEOUT, Credential, Failure},
    secrets::{link, stored},
    store::{
        due::{Due, DueItem},
        schema::{Key, LEASE, LeaseRecord, SecretRecord, TaskState},
        table::backoff,
    },
};

/// How long one worker may be busy with one lease.
const CLAIM: Duration = Duration::from_mins(1);
/// How much time must be left to begin with a lease.
const WORTHWHILE: Duration = Duration::from_secs(10);
/// How many bases are worked on at a time.
const BASES_AT_ONCE: usize = 8;
/// When to come back if another writer has the application.
const BUSY: Duration = Duration::from_secs(5);

/// What one run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Leases that were due.
    pub due: u64,
    /// Roles given.
    pub assigned: u64,
    /// Sweeps that went through.
    pub swept: u64,
    /// Leases of which nothing is left.
    pub revoked: u64,
    /// Tries in vain; they come again.
    pub failed: u64,
    /// Leases that are stuck.
    pub stuck: u64,
    /// Leases that a newer release wrote: left alone.
    pub newer: u64,
    /// Items that cannot be read: left alone.
    pub unreadable: u64,
    /// Left for the next run: no time, or somebody else has them.
    pub left: u64,
}

impl Swept {
    fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.assigned += other.assigned;
        self.swept += other.swept;
        self.revoked += other.revoked;
        self.failed += other.failed;
        self.stuck += other.stuck;
        self.newer += other.newer;
        self.unreadable += other.unreadable;
        self.left += other.left;
    }
}

/// Looks at the leases that are due, what has waited longest first, and begins with none after `until`. Fails only if the
/// table cannot be read.
pub async fn sweep(app: &App, until: OffsetDateTime) -> Result<Swept, Error> {
    let mut swept = Swept::default();
    let mut due = Due::new(&app.table, LEASE, app.clock.now());
    while app.clock.now() + WORTHWHILE <= until {
        let Some(found) = due.next::<Stored<LeaseRecord>>().await? else {
            break;
        };
        let mut by_base: BTreeMap<Uuid, Vec<LeaseRecord>> = BTreeMap::new();
        for DueItem { key, since, record } in found {
            swept.due += 1;
            match record {
                Ok(Stored::Known(lease)) => {
                    due.was_late(since);
                    by_base.entry(lease.base_id).or_default().push(*lease);
                }
                Ok(Stored::Newer) => {
                    metrics::unreadable_record();
                    tracing::warn!(item = key.pk, "a lease of a newer release is left alone");
                    swept.newer += 1;
                }
                Ok(Stored::Unreadable) | Err(_) => {
                    metrics::unreadable_record();
                    tracing::warn!(item = key.pk, "a lease that cannot be read is left alone");
                    swept.unreadable += 1;
                }
            }
        }
        look_at_all(app, by_base, until, &mut swept).await;
    }
    Ok(swept)
}

/// Looks at one lease now, because something new is to be done for it.
pub async fn wake(app: &App, id: Uuid, until: OffsetDateTime) -> Result<Swept, Error> {
    let mut swept = Swept::default();
    let found: Option<Stored<LeaseRecord>> = app.table.get(&Key::lease(id)).await?;
    let due = unix_millis(app.clock.now());
    if let Some(Stored::Known(lease)) = found
        && lease.life.due <= due
    {
        swept.due += 1;
        look(app, *lease, until, &mut swept).await;
    }
    Ok(swept)
}

/// Bases beside each other, leases of one base in turn.
async fn look_at_all(
    app: &App,
    by_base: BTreeMap<Uuid, Vec<LeaseRecord>>,
    until: OffsetDateTime,
    swept: &mut Swept,
) {
    let turns = stream::iter(by_base.into_values()).map(|leases| async move {
        let mut done = Swept::default();
        for lease in leases {
            look(app, lease, until, &mut done).await;
        }
        done
    });
    let mut turns = turns.buffer_unordered(BASES_AT_ONCE);
    while let Some(done) = turns.next().await {
        swept.add(&done);
    }
}

/// Looks at one lease.
async fn look(app: &App, mut lease: LeaseRecord, until: OffsetDateTime, swept: &mut Swept) {
    let now = app.clock.now();
    let claimed = unix_millis(now) < lease.life.claimed_until;
    if claimed || now + WORTHWHILE > until {
        swept.left += 1;
        return;
    }
    let outcome = if lease.life.state == State::Revoked {
        store::forget(app, &lease).await.map(|()| Saved::Done)
    } else {
        work(app, &mut lease, until, swept).await
    };
    match outcome {
        Ok(Saved::Done) => {}
        Ok(Saved::Lost) => swept.left += 1,
        Err(error) => {
            swept.failed += 1;
            tracing::warn!(lease.id = %lease.id, error = chain(&error), "a lease was left to the next run");
        }
    }
}

/// Claims one lease, does what it needs, and writes how that went.
async fn work(
    app: &App,
    lease: &mut LeaseRecord,
    until: OffsetDateTime,
    swept: &mut Swept,
) -> Result<Saved, Error> {
    let now = app.clock.now();
    // Nothing is sent so late that it could be answered after the claim.
    let until = until.min(now + CLAIM);
    lease.life.claim(unix_millis(until));
    if store::save(app, lease, Vec::new()).await? == Saved::Lost {
        return Ok(Saved::Lost);
    }
    match act(app, lease, until, swept).await {
        Ok(()) => {}
        Err(Stopped::Lost) => return Ok(Saved::Lost),
        Err(Stopped::Table(error)) => return Err(error),
        Err(Stopped::Busy) => {
            let now = unix_millis(app.clock.now());
            lease.life.claimed_until = 0;
            lease.life.due = after(now, BUSY + backoff(4));
            swept.left += 1;
        }
        Err(Stopped::Cloud(failure)) => failed(app, lease, &failure, swept),
    }
    store::save(app, lease, Vec::new()).await
}

/// What the lease needs now.
async fn act(
    app: &App,
    lease: &mut LeaseRecord,
    until: OffsetDateTime,
    swept: &mut Swept,
) -> Result<(), Stopped> {
    let now = unix_millis(app.clock.now());
    let has_ended = lease.life.state == State::Intent || lease.life.ends <= now;
    if matches!(lease.life.state, State::Intent | State::Active) && has_ended {
        close_assignment(lease, "the lease has ended");
        lease.life.claimed_until = 0;
        lease.life.revoke(now, CALL_TIMEOUT).map_err(broken)?;
        if lease.life.due > now {
            return Ok(()); // by hand, while its minter was at work
        }
        lease.life.claim(unix_millis(until));
        if store::save(app, lease, Vec::new()).await? == Saved::Lost {
            return Err(Stopped::Lost);
        }
    }
    let credential = credential_of(app, lease).await?;
    let azure = &app.providers.azure;
    let session = azure.session(&credential.0, lease.base_id, credential.1);
    if lease.life.state == State::Active {
        return keep(app, &session, lease, until, swept).await;
    }
    let found = take_back::sweep(app, &session, lease, until).await?;
    let now = unix_millis(app.clock.now());
    if !app.keeps(Rule::SecondSweep) && lease.life.is_settled(now) {
        // As if the first proof had been found long ago.
        lease.life.clean_since = Some(now - i64::try_from(SETTLE.as_millis()).unwrap_or(0));
        lease.life.swept(now, false).map_err(broken)?;
    } else {
        lease.life.swept(now, found).map_err(broken)?;
    }
    swept.swept += 1;
    if lease.life.state == State::Revoked {
        swept.revoked += 1;
        tracing::info!(lease.id = %lease.id, "lease revoked");
    }
    Ok(())
}

/// What a living lease needs: its role given, tries that nobody knows removed.
async fn keep(
    app: &App,
    session: &crate::provider::azure::Session<'_>,
    lease: &mut LeaseRecord,
    until: OffsetDateTime,
    swept: &mut Swept,
) -> Result<(), Stopped> {
    if let Some(assignment) = lease.assignment.as_mut()
        && assignment.state.is_open()
    {
        assignment.state = TaskState::Started;
        let given = assign::give(session, lease, until).await?;
        let gave_up = given.state == TaskState::Failure;
        lease.assignment = Some(given);
        if gave_up {
            let now = unix_millis(app.clock.now());
            lease.life.claimed_until = 0;
            lease.life.revoke(now, CALL_TIMEOUT).map_err(broken)?;
            return Ok(());
        }
        swept.assigned += 1;
    }
    let now = unix_millis(app.clock.now());
    let prune_at = after(lease.life.created, SETTLE);
    if !lease.pruned && prune_at <= now {
        take_back::prune(app, session, lease, until).await?;
        lease.pruned = true;
    }
    let next = if lease.pruned {
        lease.life.ends
    } else {
        prune_at.min(lease.life.ends)
    };
    lease.life.release(next);
    Ok(())
}

/// The base's own credential, in its newest version.
async fn credential_of(app: &App, lease: &LeaseRecord) -> Result<(Credential, u64), Stopped> {
    let base: Option<SecretRecord> = app.table.get(&link::base_key(&lease.base)).await?;
    let base = base.filter(|base| base.id == lease.base_id && base.deleted_at.is_none());
    let base = base.ok_or_else(|| Stopped::Cloud(Failure::base("the base secret is gone")))?;
    let opened = stored::open_base(&app.sealer, &base).await?;
    let credential = Credential::from_data(&opened.data)
        .map_err(|_| Stopped::Cloud(Failure::base("the base secret holds no Azure credential")))?;
    if credential.identity() != lease.identity {
        return Err(Stopped::Cloud(Failure::base(
            "the base secret is another principal than the one that minted",
        )));
    }
    Ok((credential, base.version))
}

/// Notes what a try met. One line for each stuck lease and run, so that an alarm can count them.
fn failed(app: &App, lease: &mut LeaseRecord, failure: &Failure, swept: &mut Swept) {
    let now = unix_millis(app.clock.now());
    if let Some(assignment) = lease
        .assignment
        .as_mut()
        .filter(|assignment| assignment.state.is_open())
    {
        assignment.state = TaskState::Retry;
    }
    let trouble = Trouble {
        class: failure.class.word().to_owned(),
        code: failure.code.to_string(),
        refused: failure.class.is_refusal(),
    };
    let random = u64::try_from(Uuid::new_v4().as_u128() >> 64).unwrap_or(0);
    let wait = failure.retry_after;
    lease.life.failed(now, trouble, wait, random);
    // A living lease ends when it ends, whatever else fails.
    if lease.life.state == State::Active {
        lease.life.due = lease.life.due.min(lease.life.ends.max(now));
    }
    swept.failed += 1;
    if lease.life.state == State::Stuck {
        swept.stuck += 1;
        metrics::stuck_lease();
        tracing::error!(
            event = "lease_stuck",
            lease.id = %lease.id,
            age_seconds = (now - lease.life.created) / 1000,
            class = failure.class.word(),
            code = failure.code,
            attempts = lease.life.attempts,
            "a lease is stuck"
        );
    } else {
        tracing::warn!(
            lease.id = %lease.id,
            class = failure.class.word(),
            code = failure.code,
            attempts = lease.life.attempts,
            "a lease met trouble"
        );
    }
}
