//! Lambda function `dynamic-read`: reads one secret, static or dynamic.

use mayfly::{http::lambda, seal::Purpose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    lambda::run(
        &[Purpose::Secret],
        mayfly_dynamic_read::router,
        Some(mayfly_dynamic_read::invoke),
    )
    .await
}
