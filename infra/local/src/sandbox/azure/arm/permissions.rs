//! What a caller may do at a scope: the role assignments it has there and above.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Scope;
use crate::sandbox::azure::Scene;
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::state::RoleDefinition;

/// `GET {scope}/providers/Microsoft.Authorization/permissions`: the caller's own, one entry for each role.
pub(super) fn list(scene: &Scene<'_>, scope: &Scope) -> Result<Answer, Refusal> {
    check(scene, scope, "Microsoft.Authorization/permissions/read")?;
    scope.check_exists(scene)?;
    let value: Vec<Value> = roles(scene, scope).iter().map(view).collect();
    Ok(Answer::ok(json!({ "value": value })))
}

/// Refuses a caller that may not do this at the scope.
pub(super) fn check(scene: &Scene<'_>, scope: &Scope, action: &str) -> Result<(), Refusal> {
    if roles(scene, scope).iter().any(|role| allows(role, action)) {
        return Ok(());
    }
    let caller = scene.caller;
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "AuthorizationFailed",
        format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            caller.client_id.as_deref().unwrap_or_default(),
            caller.principal_id,
            scope.text,
        ),
    ))
}

/// The permissions of a role, as lists and definitions show them.
pub(super) fn view(role: &RoleDefinition) -> Value {
    json!({
        "actions": role.actions,
        "notActions": role.not_actions,
        "dataActions": role.data_actions,
        "notDataActions": [],
    })
}

/// Whether a pattern of a role (`*` stands for any text) is an action, without regard to case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == action;
    };
    let Some(mut left) = action.strip_prefix(head) else {
        return false;
    };
    let mut parts = tail.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    true
}

fn allows(role: &RoleDefinition, action: &str) -> bool {
    let among = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
    among(&role.actions) && !among(&role.not_actions)
}

/// The roles the caller has at the scope, its own assignments and those it inherits.
fn roles(scene: &Scene<'_>, scope: &Scope) -> Vec<RoleDefinition> {
    let above = scope.and_above(scene.directory);
    let tenant = &scene.caller.tenant;
    scene
        .directory
        .role_assignments
        .values()
        .filter(|given| {
            given.tenant == *tenant
                && given.principal_id == scene.caller.principal_id
                && above.contains(&Scope::new(&given.scope).key)
        })
        .filter_map(|given| scene.directory.role_definition(tenant, &given.role))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::azure::fixture::{SUBSCRIPTION, TENANT, World};

    #[test]
    fn a_star_stands_for_any_text() {
        // Microsoft Learn, "Understand Azure role definitions".
        assert!(matches(
            "*",
            "Microsoft.Authorization/roleAssignments/write"
        ));
        assert!(matches(
            "*/read",
            "Microsoft.Authorization/permissions/READ"
        ));
        assert!(!matches(
            "*/read",
            "Microsoft.Authorization/roleAssignments/write"
        ));
        let pattern = "Microsoft.Authorization/*/Write";
        assert!(matches(
            pattern,
            "Microsoft.Authorization/roleAssignments/write"
        ));
        assert!(!matches(pattern, "Microsoft.Compute/virtualMachines/write"));
        assert!(matches("a*b*c", "aXbYc"));
        assert!(!matches("a*b*c", "aXc"));
        assert!(!matches("a*a", "a"));
    }

    #[tokio::test]
    async fn permissions_are_the_callers_own_and_inherited() {
        // "Permissions - List For Resource Group" in the Authorization REST API; "Understand scope for Azure RBAC" for the inheritance.
        let world = World::new();
        let list = world.arm("GET", world.in_group("permissions"), None).await;
        assert_eq!(list.status, 200);
        assert_eq!(list.json["value"].as_array().unwrap().len(), 1);
        assert_eq!(
            list.json["value"][0]["actions"][0], "*/read",
            "of User Access Administrator at the subscription"
        );
        let base = &world.base.service_principal_id;
        world
            .azure
            .assign_role(&world.group(), "Owner", base)
            .unwrap();
        let list = world.arm("GET", world.in_group("permissions"), None).await;
        assert_eq!(list.json["value"].as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn who_may_not_is_refused() {
        // Microsoft Learn, "Troubleshoot Azure RBAC", AuthorizationFailed; "Azure built-in roles": Contributor cannot assign roles.
        let world = World::new();
        let base = world.base.service_principal_id.clone();
        let subscription = format!("/subscriptions/{SUBSCRIPTION}");
        let admin = "User Access Administrator";
        world.azure.unassign(&subscription, admin, &base).unwrap();
        let list = || world.arm("GET", world.in_group("roleAssignments"), None);
        let refused = list().await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "AuthorizationFailed")
        );
        assert!(refused.message().contains(&base));
        world
            .azure
            .assign_role(&subscription, "Contributor", &base)
            .unwrap();
        assert_eq!(list().await.status, 200);
        let principal = world.make_principal("a").await;
        let refused = world.assign_reader(1, &principal).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "AuthorizationFailed")
        );
    }

    #[tokio::test]
    async fn a_management_group_is_above_its_subscriptions() {
        let world = World::new();
        let base = world.base.service_principal_id.clone();
        let subscription = format!("/subscriptions/{SUBSCRIPTION}");
        let admin = "User Access Administrator";
        world.azure.unassign(&subscription, admin, &base).unwrap();
        world
            .azure
            .add_management_group(TENANT, "top", &[SUBSCRIPTION])
            .unwrap();
        let group = "/providers/Microsoft.Management/managementGroups/top";
        world.azure.assign_role(group, admin, &base).unwrap();
        let principal = world.make_principal("a").await;
        assert_eq!(world.assign_reader(1, &principal).await.status, 201);
        let at_group = format!(
            "{group}/providers/Microsoft.Authorization/roleAssignments/{}?api-version=2022-04-01",
            World::guid(2)
        );
        let body = json!({"properties": {
            "roleDefinitionId": world.role("Reader"),
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }});
        let made = world.arm("PUT", at_group, Some(body)).await;
        assert_eq!(made.status, 201);
    }
}
