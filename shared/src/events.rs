//! Lambda: a function that takes events, not requests.

use std::{process::ExitCode, sync::Arc, time::Duration};

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    app::App,
    clock::BoxFuture,
    config::{Settings, WARM_UP, environment},
    error::Error,
    http::lambda::{Invocation, app, ended},
    metrics,
    seal::Purpose,
    telemetry,
};

/// How long before its end an invocation begins nothing new: what is under way then must still end by itself.
const MARGIN: Duration = Duration::from_secs(5);

/// What a function makes of an event. Nothing new is begun after the time that it is given.
pub type Handler = fn(Arc<App>, Value, OffsetDateTime) -> BoxFuture<'static, Result<Value, Error>>;

/// The whole `main` of such a function: runs it, and says on standard error why it does not start.
pub async fn main(purposes: &[Purpose], handler: Handler) -> ExitCode {
    ended(run(purposes, handler).await)
}

async fn run(purposes: &[Purpose], handler: Handler) -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(&environment)?;
    telemetry::init_json(settings.log);
    metrics::install(&settings.table, &settings.function)?;
    let app = app(&settings, purposes)?;
    if settings.warm_up {
        app.warm_up(WARM_UP).await;
    }
    let function: Arc<str> = settings.function.into();
    lambda_runtime::run(lambda_runtime::service_fn(
        move |event: LambdaEvent<Value>| answer(app.clone(), function.clone(), handler, event),
    ))
    .await
}

async fn answer(
    app: Arc<App>,
    function: Arc<str>,
    handler: Handler,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let invocation = Invocation::begin(&app, &function, &context.request_id);
    let work = handler(app.clone(), payload, until(context.deadline));
    let outcome = telemetry::caught(app.sealer.keys().beside(work)).await;
    invocation.end("EVENT", outcome)
}

/// Until when something new may be begun; `deadline` is in milliseconds since 1970.
fn until(deadline: u64) -> OffsetDateTime {
    let end = OffsetDateTime::from_unix_timestamp_nanos(i128::from(deadline) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    end - MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_begun_in_the_last_seconds() {
        assert_eq!(until(65_000).unix_timestamp(), 60);
        assert!(until(u64::MAX) < OffsetDateTime::UNIX_EPOCH);
    }
}
