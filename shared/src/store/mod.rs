//! The vault's one DynamoDB table.

pub mod counters;
pub mod cursor;
pub mod due;
mod error;
pub mod memory;
pub mod schema;
pub mod search;
pub mod table;
pub mod writes;
