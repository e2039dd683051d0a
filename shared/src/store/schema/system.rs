//! What the vault keeps of itself: branch keys, who it is, audit records.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::schema::Key;

/// A wrapped branch key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchKeyRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// 1, 2, …
    pub number: u32,
    /// What the key wrapper made of it.
    #[serde(with = "serde_bytes")]
    pub wrapped: Vec<u8>,
    /// Milliseconds since 1970.
    pub created: i64,
}

/// How far moving what is sealed to a new branch key has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResealRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The branch key that everything moves to.
    pub to: u32,
    /// Where to go on.
    pub at: ResealPosition,
    /// Whether this pass found anything to move.
    pub found: bool,
    /// Whether a whole pass found nothing more.
    pub done: bool,
}

/// A place in the walk through all secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResealPosition {
    /// Which list.
    pub list: usize,
    /// Which of its partitions.
    pub shard: usize,
    /// The last sort key that was seen to; empty at the beginning.
    pub after: String,
}

/// Who this vault is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Random; bound into every wrapped key and every token.
    pub vault_id: Uuid,
}

/// A mark that something was done once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Milliseconds since 1970.
    pub created: i64,
}

/// One audit record, at most 1 KB.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Nanosecond time, RFC 3339.
    pub created: String,
    /// Who: a principal, or what a failed sign-in claimed to be.
    pub principal: String,
    /// Id of the principal's item.
    pub principal_item_id: String,
    /// Client credential it came with.
    pub client_id: String,
    /// The HTTP method, or `INVOKE`.
    pub action: String,
    /// What: colon path without `/v1`.
    pub path: String,
    /// The status answered, or about to be.
    pub status: u16,
    /// Source address as the gateway saw it.
    pub ipaddress: String,
    /// One sentence.
    pub message: String,
    /// Ties the record to the cloud's own log.
    pub issuance: String,
    /// The request.
    pub request_id: String,
}
