//! Azure Resource Manager: roles, their assignments and the caller's own permissions, at any scope.

mod permissions;
mod role_assignments;
mod role_definitions;
mod scope;

use axum::http::{Method, StatusCode};

use super::Scene;
use super::answer::Answer;
use super::refusal::Refusal;

pub(super) use scope::Scope;

/// What is asked for, and where.
#[derive(Debug)]
pub(super) struct Operation {
    scope: Scope,
    what: What,
}

#[derive(Debug)]
enum What {
    ListRoleDefinitions,
    GetRoleDefinition(String),
    ListPermissions,
    ListRoleAssignments,
    GetRoleAssignment(String),
    AssignRole(String),
    RemoveRoleAssignment(String),
}

impl Operation {
    pub(super) fn name(&self) -> &'static str {
        match self.what {
            What::ListRoleDefinitions => "ListRoleDefinitions",
            What::GetRoleDefinition(_) => "GetRoleDefinition",
            What::ListPermissions => "ListPermissions",
            What::ListRoleAssignments => "ListRoleAssignments",
            What::GetRoleAssignment(_) => "GetRoleAssignment",
            What::AssignRole(_) => "AssignRole",
            What::RemoveRoleAssignment(_) => "RemoveRoleAssignment",
        }
    }

    /// Whether the directory may be another one afterwards.
    pub(super) fn writes(&self) -> bool {
        matches!(
            self.what,
            What::AssignRole(_) | What::RemoveRoleAssignment(_)
        )
    }
}

/// Reads a method and a path: `{scope}/providers/Microsoft.Authorization/{what}`.
pub(super) fn parse(method: &Method, path: &[String]) -> Option<Operation> {
    let of_provider = |pair: &[String]| {
        pair.first()?
            .eq_ignore_ascii_case("providers")
            .then_some(())?;
        pair.get(1)?
            .eq_ignore_ascii_case("Microsoft.Authorization")
            .then_some(())
    };
    let at = (0..path.len())
        .rev()
        .find(|at| path.get(*at..at + 2).and_then(of_provider).is_some())?;
    let (scope, rest) = (path.get(..at)?, path.get(at + 2..)?);
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (kind, name) = match rest.as_slice() {
        [kind] => (kind.to_lowercase(), None),
        [kind, name] => (kind.to_lowercase(), Some(name.to_lowercase())),
        _ => return None,
    };
    let what = match (method.as_str(), kind.as_str(), name) {
        ("GET", "roledefinitions", None) => What::ListRoleDefinitions,
        ("GET", "roledefinitions", Some(guid)) => What::GetRoleDefinition(guid),
        ("GET", "permissions", None) => What::ListPermissions,
        ("GET", "roleassignments", None) => What::ListRoleAssignments,
        ("GET", "roleassignments", Some(guid)) => What::GetRoleAssignment(guid),
        ("PUT", "roleassignments", Some(guid)) => What::AssignRole(guid),
        ("DELETE", "roleassignments", Some(guid)) => What::RemoveRoleAssignment(guid),
        _ => return None,
    };
    Some(Operation {
        scope: Scope::of_path(scope),
        what,
    })
}

/// Does what is asked for, if the caller may do that there.
pub(super) fn perform(scene: &mut Scene<'_>, operation: &Operation) -> Result<Answer, Refusal> {
    let scope = &operation.scope;
    if scene.request.parameter("api-version").is_none() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    scope.check_tenant(scene)?;
    match &operation.what {
        What::ListRoleDefinitions => role_definitions::list(scene, scope),
        What::GetRoleDefinition(guid) => role_definitions::get(scene, scope, guid),
        What::ListPermissions => permissions::list(scene, scope),
        What::ListRoleAssignments => role_assignments::list(scene, scope),
        What::GetRoleAssignment(guid) => role_assignments::get(scene, scope, guid),
        What::AssignRole(guid) => role_assignments::put(scene, scope, guid),
        What::RemoveRoleAssignment(guid) => role_assignments::delete(scene, scope, guid),
    }
}
