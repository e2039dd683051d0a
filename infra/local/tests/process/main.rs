//! The `mayfly` program as a person meets it: started, used, stopped, killed, started again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod cloud;
mod kills;
mod program;
mod reconcile;
mod running;
