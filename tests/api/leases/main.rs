//! What is minted in Azure, and that all of it is taken back.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod check;
mod concurrency;
mod errors;
mod kinds;
mod limits;
mod metrics;
mod permissions;
mod proof;
mod routes;
mod runs;
mod scene;
mod speed;
mod strays;
mod stuck;
mod tasks;
