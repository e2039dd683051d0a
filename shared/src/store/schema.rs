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
//! | a soft-deleted secret's end | `PURGE#{secret id}` | `HEAD` |
//! | work left to do | `TASK#{id}` | `HEAD` |
//! | client, role | `CLIENT#{id}`, `ROLE#{name}` | `HEAD` |
//! | snapshot of all rules, in 8 copies | `RULES#{copy}` | `HEAD` |
//! | which snapshot counts, in 8 copies | `EPOCH#{copy}` | `HEAD` |
//! | a signing key, sealed | `SIGNKEY#{kid}` | `HEAD` |
//! | a wrapped branch key | `KEYRING#{purpose}` | `K#{n}` |
//! | who this vault is; that its first admin was made | `VAULT`, `INITIALISED` | `HEAD` |
//! | audit record | `AUDIT#{day}#{shard}` | time-ordered id |
//!
//! Four indexes with `{ENTITY}#{shard}` partitions hold no sealed data and no soft-deleted head.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{
        link::LinkRight,
        path::{MAX_PATH, SecretPath},
    },
    seal::Purpose,
    store::search::Weighed,
};

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

/// Every index of the table.
pub const INDEXES: [Index; 4] = [RECENT, BROWSE, LINKS, DUE];

/// What an index item carries beside keys: enough for a search result, never sealed data.
pub const PROJECTED: [&str; 11] = [
    "id",
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

    /// A secret's current version.
    pub fn secret(path: &SecretPath) -> Self {
        Self::new(format!("SECRET#{path}"), HEAD)
    }

    /// A base secret's link count.
    pub fn links(path: &SecretPath) -> Self {
        Self::new(format!("SECRET#{path}"), "LINKS")
    }

    /// An earlier version of the secret `id`.
    pub fn version(path: &SecretPath, id: Uuid, version: u64) -> Self {
        Self::new(
            format!("SECRET#{path}"),
            format!("{}{version:010}", Self::version_prefix(id)),
        )
    }

    /// What the sort keys of all earlier versions of the secret `id` begin with.
    pub fn version_prefix(id: Uuid) -> String {
        format!("V#{id}#")
    }

    /// From a secret's id to its path.
    pub fn secret_id(id: Uuid) -> Self {
        Self::new(format!("SECRETID#{id}"), HEAD)
    }

    /// When the soft-deleted secret `id` ends.
    pub fn purge(id: Uuid) -> Self {
        Self::new(format!("PURGE#{id}"), HEAD)
    }

    /// Work left to do.
    pub fn task(id: Uuid) -> Self {
        Self::new(format!("TASK#{id}"), HEAD)
    }

    /// A client credential, by its public id.
    pub fn client(id: &str) -> Self {
        Self::new(format!("CLIENT#{id}"), HEAD)
    }

    /// A role, by its lower-cased name.
    pub fn role(name: &str) -> Self {
        Self::new(format!("ROLE#{name}"), HEAD)
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
pub fn shards_of(entity: &'static str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| format!("{entity}#{shard}"))
}

/// The stored form of [`crate::domain::link::Link`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkRecord {
    /// Path of the base.
    pub base: SecretPath,
    /// Id of the base.
    pub base_id: Uuid,
    /// Who linked.
    pub linked_by: String,
    /// By which right.
    pub right: LinkRight,
}

/// A version of a secret: as `HEAD` the current one, as `V#…` an earlier one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Stable over updates, roll back and restore.
    pub id: Uuid,
    /// Colon form.
    pub path: SecretPath,
    /// 0, 1, 2, …
    pub version: u64,
    /// Moved by every write of this item; all conditions are on `id` and `rev`.
    pub rev: u64,
    /// Attributes as JSON text; absent when never set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attributes: Option<String>,
    /// Free text.
    pub description: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Principal.
    pub created_by: String,
    /// Milliseconds since 1970.
    pub modified: i64,
    /// Principal.
    pub modified_by: String,
    /// `attributes.type`, for the check that a link's target is a base.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    /// On a dynamic secret, its base.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<LinkRecord>,
    /// The sealed data.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// When it was soft-deleted, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<i64>,
    /// Keys in the indexes; absent on earlier versions and while soft-deleted.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub indexed: Option<SecretIndexKeys>,
}

/// The index keys of a live head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretIndexKeys {
    recent_pk: String,
    recent_sk: String,
    browse_pk: String,
    browse_sk: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    links_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    links_sk: Option<String>,
}

/// The entity of secrets in the indexes.
pub const SECRET: &str = "SECRET";

impl SecretRecord {
    /// The index keys of this record as a live head.
    pub fn index_keys(&self) -> SecretIndexKeys {
        let shard = shard_of(SECRET, self.path.as_str());
        let link = self.link.as_ref();
        SecretIndexKeys {
            recent_pk: shard.clone(),
            recent_sk: recent_sort(self.modified, self.id),
            browse_pk: shard.clone(),
            browse_sk: self.path.to_string(),
            links_pk: link.map(|_| shard),
            links_sk: link.map(|link| format!("{}{}", links_prefix(&link.base), self.path)),
        }
    }
}

/// Sort key in [`RECENT`]: by time, then by id so that no two are equal.
pub fn recent_sort(modified_millis: i64, id: Uuid) -> String {
    format!("{modified_millis:015}#{id}")
}

/// What the sort keys in [`LINKS`] of all secrets linked to `base` begin with. No path holds a `#`.
///
/// The longest base goes without: no other path begins with it, and two longest paths with a mark between them would
/// be one byte more than a sort key may have.
pub fn links_prefix(base: &SecretPath) -> String {
    if base.as_str().len() == MAX_PATH {
        return base.to_string();
    }
    format!("{base}#")
}

/// What an index answers for a secret: a record without sealed data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the same fields as SecretRecord")]
pub struct SecretSummary {
    pub id: Uuid,
    pub path: SecretPath,
    pub version: u64,
    #[serde(default)]
    pub attributes: Option<String>,
    pub description: String,
    pub created: i64,
    pub created_by: String,
    pub modified: i64,
    pub modified_by: String,
}

impl Weighed for SecretSummary {
    fn weight(&self) -> usize {
        let attributes = self.attributes.as_ref().map_or(0, String::len);
        // Ids, times and names are short; a quote in the description doubles.
        1024 + attributes + 2 * self.description.len()
    }
}

/// How many dynamic secrets link to a base. Changed only by `ADD`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinksRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The base it counts for.
    pub base_id: Uuid,
    /// How many.
    pub links: i64,
}

/// From a secret's id to its path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretIdRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Where the secret is.
    pub path: SecretPath,
}

/// A soft-deleted secret, until it is restored or purged; or versions of a purged one, until they are removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalRecord {
    /// `PURGE#…` or `TASK#…`.
    #[serde(flatten)]
    pub key: Key,
    /// The secret.
    pub id: Uuid,
    /// Where it is, or was.
    pub path: SecretPath,
    /// Partition in [`DUE`].
    pub due_pk: String,
    /// Milliseconds since 1970, zero-padded, and the id.
    pub due_sk: String,
}

/// The entity of purges in [`DUE`].
pub const PURGE: &str = "PURGE";
/// The entity of tasks in [`DUE`].
pub const TASK: &str = "TASK";

impl RemovalRecord {
    /// The end of a soft-deleted secret.
    pub fn purge(id: Uuid, path: &SecretPath, due_millis: i64) -> Self {
        Self::due(Key::purge(id), PURGE, id, path, due_millis)
    }

    /// The removal of a purged secret's earlier versions.
    pub fn task(id: Uuid, path: &SecretPath, due_millis: i64) -> Self {
        Self::due(Key::task(id), TASK, id, path, due_millis)
    }

    fn due(key: Key, entity: &str, id: Uuid, path: &SecretPath, due_millis: i64) -> Self {
        Self {
            key,
            id,
            path: path.clone(),
            due_pk: shard_of(entity, &id.to_string()),
            due_sk: format!("{}#{id}", due_sort(due_millis)),
        }
    }
}

/// A time as [`DUE`] sorts it.
pub fn due_sort(millis: i64) -> String {
    format!("{millis:015}")
}

/// A client credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The item's own id.
    pub id: Uuid,
    /// The public id that signs in.
    pub client_id: Uuid,
    /// The role it acts as.
    pub role: String,
    /// Moved by every write.
    pub rev: u64,
    /// Keyed hash of the client secret.
    #[serde(with = "serde_bytes")]
    pub verifier: Vec<u8>,
    /// Number of the branch key of the hash.
    pub verifier_key: u32,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Principal.
    pub created_by: String,
    /// Tokens issued at or before this second do not count.
    pub valid_after: i64,
    /// When it was soft-deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<i64>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// A role that was removed and made again under its name is another one.
    pub id: Uuid,
    /// Lower-cased.
    pub name: String,
    /// Moved by every write.
    pub rev: u64,
    /// Free text.
    pub description: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Principal.
    pub created_by: String,
    /// Tokens issued at or before this second do not count.
    pub valid_after: i64,
    /// When it was soft-deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<i64>,
}

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
    fn versions_sort_by_number() {
        let path: SecretPath = "a:b".parse().unwrap();
        let id = Uuid::nil();
        assert!(Key::version(&path, id, 9).sk < Key::version(&path, id, 10).sk);
        assert_eq!(Key::version(&path, id, 3).pk, "SECRET#a:b");
    }

    #[test]
    fn shards_are_stable_and_all_used() {
        assert_eq!(shard_of(SECRET, "a:b"), shard_of(SECRET, "a:b"));
        let used: std::collections::HashSet<String> = (0..200)
            .map(|n| shard_of(SECRET, &format!("path:{n}")))
            .collect();
        assert_eq!(used.len(), usize::from(SHARDS));
    }
}
