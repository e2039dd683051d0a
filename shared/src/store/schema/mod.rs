//! Names of keys, attributes and indexes, and the stored form of every item: the only place they are spelt.
//!
//! Keys begin with the entity, so that a role can be limited to what its function needs with `dynamodb:LeadingKeys`.
//!
//! | item | pk | sk |
//! | --- | --- | --- |
//! | secret head: the current version | `SECRET#{path}` | `HEAD` |
//! | how many dynamic secrets link here | `SECRET#{path}` | `LINKS` |
//! | an earlier version | `SECRET#{path}` | `V#{secret id}#{n}` |
//! | id to path | `SECRETID#{uuid}` | `HEAD` |
//! | a secret in a home, and its versions | `HOME#{owner's id}#{path}` | as in the vault |
//! | id to path in a home | `HOMEID#{uuid}` | `HEAD` |
//! | a soft-deleted thing's end | `PURGE#{id}` | `HEAD` |
//! | work left to do | `TASK#{id}` | `HEAD` |
//! | what a mint may leave in a cloud; how many a secret has | `LEASE#{id}`; `LEASES#{secret id}` | `HEAD` |
//! | who may change an application's passwords now | `APPLOCK#{object id}` | `HEAD` |
//! | client, role, user, group | `CLIENT#{id}`, `ROLE#{name}`, `USER#{name}`, `GROUP#{name}` | `HEAD` |
//! | policy; config | `POLICY#{path}`; `CONFIG#config` | `HEAD` |
//! | an earlier version of any of these | same | `V#{id}#{n}` |
//! | who is in a group | `GROUP#{name}` | `M#{principal}` |
//! | a family of refresh tokens | `REFRESH#{id}` | `HEAD` |
//! | failed sign-ins | `LOCK#{hash}` | `HEAD` |
//! | snapshot of all rules, in 8 copies | `RULES#{copy}` | `HEAD` |
//! | which snapshot counts, in 8 copies | `EPOCH#{copy}` | `HEAD` |
//! | a signing key, sealed | `SIGNKEY#{kid}` | `HEAD` |
//! | a wrapped branch key; how far moving to it has come | `KEYRING#{purpose}` | `K#{n}`; `RESEAL` |
//! | who this vault is; that its first admin was made | `VAULT`, `INITIALISED` | `HEAD` |
//! | audit record | `AUDIT#{day}#{shard}` | time-ordered id |
//!
//! Five indexes with `{ENTITY}#{shard}` partitions hold no sealed data and no soft-deleted head. A home's secrets are an
//! entity of their own, `HOME#{owner's id}`, so no search of one place meets the secrets of another.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::seal::Purpose;

mod leases;
mod principals;
mod rules;
mod secrets;
mod sessions;
mod system;

pub use leases::*;
pub use principals::*;
pub use rules::*;
pub use secrets::*;
pub use sessions::*;
pub use system::*;

/// How many copies there are of the rules and of the epoch, so that no key is hot.
pub const COPIES: u8 = 8;
/// How many partitions an entity has in an index.
pub const SHARDS: u8 = 8;
/// How many partitions a day of audit has.
pub const AUDIT_SHARDS: u8 = 16;

/// Partition key of the table.
pub const PK: &str = "pk";
/// Sort key of the table.
pub const SK: &str = "sk";
/// Sort key of everything that is one item.
pub const HEAD: &str = "HEAD";

/// An index: its name and its two key attributes.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// Name in the table.
    pub name: &'static str,
    /// Partition key attribute, `{ENTITY}#{shard}`.
    pub pk: &'static str,
    /// Sort key attribute.
    pub sk: &'static str,
}

/// Live heads by last change.
pub const RECENT: Index = Index {
    name: "recent",
    pk: "recentPk",
    sk: "recentSk",
};
/// Live heads by path.
pub const BROWSE: Index = Index {
    name: "browse",
    pk: "browsePk",
    sk: "browseSk",
};
/// Live dynamic heads by base.
pub const LINKS: Index = Index {
    name: "links",
    pk: "linksPk",
    sk: "linksSk",
};
/// Purges and tasks by the time they are due.
pub const DUE: Index = Index {
    name: "due",
    pk: "duePk",
    sk: "dueSk",
};

/// Live heads of what access is made of, by when they were made.
pub const CREATED: Index = Index {
    name: "created",
    pk: "createdPk",
    sk: "createdSk",
};

/// Every index of the table.
pub const INDEXES: [Index; 5] = [RECENT, BROWSE, LINKS, DUE, CREATED];

/// What an index item carries beside keys: enough for a search result, never sealed data.
pub const PROJECTED: [&str; 12] = [
    "id",
    "name",
    "path",
    "version",
    "rev",
    "attributes",
    "description",
    "created",
    "createdBy",
    "modified",
    "modifiedBy",
    "kind",
];

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// Whether it is the key of an item of `entity`.
    pub fn is_of(&self, entity: &str) -> bool {
        self.pk
            .strip_prefix(entity)
            .is_some_and(|rest| rest.starts_with('#'))
    }

    /// Whether it is the key of a task that a caller can ask about: of a lease, or a bulk revocation.
    pub fn is_asked_about(&self) -> bool {
        self.pk.starts_with("TASK#task_")
    }

    /// What the sort keys of all earlier versions of the thing `id` begin with.
    pub fn version_prefix(id: Uuid) -> String {
        format!("V#{id}#")
    }

    /// When the soft-deleted thing `id` ends.
    pub fn purge(id: Uuid) -> Self {
        Self::new(format!("PURGE#{id}"), HEAD)
    }

    /// Work left to do.
    pub fn task(id: Uuid) -> Self {
        Self::new(format!("TASK#{id}"), HEAD)
    }

    /// One copy of the rules.
    pub fn rules(copy: u8) -> Self {
        Self::new(format!("RULES#{copy}"), HEAD)
    }

    /// One copy of the epoch.
    pub fn epoch(copy: u8) -> Self {
        Self::new(format!("EPOCH#{copy}"), HEAD)
    }

    /// A signing key.
    pub fn signing_key(kid: &str) -> Self {
        Self::new(format!("SIGNKEY#{kid}"), HEAD)
    }

    /// A wrapped branch key.
    pub fn branch_key(purpose: Purpose, number: u32) -> Self {
        Self::new(Self::keyring(purpose), format!("K#{number:06}"))
    }

    /// The partition of all branch keys of a purpose.
    pub fn keyring(purpose: Purpose) -> String {
        format!("KEYRING#{}", purpose.word())
    }

    /// How far moving what is sealed for `purpose` to its newest branch key has come.
    pub fn reseal(purpose: Purpose) -> Self {
        Self::new(Self::keyring(purpose), "RESEAL")
    }

    /// Who this vault is.
    pub fn vault() -> Self {
        Self::new("VAULT".to_owned(), HEAD)
    }

    /// That the first admin was made.
    pub fn initialised() -> Self {
        Self::new("INITIALISED".to_owned(), HEAD)
    }

    /// An audit record.
    pub fn audit(day: &str, shard: u8, id: &str) -> Self {
        Self::new(format!("AUDIT#{day}#{shard}"), id)
    }
}

/// The partition of `entity` in an index that holds `member`.
pub fn shard_of(entity: &str, member: &str) -> String {
    // FNV-1a: spreads names evenly and, unlike the standard hasher, never changes between releases.
    let hash = member
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{entity}#{}", hash % u64::from(SHARDS))
}

/// All partitions of `entity` in an index.
pub fn shards_of(entity: &str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| format!("{entity}#{shard}"))
}

/// The table's definition as the JSON that every DynamoDB client takes, for whoever creates the table.
pub fn create_table_json(name: &str) -> serde_json::Value {
    use serde_json::json;
    let keys = |pk: &str, sk: &str| json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]);
    let names = [PK, SK]
        .into_iter()
        .chain(INDEXES.iter().flat_map(|index| [index.pk, index.sk]));
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": names
            .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
            .collect::<Vec<_>>(),
        "KeySchema": keys(PK, SK),
        // What wakes the worker needs to know no more than where something is.
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        "GlobalSecondaryIndexes": INDEXES
            .iter()
            .map(|index| json!({
                "IndexName": index.name,
                "KeySchema": keys(index.pk, index.sk),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": PROJECTED},
            }))
            .collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_stable_and_all_used() {
        assert_eq!(shard_of(SECRET, "a:b"), shard_of(SECRET, "a:b"));
        let used: std::collections::HashSet<String> = (0..200)
            .map(|n| shard_of(SECRET, &format!("path:{n}")))
            .collect();
        assert_eq!(used.len(), usize::from(SHARDS));
    }
}
