//! Signing in, as it is stored: tries at a password, and families of refresh tokens.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::schema::{HEAD, Key};

/// The attribute that DynamoDB's time-to-live looks at, in seconds since 1970. It is only a broom: whoever reads checks
/// the time.
pub const EXPIRES: &str = "expires";

/// How often a password was tried lately: for one name, or from one source.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriesRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Tries that were let through and did not turn out right.
    pub tries: u32,
    /// The first of them, in milliseconds since 1970; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_at: Option<i64>,
    /// The last of them, in milliseconds since 1970.
    pub last_at: i64,
    /// The one before the last, so that the last can be taken back.
    pub before_at: i64,
    /// Names the last try, so that it is not counted twice if its answer is lost.
    pub try_id: String,
    /// When it can be swept away, in seconds since 1970.
    pub expires: i64,
}

/// A family of refresh tokens: those that follow one another from one sign-in. Only the newest counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The family.
    pub id: Uuid,
    /// The number of the token that counts: 0, 1, 2, …
    pub rev: u64,
    /// The folded name of the user who signed in.
    pub user: String,
    /// The user who that was then.
    pub user_id: Uuid,
    /// The user's stamp then: another one voids the family.
    pub stamp: String,
    /// The request that made the token that counts, so that it knows its own work again if the answer was lost.
    pub made_by: Uuid,
    /// Milliseconds since 1970.
    pub created: i64,
    /// When the token that counts ends, in seconds since 1970.
    pub expires: i64,
}

impl Key {
    /// Tries at a password; `hash` says whose.
    pub fn tries(hash: &str) -> Self {
        Self::new(format!("LOCK#{hash}"), HEAD)
    }

    /// A family of refresh tokens.
    pub fn family(id: Uuid) -> Self {
        Self::new(format!("REFRESH#{id}"), HEAD)
    }
}
