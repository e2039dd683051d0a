//! Lambda function `access`: who there is, and who may do what.

use std::process::ExitCode;

use mayfly::http::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::main(mayfly_access::PURPOSES, mayfly_access::router, None).await
}
