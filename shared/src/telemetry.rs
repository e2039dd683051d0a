//! Log lines. Only Mayfly's own may be turned up: at TRACE the libraries would print requests, and secrets with them.

use std::{io::IsTerminal, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::error::{Error, chain};

/// The one line at INFO that each request, direct invocation and event leaves.
///
/// It holds no path: some of them hold a secret. In its place is the route, as the route table has it.
pub struct Answered<'a> {
    /// Names the request.
    pub request_id: &'a str,
    /// Of HTTP; else `INVOKE` or `EVENT`.
    pub method: &'a str,
    /// The row of the route table that it took, if any.
    pub route: Option<&'a str>,
    /// The function that answered, if that is one of Lambda's.
    pub function: Option<&'a str>,
    /// The status, also of what is no HTTP.
    pub status: u16,
    /// How long it took.
    pub took: time::Duration,
}

impl Answered<'_> {
    /// Writes the line; as an error, with its whole chain, if the fault is ours.
    pub fn tell(&self, error: Option<&Error>) {
        let Self {
            request_id,
            method,
            route,
            function,
            status,
            took,
        } = *self;
        // As JSON has it, a number of 128 bits is a text.
        let millis = i64::try_from(took.whole_milliseconds()).unwrap_or(i64::MAX);
        match error {
            Some(error) if status >= 500 => tracing::error!(
                request_id,
                method,
                route,
                function,
                status,
                millis,
                error = chain(error),
                "answered"
            ),
            _ => tracing::info!(
                request_id, method, route, function, status, millis, "answered"
            ),
        }
    }
}

/// JSON lines on standard output, as CloudWatch reads them.
pub fn init_json(level: Level) {
    json(level, std::io::stdout).init();
    log_panics();
}

/// Plain lines on standard error, for people.
pub fn init_plain(level: Level) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter(level))
        .with(lines)
        .init();
}

/// The JSON subscriber over any writer.
pub fn json<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(writer);
    tracing_subscriber::registry()
        .with(filter(level))
        .with(lines)
}

/// `level` for Mayfly's crates, whose names all begin so; WARN at most for all others. The runtime would write down every
/// failed invocation once more, with a message that is for its caller.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_target("mayfly", level)
}

/// Runs `work`; a panic in it is a fault of ours and no more, so that the invocation still ends with its line, its metrics
/// and an error of a known type.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Error::internal("a panic")))
}

/// Says where a panic was and not with which words: they may quote what was being worked on.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place = place.unwrap_or_default(), "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_fault_of_ours_without_its_words() {
        let outcome = caught(async {
            let numbers: Vec<u8> = Vec::new();
            Ok(numbers[3])
        });
        let error = outcome.await.unwrap_err();
        assert_eq!(chain(&error), "internal error: a panic");
    }
}
