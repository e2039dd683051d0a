//! Azure Resource Manager: role definitions, role assignments, and what the base may do at a scope.

use azure_core::http::Method;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::provider::azure::{
    error::{Failure, Service},
    session::{Answer, Call, Session, optional, path, quoted},
};

/// Where authorisation is under a scope.
const PROVIDER: &str = "/providers/Microsoft.Authorization";
/// The version of its interface; the first to know `principalType` was 2018-09-01-preview.
const VERSION: &str = "api-version=2022-04-01";

/// A role in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The id of its definition.
    pub id: String,
    /// Its name, such as `Reader`.
    pub name: String,
}

/// A role that a principal has at a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Whose.
    pub principal_id: String,
    /// The id of the role's definition.
    pub role_id: String,
}

/// What the base may do at a scope.
#[derive(Debug, Clone, Default)]
pub struct Permissions(Vec<Permission>);

/// What one of its roles lets it do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

/// What Resource Manager wraps things in.
#[derive(Deserialize)]
struct Resource<T> {
    id: String,
    properties: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleProperties {
    role_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    principal_id: String,
    role_definition_id: String,
}

impl Permissions {
    /// Whether any of the base's roles allows `action`, and does not take it out again.
    pub fn allows(&self, action: &str) -> bool {
        let matches = |patterns: &[String]| patterns.iter().any(|one| fits(one, action));
        self.0
            .iter()
            .any(|one| matches(&one.actions) && !matches(&one.not_actions))
    }
}

impl From<Resource<RoleProperties>> for RoleDefinition {
    fn from(found: Resource<RoleProperties>) -> Self {
        Self {
            id: found.id,
            name: found.properties.role_name,
        }
    }
}

impl Session<'_> {
    /// The roles of that name that can be assigned at `scope`.
    pub async fn roles_named(
        &self,
        scope: &str,
        name: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<RoleDefinition>, Failure> {
        let path = format!(
            "{}{PROVIDER}/roleDefinitions?{VERSION}&$filter=roleName%20eq%20{}",
            scope_path(scope),
            quoted(name)
        );
        let found: Vec<Resource<RoleProperties>> = self
            .list(self.arm(Method::Get, "GET roleDefinitions", &path), until)
            .await?;
        let mut roles: Vec<_> = found.into_iter().map(RoleDefinition::from).collect();
        roles.retain(|role| role.name.to_lowercase() == name.to_lowercase());
        Ok(roles)
    }

    /// The role with that id.
    pub async fn role(
        &self,
        id: &str,
        until: OffsetDateTime,
    ) -> Result<Option<RoleDefinition>, Failure> {
        let path = format!("{}?{VERSION}", scope_path(id));
        let found = self
            .find_in_arm::<RoleProperties>("GET roleDefinitions", &path, until)
            .await?;
        Ok(found.map(RoleDefinition::from))
    }

    /// What the base may do at `scope`.
    pub async fn permissions(
        &self,
        scope: &str,
        until: OffsetDateTime,
    ) -> Result<Permissions, Failure> {
        let path = format!("{}{PROVIDER}/permissions?{VERSION}", scope_path(scope));
        self.list(self.arm(Method::Get, "GET permissions", &path), until)
            .await
            .map(Permissions)
    }

    /// Gives a service principal a role at `scope`, under a name that we choose.
    pub async fn assign_role(
        &self,
        scope: &str,
        guid: &str,
        role_id: &str,
        principal_id: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let call = self
            .arm(Method::Put, "PUT roleAssignments", &assignment(scope, guid))
            .body(json!({"properties": {
                "roleDefinitionId": role_id,
                "principalId": principal_id,
                // Lets Resource Manager take a principal that it cannot see yet.
                "principalType": "ServicePrincipal",
            }}));
        self.send(call, until).await.map(|_| ())
    }

    /// The assignment of that name.
    pub async fn role_assignment(
        &self,
        scope: &str,
        guid: &str,
        until: OffsetDateTime,
    ) -> Result<Option<RoleAssignment>, Failure> {
        let path = assignment(scope, guid);
        let found = self
            .find_in_arm::<AssignmentProperties>("GET roleAssignments", &path, until)
            .await?;
        Ok(found.map(|found| RoleAssignment {
            principal_id: found.properties.principal_id,
            role_id: found.properties.role_definition_id,
        }))
    }

    /// The scopes and names of all assignments that a principal has in the base's subscription.
    pub async fn role_assignments_of(
        &self,
        principal_id: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<[String; 2]>, Failure> {
        let subscription = format!("/subscriptions/{}", self.credential.subscription_id);
        let path = format!(
            "{}{PROVIDER}/roleAssignments?{VERSION}&$filter=principalId%20eq%20{}",
            scope_path(&subscription),
            quoted(principal_id)
        );
        let found: Vec<Resource<AssignmentProperties>> = self
            .list(self.arm(Method::Get, "GET roleAssignments", &path), until)
            .await?;
        let split = |found: Resource<AssignmentProperties>| {
            let (scope, name) = found
                .id
                .split_once(&format!("{PROVIDER}/roleAssignments/"))?;
            Some([scope.to_owned(), name.to_owned()])
        };
        Ok(found.into_iter().filter_map(split).collect())
    }

    /// Takes the assignment of that name away. That there was none is a success too.
    pub async fn remove_role_assignment(
        &self,
        scope: &str,
        guid: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let path = assignment(scope, guid);
        let call = self.arm(Method::Delete, "DELETE roleAssignments", &path);
        self.send(call, until).await.map(|_| ())
    }

    fn arm(&self, method: Method, action: &'static str, path: &str) -> Call {
        self.call(Service::Arm, method, action, path)
    }

    async fn find_in_arm<T: serde::de::DeserializeOwned>(
        &self,
        action: &'static str,
        path: &str,
        until: OffsetDateTime,
    ) -> Result<Option<Resource<T>>, Failure> {
        let answer: Result<Answer, Failure> =
            self.send(self.arm(Method::Get, action, path), until).await;
        optional(answer)?.map(|answer| answer.json()).transpose()
    }
}

fn assignment(scope: &str, guid: &str) -> String {
    format!(
        "{}{PROVIDER}/roleAssignments{}?{VERSION}",
        scope_path(scope),
        path(&[guid])
    )
}

/// A scope, or the id of anything, as the beginning of a path.
fn scope_path(scope: &str) -> String {
    let parts: Vec<&str> = scope.trim_matches('/').split('/').collect();
    path(&parts)
}

/// Whether `action` fits `pattern`, in which `*` stands for anything; in any case.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";

    fn permissions(value: &serde_json::Value) -> Permissions {
        Permissions(serde_json::from_value(value.clone()).unwrap())
    }

    #[test]
    fn actions_fit_patterns_in_any_case() {
        for good in [
            "*",
            ASSIGN,
            "microsoft.authorization/*",
            "*/write",
            "Microsoft.Authorization/*/write",
            "*/roleAssignments/*",
        ] {
            assert!(fits(good, ASSIGN), "{good}");
        }
        for bad in [
            "",
            "*/read",
            "Microsoft.Authorization",
            "Microsoft.Compute/*",
            "*/roleAssignments",
        ] {
            assert!(!fits(bad, ASSIGN), "{bad}");
        }
    }

    #[test]
    fn what_one_role_takes_out_another_may_allow() {
        let contributor = json!({
            "actions": ["*"],
            "notActions": ["Microsoft.Authorization/*/Write"],
        });
        let admin = json!({"actions": [ASSIGN]});
        assert!(!permissions(&json!([contributor])).allows(ASSIGN));
        assert!(permissions(&json!([contributor, admin])).allows(ASSIGN));
        assert!(!permissions(&json!([])).allows(ASSIGN));
    }

    #[test]
    fn scopes_are_encoded_segment_by_segment() {
        assert_eq!(
            scope_path("/subscriptions/x/resourceGroups/ä(b)"),
            "/subscriptions/x/resourceGroups/%C3%A4%28b%29"
        );
    }
}
