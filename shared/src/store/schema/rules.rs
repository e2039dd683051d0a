//! Rules and signing keys as they are stored.

use serde::{Deserialize, Serialize};

use crate::store::schema::Key;

/// One copy of the rules: who may do what, and which keys sign tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The epoch it belongs to.
    pub epoch: String,
    /// Compressed JSON of [`crate::access::rules::Snapshot`].
    #[serde(with = "serde_bytes")]
    pub snapshot: Vec<u8>,
}

/// One copy of the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// 128 random bits, new with every change of the rules.
    pub epoch: String,
}

/// A signing key, its private half sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// PKCS#8 of an Ed25519 pair, sealed under the token-signing purpose.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Milliseconds since 1970.
    pub created: i64,
}
