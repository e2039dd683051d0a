//! Lambda function `crud`: creates, changes, deletes and searches secrets.

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    lambda::run(&[Purpose::Secret], mayfly_crud::router, None).await
}
