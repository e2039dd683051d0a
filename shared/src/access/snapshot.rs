//! The snapshot: everything that decides about access without being about one caller, as one stored thing.
//!
//! It is kept in several copies next to a random *epoch*, and written with it in one transaction, so what agrees is
//! one state. Whoever changes it says which epoch it was read at: two changes at once cannot lose one another.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    access::{packed, policy::Rule},
    error::Error,
    store::{
        schema::{COPIES, EpochRecord, Key, MemberOf, RulesRecord},
        table::Table,
        writes::Only,
    },
};

/// Everything that decides about access; [`packed`] has its stored form.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The vault, which is also the issuer of its tokens.
    pub vault: Uuid,
    /// The config's rules: the admin's.
    pub config: Vec<Rule>,
    /// The rules of every live policy, by its path.
    pub policies: BTreeMap<String, Vec<Rule>>,
    /// The mark of every live group, by its folded name.
    pub groups: BTreeMap<String, String>,
    /// Public halves of the keys whose tokens count, oldest first.
    pub keys: Vec<PublicKey>,
}

/// The public half of a signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Key id, as in token headers.
    pub kid: String,
    /// Ed25519 public key, base64url.
    pub x: String,
    /// From when on it signs, in Unix seconds. Until then it is only known, so that every process has heard of it.
    pub from: i64,
}

impl Snapshot {
    /// The snapshot of a new vault.
    pub fn new(vault: Uuid, config: Vec<Rule>, key: PublicKey) -> Self {
        Self {
            vault,
            config,
            policies: BTreeMap::new(),
            groups: BTreeMap::new(),
            keys: vec![key],
        }
    }

    /// All rules, wherever they stand.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.config.iter().chain(self.policies.values().flatten())
    }

    /// The live groups of a member, as policies write them.
    pub fn groups_of(&self, member_of: &MemberOf) -> Vec<String> {
        groups_of(&self.groups, member_of)
    }

    /// The writes that make this snapshot count from the next request on, if the rules are still of `epoch`; for a new
    /// vault there is none.
    pub fn writes(
        &self,
        table: &Table,
        epoch: Option<&str>,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let unchanged = epoch.map_or(Only::IfNew, |epoch| Only::IfEpoch(epoch.to_owned()));
        let epoch = Uuid::new_v4().simple().to_string();
        let snapshot = packed::pack(self)?;
        let mut writes = Vec::new();
        for copy in 0..COPIES {
            let rules = RulesRecord {
                key: Key::rules(copy),
                epoch: epoch.clone(),
                snapshot: snapshot.clone(),
            };
            writes.push(table.write(&rules, &Only::Always)?);
            let epoch = EpochRecord {
                key: Key::epoch(copy),
                epoch: epoch.clone(),
            };
            writes.push(table.write(&epoch, &unchanged)?);
        }
        Ok(writes)
    }
}

/// Of the groups that `member_of` names, those that live, as policies write them.
pub(crate) fn groups_of(live: &BTreeMap<String, String>, member_of: &MemberOf) -> Vec<String> {
    let named = member_of.all().into_iter();
    let lives = |(name, mark): &(String, String)| live.get(name) == Some(mark);
    named
        .filter(lives)
        .map(|(name, _)| format!("groups:{name}"))
        .collect()
}
