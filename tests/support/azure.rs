//! A sandbox tenant with a base that may do everything its kinds need, and secrets that mint from it.

use std::time::Duration;

use mayfly_local::sandbox::{AzureApplication, AzureResource, Sandbox};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{Answer, Vault, vault::dynamic};

/// The tenant.
pub const TENANT: &str = "7a1c3f58-0b5e-4f7e-9a55-0f6d2b8c4e11";
/// The subscription.
pub const SUBSCRIPTION: &str = "2f6c1b9e-53c4-4d0a-8a7e-6f1d90b3a722";
/// The scope that roles are given at.
pub const SCOPE: &str = "/subscriptions/2f6c1b9e-53c4-4d0a-8a7e-6f1d90b3a722/resourceGroups/data";
/// The base's client secret; visibly made up.
pub const BASE_SECRET: &str = "sandbox~base~secret~0123456789";
/// What the base needs of Graph for all kinds.
pub const PERMISSIONS: [&str; 3] = [
    "Application.ReadWrite.OwnedBy",
    "Application.Read.All",
    "AppRoleAssignment.ReadWrite.All",
];
/// What it needs at the scope to give and take roles.
pub const RBAC_ROLE: &str = "User Access Administrator";

/// What is minted under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A client secret of an application that is there.
    Existing,
    /// A principal with an Azure role.
    Rbac,
    /// A principal with an application role.
    AppRole,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Existing, Self::Rbac, Self::AppRole];

    /// Where the dynamic secret of this kind is.
    pub fn path(self) -> &'static str {
        match self {
            Self::Existing => "azure/existing",
            Self::Rbac => "azure/rbac",
            Self::AppRole => "azure/graph",
        }
    }
}

/// A vault and its tenant.
pub struct Tenant {
    /// The base's own application.
    pub base: AzureApplication,
    /// An application that the base owns.
    pub target: AzureApplication,
    /// Something with application roles: `Data.Read` and `Data.Write`.
    pub resource: AzureResource,
}

impl Tenant {
    /// Seeds the sandbox.
    ///
    /// # Panics
    /// If it cannot be seeded.
    pub fn seed(vault: &Vault) -> Self {
        Self::seed_in(&vault.sandbox, vault.app.clock.now())
    }

    /// Seeds any sandbox; what the seed may use works for a year from `now`.
    ///
    /// # Panics
    /// If it cannot be seeded.
    pub fn seed_in(sandbox: &Sandbox, now: OffsetDateTime) -> Self {
        let azure = sandbox.azure();
        azure.add_tenant(TENANT).unwrap();
        azure.add_subscription(TENANT, SUBSCRIPTION).unwrap();
        let base = azure.add_application(TENANT, "mayfly base").unwrap();
        let ends = now + Duration::from_hours(24 * 365);
        azure
            .add_password(&base.object_id, "base", BASE_SECRET, ends)
            .unwrap();
        for permission in PERMISSIONS {
            azure.grant(&base.service_principal_id, permission).unwrap();
        }
        let subscription = format!("/subscriptions/{SUBSCRIPTION}");
        azure
            .assign_role(&subscription, RBAC_ROLE, &base.service_principal_id)
            .unwrap();
        let target = azure.add_application(TENANT, "reports").unwrap();
        azure
            .add_owner(&target.object_id, &base.service_principal_id)
            .unwrap();
        let resource = azure
            .add_resource(TENANT, "data api", &["Data.Read", "Data.Write"])
            .unwrap();
        Self {
            base,
            target,
            resource,
        }
    }

    /// The data of the base secret.
    pub fn base_data(&self) -> Value {
        json!({
            "subscriptionId": SUBSCRIPTION,
            "tenantId": TENANT,
            "clientId": self.base.app_id,
            "clientSecret": BASE_SECRET,
        })
    }

    /// Attributes that mint `kind`.
    pub fn attributes(&self, kind: Kind) -> Value {
        match kind {
            Kind::Existing => json!({
                "appId": self.target.app_id, "appObjectId": self.target.object_id, "ttl": 900,
            }),
            Kind::Rbac => json!({"roleName": "Reader", "scope": SCOPE, "ttl": 900}),
            Kind::AppRole => json!({
                "msApiType": "msgraph",
                "resourceId": self.resource.service_principal_id,
                "appRoleId": self.resource.app_roles["Data.Read"],
                "ttl": 900,
            }),
        }
    }

    /// The body of the base secret, with these attributes beside its type.
    pub fn base(&self, more: &Value) -> Value {
        let mut attributes = json!({"type": "azure"});
        merge(&mut attributes, more);
        json!({"data": self.base_data(), "attributes": attributes})
    }

    /// Makes the base secret at `azure:base`, with these attributes beside its type.
    pub async fn create_base(&self, vault: &Vault, more: Value) -> Answer {
        vault.create("azure/base", self.base(&more)).await
    }

    /// Makes the dynamic secret of `kind`, with these attributes beside its own.
    pub async fn create(&self, vault: &Vault, kind: Kind, more: Value) -> Answer {
        let mut attributes = self.attributes(kind);
        merge(&mut attributes, &more);
        vault
            .create(kind.path(), dynamic("azure:base", attributes))
            .await
    }
}

/// Gives a vault a tenant, a base, and a dynamic secret of each kind; nothing is on the wire's record.
pub async fn furnish(vault: &Vault) -> Tenant {
    let tenant = Tenant::seed(vault);
    tenant.create_base(vault, json!({})).await.expect(201);
    for kind in Kind::ALL {
        tenant.create(vault, kind, json!({})).await.expect(201);
    }
    vault.wire.clear();
    tenant
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
