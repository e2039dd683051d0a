//! Who is calling, and what they may do.

pub mod caller;
pub mod client;
pub mod policy;
pub mod rules;
pub mod token;
