//! The vault's one DynamoDB table.

pub mod counters;
pub mod cursor;
mod error;
pub mod memory;
pub mod schema;
pub mod search;
pub mod table;
pub mod writes;
