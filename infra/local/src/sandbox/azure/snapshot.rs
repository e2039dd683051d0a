//! All that is in the cloud, to be compared before and after.

use serde_json::{Value, json};

use super::state::{Application, Deleted, Item, ServicePrincipal, Tenant};
use super::{Azure, written};

impl Azure {
    /// All directory objects and role assignments, sorted, comparable with `==`, without secrets.
    ///
    /// An object with the arrays `applications` (each with `passwords`: `keyId`, `displayName`, `endDateTime`), `servicePrincipals`,
    /// `appRoleAssignments`, `deletedItems` and `roleAssignments`. Requests that have arrived by now are done first.
    pub fn snapshot(&self) -> Value {
        self.settle();
        let store = self.store();
        let directory = &store.directory;
        let of_tenants = |view: fn(&Tenant) -> Vec<Value>| -> Vec<Value> {
            directory.tenants.values().flat_map(view).collect()
        };
        let role_assignments: Vec<Value> = directory
            .role_assignments
            .values()
            .map(|given| {
                json!({
                    "name": given.guid,
                    "scope": given.scope,
                    "roleDefinition": given.role,
                    "principalId": given.principal_id,
                })
            })
            .collect();
        json!({
            "applications": of_tenants(applications),
            "servicePrincipals": of_tenants(service_principals),
            "appRoleAssignments": of_tenants(app_role_assignments),
            "deletedItems": of_tenants(deleted_items),
            "roleAssignments": role_assignments,
        })
    }
}

fn applications(tenant: &Tenant) -> Vec<Value> {
    tenant.applications.values().map(application).collect()
}

fn application(app: &Application) -> Value {
    let mut passwords: Vec<Value> = app
        .passwords
        .iter()
        .map(|password| {
            json!({
                "keyId": password.key_id,
                "displayName": password.display_name,
                "endDateTime": written(password.ends),
            })
        })
        .collect();
    passwords.sort_by_key(|password| password["keyId"].to_string());
    json!({
        "id": app.id,
        "appId": app.app_id,
        "uniqueName": app.unique_name,
        "displayName": app.display_name,
        "signInAudience": app.audience,
        "tags": app.tags,
        "notes": app.notes,
        "owners": app.owners,
        "passwords": passwords,
    })
}

fn service_principals(tenant: &Tenant) -> Vec<Value> {
    let principals = tenant.service_principals.values();
    principals.map(service_principal).collect()
}

fn service_principal(principal: &ServicePrincipal) -> Value {
    json!({
        "id": principal.id,
        "appId": principal.app_id,
        "displayName": principal.display_name,
        "owners": principal.owners,
    })
}

fn app_role_assignments(tenant: &Tenant) -> Vec<Value> {
    tenant
        .app_role_assignments
        .values()
        .map(|given| {
            json!({
                "id": given.id,
                "principalId": given.principal_id,
                "resourceId": given.resource_id,
                "appRoleId": given.app_role_id,
            })
        })
        .collect()
}

fn deleted_items(tenant: &Tenant) -> Vec<Value> {
    tenant.deleted.values().map(deleted).collect()
}

fn deleted(deleted: &Deleted) -> Value {
    let (kind, item) = match &deleted.item {
        Item::Application(app) => ("application", application(app)),
        Item::ServicePrincipal(principal) => ("servicePrincipal", service_principal(principal)),
    };
    json!({"type": kind, "item": item})
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{BASE_SECRET, World};

    #[tokio::test]
    async fn it_shows_every_change_and_no_secret() {
        let world = World::new();
        let before = world.azure.snapshot();
        assert_eq!(world.azure.snapshot(), before);
        let (client, secret) = world.make_client("a").await;
        let with = world.azure.snapshot();
        assert_ne!(with, before);
        let text = with.to_string();
        assert!(!text.contains(&secret) && !text.contains(BASE_SECRET));
        let path = format!("/v1.0/applications/{}", world.object_id(&client));
        world.graph("DELETE", &path, None).await;
        let deleted = world.azure.snapshot();
        assert_eq!(deleted["deletedItems"].as_array().unwrap().len(), 2);
        assert_eq!(deleted["applications"], before["applications"]);
        for item in deleted["deletedItems"].as_array().unwrap() {
            let id = item["item"]["id"].as_str().unwrap();
            let bin = format!("/v1.0/directory/deletedItems/{id}");
            assert_eq!(world.graph("DELETE", &bin, None).await.status, 204);
        }
        assert_eq!(world.azure.snapshot(), before);
    }
}
