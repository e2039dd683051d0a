//! The schedules: everything that is due, once a minute; strays, once a day. And new branch keys, whenever somebody asks.

use mayfly::{app::App, error::Error, housekeeping, leases::strays};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Sweeps, and answers what was done.
pub(crate) async fn sweep(app: &App, until: OffsetDateTime) -> Result<Value, Error> {
    let swept = housekeeping::sweep(app, until).await;
    if swept != housekeeping::Swept::default() {
        tracing::info!(?swept, "swept");
    }
    report(&swept)
}

/// Adds branch keys, and answers how many.
pub(crate) async fn rotate(app: &App) -> Result<Value, Error> {
    let added = housekeeping::rotate(app).await?;
    Ok(json!({ "branchKeys": added }))
}

/// Looks for strays, and answers what there is and what was deleted.
pub(crate) async fn reconcile(
    app: &App,
    delete: bool,
    until: OffsetDateTime,
) -> Result<Value, Error> {
    let found = strays::reconcile(app, delete, until).await?;
    if !found.strays.is_empty() {
        let (strays, deleted) = (found.strays.len(), found.deleted);
        tracing::warn!(
            strays,
            deleted,
            "there is something in a cloud without a lease"
        );
    }
    report(&found)
}

fn report(done: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(done).map_err(|error| Error::internal(error.to_string()))
}
