//! Lambda function `crud`: creates, changes, deletes and searches secrets.

use std::process::ExitCode;

use mayfly::http::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::main(mayfly_crud::PURPOSES, mayfly_crud::router, None).await
}
