//! Time as a parameter: the only place that asks the machine what time it is.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A boxed future, for the few traits that must be objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the time comes from, and what waits for it.
pub trait Clock: Send + Sync {
    /// The time, UTC.
    fn now(&self) -> OffsetDateTime;
    /// Completes when `span` has passed on this clock.
    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the machine's clock"
    )]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A clock that stands still until it is moved, for tests. Sleeping moves it.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `unix_millis` milliseconds after 1970-01-01.
    pub fn at(unix_millis: i64) -> Self {
        Self(AtomicI64::new(unix_millis))
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        let nanos = i128::from(self.0.load(Ordering::SeqCst)) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        self.advance(span);
        Box::pin(std::future::ready(()))
    }
}

/// Milliseconds since 1970-01-01 UTC.
pub fn unix_millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// `YYYY-MM-DDTHH:MM:SSZ`: whole seconds and a literal `Z`, because python-dsv-sdk parses nothing else.
pub fn wire_seconds(time: OffsetDateTime) -> String {
    let whole = time
        .to_offset(time::UtcOffset::UTC)
        .replace_nanosecond(0)
        .unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// A stored time as [`wire_seconds`] writes it.
pub fn wire_millis(millis: i64) -> String {
    let nanos = i128::from(millis) * 1_000_000;
    wire_seconds(
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH),
    )
}

/// RFC 3339 with nanoseconds, as audit records show it.
pub fn wire_nanos(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_time_has_whole_seconds_and_a_z() {
        let clock = FixedClock::at(1_580_000_000_123);
        assert_eq!(wire_seconds(clock.now()), "2020-01-26T00:53:20Z");
        assert_eq!(wire_nanos(clock.now()), "2020-01-26T00:53:20.123Z");
    }

    #[tokio::test]
    async fn sleeping_moves_a_fixed_clock() {
        let clock = FixedClock::at(0);
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(unix_millis(clock.now()), 3000);
    }
}
