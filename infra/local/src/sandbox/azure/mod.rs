//! The stand-in for Entra sign-in, Microsoft Graph and Azure Resource Manager.
//!
//! One directory lies behind all three, told apart by path: `/{tenant}/…`, `/v1.0/…`, and `/subscriptions/…` or
//! `/providers/…`. Its readers may lag, each on its own ([`Lag`]); overlapping changes of passwords may lose entries ([`Overlap`]); faults are
//! planned by action name, beside those of AWS:
//!
//! | service | actions |
//! | --- | --- |
//! | `entra` | `Token`, `Discovery` |
//! | `graph` | `CreateApplication`, `UpsertApplication`, `UpdateApplication`, `ListApplications`, `GetApplication`, `DeleteApplication`, `ListOwners`, `AddPassword`, `RemovePassword` |
//! | `graph` | `CreateServicePrincipal`, `UpsertServicePrincipal`, `UpdateServicePrincipal`, `ListServicePrincipals`, `GetServicePrincipal`, `DeleteServicePrincipal`, `ListOwnedObjects` |
//! | `graph` | `AssignAppRole`, `ListAppRoleAssignments`, `ListAppRoleAssignedTo`, `RemoveAppRoleAssignment`, `ListDeletedItems`, `GetDeletedItem`, `PurgeDeletedItem` |
//! | `arm` | `ListRoleDefinitions`, `GetRoleDefinition`, `ListPermissions`, `ListRoleAssignments`, `GetRoleAssignment`, `AssignRole`, `RemoveRoleAssignment` |
//!
//! Nothing disappears on its own: what expires stays listed, what is deleted stays in the recycle bin. Each rule's test names its public
//! source. Where none was found, the sandbox takes the stricter side, or the one that hides less: a deletion below a lock is refused whether
//! or not there is anything to delete; upserts find what is there whatever the lag; what is deleted is gone for all readers at once; names of
//! roles are compared exactly.

mod answer;
mod arm;
pub mod built_in;
mod call;
mod clouds;
mod entra;
#[cfg(test)]
mod fixture;
mod graph;
mod late;
mod refusal;
mod replica;
mod request;
mod seed;
mod seed_roles;
mod settings;
mod snapshot;
mod state;
mod token;

use std::sync::{MutexGuard, PoisonError};

use mayfly::clock::unix_millis;
use time::OffsetDateTime;

use super::Sandbox;

pub(super) use call::routes;
pub use clouds::AzureCloud;
pub use replica::Lag;
pub use seed::{AzureApplication, AzureResource};
pub use settings::{Limits, Overlap};
pub(super) use state::Store;

/// The Azure side of a sandbox; clones share one state.
#[derive(Clone)]
pub struct Azure {
    sandbox: Sandbox,
}

impl Azure {
    pub(super) fn of(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }

    fn now(&self) -> OffsetDateTime {
        self.sandbox.now()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.sandbox
            .shared
            .azure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new id, as Entra makes them.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A time as Graph writes it.
fn written(millis: state::Millis) -> String {
    let nanos = i128::from(millis) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| {
            time.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_default()
}

/// What a request sees and changes: the directory, by the habits of the cloud, for one caller at one time.
struct Scene<'a> {
    directory: &'a mut state::Directory,
    settings: &'a settings::Settings,
    caller: &'a token::Caller,
    request: &'a request::Request,
    now: state::Millis,
}

impl Scene<'_> {
    fn shows(&self, replica: replica::Replica, made: state::Millis) -> bool {
        self.settings.lag.shows(replica, made, self.now)
    }
}

fn millis(time: OffsetDateTime) -> state::Millis {
    unix_millis(time)
}
