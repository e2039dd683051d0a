//! Lambda function `dynamic-read`: reads one secret, static or dynamic.

use std::process::ExitCode;

use mayfly::http::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::main(
        mayfly_dynamic_read::PURPOSES,
        mayfly_dynamic_read::router,
        Some(mayfly_dynamic_read::invoke),
    )
    .await
}
