//! Lambda function `token`: signing in.

use std::process::ExitCode;

use mayfly::http::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::main(
        mayfly_token::PURPOSES,
        mayfly_token::router,
        Some(mayfly_token::invoke),
    )
    .await
}
