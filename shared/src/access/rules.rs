//! The rules as one process holds them, and how it knows that they still count.
//!
//! All rules and public signing keys are one compressed snapshot, kept in several copies next to a random *epoch*.
//! Every request reads an epoch copy in the round trip it makes anyway; if it differs from the epoch of the rules in
//! memory, the rules are loaded again before anything is decided.

use std::{
    io::{Read, Write},
    sync::{Arc, RwLock},
};

use aws_sdk_dynamodb::types::TransactWriteItem;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    access::policy::{Rule, RuleSet},
    error::Error,
    store::{
        schema::{COPIES, EpochRecord, Key, RulesRecord},
        table::Table,
        writes::Only,
    },
};

/// The largest compressed snapshot: eight copies fit one transaction and each an item.
pub const MAX_SNAPSHOT: usize = 300 * 1024;
/// No snapshot of that size is larger than this when it is unpacked.
const MAX_UNPACKED: u64 = 16 * 1024 * 1024;
/// How often a load that met a change is tried again.
const LOAD_TRIES: u32 = 5;

/// Everything that decides about access, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Format of this structure.
    pub format: u8,
    /// The vault, which is also the issuer of its tokens.
    pub vault: Uuid,
    /// Who may do what.
    pub rules: Vec<Rule>,
    /// Public halves of the keys whose tokens count.
    pub keys: Vec<PublicKey>,
    /// Which of them signs.
    pub signing: String,
}

/// The public half of a signing key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublicKey {
    /// Key id, as in token headers.
    pub kid: String,
    /// Ed25519 public key, base64url.
    pub x: String,
}

/// Rules ready to decide.
#[derive(Debug)]
pub struct Rules {
    /// The epoch they belong to.
    pub epoch: String,
    /// The vault.
    pub vault: Uuid,
    /// Who may do what.
    pub set: RuleSet,
    /// Keys whose tokens count.
    pub keys: Vec<PublicKey>,
    /// Which of them signs.
    pub signing: String,
}

impl Snapshot {
    fn packed(&self) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
        let packed = packed.map_err(|error| Error::internal(error.to_string()))?;
        if packed.len() > MAX_SNAPSHOT {
            return Err(Error::Refused(format!(
                "all policies together must be at most {MAX_SNAPSHOT} bytes when compressed"
            )));
        }
        Ok(packed)
    }

    fn unpacked(packed: &[u8]) -> Result<Self, Error> {
        let mut text = Vec::new();
        ZlibDecoder::new(packed)
            .take(MAX_UNPACKED)
            .read_to_end(&mut text)
            .map_err(|error| Error::internal(format!("rules: {error}")))?;
        serde_json::from_slice(&text).map_err(|error| Error::internal(format!("rules: {error}")))
    }
}

/// The writes that make `snapshot` count from the next request on: every copy of the rules and of the epoch.
pub fn writes(table: &Table, snapshot: &Snapshot) -> Result<Vec<TransactWriteItem>, Error> {
    let epoch = Uuid::new_v4().simple().to_string();
    let packed = snapshot.packed()?;
    let mut writes = Vec::new();
    for copy in 0..COPIES {
        let rules = RulesRecord {
            key: Key::rules(copy),
            epoch: epoch.clone(),
            snapshot: packed.clone(),
        };
        writes.push(table.write(&rules, &Only::Always)?);
        writes.push(table.write(
            &EpochRecord {
                key: Key::epoch(copy),
                epoch: epoch.clone(),
            },
            &Only::Always,
        )?);
    }
    Ok(writes)
}

/// The rules of this process.
pub struct RulesCache {
    table: Table,
    copy: u8,
    held: RwLock<Option<Arc<Rules>>>,
}

impl RulesCache {
    /// Nothing loaded yet. Each process reads one copy for its life, so that no key is hot.
    pub fn new(table: Table) -> Self {
        let copy = u8::try_from(Uuid::new_v4().as_u128() % u128::from(COPIES)).unwrap_or(0);
        Self {
            table,
            copy,
            held: RwLock::default(),
        }
    }

    /// The key of the epoch copy that this process reads with every request.
    pub fn epoch_key(&self) -> Key {
        Key::epoch(self.copy)
    }

    /// What is in memory, possibly of an older epoch.
    pub fn held(&self) -> Option<Arc<Rules>> {
        self.held.read().ok()?.clone()
    }

    /// The rules of `epoch`, which a request has just read; `None` means that the epoch item is missing.
    pub async fn of_epoch(&self, epoch: Option<EpochRecord>) -> Result<Arc<Rules>, Error> {
        let Some(epoch) = epoch else {
            return Err(Error::Unauthenticated);
        };
        match self.held().filter(|rules| rules.epoch == epoch.epoch) {
            Some(rules) => Ok(rules),
            None => self.load().await,
        }
    }

    /// Reads rules and epoch in one round trip; accepted only if they agree. The rules carry their epoch and both are
    /// written in one transaction, so what agrees is one state, whatever else is being written.
    pub async fn load(&self) -> Result<Arc<Rules>, Error> {
        let (rules_key, epoch_key) = (Key::rules(self.copy), Key::epoch(self.copy));
        for _ in 0..LOAD_TRIES {
            let keys = [rules_key.clone(), epoch_key.clone()];
            let items = self.table.batch_get(keys).await?;
            let record: Option<RulesRecord> = items.record(&rules_key)?;
            let epoch: Option<EpochRecord> = items.record(&epoch_key)?;
            let (Some(record), Some(epoch)) = (record, epoch) else {
                return Err(Error::Unauthenticated);
            };
            if record.epoch == epoch.epoch {
                return self.accept(&record);
            }
        }
        Err(Error::Throttled {
            message: "the rules are changing; try again".to_owned(),
            retry_after: 1,
        })
    }

    fn accept(&self, record: &RulesRecord) -> Result<Arc<Rules>, Error> {
        let snapshot = Snapshot::unpacked(&record.snapshot)?;
        let rules = Arc::new(Rules {
            epoch: record.epoch.clone(),
            vault: snapshot.vault,
            set: RuleSet::compile(&snapshot.rules),
            keys: snapshot.keys,
            signing: snapshot.signing,
        });
        if let Ok(mut held) = self.held.write() {
            *held = Some(rules.clone());
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::Effect;

    fn snapshot(rules: usize) -> Snapshot {
        let rule = |n: usize| Rule {
            subjects: vec![format!("roles:{n}")],
            effect: Effect::Allow,
            resources: vec![format!(
                "secrets:{}:<.*>",
                Uuid::from_u128(n as u128 * 7_919)
            )],
            actions: vec!["read".to_owned()],
        };
        Snapshot {
            format: 1,
            vault: Uuid::nil(),
            rules: (0..rules).map(rule).collect(),
            keys: Vec::new(),
            signing: String::new(),
        }
    }

    #[test]
    fn a_snapshot_survives_packing() {
        let unpacked = Snapshot::unpacked(&snapshot(100).packed().unwrap()).unwrap();
        assert_eq!(unpacked.rules.len(), 100);
    }

    #[test]
    fn too_many_rules_are_refused_with_the_limit() {
        let mut large = snapshot(0);
        for _ in 0..20_000 {
            large.rules.extend(snapshot(1).rules);
            if let Some(rule) = large.rules.last_mut() {
                rule.resources = vec![format!("secrets:{}", Uuid::new_v4())];
            }
        }
        assert!(large.packed().unwrap_err().to_string().contains("307200"));
    }

    #[test]
    fn damaged_rules_are_an_error() {
        assert!(Snapshot::unpacked(b"nonsense").is_err());
    }
}
