//! Lambda function `token`: signing in.

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let purposes = [Purpose::TokenSigning, Purpose::Verifier];
    lambda::run(&purposes, mayfly_token::router, Some(mayfly_token::invoke)).await
}
