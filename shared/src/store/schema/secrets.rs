//! Secrets as they are stored: heads and earlier versions, aliases, link counts, removals.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{
        link::LinkRight,
        location::{Location, Place},
        path::{MAX_PATH, SecretPath},
    },
    store::{
        schema::{HEAD, Key, shard_of},
        search::Weighed,
    },
};

/// The entity of the vault's secrets.
pub const SECRET: &str = "SECRET";
/// The entity of secrets in homes.
pub const HOME: &str = "HOME";
/// The entity in [`BROWSE`](crate::store::schema::BROWSE) under which the secrets of all homes are found, soft-deleted
/// ones too.
pub const HOME_ID: &str = "HOMEID";

impl Place {
    /// What the keys of secrets here begin with.
    pub fn entity(&self) -> &'static str {
        match self {
            Self::Vault => SECRET,
            Self::Home(_) => HOME,
        }
    }

    /// The entity of secrets here in the indexes.
    pub fn indexed(&self) -> String {
        match self {
            Self::Vault => SECRET.to_owned(),
            Self::Home(home) => format!("{HOME}#{}", home.id),
        }
    }
}

impl Location {
    /// What follows the entity in the secret's keys.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Vault => self.path.to_string(),
            Place::Home(home) => format!("{}#{}", home.id, self.path),
        }
    }
}

impl Key {
    /// The head of the thing that `entity` keeps under `name`.
    pub fn named(entity: &str, name: &str) -> Self {
        Self::new(format!("{entity}#{name}"), HEAD)
    }

    /// A secret's current version.
    pub fn secret(at: &Location) -> Self {
        Self::named(at.place.entity(), &at.name())
    }

    /// A base secret's link count. Nothing links to a secret in a home.
    pub fn links(at: &Location) -> Self {
        Self {
            sk: "LINKS".to_owned(),
            ..Self::secret(at)
        }
    }

    /// An earlier version of the secret `id`.
    pub fn version(at: &Location, id: Uuid, version: u64) -> Self {
        Self {
            sk: format!("{}{version:010}", Self::version_prefix(id)),
            ..Self::secret(at)
        }
    }

    /// From the id of a secret of `entity` to where it is.
    pub fn secret_id(entity: &str, id: Uuid) -> Self {
        Self::new(format!("{entity}ID#{id}"), HEAD)
    }
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
    /// Where it says it belongs.
    #[serde(flatten)]
    pub at: Location,
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

impl SecretRecord {
    /// The index keys of this record as a live head.
    pub fn index_keys(&self) -> SecretIndexKeys {
        let path = &self.at.path;
        let shard = shard_of(&self.at.place.indexed(), path.as_str());
        let link = self.link.as_ref();
        SecretIndexKeys {
            recent_pk: shard.clone(),
            recent_sk: recent_sort(self.modified, self.id),
            browse_pk: shard.clone(),
            browse_sk: path.to_string(),
            links_pk: link.map(|_| shard),
            links_sk: link.map(|link| format!("{}{path}", links_prefix(&link.base))),
        }
    }
}

/// Sort key in [`RECENT`](crate::store::schema::RECENT): by time, then by id so that no two are equal.
pub fn recent_sort(modified_millis: i64, id: Uuid) -> String {
    format!("{modified_millis:015}#{id}")
}

/// What the sort keys in [`LINKS`](crate::store::schema::LINKS) of all secrets linked to `base` begin with. No path holds a `#`.
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

/// From a secret's id to where it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretIdRecord {
    /// Where this is stored.
    #[serde(flatten)]
    pub key: Key,
    /// Where the secret is.
    #[serde(flatten)]
    pub at: Location,
    /// Of a secret in a home, keys in [`BROWSE`](crate::store::schema::BROWSE): homes have no other list of their own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    browse_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    browse_sk: Option<String>,
}

impl SecretIdRecord {
    /// That the secret `id` is `at` there.
    pub fn new(id: Uuid, at: &Location) -> Self {
        let in_home = !at.place.is_vault();
        Self {
            key: Key::secret_id(at.place.entity(), id),
            at: at.clone(),
            browse_pk: in_home.then(|| shard_of(HOME_ID, &id.to_string())),
            browse_sk: in_home.then(|| at.name()),
        }
    }
}

/// A soft-deleted thing, until it is restored or purged; or versions of a purged one, until they are removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalRecord {
    /// `PURGE#…` or `TASK#…`.
    #[serde(flatten)]
    pub key: Key,
    /// What the keys of the thing begin with.
    #[serde(default = "secret")]
    pub entity: String,
    /// What follows that in its keys.
    #[serde(alias = "path")]
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// Partition in [`DUE`](crate::store::schema::DUE).
    pub due_pk: String,
    /// Milliseconds since 1970, zero-padded, and the id.
    pub due_sk: String,
}

/// Records that name no entity are from when only secrets had an end.
fn secret() -> String {
    SECRET.to_owned()
}

/// The entity of purges in [`DUE`](crate::store::schema::DUE).
pub const PURGE: &str = "PURGE";
/// The entity of tasks in [`DUE`](crate::store::schema::DUE).
pub const TASK: &str = "TASK";

impl RemovalRecord {
    /// The end of the soft-deleted thing that `entity` keeps under `name`.
    pub fn purge(entity: &str, name: &str, id: Uuid, due_millis: i64) -> Self {
        Self::due(Key::purge(id), PURGE, [entity, name], id, due_millis)
    }

    /// The removal of a purged thing's earlier versions.
    pub fn task(entity: &str, name: &str, id: Uuid, due_millis: i64) -> Self {
        Self::due(Key::task(id), TASK, [entity, name], id, due_millis)
    }

    /// The head of the thing.
    pub fn head(&self) -> Key {
        Key::named(&self.entity, &self.name)
    }

    fn due(key: Key, list: &str, [entity, name]: [&str; 2], id: Uuid, due_millis: i64) -> Self {
        Self {
            key,
            entity: entity.to_owned(),
            name: name.to_owned(),
            id,
            due_pk: shard_of(list, &id.to_string()),
            due_sk: format!("{}#{id}", due_sort(due_millis)),
        }
    }
}

/// A time as [`DUE`](crate::store::schema::DUE) sorts it.
pub fn due_sort(millis: i64) -> String {
    format!("{millis:015}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{location::Home, principal::Principal};

    fn home(id: Uuid) -> Place {
        Place::Home(Home {
            owner: Principal::user("bob"),
            id,
        })
    }

    #[test]
    fn versions_sort_by_number() {
        let at = Location::in_vault(&"a:b".parse().unwrap());
        let id = Uuid::nil();
        assert!(Key::version(&at, id, 9).sk < Key::version(&at, id, 10).sk);
        assert_eq!(Key::version(&at, id, 3).pk, "SECRET#a:b");
    }

    #[test]
    fn every_home_has_keys_of_its_own() {
        let path: SecretPath = "a:b".parse().unwrap();
        let places = [
            Place::Vault,
            home(Uuid::from_u128(1)),
            home(Uuid::from_u128(2)),
        ];
        let keys: std::collections::HashSet<Key> = places
            .iter()
            .map(|place| Key::secret(&place.at(&path)))
            .collect();
        let lists: std::collections::HashSet<String> = places.iter().map(Place::indexed).collect();
        assert_eq!((keys.len(), lists.len()), (3, 3));
    }

    #[test]
    fn a_removal_without_an_entity_is_that_of_a_secret() {
        let stored = serde_json::json!({
            "pk": "PURGE#x", "sk": "HEAD", "id": Uuid::nil(), "path": "a:b", "duePk": "PURGE#1", "dueSk": "1",
        });
        let record: RemovalRecord = serde_json::from_value(stored).unwrap();
        assert_eq!(
            record.head(),
            Key::secret(&Location::in_vault(&"a:b".parse().unwrap()))
        );
    }
}
