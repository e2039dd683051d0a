//! What a vault does on its own: woken by the table's stream, and swept by a schedule.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{convert::Infallible, time::Duration};

use mayfly::{clock::Clock, error::Error};
use mayfly_tests::Vault;
use serde_json::{Value, json};

mod rotation;
mod schedule;
mod stream;
mod waiting;

/// The worker's answer to an event, with a minute's time.
async fn work(vault: &Vault, event: Value) -> Result<Value, Error> {
    work_for(vault, Duration::from_mins(1), event).await
}

async fn work_for(vault: &Vault, span: Duration, event: Value) -> Result<Value, Error> {
    let until = vault.clock.now() + span;
    vault.work(event, until).await
}

/// A sweep's answer.
async fn sweep(vault: &Vault) -> Value {
    work(vault, json!({"mayfly": "sweep"})).await.unwrap()
}

/// A sweep that has `span`, while every step that it waits for takes a millisecond of the vault's clock.
async fn hurried_sweep(vault: &Vault, span: Duration) -> Value {
    let sweep = work_for(vault, span, json!({"mayfly": "sweep"}));
    tokio::select! {
        swept = sweep => swept.unwrap(),
        never = pass_time(vault) => match never {},
    }
}

async fn pass_time(vault: &Vault) -> Infallible {
    loop {
        vault.clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
}
