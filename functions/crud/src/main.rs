//! Lambda function `crud`: creates, changes, deletes and searches secrets.

use std::process::ExitCode;

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let purposes = [Purpose::Secret];
    lambda::main(&purposes, mayfly_crud::router, None).await
}
