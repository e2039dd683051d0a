//! Calls and depth first, ratios second, milliseconds last. Printed as tables; nothing here fails on time.

mod calls;
mod cost;
mod lambda;
mod prices;
mod rules;
mod table;
mod units;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    calls::print().await?;
    cost::print().await?;
    rules::print().await?;
    lambda::print().await
}
