//! Rights that tests and samples give and take, as an administrator would beside the APIs: app roles, roles at scopes, locks.

use anyhow::Context;

use super::arm::Scope;
use super::clouds::GRAPH_APP_ID;
use super::seed::tenant_of;
use super::state::{AppRoleAssignment, Directory, RoleAssignment, RoleDefinition, Tenant};
use super::{Azure, new_id};

impl Azure {
    /// The object id of Microsoft Graph's service principal in a tenant: the `resourceId` of its app roles.
    ///
    /// # Errors
    /// The tenant is unknown.
    pub fn graph_service_principal(&self, tenant: &str) -> anyhow::Result<String> {
        let mut store = self.store();
        let tenant = tenant_of(&mut store.directory, tenant)?;
        let graph = tenant.principal_of(GRAPH_APP_ID);
        Ok(graph.context("there is no Graph")?.id.clone())
    }

    /// Grants a Graph permission by name. A token says what was granted when it was given.
    ///
    /// # Errors
    /// The service principal or the permission is unknown, or the state cannot be written.
    pub fn grant(&self, service_principal_id: &str, permission: &str) -> anyhow::Result<()> {
        let graph = self.graph_beside(service_principal_id)?;
        self.assign_app_role(service_principal_id, &graph, permission)
    }

    /// Takes a Graph permission back.
    ///
    /// # Errors
    /// The service principal or the permission is unknown, or the state cannot be written.
    pub fn revoke(&self, service_principal_id: &str, permission: &str) -> anyhow::Result<()> {
        let graph = self.graph_beside(service_principal_id)?;
        self.change(|directory| {
            let tenant = directory.tenant_of_object(service_principal_id);
            let tenant = tenant.context("there is no such service principal")?;
            let role = app_role(tenant, &graph, permission)?;
            tenant.app_role_assignments.retain(|_, given| {
                given.principal_id != service_principal_id || given.app_role_id != role
            });
            Ok(())
        })
    }

    /// Assigns an app role of a resource, by value, to a service principal, unless it has it.
    ///
    /// # Errors
    /// One of the three is unknown, or the state cannot be written.
    pub fn assign_app_role(
        &self,
        service_principal_id: &str,
        resource_id: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        self.change(|directory| {
            let tenant = directory.tenant_of_object(service_principal_id);
            let tenant = tenant.context("there is no such service principal")?;
            let given = AppRoleAssignment {
                id: new_id(),
                principal_id: service_principal_id.to_owned(),
                resource_id: resource_id.to_owned(),
                app_role_id: app_role(tenant, resource_id, value)?,
                made: 0,
            };
            let has_it = tenant.app_role_assignments.values().any(|other| {
                other.principal_id == given.principal_id && other.app_role_id == given.app_role_id
            });
            if !has_it {
                tenant.app_role_assignments.insert(given.id.clone(), given);
            }
            Ok(())
        })
    }

    /// Adds a custom role that may be assigned at a scope and below, and answers its full id. Names may repeat.
    ///
    /// # Errors
    /// The scope's tenant is unknown, or the state cannot be written.
    pub fn add_role_definition(
        &self,
        assignable_scope: &str,
        name: &str,
        actions: &[&str],
    ) -> anyhow::Result<String> {
        let scope = Scope::new(assignable_scope);
        let guid = new_id();
        self.change(|directory| {
            let definition = RoleDefinition {
                guid: guid.clone(),
                name: name.to_owned(),
                tenant: Some(tenant_at(directory, &scope)?),
                assignable_scope: scope.key.clone(),
                actions: actions.iter().map(|action| (*action).to_owned()).collect(),
                not_actions: Vec::new(),
                data_actions: Vec::new(),
            };
            directory.role_definitions.insert(guid.clone(), definition);
            Ok(())
        })?;
        let above = scope.definitions();
        Ok(format!(
            "{above}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
        ))
    }

    /// Assigns a role, by its name or id, unless the principal has it at this very scope, and answers the assignment's
    /// GUID. The principal need not be there.
    ///
    /// # Errors
    /// The scope's tenant or the role is unknown, or the state cannot be written.
    pub fn assign_role(
        &self,
        scope: &str,
        role: &str,
        principal_id: &str,
    ) -> anyhow::Result<String> {
        let at = Scope::new(scope);
        let mut guid = new_id();
        self.change(|directory| {
            let tenant = tenant_at(directory, &at)?;
            let role = role_named(directory, &tenant, role)?;
            let has_it = directory.role_assignments.values().find(|other| {
                other.principal_id == principal_id
                    && other.role == role
                    && Scope::new(&other.scope).key == at.key
            });
            if let Some(other) = has_it {
                guid.clone_from(&other.guid);
                return Ok(());
            }
            let given = RoleAssignment {
                guid: guid.clone(),
                role,
                tenant,
                scope: at.text.clone(),
                principal_id: principal_id.to_owned(),
                principal_type: "ServicePrincipal".to_owned(),
            };
            directory.role_assignments.insert(guid.clone(), given);
            Ok(())
        })?;
        Ok(guid)
    }

    /// Takes a principal's assignments of a role at exactly this scope away.
    ///
    /// # Errors
    /// The scope's tenant or the role is unknown, or the state cannot be written.
    pub fn unassign(&self, scope: &str, role: &str, principal_id: &str) -> anyhow::Result<()> {
        let scope = Scope::new(scope);
        self.change(|directory| {
            let tenant = tenant_at(directory, &scope)?;
            let role = role_named(directory, &tenant, role)?;
            directory.role_assignments.retain(|_, given| {
                given.principal_id != principal_id
                    || given.role != role
                    || Scope::new(&given.scope).key != scope.key
            });
            Ok(())
        })
    }

    /// Locks a scope, and all below it, against deletion: of role assignments too.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn lock_scope(&self, scope: &str) -> anyhow::Result<()> {
        self.change(|directory| {
            directory.locks.insert(Scope::new(scope).key);
            Ok(())
        })
    }

    /// Takes a lock off.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn unlock_scope(&self, scope: &str) -> anyhow::Result<()> {
        self.change(|directory| {
            directory.locks.remove(&Scope::new(scope).key);
            Ok(())
        })
    }

    /// Removes a resource group, resource or subscription, with the role assignments at it and below.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn remove_scope(&self, scope: &str) -> anyhow::Result<()> {
        let scope = Scope::new(scope);
        self.change(|directory| {
            directory
                .role_assignments
                .retain(|_, given| !scope.contains(&Scope::new(&given.scope).key));
            directory.removed_scopes.insert(scope.key);
            Ok(())
        })
    }

    /// Graph's service principal in the tenant of another one.
    fn graph_beside(&self, service_principal_id: &str) -> anyhow::Result<String> {
        let mut store = self.store();
        let tenant = store.directory.tenant_of_object(service_principal_id);
        let tenant = tenant.context("there is no such service principal")?;
        let graph = tenant.principal_of(GRAPH_APP_ID);
        Ok(graph.context("there is no Graph")?.id.clone())
    }
}

fn tenant_at(directory: &Directory, scope: &Scope) -> anyhow::Result<String> {
    scope
        .tenant(directory)
        .context("the scope is in no subscription or management group that is known")
}

fn app_role(tenant: &Tenant, resource_id: &str, value: &str) -> anyhow::Result<String> {
    let resource = tenant.service_principals.get(resource_id);
    let resource = resource.context("there is no such resource")?;
    let role = resource.app_roles.iter().find(|role| role.value == value);
    Ok(role
        .context("the resource has no such app role")?
        .id
        .clone())
}

/// The GUID of a role given by name, GUID or full id.
fn role_named(directory: &Directory, tenant: &str, role: &str) -> anyhow::Result<String> {
    let guid = role.rsplit('/').next().unwrap_or_default().to_lowercase();
    directory
        .role_definitions_of(tenant)
        .into_iter()
        .find(|known| known.name == role || known.guid == guid)
        .map(|known| known.guid)
        .context("there is no such role")
}
