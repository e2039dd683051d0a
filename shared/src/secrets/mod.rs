//! What every use case on secrets shares: finding one, opening it, tying it to a base, and writing it whole.

pub mod criteria;
pub mod link;
pub mod locate;
pub mod purge;
pub mod reseal;
pub mod search;
pub mod stored;
pub mod write;
