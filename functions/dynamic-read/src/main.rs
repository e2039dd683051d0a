//! Lambda function `dynamic-read`: reads one secret, static or dynamic.

use std::process::ExitCode;

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let purposes = [Purpose::Secret];
    lambda::main(
        &purposes,
        mayfly_dynamic_read::router,
        Some(mayfly_dynamic_read::invoke),
    )
    .await
}
