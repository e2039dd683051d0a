//! Lambda function `token`: signing in.

use std::process::ExitCode;

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let purposes = [Purpose::TokenSigning, Purpose::Verifier];
    lambda::main(&purposes, mayfly_token::router, Some(mayfly_token::invoke)).await
}
