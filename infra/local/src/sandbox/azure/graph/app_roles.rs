//! App roles of a resource, assigned to a service principal.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Key, odata, service_principals};
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::replica::Replica;
use crate::sandbox::azure::state::{AppRoleAssignment, Tenant};
use crate::sandbox::azure::{Scene, new_id, written};

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "principalId")]
    principal: String,
    #[serde(rename = "resourceId")]
    resource: String,
    #[serde(rename = "appRoleId")]
    role: String,
}

/// `POST /servicePrincipals/{id}/appRoleAssignedTo` (of the resource) or `…/appRoleAssignments` (of the principal).
pub(super) fn assign(scene: &mut Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let wanted: Wanted = scene.request.json()?;
    let id = service_principals::written_to(scene, key)?.id.clone();
    let by_id = |id: &str| Key::Id(id.to_lowercase());
    let principal = service_principals::written_to(scene, &by_id(&wanted.principal))?;
    let resource = service_principals::written_to(scene, &by_id(&wanted.resource))?;
    if id != resource.id && id != principal.id {
        return Err(Refusal::bad_request("Not a valid reference update."));
    }
    let role = wanted.role.to_lowercase();
    if !resource.app_roles.iter().any(|known| known.id == role) {
        return Err(Refusal::bad_request(
            "Permission being assigned was not found on application",
        ));
    }
    let given = AppRoleAssignment {
        id: new_id(),
        principal_id: principal.id.clone(),
        resource_id: resource.id.clone(),
        app_role_id: role,
        made: scene.now,
    };
    let tenant = scene.tenant_mut()?;
    if tenant.app_role_assignments.values().any(|other| {
        other.principal_id == given.principal_id
            && other.resource_id == given.resource_id
            && other.app_role_id == given.app_role_id
    }) {
        return Err(Refusal::bad_request(
            "Permission being assigned already exists on the object",
        ));
    }
    let body = view(tenant, &given);
    tenant.app_role_assignments.insert(given.id.clone(), given);
    Ok(Answer::created(body))
}

/// `GET /servicePrincipals/{id}/appRoleAssignments`: what is assigned to it.
pub(super) fn list_of_principal(scene: &Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let id = &service_principals::read(scene, key)?.id;
    list(scene, |given| given.principal_id == *id)
}

/// `GET /servicePrincipals/{id}/appRoleAssignedTo`: to whom its roles are assigned.
pub(super) fn list_of_resource(scene: &Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let id = &service_principals::read(scene, key)?.id;
    list(scene, |given| given.resource_id == *id)
}

/// `DELETE` by either path.
pub(super) fn remove(scene: &mut Scene<'_>, key: &Key, id: &str) -> Result<Answer, Refusal> {
    let of = service_principals::written_to(scene, key)?.id.clone();
    let now = scene.now;
    let lag = scene.settings.lag;
    let given = &mut scene.tenant_mut()?.app_role_assignments;
    let found = given.get(id).is_some_and(|found| {
        (found.principal_id == of || found.resource_id == of)
            && lag.shows(Replica::GraphWrites, found.made, now)
    });
    if !found {
        return Err(Refusal::not_found(id));
    }
    given.remove(id);
    Ok(Answer::no_content())
}

fn list(scene: &Scene<'_>, wanted: impl Fn(&AppRoleAssignment) -> bool) -> Result<Answer, Refusal> {
    let tenant = scene.tenant()?;
    let items = tenant
        .app_role_assignments
        .values()
        .filter(|given| wanted(given))
        .filter(|given| scene.shows(Replica::GraphReads, given.made))
        .map(|given| view(tenant, given))
        .collect();
    Ok(odata::page(scene, items))
}

fn view(tenant: &Tenant, given: &AppRoleAssignment) -> Value {
    let name = |id: &str| {
        tenant
            .service_principals
            .get(id)
            .map(|principal| principal.display_name.clone())
    };
    json!({
        "id": given.id,
        "appRoleId": given.app_role_id,
        "principalId": given.principal_id,
        "principalType": "ServicePrincipal",
        "principalDisplayName": name(&given.principal_id),
        "resourceId": given.resource_id,
        "resourceDisplayName": name(&given.resource_id),
        "createdDateTime": written(given.made),
        "deletedDateTime": null,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::sandbox::azure::fixture::{Reply, TENANT, World};

    const PERMISSIONS: &[&str] = &[
        "Application.ReadWrite.OwnedBy",
        "AppRoleAssignment.ReadWrite.All",
        "Application.Read.All",
    ];

    struct Assigned {
        world: World,
        principal: String,
        resource: String,
        role: String,
    }

    impl Assigned {
        async fn new() -> Self {
            let world = World::with_permissions(PERMISSIONS);
            let principal = world.make_principal("a").await;
            let resource = world.azure.add_resource(TENANT, "api", &["Things.Read"]);
            let resource = resource.unwrap();
            Self {
                world,
                principal,
                resource: resource.service_principal_id,
                role: resource.app_roles["Things.Read"].clone(),
            }
        }

        async fn post(&self, role: &str) -> Reply {
            let Self {
                principal,
                resource,
                ..
            } = self;
            let body = json!({
                "principalId": principal, "resourceId": resource, "appRoleId": role,
            });
            let path = format!("/v1.0/servicePrincipals/{resource}/appRoleAssignedTo");
            self.world.graph("POST", &path, Some(body)).await
        }

        async fn list(&self) -> Vec<Value> {
            let path = format!(
                "/v1.0/servicePrincipals/{}/appRoleAssignments",
                self.principal
            );
            let reply = self.world.graph("GET", &path, None).await;
            reply.json["value"].as_array().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_role_is_assigned_listed_and_taken_away_by_either_path() {
        // Microsoft Learn, "Grant an appRoleAssignment for a service principal", "List appRoleAssignments granted to a service principal",
        // "Delete appRoleAssignment".
        let assigned = Assigned::new().await;
        for (of, list) in [
            (&assigned.resource, "appRoleAssignedTo"),
            (&assigned.principal, "appRoleAssignments"),
        ] {
            let made = assigned.post(&assigned.role).await;
            assert_eq!(made.status, 201);
            let listed = assigned.list().await;
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0]["appRoleId"], assigned.role.as_str());
            let id = made.json["id"].as_str().unwrap();
            let path = format!("/v1.0/servicePrincipals/{of}/{list}/{id}");
            assert_eq!(
                assigned.world.graph("DELETE", &path, None).await.status,
                204
            );
            assert!(assigned.list().await.is_empty());
            assert_eq!(
                assigned.world.graph("DELETE", &path, None).await.status,
                404
            );
        }
    }

    #[tokio::test]
    async fn twice_and_unknown_are_bad_requests() {
        // The texts are Graph's as callers match them: "Permission being assigned already exists on the object" and "Permission being
        // assigned was not found on application"; microsoft-graph-docs-contrib#1407 for "Not a valid reference update".
        let assigned = Assigned::new().await;
        assigned.post(&assigned.role).await;
        let twice = assigned.post(&assigned.role).await;
        assert_eq!((twice.status, twice.code()), (400, "Request_BadRequest"));
        assert!(twice.message().contains("already exists on the object"));
        let unknown = assigned.post("00000000-0000-0000-0000-00000000dead").await;
        assert_eq!(
            (unknown.status, unknown.code()),
            (400, "Request_BadRequest")
        );
        assert!(unknown.message().contains("was not found on application"));
    }

    #[tokio::test]
    async fn a_deleted_principal_drops_its_assignments() {
        // "Delete servicePrincipal": what was granted to it goes with it.
        let assigned = Assigned::new().await;
        assigned.post(&assigned.role).await;
        let given = |world: &World| world.azure.snapshot()["appRoleAssignments"].clone();
        let with = given(&assigned.world).as_array().unwrap().len();
        let path = format!("/v1.0/servicePrincipals/{}", assigned.principal);
        assert_eq!(
            assigned.world.graph("DELETE", &path, None).await.status,
            204
        );
        assert_eq!(given(&assigned.world).as_array().unwrap().len(), with - 1);
    }
}
