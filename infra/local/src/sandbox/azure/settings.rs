//! How the Azure side behaves: what can be turned from the outside.

use std::time::Duration;

use super::Azure;
use super::replica::Lag;

/// What happens when two changes of an application's passwords overlap: each reads the list, waits for the set latency, and writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The later one writes over what the earlier one wrote: entries are lost, or come back.
    #[default]
    Lossy,
    /// The later one is refused with 409 `Directory_ConcurrencyViolation`.
    Conflict,
}

/// Limits that can be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Objects one principal may make in a directory, deleted ones counted; none is no quota.
    pub objects: Option<usize>,
    /// Passwords of one application, for the size of the object. Two if its audience includes personal accounts, whatever is set.
    pub passwords: usize,
    /// Role assignments in a subscription and below.
    pub role_assignments: usize,
    /// Items of a page that a list answers, unless it is asked for more or fewer.
    pub page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects: None,
            passwords: 1000,
            role_assignments: 4000,
            page: 100,
        }
    }
}

pub(super) struct Settings {
    pub(super) lag: Lag,
    pub(super) latency: Duration,
    pub(super) overlap: Overlap,
    pub(super) limits: Limits,
    /// The value of the `Retry-After` header of a throttled call.
    pub(super) retry_after: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lag: Lag::default(),
            latency: Duration::ZERO,
            overlap: Overlap::default(),
            limits: Limits::default(),
            retry_after: "1".to_owned(),
        }
    }
}

impl Azure {
    /// Sets how long each kind of reader lags. For what is there already, too.
    pub fn set_lag(&self, lag: Lag) {
        self.store().settings.lag = lag;
    }

    /// Sets how long every call takes: it passes on the sandbox's clock, for changes of passwords between their read and their write.
    pub fn set_latency(&self, latency: Duration) {
        self.store().settings.latency = latency;
    }

    /// Sets what overlapping changes of an application's passwords do.
    pub fn set_overlap(&self, overlap: Overlap) {
        self.store().settings.overlap = overlap;
    }

    /// Sets the limits.
    pub fn set_limits(&self, limits: Limits) {
        self.store().settings.limits = limits;
    }

    /// Sets the `Retry-After` header of throttled calls; seconds, which need not be whole. At first 1.
    pub fn set_retry_after(&self, seconds: &str) {
        seconds.clone_into(&mut self.store().settings.retry_after);
    }
}
