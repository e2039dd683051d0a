//! AWS: temporary credentials by STS, with the base secret's own keys.

mod arn;
mod bounds;
mod credential;
mod error;
mod plan;
mod region;
mod session_policy;
mod sts;

pub use plan::{Plan, check_base};
pub use region::{Partition, Region};
pub use sts::Sts;
