//! The sandbox cloud in a process of its own, looked at as the base secret's application can.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::running::{Running, http, mayfly};

/// What a token for Microsoft Graph is asked for with.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com/.default";
const ARM: &str = "https://management.azure.com/.default";

/// Where [`Cloud::link`] makes a dynamic secret of each leased kind.
pub(crate) const KINDS: [&str; 3] = ["azure/existing", "azure/rbac", "azure/graph"];

/// A running sandbox cloud; killed when dropped.
pub(crate) struct Cloud {
    child: Child,
    /// What it said.
    pub(crate) printed: Value,
    pub(crate) tenant: Tenant,
}

impl Cloud {
    /// Starts one on a free port with its state in `dir`, and waits until it has printed its keys.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        let mut child = mayfly()
            .args(["sandbox", "--port", "0", "--data-dir"])
            .arg(dir.join("cloud"))
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        let printed: Value = serde_json::from_str(&text).unwrap();
        let tenant = Tenant {
            url: printed["url"].as_str().unwrap().to_owned(),
            base: printed["azure"].clone(),
        };
        Self {
            child,
            printed,
            tenant,
        }
    }

    /// What a vault must be told to use it in place of the real clouds.
    pub(crate) fn settings(&self) -> [(&str, &str); 4] {
        [
            "AWS_ENDPOINT_URL_STS",
            "MAYFLY_AZURE_LOGIN_ENDPOINT",
            "MAYFLY_AZURE_GRAPH_ENDPOINT",
            "MAYFLY_AZURE_ARM_ENDPOINT",
        ]
        .map(|name| (name, self.tenant.url.as_str()))
    }

    /// Makes a base secret and a dynamic one of each leased kind in the vault.
    pub(crate) fn link(&self, vault: &Running, token: &str, ttl: u32) {
        let key = &self.tenant.base;
        let base = json!({"attributes": {"type": "azure"}, "data": {
            "tenantId": key["tenantId"], "subscriptionId": key["subscriptionId"],
            "clientId": key["clientId"], "clientSecret": key["clientSecret"],
        }});
        let made = vault.ask(token, "POST", "azure/base", &base.to_string());
        assert_eq!(made["version"], "0", "{made}");
        let kinds = [
            json!({"appId": key["appId"], "appObjectId": key["appObjectId"]}),
            json!({"roleName": key["roleName"], "scope": key["scope"]}),
            json!({
                "msApiType": "msgraph",
                "resourceId": key["resourceId"], "appRoleId": key["appRoleId"],
            }),
        ];
        for (path, mut attributes) in KINDS.into_iter().zip(kinds) {
            attributes["linkConfig"] = json!({"linkType": "dynamic", "linkedSecret": "azure:base"});
            attributes["ttl"] = json!(ttl);
            attributes["maxLeases"] = json!(10_000);
            let body = json!({"attributes": attributes}).to_string();
            let made = vault.ask(token, "POST", path, &body);
            assert_eq!(made["version"], "0", "{made}");
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A tenant and an application in it that may look at everything.
pub(crate) struct Tenant {
    pub(crate) url: String,
    /// `tenantId`, `clientId`, `clientSecret`, and what the sandbox said beside them.
    pub(crate) base: Value,
}

impl Tenant {
    /// A token for whoever has this `clientId` and `clientSecret`, or Entra's error number.
    pub(crate) fn sign_in(&self, who: &Value, scope: &str) -> Result<String, Value> {
        let text = |name: &str| {
            who[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {who}"))
        };
        let tenant = self.base["tenantId"].as_str().unwrap();
        let body = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={scope}",
            text("clientId"),
            text("clientSecret").replace('+', "%2B")
        );
        let path = format!("/{tenant}/oauth2/v2.0/token");
        let answer = http(&self.url, "POST", &path, "", &body);
        match answer["access_token"].as_str() {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(answer["error_codes"][0].clone()),
        }
    }

    /// Asks Microsoft Graph as the base.
    pub(crate) fn graph(&self, method: &str, path: &str, body: &str) -> Value {
        let token = self.sign_in(&self.base, GRAPH).unwrap();
        http(&self.url, method, &format!("/v1.0/{path}"), &token, body)
    }

    fn list(&self, token: &str, path: &str) -> Value {
        let answer = http(&self.url, "GET", path, token, "");
        assert!(answer["value"].is_array(), "{path}: {answer}");
        assert!(answer["@odata.nextLink"].is_null(), "{path} has pages");
        answer["value"].clone()
    }

    /// Everything that minting can leave, by what it is.
    pub(crate) fn everything(&self) -> Value {
        let graph = self.sign_in(&self.base, GRAPH).unwrap();
        let arm = self.sign_in(&self.base, ARM).unwrap();
        let of = |path: &str| self.list(&graph, &format!("/v1.0/{path}?$top=999"));
        let text = |name: &str| self.base[name].as_str().unwrap();
        let roles = format!(
            "{}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01",
            text("scope")
        );
        json!({
            "applications": of("applications"),
            "servicePrincipals": of("servicePrincipals"),
            "deletedApplications": of("directory/deletedItems/microsoft.graph.application"),
            "deletedPrincipals": of("directory/deletedItems/microsoft.graph.servicePrincipal"),
            "appRoles": of(&format!("servicePrincipals/{}/appRoleAssignedTo", text("resourceId"))),
            "roles": self.list(&arm, &roles),
        })
    }
}
