//! What tests and samples put into the cloud, as an administrator would beside the APIs: tenants, applications, passwords, owners.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

use super::clouds::{AzureCloud, GRAPH_APP_ID};
use super::graph::SINGLE_TENANT;
use super::state::{AppRole, Application, Directory, Password, ServicePrincipal, Tenant};
use super::{Azure, built_in, millis, new_id};
use crate::sandbox::random;
use crate::sandbox::secret_text::SecretText;

/// An application and its service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureApplication {
    /// The client id.
    pub app_id: String,
    /// The application's object id.
    pub object_id: String,
    /// The service principal's object id: who roles are assigned to.
    pub service_principal_id: String,
}

/// An application whose service principal exposes app roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureResource {
    /// The client id; `api://{app_id}/.default` and `{app_id}/.default` ask for a token for it.
    pub app_id: String,
    /// The application's object id.
    pub object_id: String,
    /// The service principal's object id: the `resourceId` of an app role assignment.
    pub service_principal_id: String,
    /// The ids of its app roles, by value.
    pub app_roles: BTreeMap<String, String>,
}

// What is added here is there for every replica at once, and counts for nobody's quota.
impl Azure {
    /// Adds a tenant of the public cloud with Microsoft Graph in it; one that exists stays as it is.
    ///
    /// # Errors
    /// There is no randomness, or the state cannot be written.
    pub fn add_tenant(&self, tenant: &str) -> anyhow::Result<()> {
        let tenant = tenant.to_lowercase();
        self.change(|directory| {
            if directory.signing_key.is_none() {
                let key = random::bytes::<32>().map_err(|_| anyhow!("there is no randomness"))?;
                directory.signing_key = Some(SecretText::new(STANDARD.encode(key)));
            }
            let tenant = directory.tenants.entry(tenant).or_default();
            if tenant.principal_of(GRAPH_APP_ID).is_none() {
                let graph = ServicePrincipal {
                    app_roles: built_in::app_roles(),
                    ..principal(GRAPH_APP_ID, "Microsoft Graph")
                };
                tenant.service_principals.insert(graph.id.clone(), graph);
            }
            Ok(())
        })
    }

    /// Says which national cloud a tenant is in.
    ///
    /// # Errors
    /// The tenant is unknown, or the state cannot be written.
    pub fn set_cloud(&self, tenant: &str, cloud: AzureCloud) -> anyhow::Result<()> {
        self.change(|directory| {
            tenant_of(directory, tenant)?.cloud = cloud;
            Ok(())
        })
    }

    /// Adds a subscription to a tenant. Its resource groups and resources are there until [`Azure::remove_scope`].
    ///
    /// # Errors
    /// The tenant is unknown, or the state cannot be written.
    pub fn add_subscription(&self, tenant: &str, subscription: &str) -> anyhow::Result<()> {
        self.change(|directory| {
            tenant_of(directory, tenant)?;
            directory
                .subscriptions
                .insert(subscription.to_lowercase(), tenant.to_lowercase());
            Ok(())
        })
    }

    /// Adds a management group with subscriptions below it.
    ///
    /// # Errors
    /// The tenant is unknown, or the state cannot be written.
    pub fn add_management_group(
        &self,
        tenant: &str,
        name: &str,
        subscriptions: &[&str],
    ) -> anyhow::Result<()> {
        let below = subscriptions.iter().map(|id| id.to_lowercase()).collect();
        self.change(|directory| {
            tenant_of(directory, tenant)?
                .management_groups
                .insert(name.to_lowercase(), below);
            Ok(())
        })
    }

    /// Adds an application and its service principal, without owners, passwords or permissions.
    ///
    /// # Errors
    /// The tenant is unknown, or the state cannot be written.
    pub fn add_application(
        &self,
        tenant: &str,
        display_name: &str,
    ) -> anyhow::Result<AzureApplication> {
        let app = application(display_name);
        let principal = principal(&app.app_id, display_name);
        let added = AzureApplication {
            app_id: app.app_id.clone(),
            object_id: app.id.clone(),
            service_principal_id: principal.id.clone(),
        };
        self.change(|directory| {
            let tenant = tenant_of(directory, tenant)?;
            tenant
                .service_principals
                .insert(principal.id.clone(), principal);
            tenant.applications.insert(app.id.clone(), app);
            Ok(())
        })?;
        Ok(added)
    }

    /// Adds a resource: an application whose service principal exposes app roles of these values.
    ///
    /// # Errors
    /// The tenant is unknown, or the state cannot be written.
    pub fn add_resource(
        &self,
        tenant: &str,
        display_name: &str,
        app_roles: &[&str],
    ) -> anyhow::Result<AzureResource> {
        let added = self.add_application(tenant, display_name)?;
        let app_roles: BTreeMap<String, String> = app_roles
            .iter()
            .map(|value| ((*value).to_owned(), new_id()))
            .collect();
        self.change(|directory| {
            let tenant = tenant_of(directory, tenant)?;
            if let Some(principal) = tenant
                .service_principals
                .get_mut(&added.service_principal_id)
            {
                principal.app_roles = app_roles
                    .iter()
                    .map(|(value, id)| AppRole {
                        id: id.clone(),
                        value: value.clone(),
                    })
                    .collect();
            }
            Ok(())
        })?;
        Ok(AzureResource {
            app_id: added.app_id,
            object_id: added.object_id,
            service_principal_id: added.service_principal_id,
            app_roles,
        })
    }

    /// An application by its display name, with the app roles that its service principal exposes.
    ///
    /// # Errors
    /// The tenant is unknown.
    pub fn application_named(
        &self,
        tenant: &str,
        display_name: &str,
    ) -> anyhow::Result<Option<AzureResource>> {
        let mut store = self.store();
        let tenant = tenant_of(&mut store.directory, tenant)?;
        let mut apps = tenant.applications.values();
        let found = apps
            .find(|app| app.display_name == display_name)
            .and_then(|app| Some((app, tenant.principal_of(&app.app_id)?)));
        Ok(found.map(|(app, principal)| AzureResource {
            app_id: app.app_id.clone(),
            object_id: app.id.clone(),
            service_principal_id: principal.id.clone(),
            app_roles: principal
                .app_roles
                .iter()
                .map(|role| (role.value.clone(), role.id.clone()))
                .collect(),
        }))
    }

    /// Adds a password with a given secret to an application, and answers its key id. Its end may be in the past.
    ///
    /// # Errors
    /// The application is unknown, the secret could be taken for a real one, or the state cannot be written.
    pub fn add_password(
        &self,
        object_id: &str,
        display_name: &str,
        secret: &str,
        ends: OffsetDateTime,
    ) -> anyhow::Result<String> {
        ensure!(
            secret.contains("sandbox"),
            "a secret here must say that it is a sandbox's"
        );
        let key_id = new_id();
        let password = Password {
            key_id: key_id.clone(),
            display_name: Some(display_name.to_owned()),
            secret: SecretText::new(secret.to_owned()),
            starts: 0,
            ends: millis(ends),
            made: 0,
        };
        self.change_application(object_id, |app| {
            app.passwords.push(password);
            app.revision += 1;
        })?;
        Ok(key_id)
    }

    /// Takes a password away, as someone at the portal would.
    ///
    /// # Errors
    /// The application is unknown, or the state cannot be written.
    pub fn remove_password(&self, object_id: &str, key_id: &str) -> anyhow::Result<()> {
        self.change_application(object_id, |app| {
            app.passwords.retain(|password| password.key_id != key_id);
            app.revision += 1;
        })
    }

    /// Sets an application's `signInAudience`.
    ///
    /// # Errors
    /// The application is unknown, or the state cannot be written.
    pub fn set_audience(&self, object_id: &str, audience: &str) -> anyhow::Result<()> {
        self.change_application(object_id, |app| audience.clone_into(&mut app.audience))
    }

    /// Makes a service principal an owner of an application.
    ///
    /// # Errors
    /// The application is unknown, or the state cannot be written.
    pub fn add_owner(&self, object_id: &str, service_principal_id: &str) -> anyhow::Result<()> {
        self.change_application(object_id, |app| {
            app.owners.insert(service_principal_id.to_owned());
        })
    }

    /// Makes a service principal an owner of an application no more.
    ///
    /// # Errors
    /// The application is unknown, or the state cannot be written.
    pub fn remove_owner(&self, object_id: &str, service_principal_id: &str) -> anyhow::Result<()> {
        self.change_application(object_id, |app| {
            app.owners.remove(service_principal_id);
        })
    }

    /// Puts an application and its service principal into the recycle bin, as someone at the portal would.
    ///
    /// # Errors
    /// The application is unknown, or the state cannot be written.
    pub fn delete_application(&self, object_id: &str) -> anyhow::Result<()> {
        let now = millis(self.now());
        self.change(|directory| {
            let tenant = directory.tenant_of_object(object_id);
            let tenant = tenant.context("there is no such application")?;
            tenant.delete_application(object_id, now);
            Ok(())
        })
    }

    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut Directory) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.settle();
        let mut store = self.store();
        change(&mut store.directory)?;
        store.save()
    }

    fn change_application(
        &self,
        object_id: &str,
        change: impl FnOnce(&mut Application),
    ) -> anyhow::Result<()> {
        self.change(|directory| {
            let app = directory
                .tenant_of_object(object_id)
                .and_then(|tenant| tenant.applications.get_mut(object_id))
                .context("there is no such application")?;
            change(app);
            Ok(())
        })
    }
}

fn application(display_name: &str) -> Application {
    Application {
        id: new_id(),
        app_id: new_id(),
        unique_name: None,
        display_name: display_name.to_owned(),
        audience: SINGLE_TENANT.to_owned(),
        tags: Vec::new(),
        notes: None,
        passwords: Vec::new(),
        revision: 0,
        owners: BTreeSet::new(),
        created_by: None,
        made: 0,
    }
}

fn principal(app_id: &str, display_name: &str) -> ServicePrincipal {
    ServicePrincipal {
        id: new_id(),
        app_id: app_id.to_owned(),
        display_name: display_name.to_owned(),
        app_roles: Vec::new(),
        names: Vec::new(),
        owners: BTreeSet::new(),
        created_by: None,
        made: 0,
    }
}

pub(super) fn tenant_of<'a>(
    directory: &'a mut Directory,
    tenant: &str,
) -> anyhow::Result<&'a mut Tenant> {
    directory
        .tenants
        .get_mut(&tenant.to_lowercase())
        .context("there is no such tenant")
}
