//! Log lines. Only Mayfly's own may be turned up: at TRACE the libraries would print requests, and secrets with them.

use std::io::IsTerminal;

use tracing::{Level, Subscriber};
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

/// `level` for Mayfly's crates, whose names all begin so; WARN at most for all others.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target("mayfly", level)
}
