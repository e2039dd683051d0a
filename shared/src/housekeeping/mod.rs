//! What a vault does on its own, once a minute: takes back and removes what has ended, and renews its keys.

mod reseal;
mod rotation;

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    access::signing_key,
    app::App,
    error::{Error, chain},
    leases::{revoke, worker},
    secrets::{purge, reseal::Resealed},
    store::schema::{Key, TASK},
};

/// What a sweep did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// How many leases were set to be revoked because somebody asked for many at once.
    pub revocations: u64,
    /// What was minted and has ended.
    pub leases: worker::Swept,
    /// What was soft-deleted, and what was left of what was removed.
    pub removals: purge::Swept,
    /// How many branch keys were added.
    pub branch_keys: usize,
    /// Whether a signing key was added.
    pub signing_key: bool,
    /// What was sealed anew.
    pub resealed: Resealed,
    /// How many parts did not do their work; the next sweep tries again.
    pub errors: usize,
}

/// Does all that is due, and begins nothing new after `until`. Every part gets its turn, whatever the others do: each may
/// take half of the time that is left, and what it does not need is for those that follow.
pub async fn sweep(app: &App, until: OffsetDateTime) -> Swept {
    let half = || {
        let now = app.clock.now();
        now + (until - now) / 2
    };
    let mut swept = Swept::default();
    let errors = &mut swept.errors;
    if app.clock.now() >= until {
        return swept;
    }
    swept.signing_key = settled(errors, "signing key", rotate_signing_key(app).await);
    swept.branch_keys = settled(
        errors,
        "branch keys",
        rotation::rotate(app, rotation::MAX_AGE).await,
    );
    swept.revocations = settled(errors, "revocations", revoke::sweep(app, half()).await);
    swept.leases = settled(errors, "leases", worker::sweep(app, half()).await);
    swept.removals = purge::sweep(app, half()).await;
    swept.resealed = settled(errors, "sealing anew", reseal::go_on(app, until).await);
    swept
}

/// Adds branch keys now, however young the newest are; answers how many. The sweeps that follow seal secrets anew; a
/// signing key stays under the branch key it was sealed with until it is replaced.
pub async fn rotate(app: &App) -> Result<usize, Error> {
    rotation::rotate(app, Duration::ZERO).await
}

/// Does what the task under `key` asks for, if it is still to be done; answers whether it was. An error that
/// [may pass](Error::is_retryable) is one of the table, and nothing was done.
pub async fn wake(app: &App, key: &Key, until: OffsetDateTime) -> Result<bool, Error> {
    if !key.is_of(TASK) {
        return Ok(false);
    }
    if !key.is_asked_about() {
        return purge::finish_task(app, key, until).await;
    }
    match revoke::wake(app, key, until).await? {
        Some(lease) => worker::wake(app, lease, until).await.map(|_| true),
        None => Ok(true),
    }
}

async fn rotate_signing_key(app: &App) -> Result<bool, Error> {
    match signing_key::rotate_when_due(app).await {
        // A vault without an admin yet has none.
        Err(Error::Unauthenticated) => Ok(false),
        outcome => outcome,
    }
}

/// What a part did; its error is logged and counted here.
fn settled<T: Default>(errors: &mut usize, part: &str, outcome: Result<T, Error>) -> T {
    outcome.unwrap_or_else(|error| {
        tracing::warn!(part, error = chain(&error), "housekeeping failed");
        *errors += 1;
        T::default()
    })
}
