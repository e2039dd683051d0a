//! The recycle bin: applications and service principals lie in it as separate entries until they are purged.

use axum::http::Method;
use serde_json::{Value, json};

use super::permission::check_owner;
use super::{Kind, Operation, odata};
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::state::{Deleted, Item};
use crate::sandbox::azure::{Scene, written};

/// Reads the path below `/v1.0/directory`.
pub(super) fn parse(method: &Method, path: &[&str]) -> Option<Operation> {
    let [bin, which] = path else { return None };
    if !bin.eq_ignore_ascii_case("deletedItems") {
        return None;
    }
    match (method.as_str(), *which) {
        ("GET", cast) if odata::is_cast(cast, "application") => {
            Some(Operation::ListDeletedItems(Kind::Application))
        }
        ("GET", cast) if odata::is_cast(cast, "servicePrincipal") => {
            Some(Operation::ListDeletedItems(Kind::ServicePrincipal))
        }
        ("GET", id) => Some(Operation::GetDeletedItem(id.to_lowercase())),
        ("DELETE", id) => Some(Operation::PurgeDeletedItem(id.to_lowercase())),
        _ => None,
    }
}

pub(super) fn list(scene: &Scene<'_>, kind: Kind) -> Result<Answer, Refusal> {
    let mut items: Vec<Value> = scene
        .tenant()?
        .deleted
        .iter()
        .filter(|(_, deleted)| kind == deleted.item.kind())
        .map(|(id, deleted)| view(id, deleted))
        .collect();
    odata::filter(scene, &mut items, &["id", "appId", "displayName"])?;
    Ok(odata::page(scene, items))
}

pub(super) fn get(scene: &Scene<'_>, id: &str) -> Result<Answer, Refusal> {
    let deleted = scene.tenant()?.deleted.get(id);
    let deleted = deleted.ok_or_else(|| Refusal::not_found(id))?;
    Ok(Answer::ok(odata::select(scene, view(id, deleted))))
}

/// Takes one entry out for ever; that of the application leaves that of its service principal.
pub(super) fn purge(scene: &mut Scene<'_>, id: &str) -> Result<Answer, Refusal> {
    let deleted = scene.tenant()?.deleted.get(id);
    let deleted = deleted.ok_or_else(|| Refusal::not_found(id))?;
    check_owner(scene.caller, deleted.item.owners())?;
    scene.tenant_mut()?.deleted.remove(id);
    Ok(Answer::no_content())
}

impl Item {
    fn kind(&self) -> Kind {
        match self {
            Self::Application(_) => Kind::Application,
            Self::ServicePrincipal(_) => Kind::ServicePrincipal,
        }
    }
}

fn view(id: &str, deleted: &Deleted) -> Value {
    let kind = match deleted.item.kind() {
        Kind::Application => "#microsoft.graph.application",
        Kind::ServicePrincipal => "#microsoft.graph.servicePrincipal",
    };
    json!({
        "@odata.type": kind,
        "id": id,
        "appId": deleted.item.app_id(),
        "displayName": deleted.item.display_name(),
        "deletedDateTime": written(deleted.at),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::sandbox::azure::fixture::World;

    const APPS: &str = "/v1.0/directory/deletedItems/microsoft.graph.application";
    const PRINCIPALS: &str = "/v1.0/directory/deletedItems/microsoft.graph.servicePrincipal";
    const PERMISSIONS: &[&str] = &["Application.ReadWrite.OwnedBy", "Application.Read.All"];

    async fn listed(world: &World, path: &str) -> Vec<Value> {
        let reply = world.graph("GET", path, None).await;
        assert_eq!(reply.status, 200);
        reply.json["value"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn application_and_principal_are_separate_entries() {
        // Microsoft Learn, "Delete application", "List deletedItems (directory objects)", "Permanently delete an item (directory object)";
        // hashicorp/vault-plugin-secrets-azure purges both for the same reason.
        let world = World::with_permissions(PERMISSIONS);
        let (client, _) = world.make_client("gone").await;
        let (object, principal) = (world.object_id(&client), world.principal_id(&client));
        let path = format!("/v1.0/applications/{object}");
        assert_eq!(world.graph("DELETE", &path, None).await.status, 204);
        let gone = format!("/v1.0/servicePrincipals/{principal}");
        assert_eq!(world.graph("GET", &gone, None).await.status, 404);
        // Microsoft's SDKs write the namespace's alias: msgraph-sdk's deleted_items/graph_application.
        let alias = "/v1.0/directory/deletedItems/graph.application";
        assert_eq!(listed(&world, alias).await, listed(&world, APPS).await);
        let by_name = format!("{APPS}?$filter=displayName%20eq%20%27gone%27");
        assert_eq!(listed(&world, &by_name).await[0]["id"], object.as_str());
        assert_eq!(
            listed(&world, PRINCIPALS).await[0]["id"],
            principal.as_str()
        );

        let bin = |id: &str| format!("/v1.0/directory/deletedItems/{id}");
        let found = world.graph("GET", &bin(&object), None).await;
        assert_eq!(found.json["displayName"], "gone");
        assert_eq!(world.graph("DELETE", &bin(&object), None).await.status, 204);
        assert_eq!(world.graph("GET", &bin(&object), None).await.status, 404);
        assert!(listed(&world, APPS).await.is_empty());
        assert_eq!(listed(&world, PRINCIPALS).await.len(), 1, "it stays");
        let purged = world.graph("DELETE", &bin(&principal), None).await;
        assert_eq!(purged.status, 204);
        let again = world.graph("DELETE", &bin(&principal), None).await;
        assert_eq!(
            (again.status, again.code()),
            (404, "Request_ResourceNotFound")
        );
    }

    #[tokio::test]
    async fn deleting_leaves_role_assignments() {
        // Microsoft Learn, "Troubleshoot Azure RBAC": role assignments of a deleted principal stay, with "Identity not found".
        let world = World::with_permissions(PERMISSIONS);
        let (client, _) = world.make_client("a").await;
        let principal = world.principal_id(&client);
        assert_eq!(world.assign_reader(1, &principal).await.status, 201);
        let assignments = |world: &World| world.azure.snapshot()["roleAssignments"].clone();
        let before = assignments(&world);
        let path = format!("/v1.0/applications/{}", world.object_id(&client));
        assert_eq!(world.graph("DELETE", &path, None).await.status, 204);
        assert_eq!(assignments(&world), before);
    }

    #[tokio::test]
    async fn the_same_name_may_lie_there_twice() {
        let world = World::with_permissions(PERMISSIONS);
        for _ in 0..2 {
            let app = world.make_app("twice").await;
            let path = format!("/v1.0/applications/{}", app["id"].as_str().unwrap());
            world.graph("DELETE", &path, None).await;
        }
        let by_name = format!("{APPS}?$filter=displayName%20eq%20%27twice%27");
        assert_eq!(listed(&world, &by_name).await.len(), 2);
    }
}
