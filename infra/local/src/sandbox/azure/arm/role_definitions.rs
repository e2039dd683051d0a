//! Role definitions: built in, or a tenant's own, whose names may repeat.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Scope, permissions};
use crate::sandbox::azure::Scene;
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::state::RoleDefinition;

const READ: &str = "Microsoft.Authorization/roleDefinitions/read";

/// `GET {scope}/…/roleDefinitions`, with `$filter=roleName eq '…'`: the roles that can be assigned there.
pub(super) fn list(scene: &Scene<'_>, scope: &Scope) -> Result<Answer, Refusal> {
    permissions::check(scene, scope, READ)?;
    scope.check_exists(scene)?;
    let name = match scene.request.parameter("$filter") {
        None => None,
        Some(filter) => Some(role_name(filter).ok_or_else(unsupported)?),
    };
    let value: Vec<Value> = scene
        .directory
        .role_definitions_of(&scene.caller.tenant)
        .iter()
        .filter(|role| Scope::new(&role.assignable_scope).contains(&scope.key))
        .filter(|role| name.as_ref().is_none_or(|name| role.name == *name))
        .map(|role| view(scope, role))
        .collect();
    Ok(Answer::ok(json!({ "value": value })))
}

/// `GET` of one by its full id. The built-in ones may be read at the root by anyone.
pub(super) fn get(scene: &Scene<'_>, scope: &Scope, guid: &str) -> Result<Answer, Refusal> {
    let role = scene.directory.role_definition(&scene.caller.tenant, guid);
    let role = role
        .filter(|role| scope.key == "/" || Scope::new(&role.assignable_scope).contains(&scope.key));
    let built_in = role.as_ref().is_some_and(|role| role.tenant.is_none());
    if !(scope.key == "/" && built_in) {
        permissions::check(scene, scope, READ)?;
        scope.check_exists(scene)?;
    }
    let role = role.ok_or_else(|| unknown(StatusCode::NOT_FOUND, guid))?;
    Ok(Answer::ok(view(scope, &role)))
}

/// No such role: a 404 for whoever reads it, a 400 for whoever assigns it.
pub(super) fn unknown(status: StatusCode, guid: &str) -> Refusal {
    let guid = guid.replace('-', "").to_uppercase();
    Refusal::new(
        status,
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{guid}' does not exist."),
    )
}

fn view(scope: &Scope, role: &RoleDefinition) -> Value {
    let guid = &role.guid;
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", scope.definitions()),
        "name": guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": if role.tenant.is_none() { "BuiltInRole" } else { "CustomRole" },
            "assignableScopes": [role.assignable_scope],
            "permissions": [permissions::view(role)],
        },
    })
}

/// The name in `roleName eq '…'`.
fn role_name(filter: &str) -> Option<String> {
    let quoted = filter.trim().strip_prefix("roleName eq ")?.trim();
    let inside = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inside.replace("''", "'"))
}

fn unsupported() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "UnsupportedQuery",
        "The filter is not supported. Supported filters are either 'atScopeAndBelow()' or 'roleName eq'.",
    )
}

#[cfg(test)]
mod tests {
    use crate::sandbox::azure::fixture::{SUBSCRIPTION, World};

    #[tokio::test]
    async fn names_lead_to_roles_and_custom_ones_may_repeat() {
        // Microsoft Learn, "List Azure role definitions" (REST); "Azure custom roles" for assignable scopes.
        let world = World::new();
        let named = async |name: &str| {
            let filter =
                serde_urlencoded::to_string([("$filter", format!("roleName eq '{name}'"))]);
            let path = format!("{}&{}", world.in_group("roleDefinitions"), filter.unwrap());
            let reply = world.arm("GET", path, None).await;
            assert_eq!(reply.status, 200);
            let found = reply.json["value"].as_array().unwrap();
            found
                .iter()
                .map(|role| role["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let reader = named("Reader").await;
        assert_eq!(
            reader,
            [format!(
                "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
            )]
        );
        assert!(named("Nobody").await.is_empty());
        let add = |scope: &str| world.azure.add_role_definition(scope, "Twice", &["*/read"]);
        let subscription = format!("/subscriptions/{SUBSCRIPTION}");
        let first = add(&subscription).unwrap();
        let second = add(&world.group()).unwrap();
        add(&format!("{subscription}/resourceGroups/other")).unwrap();
        let mut found = named("Twice").await;
        found.sort();
        let mut expected = vec![first, second];
        expected.sort();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_role_is_read_by_its_full_id() {
        // "Role Definitions - Get By Id"; an unknown one is a 404 as in hashicorp/terraform-provider-azurerm's reports.
        let world = World::new();
        let id = world.role("Storage Blob Data Reader");
        let found = world
            .arm("GET", format!("{id}?api-version=2022-04-01"), None)
            .await;
        assert_eq!(
            found.json["properties"]["roleName"],
            "Storage Blob Data Reader"
        );
        let guid = id.rsplit('/').next().unwrap();
        let root = format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}");
        let path = format!("{root}?api-version=2022-04-01");
        let found = world.arm("GET", path, None).await;
        assert_eq!(found.json["id"], root.as_str());
        let unknown = id.replace(guid, &World::guid(9));
        let path = format!("{unknown}?api-version=2022-04-01");
        let reply = world.arm("GET", path, None).await;
        assert_eq!(
            (reply.status, reply.code()),
            (404, "RoleDefinitionDoesNotExist")
        );
    }

    #[tokio::test]
    async fn a_version_is_required() {
        // Microsoft Learn, "Common Azure Resource Manager errors": MissingApiVersionParameter.
        let world = World::new();
        let reply = world.arm("GET", world.role("Reader"), None).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "MissingApiVersionParameter")
        );
    }
}
