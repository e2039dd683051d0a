//! What the Azure side knows: tenants and what is in them, subscriptions, role assignments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::built_in;
use super::clouds::AzureCloud;
use super::late::Late;
use super::settings::Settings;
use crate::sandbox::secret_text::SecretText;
use crate::sandbox::state_file::StateFile;

/// Milliseconds since 1970-01-01 UTC; 0 for what was there before anybody looked.
pub(crate) type Millis = i64;

/// The directories and subscriptions, how they behave, and the file they are kept in.
///
/// As on the AWS side, a change that cannot be written stays in memory and is reported as failed.
pub(crate) struct Store {
    pub(super) directory: Directory,
    pub(super) settings: Settings,
    pub(super) late: Vec<Late>,
    file: StateFile,
}

/// All that is kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Directory {
    /// Signs access tokens; made with the first tenant.
    pub(super) signing_key: Option<SecretText>,
    pub(super) tenants: BTreeMap<String, Tenant>,
    /// The tenant of each subscription.
    pub(super) subscriptions: BTreeMap<String, String>,
    /// Custom role definitions by GUID.
    pub(super) role_definitions: BTreeMap<String, RoleDefinition>,
    /// Role assignments by GUID, which is unique in all of a tenant.
    pub(super) role_assignments: BTreeMap<String, RoleAssignment>,
    /// Scopes with a lock against deletion, in lower case.
    pub(super) locks: BTreeSet<String>,
    /// Scopes that are no longer there, in lower case.
    pub(super) removed_scopes: BTreeSet<String>,
}

/// One Entra tenant. Everything in it is found by its object id.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tenant {
    pub(super) cloud: AzureCloud,
    /// The subscriptions below each management group, by its name in lower case.
    pub(super) management_groups: BTreeMap<String, BTreeSet<String>>,
    pub(super) applications: BTreeMap<String, Application>,
    pub(super) service_principals: BTreeMap<String, ServicePrincipal>,
    pub(super) app_role_assignments: BTreeMap<String, AppRoleAssignment>,
    pub(super) deleted: BTreeMap<String, Deleted>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(super) id: String,
    pub(super) app_id: String,
    pub(super) unique_name: Option<String>,
    pub(super) display_name: String,
    pub(super) audience: String,
    pub(super) tags: Vec<String>,
    pub(super) notes: Option<String>,
    pub(super) passwords: Vec<Password>,
    /// Moved by every change of the passwords, so that an overlapping one can be seen.
    pub(super) revision: u64,
    /// Object ids of the service principals that own it.
    pub(super) owners: BTreeSet<String>,
    /// The service principal that made it through the API; its quota counts the object.
    pub(super) created_by: Option<String>,
    pub(super) made: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Password {
    pub(super) key_id: String,
    pub(super) display_name: Option<String>,
    pub(super) secret: SecretText,
    pub(super) starts: Millis,
    pub(super) ends: Millis,
    pub(super) made: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServicePrincipal {
    pub(super) id: String,
    pub(super) app_id: String,
    pub(super) display_name: String,
    pub(super) app_roles: Vec<AppRole>,
    /// Other names of the resource: URLs a token may be asked for.
    pub(super) names: Vec<String>,
    pub(super) owners: BTreeSet<String>,
    pub(super) created_by: Option<String>,
    pub(super) made: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AppRole {
    pub(super) id: String,
    pub(super) value: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AppRoleAssignment {
    pub(super) id: String,
    pub(super) principal_id: String,
    pub(super) resource_id: String,
    pub(super) app_role_id: String,
    pub(super) made: Millis,
}

/// An object in the recycle bin.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Deleted {
    pub(super) at: Millis,
    pub(super) item: Item,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Item {
    Application(Application),
    ServicePrincipal(ServicePrincipal),
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RoleDefinition {
    pub(super) guid: String,
    pub(super) name: String,
    /// The tenant of a custom role; a built-in one is in all.
    pub(super) tenant: Option<String>,
    /// Where the role may be assigned, in lower case; `/` is everywhere.
    pub(super) assignable_scope: String,
    pub(super) actions: Vec<String>,
    pub(super) not_actions: Vec<String>,
    pub(super) data_actions: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RoleAssignment {
    pub(super) guid: String,
    pub(super) tenant: String,
    /// As it was asked for.
    pub(super) scope: String,
    /// The GUID of the role.
    pub(super) role: String,
    pub(super) principal_id: String,
    pub(super) principal_type: String,
}

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self::over(StateFile::none(), Directory::default())
    }

    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let (file, directory) = StateFile::open(dir, "azure.json")?;
        Ok(Self::over(file, directory))
    }

    fn over(file: StateFile, directory: Directory) -> Self {
        Self {
            directory,
            settings: Settings::default(),
            late: Vec::new(),
            file,
        }
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        self.file.save(&self.directory)
    }
}

impl Directory {
    /// The tenant that an application's or service principal's object id is in.
    pub(super) fn tenant_of_object(&mut self, id: &str) -> Option<&mut Tenant> {
        self.tenants.values_mut().find(|tenant| {
            tenant.applications.contains_key(id) || tenant.service_principals.contains_key(id)
        })
    }

    /// A role definition by its GUID, as seen from a tenant.
    pub(super) fn role_definition(&self, tenant: &str, guid: &str) -> Option<RoleDefinition> {
        self.role_definitions_of(tenant)
            .into_iter()
            .find(|role| role.guid == guid)
    }

    /// The built-in role definitions and a tenant's own.
    pub(super) fn role_definitions_of(&self, tenant: &str) -> Vec<RoleDefinition> {
        let custom = self
            .role_definitions
            .values()
            .filter(|role| role.tenant.as_deref() == Some(tenant))
            .cloned();
        built_in::role_definitions()
            .into_iter()
            .chain(custom)
            .collect()
    }
}

impl Tenant {
    pub(super) fn application_by_app_id(&self, app_id: &str) -> Option<&Application> {
        self.applications.values().find(|app| app.app_id == app_id)
    }

    pub(super) fn application_named(&self, unique_name: &str) -> Option<&Application> {
        self.applications
            .values()
            .find(|app| app.unique_name.as_deref() == Some(unique_name))
    }

    pub(super) fn principal_of(&self, app_id: &str) -> Option<&ServicePrincipal> {
        self.service_principals
            .values()
            .find(|principal| principal.app_id == app_id)
    }

    /// The service principal of the resource that a token is asked for.
    pub(super) fn resource(&self, audience: &str) -> Option<&ServicePrincipal> {
        self.service_principals.values().find(|principal| {
            principal.app_id == audience
                || audience.strip_prefix("api://") == Some(principal.app_id.as_str())
                || principal.names.iter().any(|name| name == audience)
        })
    }

    /// Puts an application, and its service principal as an entry of its own, into the recycle bin.
    pub(super) fn delete_application(&mut self, id: &str, at: Millis) {
        let Some(app) = self.applications.remove(id) else {
            return;
        };
        let principal = self.principal_of(&app.app_id).map(|found| found.id.clone());
        if let Some(principal) = principal {
            self.delete_principal(&principal, at);
        }
        let item = Item::Application(app);
        self.deleted.insert(id.to_owned(), Deleted { at, item });
    }

    /// Puts a service principal into the recycle bin; the app roles assigned to it, or of it, are gone.
    pub(super) fn delete_principal(&mut self, id: &str, at: Millis) {
        let Some(principal) = self.service_principals.remove(id) else {
            return;
        };
        self.app_role_assignments
            .retain(|_, given| given.principal_id != id && given.resource_id != id);
        let item = Item::ServicePrincipal(principal);
        self.deleted.insert(id.to_owned(), Deleted { at, item });
    }

    /// How many objects a principal has made through the API; what is in the recycle bin counts.
    pub(super) fn made_by(&self, principal: &str) -> usize {
        let applications = self.applications.values().map(|app| &app.created_by);
        let principals = self.service_principals.values().map(|of| &of.created_by);
        let deleted = self.deleted.values().map(|deleted| match &deleted.item {
            Item::Application(app) => &app.created_by,
            Item::ServicePrincipal(principal) => &principal.created_by,
        });
        applications
            .chain(principals)
            .chain(deleted)
            .filter(|creator| creator.as_deref() == Some(principal))
            .count()
    }
}

impl Item {
    pub(super) fn display_name(&self) -> &str {
        match self {
            Self::Application(app) => &app.display_name,
            Self::ServicePrincipal(principal) => &principal.display_name,
        }
    }

    pub(super) fn app_id(&self) -> &str {
        match self {
            Self::Application(app) => &app.app_id,
            Self::ServicePrincipal(principal) => &principal.app_id,
        }
    }

    pub(super) fn owners(&self) -> &BTreeSet<String> {
        match self {
            Self::Application(app) => &app.owners,
            Self::ServicePrincipal(principal) => &principal.owners,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::fixture::World;

    #[tokio::test]
    async fn everything_but_habits_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let world = World::in_dir(dir.path());
        let token = world.graph_token().await;
        let app = world.make_app("kept").await;
        let before = world.azure.snapshot();

        let again = World::reopen(dir.path(), &world);
        assert_eq!(again.azure.snapshot(), before);
        let path = format!("/v1.0/applications/{}", app["id"].as_str().unwrap());
        let reply = again.send("GET", &path, Some(&token), None).await;
        assert_eq!(reply.status, 200);
        let mode = std::fs::metadata(dir.path().join("azure.json")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}
