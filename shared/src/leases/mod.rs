//! Leases: everything that a mint leaves in a cloud, from the intent that is written before it to the proof that nothing
//! is left.
//!
//! A reader's mint and the worker never share a process, and either may die at any moment. What holds them together is
//! the lease in the table: it is written before the cloud is, holds every name and id that undoing needs, and ends only
//! after two sweeps, ten minutes apart, have found nothing of it. `domain/lease.rs` has the states, [`rule`] the rules
//! that make it safe, each with a switch for the proof that it is needed.

pub mod assign;
mod existing;
pub mod list;
mod lock;
pub mod mint;
mod patience;
pub mod permissions;
mod readiness;
pub mod revoke;
pub mod rule;
pub mod status;
mod store;
pub mod strays;
pub mod take_back;
mod temporary;
pub mod worker;
