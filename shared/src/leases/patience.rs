//! Trying again: which failure of a cloud call is worth it, how long to wait, and when it is too late.

use std::{future::Future, time::Duration};

use time::OffsetDateTime;

use crate::{
    app::App,
    provider::azure::{CALL_TIMEOUT, Class, Failure},
    store::table::backoff,
};

/// Between two looks for something that is not visible yet.
const NOT_YET: Duration = Duration::from_secs(1);
/// Between two tries when the cloud does not answer.
const NO_ANSWER: Duration = Duration::from_millis(500);
/// When a cloud is busy and does not say for how long.
const BUSY: Duration = Duration::from_secs(2);

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Something that was there before.
    Known,
    /// Something that was made a moment ago: not found, and even not allowed, may mean not yet.
    Fresh,
}

impl Patience {
    /// How long to wait before another try; `None` if there is no point in one. What may have been done already is only
    /// tried again if `repeatable`.
    pub(crate) fn wait(self, failure: &Failure, repeatable: bool, round: u32) -> Option<Duration> {
        match failure.class {
            Class::Throttled => Some(failure.retry_after.unwrap_or(BUSY)),
            Class::Overlapped => Some(backoff(round.saturating_add(2))),
            Class::Unknown if repeatable => Some(NO_ANSWER),
            Class::NotThere | Class::NotYet | Class::Forbidden if self == Self::Fresh => {
                Some(NOT_YET)
            }
            _ => None,
        }
    }
}

/// Makes a call that may be repeated until it succeeds, until there is no point in another try, or until too late: the
/// last failure is the answer then.
pub(crate) async fn insist<T, F>(
    app: &App,
    until: OffsetDateTime,
    patience: Patience,
    call: impl Fn() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut round = 0;
    loop {
        let failure = match call().await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        match patience.wait(&failure, true, round) {
            Some(wait) if is_in_time(app, wait, until) => app.clock.sleep(wait).await,
            _ => return Err(failure),
        }
        round += 1;
    }
}

/// Whether a call that begins after `wait` ends in time.
pub(crate) fn is_in_time(app: &App, wait: Duration, until: OffsetDateTime) -> bool {
    app.clock.now() + wait + CALL_TIMEOUT <= until
}
