//! Cursors: where a search goes on. Authenticated, and bound to the query and to the caller.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    domain::principal::Principal,
    error::Error,
    seal::{KeyedHash, Purpose, Sealer},
};

const LABEL: &str = "search cursor";

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last sort key that was examined.
    pub last: String,
    /// How many items all pages so far have shown.
    pub seen: usize,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    p: Position,
    k: u32,
    h: String,
}

/// The opaque form of `position`, good for this `query` of this `caller` alone; authenticated with a branch key of
/// `purpose`, one that the function holds anyway.
pub async fn encode(
    sealer: &Sealer,
    purpose: Purpose,
    position: &Position,
    query: &str,
    caller: &Principal,
) -> Result<String, Error> {
    let hash = sealer
        .hash(purpose, LABEL, &message(position, query, caller)?)
        .await?;
    let envelope = Envelope {
        p: position.clone(),
        k: hash.key,
        h: BASE64_URL_SAFE_NO_PAD.encode(&hash.hash),
    };
    let text = serde_json::to_vec(&envelope).map_err(|error| Error::internal(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(text))
}

/// Reads a cursor back; 400 if it is not one of ours for this query and caller.
pub async fn decode(
    sealer: &Sealer,
    purpose: Purpose,
    cursor: &str,
    query: &str,
    caller: &Principal,
) -> Result<Position, Error> {
    let wrong = || Error::invalid("cursor", "is not one that this search answered to you");
    let text = BASE64_URL_SAFE_NO_PAD
        .decode(cursor.trim_end_matches('='))
        .map_err(|_| wrong())?;
    let envelope: Envelope = serde_json::from_slice(&text).map_err(|_| wrong())?;
    let hash = BASE64_URL_SAFE_NO_PAD
        .decode(&envelope.h)
        .map_err(|_| wrong())?;
    let claimed = KeyedHash {
        key: envelope.k,
        hash,
    };
    let message = message(&envelope.p, query, caller)?;
    match sealer.is_hash_of(purpose, LABEL, &message, &claimed).await {
        Ok(true) => Ok(envelope.p),
        Err(error) if error.is_retryable() => Err(error),
        Ok(false) | Err(_) => Err(wrong()),
    }
}

fn message(position: &Position, query: &str, caller: &Principal) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&(&position.last, position.seen, query, caller.as_str()))
        .map_err(|error| Error::internal(error.to_string()))
}
