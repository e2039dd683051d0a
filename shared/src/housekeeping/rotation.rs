//! New branch keys when the newest is old.

use std::time::Duration;

use crate::{app::App, error::Error, seal::Purpose};

/// How old the newest branch key of a purpose may become.
pub(super) const MAX_AGE: Duration = Duration::from_hours(90 * 24);

/// Purposes whose items move to a new key: secrets are sealed anew, and signing keys are replaced long before. The hashes
/// of client secrets stay with the key they were made with.
const PURPOSES: [Purpose; 2] = [Purpose::Secret, Purpose::TokenSigning];

/// Adds a branch key where the newest is older than `age`; answers how many were added.
pub(super) async fn rotate(app: &App, age: Duration) -> Result<usize, Error> {
    let mut added = 0;
    for purpose in PURPOSES {
        if app.sealer.keys().rotate_when_older(purpose, age).await? {
            tracing::info!(purpose = purpose.word(), "branch key added");
            added += 1;
        }
    }
    Ok(added)
}
