//! `Link`: which base secret a dynamic secret was tied to, and by whose right.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{path::SecretPath, principal::Principal};

/// The right on the base secret that whoever linked it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkRight {
    /// Could read the base: may mint whatever its bounds leave open.
    Read,
    /// Could only assign it: may mint only what a bound lists.
    Assign,
}

/// The tie between a dynamic secret and its base, made when the dynamic secret was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the base lives.
    pub base: SecretPath,
    /// Which secret that was then: a base that was removed and made again is another one.
    pub base_id: Uuid,
    /// Who tied it.
    pub linked_by: Principal,
    /// By which right.
    pub right: LinkRight,
}
