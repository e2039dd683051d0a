//! The built functions under the Lambda Runtime API.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod direct;
mod keyless;
mod leases;
mod logs;
mod metrics;
mod paths;
mod routes;
mod story;
mod worker;
