//! The rules as one process holds them, and how it knows that they still count.
//!
//! Every request reads an epoch copy in the round trip it makes anyway; if it differs from the epoch of the rules in
//! memory, the rules are loaded again before anything is decided.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::{
        packed,
        policy::RuleSet,
        snapshot::{self, PublicKey, Snapshot},
    },
    error::Error,
    store::{
        schema::{COPIES, EpochRecord, Key, MemberOf, RulesRecord},
        table::Table,
    },
};

/// How often a load that met a change is tried again.
const LOAD_TRIES: u32 = 5;

/// Rules ready to decide.
#[derive(Debug)]
pub struct Rules {
    /// The epoch they belong to.
    pub epoch: String,
    /// The vault.
    pub vault: Uuid,
    /// Who may do what.
    pub set: RuleSet,
    /// Keys whose tokens count, oldest first.
    pub keys: Vec<PublicKey>,
    groups: BTreeMap<String, String>,
}

impl Rules {
    /// Rules of these parts.
    pub fn new(
        epoch: String,
        vault: Uuid,
        set: RuleSet,
        keys: Vec<PublicKey>,
        groups: BTreeMap<String, String>,
    ) -> Self {
        Self {
            epoch,
            vault,
            set,
            keys,
            groups,
        }
    }

    /// Makes `snapshot` ready to decide.
    pub fn of(snapshot: Snapshot, epoch: String) -> Self {
        let set = RuleSet::compile(snapshot.rules());
        Self::new(epoch, snapshot.vault, set, snapshot.keys, snapshot.groups)
    }

    /// The id of the key that signs now: the newest that has begun to.
    pub fn signing(&self, now: OffsetDateTime) -> Option<&str> {
        let now = now.unix_timestamp();
        let begun = self.keys.iter().filter(|key| key.from <= now);
        begun.max_by_key(|key| key.from).map(|key| key.kid.as_str())
    }

    /// The live groups of a member, as policies write them.
    pub fn groups_of(&self, member_of: &MemberOf) -> Vec<String> {
        snapshot::groups_of(&self.groups, member_of)
    }
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

    /// Loads the rules that count now.
    pub async fn load(&self) -> Result<Arc<Rules>, Error> {
        let record = self.stored().await?;
        let rules = Arc::new(packed::ready(&record.snapshot, record.epoch)?);
        if let Ok(mut held) = self.held.write() {
            *held = Some(rules.clone());
        }
        Ok(rules)
    }

    /// Reads the snapshot that counts now, and its epoch: for whoever changes it.
    pub async fn read(&self) -> Result<(Snapshot, String), Error> {
        let record = self.stored().await?;
        Ok((packed::unpack(&record.snapshot)?, record.epoch))
    }

    /// Reads the rules and the epoch in one round trip; accepted only if they agree. The rules carry their epoch and both
    /// are written in one transaction, so what agrees is one state, whatever else is being written.
    async fn stored(&self) -> Result<RulesRecord, Error> {
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
                return Ok(record);
            }
        }
        Err(Error::Throttled {
            message: "the rules are changing; try again".to_owned(),
            retry_after: 1,
        })
    }
}
