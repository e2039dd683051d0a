//! What access is made of, as it is stored: heads of roles, users, groups, clients, policies and the config.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    domain::name::fold,
    store::{
        schema::{HEAD, Key, recent_sort, shard_of},
        search::Weighed,
    },
};

/// What a head can be the head of.
pub trait Kind: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What its keys begin with, and its entity in the indexes.
    const ENTITY: &'static str;
    /// What messages call it.
    const WORD: &'static str;
    /// What its resource names begin with.
    const RESOURCE: &'static str;
    /// Whether earlier versions are kept.
    const VERSIONED: bool;

    /// A name as it is compared: without regard to case, if that does not matter.
    fn folded(name: &str) -> String {
        fold(name)
    }

    /// The groups it is a member of, each with its mark.
    fn groups(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What it is sorted by in [`BROWSE`](crate::store::schema::BROWSE).
    fn browse(name: &str, _body: &Self) -> String {
        Self::folded(name)
    }

    /// What of it an earlier version keeps: nothing that signs in.
    #[must_use]
    fn archived(&self) -> Self {
        self.clone()
    }

    /// The same, with no token resting on it any more.
    #[must_use]
    fn voided(&self) -> Self {
        self.clone()
    }
}

/// The current item of a thing that access is made of; as `V#…` an earlier one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Kind")]
pub struct Head<T> {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// What was removed and made again under its name is another one.
    pub id: Uuid,
    /// As it was typed; compared lower-cased.
    pub name: String,
    /// 0, 1, 2, …
    pub version: u64,
    /// Moved by every write.
    pub rev: u64,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Principal, or `system`.
    pub created_by: String,
    /// Milliseconds since 1970.
    pub modified: i64,
    /// Principal, or `system`.
    pub modified_by: String,
    /// When it was soft-deleted, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_at: Option<i64>,
    /// Keys in the indexes; absent on earlier versions and while soft-deleted.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub indexed: Option<HeadIndexKeys>,
    /// What it says.
    #[serde(flatten)]
    pub body: T,
}

/// The index keys of a live head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadIndexKeys {
    recent_pk: String,
    recent_sk: String,
    browse_pk: String,
    browse_sk: String,
    created_pk: String,
    created_sk: String,
}

impl<T: Kind> Head<T> {
    /// A new head that is named `name`.
    pub fn new(name: &str, body: T, by: &str, now_millis: i64) -> Self {
        Self {
            key: Key::head::<T>(name),
            id: Uuid::new_v4(),
            name: name.to_owned(),
            version: 0,
            rev: 0,
            created: now_millis,
            created_by: by.to_owned(),
            modified: now_millis,
            modified_by: by.to_owned(),
            deleted_at: None,
            indexed: None,
            body,
        }
        .listed()
    }

    /// This head with its place in the indexes.
    #[must_use]
    pub fn listed(mut self) -> Self {
        let shard = shard_of(T::ENTITY, &self.folded());
        self.indexed = Some(HeadIndexKeys {
            recent_pk: shard.clone(),
            recent_sk: recent_sort(self.modified, self.id),
            browse_pk: shard.clone(),
            browse_sk: T::browse(&self.name, &self.body),
            created_pk: shard,
            created_sk: recent_sort(self.created, self.id),
        });
        self
    }

    /// This head as an earlier version.
    #[must_use]
    pub fn archived(&self) -> Self {
        Self {
            key: Key::earlier::<T>(&self.name, self.id, self.version),
            indexed: None,
            body: self.body.archived(),
            ..self.clone()
        }
    }

    /// The name as it is compared.
    pub fn folded(&self) -> String {
        T::folded(&self.name)
    }
}

impl Key {
    /// The head of the `T` that is named `name`.
    pub fn head<T: Kind>(name: &str) -> Self {
        Self {
            pk: format!("{}#{}", T::ENTITY, T::folded(name)),
            sk: HEAD.to_owned(),
        }
    }

    /// An earlier version of a head.
    pub fn earlier<T: Kind>(name: &str, id: Uuid, version: u64) -> Self {
        Self {
            pk: format!("{}#{}", T::ENTITY, T::folded(name)),
            sk: format!("{}{version:010}", Self::version_prefix(id)),
        }
    }

    /// A role.
    pub fn role(name: &str) -> Self {
        Self::head::<Role>(name)
    }

    /// A user.
    pub fn user(name: &str) -> Self {
        Self::head::<User>(name)
    }

    /// A client credential, by its public id.
    pub fn client(id: &str) -> Self {
        Self::head::<Client>(id)
    }

    /// The membership of `member` in the group `name`.
    pub fn member(name: &str, member: &str) -> Self {
        Self {
            pk: format!("{}#{}", Group::ENTITY, fold(name)),
            sk: format!("{MEMBER_PREFIX}{member}"),
        }
    }
}

/// What the sort keys of all members of a group begin with.
pub const MEMBER_PREFIX: &str = "M#";

/// A new stamp: random, so that an older item that is put back brings back no token but its own.
pub fn new_stamp() -> String {
    format!("{:016x}", Uuid::new_v4().as_u64_pair().0)
}

/// A role: what machines act as.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Free text.
    pub description: String,
    /// Tokens carry it; another one voids them.
    pub stamp: String,
    /// The groups it is a member of.
    #[serde(flatten)]
    pub member_of: MemberOf,
}

/// A user: what people act as.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Free text.
    pub display_name: String,
    /// Tokens carry it; another one voids them. Changes with the password.
    pub stamp: String,
    /// What its password is checked against; absent on earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password: Option<PasswordRecord>,
    /// The groups it is a member of.
    #[serde(flatten)]
    pub member_of: MemberOf,
}

/// The groups that a principal is a member of, each as `{folded name}#{mark of the group}`. Changed only by adding to
/// the set and deleting from it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MemberOf {
    /// A group that was removed and made again has another mark, and no members.
    #[serde(
        with = "serde_dynamo::string_set",
        skip_serializing_if = "BTreeSet::is_empty",
        default
    )]
    pub groups: BTreeSet<String>,
}

/// How many groups a principal can be a member of: its removal, memberships included, is one transaction.
pub const MAX_GROUPS: usize = 64;

impl MemberOf {
    /// Folded name and mark of each group, live or not.
    pub fn all(&self) -> Vec<(String, String)> {
        let split = |entry: &String| {
            let (name, mark) = entry.split_once('#')?;
            Some((name.to_owned(), mark.to_owned()))
        };
        self.groups.iter().filter_map(split).collect()
    }

    /// A group as the set has it.
    pub fn entry(name: &str, mark: &str) -> String {
        format!("{}#{mark}", fold(name))
    }
}

/// The mark of the group with this id, in memberships and in the rules: short, because the rules hold those of all.
pub fn group_mark(id: Uuid) -> String {
    id.simple().to_string().chars().take(16).collect()
}

/// What a password is checked against.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordRecord {
    /// Random.
    #[serde(with = "serde_bytes")]
    pub salt: Vec<u8>,
    /// Keyed hash of the argon2id hash.
    #[serde(with = "serde_bytes")]
    pub verifier: Vec<u8>,
    /// Number of the branch key of that.
    pub verifier_key: u32,
    /// How hard the argon2id hash was to make; a later release may ask for more.
    pub cost: String,
}

/// A group of principals that policies name together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {}

/// One membership.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The group it belongs to.
    pub mark: String,
    /// The principal.
    pub member: String,
    /// The group's name as it was typed.
    pub group_name: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Principal.
    pub created_by: String,
}

/// A client credential: what a machine signs in with to act as a role. Its name is its public id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The role it acts as.
    pub role: String,
    /// The role that was then: one made again under its name is another one.
    pub role_id: Uuid,
    /// Free text.
    pub description: String,
    /// Tokens carry it; another one voids them.
    pub stamp: String,
    /// What the client secret is checked against; absent until a bootstrap URL is opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<VerifierRecord>,
    /// How long it counts from when it can first sign in, in seconds; 0 for ever.
    pub ttl: u64,
    /// When it ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
    /// How often it may sign in; 0 for any number.
    pub uses_limit: u64,
    /// How often it has, counted only under a limit.
    pub used_count: u64,
    /// The address that hands out its secret, once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bootstrap: Option<BootstrapRecord>,
}

impl Client {
    /// Whether its time is over.
    pub fn is_over(&self, now_millis: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now_millis)
    }

    /// Whether it has signed in as often as it may.
    pub fn is_used_up(&self) -> bool {
        self.uses_limit > 0 && self.used_count >= self.uses_limit
    }
}

/// A keyed hash and the branch key it was made with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifierRecord {
    /// The hash.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// Number of the branch key.
    pub key: u32,
}

/// A one-time address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapRecord {
    /// Checks the code in the address.
    pub code: VerifierRecord,
    /// How long the address counts, in seconds; 0 for ever.
    pub ttl: u64,
    /// When it ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
    /// Whether it was opened.
    pub opened: bool,
}

/// The longest permission document of a policy, in bytes of its JSON text.
pub const MAX_POLICY: usize = 64 * 1024;

/// A policy. Its name is its path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Policy {
    /// The permission document as JSON text.
    pub document: String,
}

/// The vault's own rules and settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// The permission document as JSON text.
    pub document: String,
    /// Settings as JSON text, kept for clients that read them.
    pub settings: String,
}

/// The one name that a config has.
pub const CONFIG_NAME: &str = "config";

impl Kind for Role {
    const ENTITY: &'static str = "ROLE";
    const WORD: &'static str = "role";
    const RESOURCE: &'static str = "roles";
    const VERSIONED: bool = true;

    fn voided(&self) -> Self {
        Self {
            stamp: new_stamp(),
            ..self.clone()
        }
    }

    fn groups(&self) -> Vec<(String, String)> {
        self.member_of.all()
    }
}

impl Kind for User {
    const ENTITY: &'static str = "USER";
    const WORD: &'static str = "user";
    const RESOURCE: &'static str = "users";
    const VERSIONED: bool = true;

    fn archived(&self) -> Self {
        Self {
            password: None,
            ..self.clone()
        }
    }

    fn voided(&self) -> Self {
        Self {
            stamp: new_stamp(),
            ..self.clone()
        }
    }

    fn groups(&self) -> Vec<(String, String)> {
        self.member_of.all()
    }
}

impl Kind for Client {
    const ENTITY: &'static str = "CLIENT";
    const WORD: &'static str = "client";
    const RESOURCE: &'static str = "clients";
    const VERSIONED: bool = false;

    fn voided(&self) -> Self {
        Self {
            stamp: new_stamp(),
            ..self.clone()
        }
    }

    /// Clients are listed by role.
    fn browse(name: &str, body: &Self) -> String {
        format!("{}#{name}", fold(&body.role))
    }
}

impl Kind for Group {
    const ENTITY: &'static str = "GROUP";
    const WORD: &'static str = "group";
    const RESOURCE: &'static str = "groups";
    const VERSIONED: bool = false;
}

impl Kind for Policy {
    const ENTITY: &'static str = "POLICY";
    const WORD: &'static str = "policy";
    const RESOURCE: &'static str = "config:policies";
    const VERSIONED: bool = true;

    /// A path of secrets, whose case matters.
    fn folded(name: &str) -> String {
        name.to_owned()
    }
}

impl Kind for Config {
    const ENTITY: &'static str = "CONFIG";
    const WORD: &'static str = "config";
    const RESOURCE: &'static str = "config";
    const VERSIONED: bool = true;
}

/// A stored role.
pub type RoleRecord = Head<Role>;
/// A stored user.
pub type UserRecord = Head<User>;
/// A stored group.
pub type GroupRecord = Head<Group>;
/// A stored client credential.
pub type ClientRecord = Head<Client>;
/// A stored policy.
pub type PolicyRecord = Head<Policy>;
/// The stored config.
pub type ConfigRecord = Head<Config>;

/// What an index answers for a head: where it is. The rest is read from the table.
#[derive(Debug, Clone, Deserialize)]
pub struct HeadSummary {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// As it was typed.
    pub name: String,
}

impl Weighed for HeadSummary {
    /// An index does not say how long a policy is, so each counts as the longest.
    fn weight(&self) -> usize {
        if self.key.pk.starts_with(Policy::ENTITY) {
            MAX_POLICY
        } else {
            4 * 1024
        }
    }
}
