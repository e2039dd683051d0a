//! Role assignments: put under a GUID that is the caller's choice, read, listed, taken away.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Scope, permissions, role_definitions};
use crate::sandbox::azure::Scene;
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::replica::Replica;
use crate::sandbox::azure::state::RoleAssignment;

/// The first version that reads `principalType`.
const TYPED_SINCE: &str = "2018-09-01";

#[derive(Deserialize)]
struct Body {
    properties: Wanted,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    role_definition_id: String,
    principal_id: String,
    principal_type: Option<String>,
}

/// `PUT`: with a `principalType` nobody looks whether the principal is there.
pub(super) fn put(scene: &mut Scene<'_>, scope: &Scope, guid: &str) -> Result<Answer, Refusal> {
    permissions::check(
        scene,
        scope,
        "Microsoft.Authorization/roleAssignments/write",
    )?;
    scope.check_exists(scene)?;
    let body: Body = serde_json::from_slice(&scene.request.body).map_err(|_| malformed())?;
    let wanted = body.properties;
    if uuid::Uuid::try_parse(guid).is_err() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidRoleAssignmentId",
            format!(
                "The role assignment ID '{guid}' is not valid. The role assignment ID must be a GUID."
            ),
        ));
    }
    let role = wanted.role_definition_id.to_lowercase();
    let role = role.rsplit('/').next().unwrap_or_default().to_owned();
    let principal_id = wanted.principal_id.to_lowercase();
    let definition = scene.directory.role_definition(&scene.caller.tenant, &role);
    definition
        .filter(|found| Scope::new(&found.assignable_scope).contains(&scope.key))
        .ok_or_else(|| role_definitions::unknown(StatusCode::BAD_REQUEST, &role))?;
    check_others(scene, scope, guid, (&role, &principal_id))?;
    let version = scene.request.parameter("api-version").unwrap_or_default();
    let typed = wanted.principal_type.filter(|_| version >= TYPED_SINCE);
    if typed.is_none() {
        check_principal(scene, &principal_id)?;
    }
    let given = RoleAssignment {
        guid: guid.to_owned(),
        tenant: scene.caller.tenant.clone(),
        scope: scope.text.clone(),
        role,
        principal_id,
        principal_type: typed.unwrap_or_else(|| "ServicePrincipal".to_owned()),
    };
    let body = view(&given);
    let all = &mut scene.directory.role_assignments;
    all.insert(guid.to_owned(), given);
    Ok(Answer::created(body))
}

pub(super) fn get(scene: &Scene<'_>, scope: &Scope, guid: &str) -> Result<Answer, Refusal> {
    permissions::check(scene, scope, "Microsoft.Authorization/roleAssignments/read")?;
    scope.check_exists(scene)?;
    let given = find(scene, scope, guid).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "RoleAssignmentNotFound",
            format!("The role assignment '{guid}' is not found."),
        )
    })?;
    Ok(Answer::ok(view(given)))
}

/// `DELETE`: 200 with what was there, or 204.
pub(super) fn delete(scene: &mut Scene<'_>, scope: &Scope, guid: &str) -> Result<Answer, Refusal> {
    permissions::check(
        scene,
        scope,
        "Microsoft.Authorization/roleAssignments/delete",
    )?;
    scope.check_exists(scene)?;
    check_locks(scene, scope, guid)?;
    if find(scene, scope, guid).is_none() {
        return Ok(Answer::no_content());
    }
    let given = scene.directory.role_assignments.remove(guid);
    Ok(given.map_or_else(Answer::no_content, |given| Answer::ok(view(&given))))
}

/// All at the scope and below; with `$filter=atScope()` only those at the scope and above, with `principalId eq '…'` one principal's.
pub(super) fn list(scene: &Scene<'_>, scope: &Scope) -> Result<Answer, Refusal> {
    permissions::check(scene, scope, "Microsoft.Authorization/roleAssignments/read")?;
    scope.check_exists(scene)?;
    let filter = scene.request.parameter("$filter").unwrap_or_default();
    let principal = filter
        .split_once("principalId eq '")
        .and_then(|(_, rest)| rest.split('\'').next())
        .map(str::to_lowercase);
    let above = scope.and_above(scene.directory);
    let value: Vec<Value> = scene
        .directory
        .role_assignments
        .values()
        .filter(|given| given.tenant == scene.caller.tenant)
        .filter(|given| {
            let at = Scope::new(&given.scope).key;
            above.contains(&at) || !filter.contains("atScope()") && scope.contains(&at)
        })
        .filter(|given| {
            principal
                .as_ref()
                .is_none_or(|id| given.principal_id == *id)
        })
        .map(view)
        .collect();
    Ok(Answer::ok(json!({ "value": value })))
}

/// Refuses what another assignment stands in the way of.
fn check_others(
    scene: &Scene<'_>,
    scope: &Scope,
    guid: &str,
    (role, principal): (&str, &str),
) -> Result<(), Refusal> {
    let of_tenant = || {
        let all = scene.directory.role_assignments.values();
        all.filter(|given| given.tenant == scene.caller.tenant)
    };
    let at = |given: &RoleAssignment| Scope::new(&given.scope).key;
    let same = |given: &RoleAssignment| {
        at(given) == scope.key && given.role == role && given.principal_id == principal
    };
    if of_tenant().any(same) {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "RoleAssignmentExists",
            "The role assignment already exists.",
        ));
    }
    if of_tenant().any(|given| given.guid == guid) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    let Some(subscription) = scope.subscription() else {
        return Ok(());
    };
    let count = of_tenant()
        .filter(|given| Scope::new(&given.scope).subscription() == Some(subscription))
        .count();
    if count >= scene.settings.limits.role_assignments {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "RoleAssignmentLimitExceeded",
            "No more role assignments can be created.",
        ));
    }
    Ok(())
}

fn check_principal(scene: &Scene<'_>, id: &str) -> Result<(), Refusal> {
    let tenant = &scene.caller.tenant;
    let found = scene
        .directory
        .tenants
        .get(tenant)
        .and_then(|tenant| tenant.service_principals.get(id))
        .is_some_and(|principal| scene.shows(Replica::Arm, principal.made));
    if found {
        return Ok(());
    }
    let (id, tenant) = (id.replace('-', ""), tenant);
    Err(Refusal::new(
        StatusCode::BAD_REQUEST,
        "PrincipalNotFound",
        format!(
            "Principal {id} does not exist in the directory {tenant}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype"
        ),
    ))
}

/// Refuses a deletion below a lock, whether there is anything to delete or not.
fn check_locks(scene: &Scene<'_>, scope: &Scope, guid: &str) -> Result<(), Refusal> {
    let locked = scope
        .and_above(scene.directory)
        .into_iter()
        .find(|scope| scene.directory.locks.contains(scope));
    match locked {
        None => Ok(()),
        Some(locked) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "ScopeLocked",
            format!(
                "The scope '{}/providers/Microsoft.Authorization/roleAssignments/{guid}' cannot perform delete operation because following scope(s) are locked: '{locked}'. Please remove the lock and try again.",
                scope.text
            ),
        )),
    }
}

fn find<'a>(scene: &'a Scene<'_>, scope: &Scope, guid: &str) -> Option<&'a RoleAssignment> {
    scene.directory.role_assignments.get(guid).filter(|given| {
        given.tenant == scene.caller.tenant && Scope::new(&given.scope).key == scope.key
    })
}

fn view(given: &RoleAssignment) -> Value {
    let scope = Scope::new(&given.scope);
    let below = if scope.key == "/" { "" } else { &scope.text };
    json!({
        "id": format!("{below}/providers/Microsoft.Authorization/roleAssignments/{}", given.guid),
        "name": given.guid,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": format!(
                "{}/providers/Microsoft.Authorization/roleDefinitions/{}",
                scope.definitions(), given.role
            ),
            "principalId": given.principal_id,
            "principalType": given.principal_type,
            "scope": given.scope,
        },
    })
}

fn malformed() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "InvalidRequestContent",
        "The request content was invalid and could not be deserialized.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::Limits;
    use crate::sandbox::azure::fixture::{SUBSCRIPTION, World};

    #[tokio::test]
    async fn an_assignment_is_put_read_listed_and_deleted_once() {
        // "Role Assignments" in the Authorization REST API: create is a 201, delete a 200 or a 204.
        let world = World::new();
        let principal = world.make_principal("a").await;
        let made = world.assign_reader(1, &principal).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.json["properties"]["principalId"], principal.as_str());
        let found = world.arm("GET", world.assignment(1), None).await;
        assert_eq!(found.json, made.json);
        let list = world
            .arm("GET", world.in_group("roleAssignments"), None)
            .await;
        assert_eq!(
            list.json["value"].as_array().unwrap().len(),
            2,
            "and the base's"
        );
        let gone = world.arm("DELETE", world.assignment(1), None).await;
        assert_eq!((gone.status, &gone.json), (200, &made.json));
        let again = world.arm("DELETE", world.assignment(1), None).await;
        assert_eq!((again.status, again.body.as_str()), (204, ""));
        let missing = world.arm("GET", world.assignment(1), None).await;
        assert_eq!(
            (missing.status, missing.code()),
            (404, "RoleAssignmentNotFound")
        );
    }

    #[tokio::test]
    async fn a_type_stands_for_a_look_at_the_principal() {
        // Microsoft Learn, "Assign Azure roles using the REST API", new service principal: principalType, and a version of 2018-09-01-preview
        // or later. Without a check a principal that never was is accepted too: hashicorp/terraform-provider-azurerm#18113.
        let world = World::new();
        let nobody = World::guid(7);
        let untyped = json!({"properties": {
            "roleDefinitionId": world.role("Reader"), "principalId": nobody,
        }});
        let refused = world.arm("PUT", world.assignment(1), Some(untyped)).await;
        assert_eq!((refused.status, refused.code()), (400, "PrincipalNotFound"));
        let typed = json!({"properties": {
            "roleDefinitionId": world.role("Reader"),
            "principalId": nobody,
            "principalType": "ServicePrincipal",
        }});
        let old = world.assignment(1).replace("2022-04-01", "2015-07-01");
        let refused = world.arm("PUT", old, Some(typed.clone())).await;
        assert_eq!((refused.status, refused.code()), (400, "PrincipalNotFound"));
        let made = world.arm("PUT", world.assignment(1), Some(typed)).await;
        assert_eq!(made.status, 201);
    }

    #[tokio::test]
    async fn the_same_assignment_exists_under_any_guid() {
        // Microsoft Learn, "Troubleshoot Azure RBAC"; the 409 as in openshift/cloud-credential-operator ec23983.
        let world = World::new();
        let principal = world.make_principal("a").await;
        world.assign_reader(1, &principal).await;
        for guid in [1, 2] {
            let refused = world.assign_reader(guid, &principal).await;
            assert_eq!(
                (refused.status, refused.code()),
                (409, "RoleAssignmentExists")
            );
        }
    }

    #[tokio::test]
    async fn a_guid_keeps_its_principal_role_and_scope() {
        // Microsoft Learn, "Troubleshoot Azure RBAC": an ARM template role assignment returns BadRequest; Azure/Azure-Landing-Zones#2040.
        let world = World::new();
        let (one, other) = (
            world.make_principal("a").await,
            world.make_principal("b").await,
        );
        world.assign_reader(1, &one).await;
        let refused = world.assign_reader(1, &other).await;
        let expected = (400, "RoleAssignmentUpdateNotPermitted");
        assert_eq!((refused.status, refused.code()), expected);
        let body = json!({"properties": {
            "roleDefinitionId": world.role("Reader"), "principalId": one,
        }});
        let elsewhere = world.assignment(1).replace("/resourceGroups/group", "");
        let refused = world.arm("PUT", elsewhere, Some(body)).await;
        assert_eq!((refused.status, refused.code()), expected);
    }

    #[tokio::test]
    async fn the_limit_counts_all_of_a_subscription() {
        // Microsoft Learn, "Troubleshoot Azure RBAC limits".
        let world = World::new();
        world.azure.set_limits(Limits {
            role_assignments: 2,
            ..Limits::default()
        });
        let principal = world.make_principal("a").await;
        assert_eq!(
            world.assign_reader(1, &principal).await.status,
            201,
            "and the base's"
        );
        let other = world.make_principal("b").await;
        let refused = world.assign_reader(2, &other).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "RoleAssignmentLimitExceeded")
        );
    }

    #[tokio::test]
    async fn a_lock_above_stops_deletion_alone() {
        // MicrosoftDocs/azure-docs#110791, hashicorp/vault-plugin-secrets-azure#225: locks stop the deletion of role assignments.
        let world = World::new();
        let principal = world.make_principal("a").await;
        let subscription = format!("/subscriptions/{SUBSCRIPTION}");
        world.azure.lock_scope(&subscription).unwrap();
        assert_eq!(world.assign_reader(1, &principal).await.status, 201);
        let refused = world.arm("DELETE", world.assignment(1), None).await;
        assert_eq!((refused.status, refused.code()), (409, "ScopeLocked"));
        world.azure.unlock_scope(&subscription).unwrap();
        assert_eq!(
            world.arm("DELETE", world.assignment(1), None).await.status,
            200
        );
    }

    #[tokio::test]
    async fn a_removed_scope_is_not_found_and_took_its_assignments() {
        // Microsoft Learn, "Common Azure Resource Manager errors": ResourceGroupNotFound.
        let world = World::new();
        let principal = world.make_principal("a").await;
        world.assign_reader(1, &principal).await;
        world.azure.remove_scope(&world.group()).unwrap();
        for method in ["GET", "DELETE"] {
            let refused = world.arm(method, world.assignment(1), None).await;
            assert_eq!(
                (refused.status, refused.code()),
                (404, "ResourceGroupNotFound")
            );
        }
        let refused = world.assign_reader(1, &principal).await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "ResourceGroupNotFound")
        );
        let left = world.azure.snapshot()["roleAssignments"].clone();
        assert_eq!(left.as_array().unwrap().len(), 1, "the base's");
        let nowhere = world.assignment(1).replace(SUBSCRIPTION, &World::guid(5));
        let refused = world.arm("GET", nowhere, None).await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "SubscriptionNotFound")
        );
    }

    #[tokio::test]
    async fn an_unknown_role_cannot_be_assigned() {
        // "Role Assignments - Create": the role definition must exist; RoleDefinitionDoesNotExist.
        let world = World::new();
        let principal = world.make_principal("a").await;
        let reader = world.role("Reader");
        let guid = reader.rsplit('/').next().unwrap();
        let body = json!({"properties": {
            "roleDefinitionId": reader.replace(guid, &World::guid(9)),
            "principalId": principal,
        }});
        let refused = world.arm("PUT", world.assignment(1), Some(body)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "RoleDefinitionDoesNotExist")
        );
    }
}
