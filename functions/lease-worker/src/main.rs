//! Lambda function `lease-worker`: takes back and removes what has ended.

use std::process::ExitCode;

use mayfly::events;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    events::main(mayfly_lease_worker::PURPOSES, mayfly_lease_worker::handle).await
}
