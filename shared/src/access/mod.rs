//! Who is calling, and what they may do.

pub mod admin;
pub mod caller;
pub mod client;
pub mod condition;
pub mod document;
pub mod heads;
pub mod lockout;
pub mod membership;
mod packed;
pub mod password;
pub mod pattern;
pub mod policy;
pub mod purge;
pub mod refresh;
pub mod rules;
pub mod signing_key;
pub mod snapshot;
pub mod token;
