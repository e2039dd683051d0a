//! What nobody waits for: woken by the table's stream, and swept by a schedule once a minute.

mod event;
mod schedule;
mod stream;

use std::sync::Arc;

use mayfly::{app::App, clock::BoxFuture, error::Error, seal::Purpose};
use serde_json::Value;
use time::OffsetDateTime;

use crate::event::Event;

/// What this function may use branch keys for.
pub const PURPOSES: &[Purpose] = &[Purpose::Secret, Purpose::TokenSigning];

/// Does what an event asks for and answers what came of it. Nothing new is begun after `until`.
pub fn handle(
    app: Arc<App>,
    event: Value,
    until: OffsetDateTime,
) -> BoxFuture<'static, Result<Value, Error>> {
    Box::pin(async move {
        match Event::read(event)? {
            Event::Stream(records) => Ok(Box::pin(stream::wake(&app, &records, until)).await),
            Event::Sweep => schedule::sweep(&app, until).await,
            Event::Rotate => schedule::rotate(&app).await,
            Event::Reconcile { delete } => schedule::reconcile(&app, delete, until).await,
        }
    })
}
