//! Lambda function `access`: who there is, and who may do what.

use std::process::ExitCode;

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let purposes = [Purpose::Verifier];
    lambda::main(&purposes, mayfly_access::router, None).await
}
