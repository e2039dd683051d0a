//! Calls and depth first, ratios second, milliseconds last. Printed as tables; nothing here fails on time.

mod calls;
mod lambda;
mod rules;
mod table;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    calls::print().await?;
    rules::print().await?;
    lambda::print().await
}
