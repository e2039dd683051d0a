//! A small tenant for the tests of the sandbox, and requests to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use mayfly::clock::{Clock, FixedClock};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower::ServiceExt;

use super::{Azure, AzureApplication, built_in};
use crate::sandbox::Sandbox;

pub(super) const TENANT: &str = "11111111-0000-4000-8000-000000000001";
pub(super) const SUBSCRIPTION: &str = "22222222-0000-4000-8000-000000000002";
pub(super) const BASE_SECRET: &str = "sandbox-base-secret";
pub(super) const GRAPH: &str = "https://graph.microsoft.com/.default";
pub(super) const ARM: &str = "https://management.azure.com/.default";

/// The first second of 2026.
const START: i64 = 1_767_225_600_000;
const VERSION: &str = "api-version=2022-04-01";

/// A sandbox with a tenant, a subscription, and a base application that may assign roles there.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) azure: Azure,
    pub(super) base: AzureApplication,
    clock: Arc<FixedClock>,
}

impl World {
    /// The base may manage what it owns.
    pub(super) fn new() -> Self {
        Self::with_permissions(&["Application.ReadWrite.OwnedBy"])
    }

    pub(super) fn with_permissions(permissions: &[&str]) -> Self {
        let clock = Arc::new(FixedClock::at(START));
        let world = Self::over(Sandbox::in_memory(clock.clone()), clock);
        for permission in permissions {
            let base = &world.base.service_principal_id;
            world.azure.grant(base, permission).unwrap();
        }
        world
    }

    pub(super) fn in_dir(dir: &Path) -> Self {
        let clock = Arc::new(FixedClock::at(START));
        let world = Self::over(Sandbox::open(dir, clock.clone()).unwrap(), clock);
        let base = &world.base.service_principal_id;
        let permission = "Application.ReadWrite.OwnedBy";
        world.azure.grant(base, permission).unwrap();
        world
    }

    /// What another world has left in a directory.
    pub(super) fn reopen(dir: &Path, other: &Self) -> Self {
        let clock = other.clock.clone();
        let sandbox = Sandbox::open(dir, clock.clone()).unwrap();
        Self {
            azure: sandbox.azure(),
            sandbox,
            base: other.base.clone(),
            clock,
        }
    }

    fn over(sandbox: Sandbox, clock: Arc<FixedClock>) -> Self {
        let azure = sandbox.azure();
        azure.add_tenant(TENANT).unwrap();
        azure.add_subscription(TENANT, SUBSCRIPTION).unwrap();
        let base = azure.add_application(TENANT, "base").unwrap();
        let ends = clock.now() + Duration::from_hours(24 * 365);
        azure
            .add_password(&base.object_id, "base", BASE_SECRET, ends)
            .unwrap();
        azure
            .assign_role(
                &format!("/subscriptions/{SUBSCRIPTION}"),
                "User Access Administrator",
                &base.service_principal_id,
            )
            .unwrap();
        Self {
            sandbox,
            azure,
            base,
            clock,
        }
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// So many seconds from now.
    pub(super) fn at(&self, seconds: u64) -> OffsetDateTime {
        self.clock.now() + Duration::from_secs(seconds)
    }

    pub(super) fn guid(number: u32) -> String {
        format!("33333333-0000-4000-8000-{number:012}")
    }

    #[expect(clippy::unused_self, reason = "reads as a question to the world")]
    pub(super) fn group(&self) -> String {
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/group")
    }

    /// The path of something of `Microsoft.Authorization` at the group.
    pub(super) fn in_group(&self, what: &str) -> String {
        let group = self.group();
        format!("{group}/providers/Microsoft.Authorization/{what}?{VERSION}")
    }

    /// The path of a role assignment at the group.
    pub(super) fn assignment(&self, number: u32) -> String {
        self.in_group(&format!("roleAssignments/{}", Self::guid(number)))
    }

    /// The full id of a built-in role.
    #[expect(clippy::unused_self, reason = "reads as a question to the world")]
    pub(super) fn role(&self, name: &str) -> String {
        let (_, guid) = built_in::ROLES
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap();
        format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
        )
    }

    pub(super) async fn sign_in(&self, app_id: &str, secret: &str) -> Reply {
        self.sign_in_to(TENANT, app_id, secret, GRAPH).await
    }

    pub(super) async fn sign_in_to(
        &self,
        tenant: &str,
        app_id: &str,
        secret: &str,
        scope: &str,
    ) -> Reply {
        let body = serde_urlencoded::to_string([
            ("grant_type", "client_credentials"),
            ("client_id", app_id),
            ("client_secret", secret),
            ("scope", scope),
        ]);
        let request = Request::post(format!("/{tenant}/oauth2/v2.0/token"))
            .body(Body::from(body.unwrap()))
            .unwrap();
        self.deliver(request).await
    }

    /// A token of the base.
    pub(super) async fn token(&self, scope: &str) -> String {
        let reply = self
            .sign_in_to(TENANT, &self.base.app_id, BASE_SECRET, scope)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn graph_token(&self) -> String {
        self.token(GRAPH).await
    }

    /// Calls Graph as the base, freshly signed in.
    pub(super) async fn graph(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let token = self.graph_token().await;
        self.send(method, path, Some(&token), body).await
    }

    /// Calls Resource Manager as the base.
    pub(super) async fn arm(&self, method: &str, path: String, body: Option<Value>) -> Reply {
        let token = self.token(ARM).await;
        self.send(method, &path, Some(&token), body).await
    }

    /// `PATCH` with `Prefer: create-if-missing`.
    pub(super) async fn upsert(&self, path: &str, body: Value) -> Reply {
        let token = self.graph_token().await;
        let request = Request::patch(path)
            .header("authorization", format!("Bearer {token}"))
            .header("prefer", "create-if-missing")
            .body(Body::from(body.to_string()));
        self.deliver(request.unwrap()).await
    }

    /// Makes an application whose unique and display name is the given one.
    pub(super) async fn make_app(&self, name: &str) -> Value {
        let path = format!("/v1.0/applications(uniqueName='{name}')");
        let reply = self.upsert(&path, json!({"displayName": name})).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json
    }

    pub(super) async fn upsert_principal(&self, app_id: &str) -> Reply {
        let path = format!("/v1.0/servicePrincipals(appId='{app_id}')");
        self.upsert(&path, json!({"displayName": "principal"}))
            .await
    }

    /// Makes an application with a service principal, and answers the principal's object id.
    pub(super) async fn make_principal(&self, name: &str) -> String {
        let app = self.make_app(name).await;
        let reply = self.upsert_principal(app["appId"].as_str().unwrap()).await;
        reply.json["id"].as_str().unwrap().to_owned()
    }

    /// Makes an application that can sign in, and answers its app id and secret.
    pub(super) async fn make_client(&self, name: &str) -> (String, String) {
        let app = self.make_app(name).await;
        let app_id = app["appId"].as_str().unwrap();
        self.upsert_principal(app_id).await;
        let added = self
            .add_password(app["id"].as_str().unwrap(), "first")
            .await;
        let secret = added.json["secretText"].as_str().unwrap();
        (app_id.to_owned(), secret.to_owned())
    }

    pub(super) async fn add_password(&self, object_id: &str, name: &str) -> Reply {
        let token = self.graph_token().await;
        self.add_password_as(&token, object_id, name).await
    }

    pub(super) async fn add_password_as(&self, token: &str, object_id: &str, name: &str) -> Reply {
        let path = format!("/v1.0/applications/{object_id}/addPassword");
        let body = json!({"passwordCredential": {"displayName": name}});
        self.send("POST", &path, Some(token), Some(body)).await
    }

    pub(super) async fn remove_password(&self, object_id: &str, key_id: &str) -> Reply {
        let path = format!("/v1.0/applications/{object_id}/removePassword");
        self.graph("POST", &path, Some(json!({"keyId": key_id})))
            .await
    }

    /// Assigns Reader at the group.
    pub(super) async fn assign_reader(&self, number: u32, principal: &str) -> Reply {
        let body = json!({"properties": {
            "roleDefinitionId": self.role("Reader"),
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }});
        self.arm("PUT", self.assignment(number), Some(body)).await
    }

    /// The names of an application's passwords, whoever sees them.
    pub(super) fn passwords(&self, object_id: &str) -> Vec<String> {
        let app = self.found("applications", "id", object_id);
        let passwords = app["passwords"].as_array().unwrap();
        passwords
            .iter()
            .map(|password| password["displayName"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(super) fn object_id(&self, app_id: &str) -> String {
        let app = self.found("applications", "appId", app_id);
        app["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn principal_id(&self, app_id: &str) -> String {
        let principal = self.found("servicePrincipals", "appId", app_id);
        principal["id"].as_str().unwrap().to_owned()
    }

    fn found(&self, list: &str, field: &str, value: &str) -> Value {
        let snapshot = self.azure.snapshot();
        let mut list = snapshot[list].as_array().unwrap().iter();
        list.find(|item| item[field] == value).unwrap().clone()
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.deliver(request.body(body).unwrap()).await
    }

    async fn deliver(&self, mut request: Request<Body>) -> Reply {
        let host = axum::http::HeaderValue::from_static("sandbox.test");
        request.headers_mut().insert("host", host);
        let router = self.sandbox.router();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let header = |name: &str| {
            let value = parts.headers.get(name)?.to_str().unwrap();
            Some(value.to_owned())
        };
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Reply {
            status: parts.status.as_u16(),
            retry_after: header("retry-after"),
            request_id: header("request-id").or(header("x-ms-request-id")),
            sandbox_header: header("x-mayfly-sandbox"),
            json: serde_json::from_str(&body).unwrap_or_default(),
            body,
        }
    }
}

/// An answer, read whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) sandbox_header: Option<String>,
    pub(super) body: String,
    pub(super) json: Value,
}

impl Reply {
    /// The error code of Graph or Resource Manager; empty if there is none.
    pub(super) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub(super) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }

    /// Entra's error number.
    pub(super) fn aadsts(&self) -> u64 {
        self.json["error_codes"][0].as_u64().unwrap()
    }
}
