//! The snapshot: everything that decides about access without being about one caller, as one stored thing.
//!
//! It is kept in several copies next to a random *epoch*, and written with it in one transaction, so what agrees is
//! one state. Whoever changes it says which epoch it was read at: two changes at once cannot lose one another.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use aws_sdk_dynamodb::types::TransactWriteItem;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    access::policy::Rule,
    error::Error,
    store::{
        schema::{COPIES, EpochRecord, Key, MemberOf, RulesRecord},
        table::Table,
        writes::Only,
    },
};

/// The largest compressed snapshot: eight copies fit one transaction and each an item.
pub const MAX_SNAPSHOT: usize = 300 * 1024;
/// No snapshot of that size is larger than this when it is unpacked.
const MAX_UNPACKED: u64 = 16 * 1024 * 1024;
/// The format of what this release writes.
const FORMAT: u8 = 2;

/// Everything that decides about access, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Format of this structure.
    pub format: u8,
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
            format: FORMAT,
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
        let snapshot = self.packed()?;
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

    fn packed(&self) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
        let packed = packed.map_err(|error| Error::internal(error.to_string()))?;
        // What one process could write and no other would read must not be written.
        if packed.len() > MAX_SNAPSHOT || text.len() as u64 >= MAX_UNPACKED {
            return Err(Error::Refused(format!(
                "all policies and groups together must be at most {MAX_SNAPSHOT} bytes when compressed"
            )));
        }
        Ok(packed)
    }

    /// Reads a stored snapshot.
    pub fn unpacked(packed: &[u8]) -> Result<Self, Error> {
        let broken = |error: String| Error::internal(format!("rules: {error}"));
        let mut text = Vec::new();
        ZlibDecoder::new(packed)
            .take(MAX_UNPACKED)
            .read_to_end(&mut text)
            .map_err(|error| broken(error.to_string()))?;
        let snapshot: Self =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if snapshot.format != FORMAT {
            return Err(broken(format!(
                "format {} is not one of this release",
                snapshot.format
            )));
        }
        Ok(snapshot)
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
            conditions: BTreeMap::default(),
        };
        let key = PublicKey {
            kid: String::new(),
            x: String::new(),
            from: 0,
        };
        let mut snapshot = Snapshot::new(Uuid::nil(), Vec::new(), key);
        for n in 0..rules {
            snapshot
                .policies
                .insert(format!("secrets:{n}"), vec![rule(n)]);
        }
        snapshot
    }

    #[test]
    fn a_snapshot_survives_packing() {
        let unpacked = Snapshot::unpacked(&snapshot(100).packed().unwrap()).unwrap();
        assert_eq!(unpacked.rules().count(), 100);
    }

    #[test]
    fn too_many_rules_are_refused_with_the_limit() {
        let mut large = snapshot(20_000);
        for rule in large.policies.values_mut().flatten() {
            rule.resources = vec![format!("secrets:{}", Uuid::new_v4())];
        }
        assert!(large.packed().unwrap_err().to_string().contains("307200"));
    }

    #[test]
    fn damaged_or_foreign_rules_are_an_error() {
        assert!(Snapshot::unpacked(b"nonsense").is_err());
        let foreign = Snapshot {
            format: 1,
            ..snapshot(1)
        };
        let error = Snapshot::unpacked(&foreign.packed().unwrap()).unwrap_err();
        assert!(error.to_string().contains("format 1"));
    }
}
