//! Log lines. Only Mayfly's own may be turned up: at TRACE the libraries would print requests, and secrets with them.

use std::io::IsTerminal;

use tracing::{Level, Subscriber};
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

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
