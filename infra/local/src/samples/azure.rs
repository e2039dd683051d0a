//! The Azure samples: a tenant of the sandbox cloud, a base secret that may do what its kinds need and no more, and a
//! dynamic secret of each kind.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::random_secret;
use crate::sandbox::{Azure, AzureApplication, AzureResource, Sandbox, built_in};

/// The base secret.
pub const BASE: &str = "samples/azure/base";
/// An access token of the base's own application.
pub const TOKEN: &str = "samples/azure/token";
/// A client secret of an application that is there.
pub const EXISTING: &str = "samples/azure/existing";
/// A principal with an Azure role.
pub const READER: &str = "samples/azure/reader";
/// A principal with an application role.
pub const GRAPH: &str = "samples/azure/graph";

/// Visibly made up, as everything here.
const TENANT: &str = "00000000-5a3d-4000-8000-000000000001";
const SUBSCRIPTION: &str = "00000000-5a3d-4000-8000-000000000002";
const SCOPE: &str = "/subscriptions/00000000-5a3d-4000-8000-000000000002/resourceGroups/samples";
const BASE_NAME: &str = "mayfly-base";
const OWNED_NAME: &str = "sample-reports";
const RESOURCE_NAME: &str = "sample-data-api";
const APP_ROLE: &str = "Data.Read";
const ROLE: &str = "Reader";
const TOKEN_SCOPE: &str = "https://management.azure.com/.default";
/// What making principals, giving them application roles and looking through the recycle bin needs of Graph.
const PERMISSIONS: [&str; 3] = [
    "Application.ReadWrite.OwnedBy",
    "Application.Read.All",
    "AppRoleAssignment.ReadWrite.All",
];
/// What giving and taking roles needs at the scope.
const ASSIGNER: &str = "Role Based Access Control Administrator";
/// How long the base's client secret lives.
const SECRET_FOR: Duration = Duration::from_hours(10 * 365 * 24);

/// The base application of the sandbox tenant with a new client secret, and what secrets that mint from it name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTenant {
    tenant_id: &'static str,
    subscription_id: &'static str,
    client_id: String,
    client_secret: String,
    /// Where it may give roles, and a role.
    scope: &'static str,
    role_name: &'static str,
    role_id: &'static str,
    /// An application that it owns.
    app_id: String,
    app_object_id: String,
    /// Something with an application role.
    resource_id: String,
    app_role_id: String,
}

impl SandboxTenant {
    /// The data of a base secret.
    fn base_data(&self) -> Value {
        json!({
            "tenantId": self.tenant_id,
            "subscriptionId": self.subscription_id,
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
        })
    }

    /// The secrets that mint from it, after the base itself.
    pub(super) fn secrets(&self) -> [(&'static str, Value); 5] {
        let base = json!({
            "description": "a sample base secret: an application of the sandbox cloud",
            "data": self.base_data(),
            "attributes": {
                "type": "azure",
                "maxTtl": 3600,
                "allowedScopes": [self.scope],
                "allowedRoleIds": [self.role_id],
                "allowedAppObjectIds": [self.app_object_id],
                "allowedAppRoleIds": [self.app_role_id],
                "allowedTokenScopes": [TOKEN_SCOPE],
            },
        });
        let token = json!({"providerType": "token", "scopes": [TOKEN_SCOPE]});
        let existing = json!({
            "appId": self.app_id, "appObjectId": self.app_object_id, "ttl": 900,
        });
        let reader = json!({"roleName": self.role_name, "scope": self.scope, "ttl": 900});
        let graph = json!({
            "msApiType": "msgraph",
            "resourceId": self.resource_id,
            "appRoleId": self.app_role_id,
            "ttl": 900,
        });
        [
            (BASE, base),
            (TOKEN, dynamic("reading it gets an access token", token)),
            (
                EXISTING,
                dynamic(
                    "reading it adds a client secret to an application",
                    existing,
                ),
            ),
            (
                READER,
                dynamic("reading it makes a principal with a role", reader),
            ),
            (
                GRAPH,
                dynamic(
                    "reading it makes a principal with an application role",
                    graph,
                ),
            ),
        ]
    }
}

fn dynamic(what: &str, mut attributes: Value) -> Value {
    attributes["linkConfig"] =
        json!({"linkType": "dynamic", "linkedSecret": BASE.replace('/', ":")});
    json!({
        "description": format!("a sample dynamic secret: {what}"),
        "attributes": attributes,
    })
}

/// Gives the sandbox the sample tenant, or its base another client secret if the tenant is there already.
pub fn seed_cloud(sandbox: &Sandbox, now: OffsetDateTime) -> anyhow::Result<SandboxTenant> {
    let azure = sandbox.azure();
    azure.add_tenant(TENANT)?;
    azure.add_subscription(TENANT, SUBSCRIPTION)?;
    let base = application(&azure, BASE_NAME)?;
    let owned = application(&azure, OWNED_NAME)?;
    let resource = resource(&azure)?;
    for permission in PERMISSIONS {
        azure.grant(&base.service_principal_id, permission)?;
    }
    azure.assign_role(SCOPE, ASSIGNER, &base.service_principal_id)?;
    azure.add_owner(&owned.object_id, &base.service_principal_id)?;
    let client_secret = format!("sandbox~{}", random_secret()?);
    let name = "the key of a base secret";
    azure.add_password(&base.object_id, name, &client_secret, now + SECRET_FOR)?;
    Ok(SandboxTenant {
        tenant_id: TENANT,
        subscription_id: SUBSCRIPTION,
        client_id: base.app_id,
        client_secret,
        scope: SCOPE,
        role_name: ROLE,
        role_id: role_id()?,
        app_id: owned.app_id,
        app_object_id: owned.object_id,
        app_role_id: resource
            .app_roles
            .get(APP_ROLE)
            .cloned()
            .unwrap_or_default(),
        resource_id: resource.service_principal_id,
    })
}

fn application(azure: &Azure, name: &str) -> anyhow::Result<AzureApplication> {
    match azure.application_named(TENANT, name)? {
        Some(found) => Ok(AzureApplication {
            app_id: found.app_id,
            object_id: found.object_id,
            service_principal_id: found.service_principal_id,
        }),
        None => azure.add_application(TENANT, name),
    }
}

fn resource(azure: &Azure) -> anyhow::Result<AzureResource> {
    match azure.application_named(TENANT, RESOURCE_NAME)? {
        Some(found) => Ok(found),
        None => azure.add_resource(TENANT, RESOURCE_NAME, &[APP_ROLE]),
    }
}

/// The GUID of the role.
fn role_id() -> anyhow::Result<&'static str> {
    let found = built_in::ROLES.iter().find(|(name, _)| *name == ROLE);
    found
        .map(|(_, id)| *id)
        .ok_or_else(|| anyhow::anyhow!("there is no built-in role {ROLE}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mayfly::clock::{Clock, FixedClock};

    use super::*;

    #[test]
    fn seeding_again_adds_a_client_secret_and_nothing_else() {
        let clock = Arc::new(FixedClock::at(1_767_225_600_000));
        let sandbox = Sandbox::in_memory(clock.clone());
        let first = seed_cloud(&sandbox, clock.now()).unwrap();
        let mut before = sandbox.azure().snapshot();
        let second = seed_cloud(&sandbox, clock.now()).unwrap();
        assert_ne!(first.client_secret, second.client_secret);
        assert_eq!(first.client_id, second.client_id);
        let mut after = sandbox.azure().snapshot();
        let passwords = |cloud: &mut Value| -> usize {
            let apps = cloud["applications"].as_array_mut().unwrap();
            apps.iter_mut()
                .map(|app| app["passwords"].take().as_array().unwrap().len())
                .sum()
        };
        assert_eq!((passwords(&mut before), passwords(&mut after)), (1, 2));
        assert_eq!(before, after);
    }
}
