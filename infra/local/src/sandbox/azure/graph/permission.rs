//! Which Graph permissions an operation needs, as Microsoft's page for each of them lists.

use std::collections::BTreeSet;

use super::Operation;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::token::Caller;

const OWNED_BY: &str = "Application.ReadWrite.OwnedBy";
const READ_WRITE: &str = "Application.ReadWrite.All";
const READ: &str = "Application.Read.All";
const DIRECTORY: &str = "Directory.Read.All";
const ASSIGN: &str = "AppRoleAssignment.ReadWrite.All";

/// Refuses a caller whose token has none of the permissions that the operation needs.
pub(super) fn check(caller: &Caller, operation: &Operation) -> Result<(), Refusal> {
    let any_of = |names: &[&str]| names.iter().any(|name| caller.roles.contains(*name));
    let enough = match operation {
        // "Upsert application", "Create application", "Delete application", "application: addPassword" and their like for service principals.
        Operation::CreateApplication
        | Operation::UpsertApplication(_)
        | Operation::UpdateApplication(_)
        | Operation::DeleteApplication(_)
        | Operation::AddPassword(_)
        | Operation::RemovePassword(_)
        | Operation::CreateServicePrincipal
        | Operation::UpsertServicePrincipal(_)
        | Operation::UpdateServicePrincipal(_)
        | Operation::DeleteServicePrincipal(_)
        // "Permanently delete an item (directory object)".
        | Operation::PurgeDeletedItem(_) => any_of(&[OWNED_BY, READ_WRITE]),
        // "List applications", "Get application", "List owners" and so on. With OwnedBy an app may read all applications and service
        // principals of the tenant: the remarks on Application permissions in "Microsoft Graph permissions reference".
        Operation::ListApplications
        | Operation::GetApplication(_)
        | Operation::ListOwners(_)
        | Operation::ListServicePrincipals
        | Operation::GetServicePrincipal(_)
        | Operation::ListOwnedObjects(..)
        | Operation::ListAppRoleAssignments(_)
        | Operation::ListAppRoleAssignedTo(_)
        // "Get deleted item (directory object)".
        | Operation::GetDeletedItem(_) => any_of(&[READ, OWNED_BY, READ_WRITE, DIRECTORY]),
        // "List deletedItems (directory objects)" names Application.Read.All alone: OwnedBy is not enough to look through the bin.
        Operation::ListDeletedItems(_) => any_of(&[READ, READ_WRITE, DIRECTORY]),
        // "Grant an appRoleAssignment for a service principal" needs two at once.
        Operation::AssignAppRole(_) => any_of(&[ASSIGN]) && any_of(&[READ, DIRECTORY]),
        // "Delete appRoleAssignment".
        Operation::RemoveAppRoleAssignment(..) => any_of(&[ASSIGN]),
    };
    if enough {
        Ok(())
    } else {
        Err(Refusal::denied())
    }
}

/// Refuses a caller that may only write what it owns, and does not own this.
pub(super) fn check_owner(caller: &Caller, owners: &BTreeSet<String>) -> Result<(), Refusal> {
    if caller.roles.contains(READ_WRITE) || owners.contains(&caller.principal_id) {
        Ok(())
    } else {
        Err(Refusal::denied())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::azure::fixture::{TENANT, World};

    // The pages are named beside the checks above; the refusal is that of "Microsoft Graph error responses and resource types", and
    // microsoftgraph/microsoft-graph-docs#12833 for the second permission of app role assignments.

    async fn denied(world: &World, method: &str, path: &str) -> bool {
        let body = json!({"displayName": "a", "appId": world.base.app_id});
        let reply = world.graph(method, path, Some(body)).await;
        let denied = reply.status == 403;
        assert!(!denied || reply.code() == "Authorization_RequestDenied");
        denied
    }

    #[tokio::test]
    async fn without_permissions_nothing_is_allowed() {
        let world = World::with_permissions(&["User.Read.All"]);
        let app = format!("/v1.0/applications/{}", world.base.object_id);
        let of = format!(
            "/v1.0/servicePrincipals/{}",
            world.base.service_principal_id
        );
        for (method, path) in [
            ("GET", "/v1.0/applications".to_owned()),
            ("POST", "/v1.0/applications".to_owned()),
            ("POST", format!("{app}/addPassword")),
            ("DELETE", app),
            ("GET", of.clone()),
            ("POST", format!("{of}/appRoleAssignedTo")),
            ("GET", "/v1.0/directory/deletedItems/x".to_owned()),
            ("DELETE", "/v1.0/directory/deletedItems/x".to_owned()),
        ] {
            assert!(denied(&world, method, &path).await, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn owned_by_writes_only_what_it_owns_and_reads_all() {
        let world = World::with_permissions(&["Application.ReadWrite.OwnedBy"]);
        let other = world.azure.add_application(TENANT, "other").unwrap();
        let path = format!("/v1.0/applications/{}", other.object_id);
        assert!(!denied(&world, "GET", &path).await);
        for (method, path) in [
            ("PATCH", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/addPassword")),
        ] {
            assert!(denied(&world, method, &path).await, "{method} {path}");
        }
        let base = &world.base.service_principal_id;
        world.azure.add_owner(&other.object_id, base).unwrap();
        assert!(!denied(&world, "POST", &format!("{path}/addPassword")).await);
        world.azure.remove_owner(&other.object_id, base).unwrap();
        assert!(denied(&world, "POST", &format!("{path}/addPassword")).await);
        let mine = world.make_app("mine").await;
        let mine = format!("/v1.0/applications/{}", mine["id"].as_str().unwrap());
        assert!(!denied(&world, "DELETE", &mine).await);
    }

    #[tokio::test]
    async fn owned_by_does_not_look_through_the_bin() {
        let bin = "/v1.0/directory/deletedItems/microsoft.graph.application";
        let world = World::with_permissions(&["Application.ReadWrite.OwnedBy"]);
        assert!(denied(&world, "GET", bin).await);
        let base = &world.base.service_principal_id;
        world.azure.grant(base, "Application.Read.All").unwrap();
        assert!(!denied(&world, "GET", bin).await);
    }

    #[tokio::test]
    async fn all_writes_what_it_does_not_own() {
        let world = World::with_permissions(&["Application.ReadWrite.All"]);
        let other = world.azure.add_application(TENANT, "other").unwrap();
        let path = format!("/v1.0/applications/{}", other.object_id);
        assert!(!denied(&world, "PATCH", &path).await);
        assert!(!denied(&world, "DELETE", &path).await);
    }

    #[tokio::test]
    async fn app_role_assignments_need_two_permissions() {
        let world = World::with_permissions(&["AppRoleAssignment.ReadWrite.All"]);
        let base = &world.base.service_principal_id;
        let path = format!("/v1.0/servicePrincipals/{base}/appRoleAssignedTo");
        assert!(denied(&world, "POST", &path).await);
        world.azure.grant(base, "Application.Read.All").unwrap();
        assert!(!denied(&world, "POST", &path).await);
        world
            .azure
            .revoke(base, "AppRoleAssignment.ReadWrite.All")
            .unwrap();
        assert!(denied(&world, "POST", &path).await);
    }
}
