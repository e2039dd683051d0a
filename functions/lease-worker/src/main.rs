//! Lambda function `lease-worker`: takes back and removes what has ended.

use std::process::ExitCode;

use mayfly::{events, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let purposes = [Purpose::Secret, Purpose::TokenSigning];
    events::main(&purposes, mayfly_lease_worker::handle).await
}
