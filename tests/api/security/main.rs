//! What must never happen.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

mod audit;
mod audit_records;
mod errors;
mod hunt;
mod keys;
mod redaction;
mod redaction_access;
mod redaction_azure;
mod redaction_keyless;
mod rotation;
mod routes;
mod sealing;
mod watched;
