//! Leases as they are stored, what counts and locks them, and the tasks that wake the worker.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{lease::Life, path::SecretPath},
    provider::azure::Identity,
    store::schema::{Key, due_sort, shard_of},
};

/// The entity of leases.
pub const LEASE: &str = "LEASE";
/// The entity of bulk revocations in [`DUE`](crate::store::schema::DUE).
pub const REVOCATION: &str = "REVOCATION";
/// The format of leases and tasks that this release writes. It reads every older one and leaves a newer one alone: during
/// an upgrade old and new functions run beside each other.
pub const LEASE_FORMAT: u32 = 1;

impl Key {
    /// A lease.
    pub fn lease(id: Uuid) -> Self {
        Self::named(LEASE, &id.to_string())
    }

    /// How many unfinished leases the secret `id` has, as a dynamic secret or as a base.
    pub fn lease_count(id: Uuid) -> Self {
        Self::named("LEASES", &id.to_string())
    }

    /// Who may change the passwords of an existing application now.
    pub fn app_lock(app_object_id: &str) -> Self {
        Self::named("APPLOCK", app_object_id)
    }

    /// A task that a caller can ask about. Making one wakes the worker.
    pub fn task_of(task_id: &str) -> Self {
        Self::named("TASK", task_id)
    }
}

/// What was minted, and what undoing it needs beside the objects' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum LeaseKind {
    /// A client secret of an application that was there before.
    Existing,
    /// A principal of its own, with a role assignment named by the lease's id.
    #[serde(rename_all = "camelCase")]
    Rbac {
        /// Where the role counts.
        scope: String,
        /// The role definition.
        role_id: String,
        /// Its name.
        role_name: String,
    },
    /// A principal of its own, with an application role.
    #[serde(rename_all = "camelCase")]
    AppRole {
        /// The service principal that has the role.
        resource_id: String,
        /// The role.
        app_role_id: String,
    },
}

/// How far the giving of a role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskState {
    /// Nobody has begun.
    Pending,
    /// Somebody works on it.
    Started,
    /// It did not work yet.
    Retry,
    /// Done.
    Success,
    /// It will not be done.
    Failure,
}

impl TaskState {
    /// Whether there is something left to do.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Success | Self::Failure)
    }
}

/// The giving of a role: its state, and what stood in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// How far it is.
    pub state: TaskState,
    /// The cloud's code and words for a failure.
    #[serde(default)]
    pub error: String,
}

/// Everything that a mint may leave in a cloud. Written before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The form of this item.
    pub format: u32,
    /// Names everything in the cloud: `dsv-{id}` the application, `mayfly-{id}-{n}` its passwords, `{id}` the role assignment.
    pub id: Uuid,
    /// Moved by every write.
    pub rev: u64,
    /// The dynamic secret that was read.
    pub secret: SecretPath,
    /// Its id.
    pub secret_id: Uuid,
    /// The base secret whose rights mint and take back.
    pub base: SecretPath,
    /// Its id. The newest version of this very secret is used to take back.
    pub base_id: Uuid,
    /// As whom and where; a change of it is refused while the lease is unfinished.
    pub identity: Identity,
    /// Who was issued it.
    pub principal: String,
    /// The id of that principal's item.
    pub principal_id: Uuid,
    /// The issuance in the audit.
    pub issuance: String,
    /// What was minted.
    pub what: LeaseKind,
    /// The application's object id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub app_object_id: Option<String>,
    /// The application's client id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub app_id: Option<String>,
    /// The principal's object id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_principal_id: Option<String>,
    /// The key of the password that was answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<String>,
    /// The giving of a role, where one was answered as a task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assignment: Option<Assignment>,
    /// Whether only the answered password is left of those that were tried.
    #[serde(default)]
    pub pruned: bool,
    /// Where it is in its life.
    #[serde(flatten)]
    pub life: Life,
    /// Keys in the indexes.
    #[serde(flatten)]
    pub indexed: LeaseIndexKeys,
}

/// The index keys of a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseIndexKeys {
    due_pk: String,
    due_sk: String,
    browse_pk: String,
    browse_sk: String,
    created_pk: String,
    created_sk: String,
    /// Unfinished ones by base.
    #[serde(skip_serializing_if = "Option::is_none")]
    links_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links_sk: Option<String>,
}

impl LeaseRecord {
    /// Brings the index keys in line with the rest.
    pub fn reindex(&mut self) {
        let (id, shard) = (self.id, shard_of(LEASE, &self.id.to_string()));
        let unfinished = self.life.state.is_unfinished();
        self.indexed = LeaseIndexKeys {
            due_pk: shard.clone(),
            due_sk: format!("{}#{id}", due_sort(self.life.due)),
            browse_pk: shard.clone(),
            browse_sk: format!("{}#{id}", self.secret),
            created_pk: shard.clone(),
            created_sk: format!("{}#{:015}#{id}", self.principal, self.life.created),
            links_pk: unfinished.then(|| shard.clone()),
            links_sk: unfinished.then(|| format!("{}#{id}", self.base)),
        };
    }

    /// Whether it was unfinished when it was last written.
    pub fn indexed_as_unfinished(&self) -> bool {
        self.indexed.links_pk.is_some()
    }

    /// The application's unique name and display name.
    pub fn app_name(&self) -> String {
        format!("dsv-{}", self.id)
    }

    /// What the names of all its passwords begin with.
    pub fn password_prefix(&self) -> String {
        format!("mayfly-{}-", self.id)
    }

    /// The name of the task that gives the role.
    pub fn task_id(&self) -> String {
        format!("task_{}", self.id)
    }

    /// Whether the application was made for this lease.
    pub fn owns_application(&self) -> bool {
        self.what != LeaseKind::Existing
    }
}

/// How many unfinished leases a secret has. Changed only by `ADD`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaseCountRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// How many.
    pub leases: i64,
}

/// Who may change the passwords of an existing application now. It orders writers; nothing is proven by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppLockRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The lease that holds it.
    pub id: Uuid,
    /// Until when, in milliseconds since 1970: its holder may have died.
    pub held_until: i64,
    /// When DynamoDB may forget it, in seconds since 1970.
    pub expires: i64,
}

/// A task: that a lease needs the worker now, or a bulk revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    /// Where it is stored.
    #[serde(flatten)]
    pub key: Key,
    /// The form of this item.
    pub format: u32,
    /// Its name, as callers know it.
    pub task_id: String,
    /// The lease that it is about; none in a bulk revocation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease: Option<Uuid>,
    /// What a bulk revocation revokes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revokes: Option<RevocationRecord>,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// When DynamoDB may forget it, in seconds since 1970; the worker does so earlier.
    pub expires: i64,
    /// Of a bulk revocation: partition in [`DUE`](crate::store::schema::DUE).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_pk: Option<String>,
    /// Of a bulk revocation: when it is looked at next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_sk: Option<String>,
}

/// A bulk revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationRecord {
    /// Which leases: those whose key in the index begins so.
    pub by: RevokeBy,
    /// What it begins with.
    pub value: String,
    /// Who asked.
    pub principal: String,
    /// How far it is.
    pub state: TaskState,
    /// How many leases were set to be revoked.
    pub revoked: u64,
}

/// How a bulk revocation chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevokeBy {
    /// By the dynamic secret alone.
    Secret,
    /// By the dynamic secret, and all below it.
    Prefix,
    /// By the base secret.
    Base,
    /// By whom it was issued to.
    Principal,
}

impl TaskRecord {
    /// That the worker is to look at a lease now. The stream tells only of new items, so each time takes another
    /// `task_id`.
    pub fn wake(task_id: String, lease: &LeaseRecord, now: i64, until: i64) -> Self {
        Self {
            key: Key::task_of(&task_id),
            format: LEASE_FORMAT,
            task_id,
            lease: Some(lease.id),
            revokes: None,
            created: now,
            expires: until / 1000,
            due_pk: None,
            due_sk: None,
        }
    }

    /// A bulk revocation, looked at from `now` on.
    pub fn revocation(id: Uuid, revokes: RevocationRecord, now: i64, until: i64) -> Self {
        let task_id = format!("task_{id}");
        let mut task = Self {
            key: Key::task_of(&task_id),
            format: LEASE_FORMAT,
            task_id,
            lease: None,
            revokes: Some(revokes),
            created: now,
            expires: until / 1000,
            due_pk: None,
            due_sk: None,
        };
        task.due(now);
        task
    }

    /// It is looked at next then.
    pub fn due(&mut self, at: i64) {
        self.due_pk = Some(shard_of(REVOCATION, &self.task_id));
        self.due_sk = Some(format!("{}#{}", due_sort(at), self.task_id));
    }
}
