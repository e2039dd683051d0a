//! Signing in, and what callers may do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod assign;
mod bootstrap;
mod crashes;
mod forged;
mod rules;
mod still_valid;
mod token;
