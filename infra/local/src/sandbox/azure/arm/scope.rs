//! Scopes: paths that lie inside one another, from the tenant's root down to a resource.

use axum::http::StatusCode;

use crate::sandbox::azure::Scene;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::state::Directory;

/// A scope as it was asked for, and as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) text: String,
    /// In lower case; the root is `/`.
    pub(crate) key: String,
}

impl Scope {
    pub(crate) fn new(text: &str) -> Self {
        let text = match text.trim_matches('/') {
            "" => "/".to_owned(),
            inside => format!("/{inside}"),
        };
        let key = text.to_lowercase();
        Self { text, key }
    }

    pub(super) fn of_path(segments: &[String]) -> Self {
        Self::new(&segments.join("/"))
    }

    /// The subscription the scope is or lies in.
    pub(crate) fn subscription(&self) -> Option<&str> {
        let inside = self.key.strip_prefix("/subscriptions/")?;
        inside.split('/').next()
    }

    /// The management group the scope is.
    fn management_group(&self) -> Option<&str> {
        self.key
            .strip_prefix("/providers/microsoft.management/managementgroups/")
    }

    /// What is written before the id of a role definition that is seen from here.
    pub(crate) fn definitions(&self) -> String {
        match self.subscription() {
            Some(subscription) => format!("/subscriptions/{subscription}"),
            None => String::new(),
        }
    }

    /// The tenant whose the scope is: its subscription's or its management group's.
    pub(crate) fn tenant(&self, directory: &Directory) -> Option<String> {
        if let Some(subscription) = self.subscription() {
            return directory.subscriptions.get(subscription).cloned();
        }
        let group = self.management_group()?;
        let of = directory
            .tenants
            .iter()
            .find(|(_, tenant)| tenant.management_groups.contains_key(group));
        of.map(|(id, _)| id.clone())
    }

    /// The scope and all it lies in, as they are compared.
    pub(crate) fn and_above(&self, directory: &Directory) -> Vec<String> {
        let mut above = vec!["/".to_owned()];
        if let Some(subscription) = self.subscription() {
            for tenant in directory.tenants.values() {
                for (group, below) in &tenant.management_groups {
                    if below.contains(subscription) {
                        above.push(format!(
                            "/providers/microsoft.management/managementgroups/{group}"
                        ));
                    }
                }
            }
        }
        let ends = self.key.match_indices('/').skip(1).map(|(at, _)| at);
        let prefixes = ends.filter_map(|end| self.key.get(..end));
        above.extend(prefixes.map(str::to_owned));
        if self.key != "/" {
            above.push(self.key.clone());
        }
        above
    }

    /// Whether another scope is this one or lies in it.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.key == "/"
            || key
                .strip_prefix(&self.key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Refuses a token of another tenant, and a scope that never was.
    pub(super) fn check_tenant(&self, scene: &Scene<'_>) -> Result<(), Refusal> {
        match self.tenant(scene.directory) {
            Some(tenant) if tenant == scene.caller.tenant => Ok(()),
            Some(_) => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationTokenTenant",
                "The access token is from the wrong issuer. It must match the tenant associated with this subscription.",
            )),
            None if self.key == "/" => Ok(()),
            None => Err(self.absent("SubscriptionNotFound")),
        }
    }

    /// Refuses a scope that is no longer there.
    pub(super) fn check_exists(&self, scene: &Scene<'_>) -> Result<(), Refusal> {
        let removed = &scene.directory.removed_scopes;
        let gone = self
            .and_above(scene.directory)
            .into_iter()
            .find(|scope| removed.contains(scope));
        match gone {
            None => Ok(()),
            Some(gone) => Err(match gone.split('/').count() {
                ..=3 => self.absent("SubscriptionNotFound"),
                4..=5 => self.absent("ResourceGroupNotFound"),
                _ => self.absent("ResourceNotFound"),
            }),
        }
    }

    fn absent(&self, code: &'static str) -> Refusal {
        let name = self.text.split('/').nth(4).unwrap_or_default();
        let message = match code {
            "ResourceGroupNotFound" => format!("Resource group '{name}' could not be found."),
            "SubscriptionNotFound" => {
                format!("The subscription of '{}' could not be found.", self.text)
            }
            _ => format!("The Resource '{}' was not found.", self.text),
        };
        Refusal::new(StatusCode::NOT_FOUND, code, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_lie_inside_one_another() {
        // Microsoft Learn, "Understand scope for Azure RBAC".
        let group = Scope::new("/subscriptions/S/resourceGroups/G/");
        assert_eq!(group.text, "/subscriptions/S/resourceGroups/G");
        assert_eq!(group.subscription(), Some("s"));
        assert!(Scope::new("/subscriptions/s").contains(&group.key));
        assert!(
            !Scope::new("/subscriptions/s/resourceGroups")
                .contains("/subscriptions/s/resourcegroupsx")
        );
        assert!(Scope::new("/").contains(&group.key));
        let above = group.and_above(&Directory::default());
        let expected = [
            "/",
            "/subscriptions",
            "/subscriptions/s",
            "/subscriptions/s/resourcegroups",
            "/subscriptions/s/resourcegroups/g",
        ];
        assert_eq!(above, expected);
    }
}
