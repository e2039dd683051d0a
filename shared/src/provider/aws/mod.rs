//! AWS: temporary credentials by STS, with the base secret's own keys or the function's identity.

mod arn;
mod bounds;
mod credential;
mod error;
mod function;
mod plan;
mod region;
mod session_policy;
mod sts;

pub use credential::uses_function;
pub use function::{AssumableRoles, FunctionIdentity};
pub use plan::{Plan, check_base};
pub use region::{Partition, Region};
pub use sts::Sts;
