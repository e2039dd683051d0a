//! Signing in, and what callers may do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod assign;
mod base_data;
mod bootstrap;
mod bootstrap_url;
mod clients;
mod crashes;
mod delegation;
mod evaluator;
mod forged;
mod grants;
mod groups;
mod initialise;
mod last_admin;
mod lockout;
mod members;
mod metrics;
mod passwords;
mod people;
mod policies;
mod refresh;
mod roles;
mod rules;
mod scenario;
mod shapes;
mod signing_keys;
mod still_valid;
mod token;
mod tokens_refused;
mod users;
