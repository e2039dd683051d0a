//! What black-box tests are made of: a whole vault per test, requests to it, and a look at the wire behind it.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "what cannot be set up fails the test"
)]

pub mod answer;
pub mod azure;
pub mod deployment;
pub mod events;
pub mod gateway;
pub mod iam;
pub mod metrics;
pub mod privileges;
pub mod runtime_api;
pub mod stop;
pub mod vault;
pub mod wire;

pub use answer::Answer;
pub use vault::Vault;
