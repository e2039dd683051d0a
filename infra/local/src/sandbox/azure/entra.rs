//! Sign-in with a client secret: `POST /{tenant}/oauth2/v2.0/token`, and `GET /{tenant}/v2.0/.well-known/openid-configuration`
//! that says so.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use super::answer::Answer;
use super::clouds;
use super::refusal::{Refusal, Service};
use super::replica::Replica;
use super::request::{Operation, Request};
use super::state::{Application, ServicePrincipal, Tenant};
use super::token::{Caller, Claims, sign};
use super::{Scene, new_id};
use crate::sandbox::form::Form;

/// Seconds a token lives.
const LIFETIME: i64 = 3599;

/// Who a sign-in claims to be, before anything is proven.
pub(super) fn claimed(request: &Request) -> Caller {
    let tenant = match &request.operation {
        Some(Operation::Token(tenant) | Operation::Discovery(tenant)) => tenant.clone(),
        _ => String::new(),
    };
    let form = Form::parse(&request.body);
    Caller {
        tenant,
        client_id: form.text("client_id").map(str::to_lowercase),
        principal_id: String::new(),
        roles: std::collections::BTreeSet::default(),
    }
}

/// Where a tenant's endpoints are: what Microsoft's libraries ask for before they sign in.
pub(super) fn discovery(scene: &Scene<'_>, tenant: &str) -> Result<Answer, Refusal> {
    if !scene.directory.tenants.contains_key(tenant) {
        return Err(unknown_tenant(tenant));
    }
    let of_tenant = format!("{}/{tenant}", scene.request.origin);
    Ok(Answer::ok(json!({
        "issuer": format!("{of_tenant}/v2.0"),
        "authorization_endpoint": format!("{of_tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{of_tenant}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    })))
}

/// A token for a resource, if the client proves itself with a secret.
pub(super) fn token(
    scene: &Scene<'_>,
    tenant: &str,
    now: OffsetDateTime,
) -> Result<Answer, Refusal> {
    let found = scene
        .directory
        .tenants
        .get(tenant)
        .ok_or_else(|| unknown_tenant(tenant))?;
    let form = Form::parse(&scene.request.body);
    if form.text("grant_type") != Some("client_credentials") {
        return Err(refused(
            StatusCode::BAD_REQUEST,
            "AADSTS70003",
            "The app requested an unsupported grant type.",
        ));
    }
    let client_id = scene.caller.client_id.as_deref().ok_or_else(|| {
        refused(
            StatusCode::BAD_REQUEST,
            "AADSTS900144",
            "The request body must contain the following parameter: 'client_id'.",
        )
    })?;
    let audience = audience(form.text("scope").unwrap_or_default(), found, tenant)?;
    let app = application(scene, found, client_id, tenant)?;
    let secret = form.text("client_secret").ok_or_else(|| {
        refused(
            StatusCode::UNAUTHORIZED,
            "AADSTS7000218",
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    })?;
    check_secret(scene, app, secret)?;
    let principal = principal(scene, found, client_id, tenant)?;
    issue(scene, found, &Signed { tenant, principal }, audience, now)
}

/// Who has proven themselves, and where.
struct Signed<'a> {
    tenant: &'a str,
    principal: &'a ServicePrincipal,
}

fn issue(
    scene: &Scene<'_>,
    found: &Tenant,
    signed: &Signed<'_>,
    audience: &str,
    now: OffsetDateTime,
) -> Result<Answer, Refusal> {
    let Signed { tenant, principal } = signed;
    let issued = now.unix_timestamp();
    let claims = Claims {
        aud: audience.to_owned(),
        iss: format!("https://sts.windows.net/{tenant}/"),
        iat: issued,
        nbf: issued,
        exp: issued + LIFETIME,
        appid: principal.app_id.clone(),
        oid: principal.id.clone(),
        sub: principal.id.clone(),
        tid: (*tenant).to_owned(),
        roles: roles(scene, found, principal, audience),
        uti: new_id(),
        ver: "1.0".to_owned(),
        sandbox: true,
    };
    let token = scene
        .directory
        .signing_key
        .as_ref()
        .and_then(|key| sign(key, &claims))
        .ok_or_else(|| Refusal::internal(Service::Entra))?;
    Ok(Answer::ok(json!({
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": token,
    })))
}

/// The resource of a scope: all before `/.default`.
fn audience<'a>(scope: &'a str, found: &Tenant, tenant: &str) -> Result<&'a str, Refusal> {
    let invalid = || {
        refused(
            StatusCode::BAD_REQUEST,
            "AADSTS70011",
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        )
    };
    let audience = scope.strip_suffix("/.default").ok_or_else(invalid)?;
    if audience.is_empty() || audience.contains(char::is_whitespace) {
        return Err(invalid());
    }
    if !clouds::is_named_in(found.cloud, audience) {
        return Err(refused(
            StatusCode::BAD_REQUEST,
            "AADSTS500011",
            format!(
                "The resource principal named {audience} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
            ),
        ));
    }
    Ok(audience)
}

fn application<'a>(
    scene: &Scene<'_>,
    found: &'a Tenant,
    client_id: &str,
    tenant: &str,
) -> Result<&'a Application, Refusal> {
    found
        .application_by_app_id(client_id)
        .filter(|app| scene.shows(Replica::SignIn, app.made))
        .ok_or_else(|| unknown_application(client_id, tenant))
}

fn principal<'a>(
    scene: &Scene<'_>,
    found: &'a Tenant,
    client_id: &str,
    tenant: &str,
) -> Result<&'a ServicePrincipal, Refusal> {
    let principal = found.principal_of(client_id).ok_or_else(|| {
        refused(
            StatusCode::UNAUTHORIZED,
            "AADSTS7000229",
            format!(
                "The client application {client_id} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
            ),
        )
    })?;
    if scene.shows(Replica::SignIn, principal.made) {
        Ok(principal)
    } else {
        Err(unknown_application(client_id, tenant))
    }
}

fn check_secret(scene: &Scene<'_>, app: &Application, secret: &str) -> Result<(), Refusal> {
    let password = app
        .passwords
        .iter()
        .filter(|password| scene.shows(Replica::SignIn, password.made))
        .find(|password| {
            let known = password.secret.expose().as_bytes();
            verify_slices_are_equal(known, secret.as_bytes()).is_ok()
        });
    let app_id = &app.app_id;
    match password {
        Some(password) if password.ends <= scene.now => Err(refused(
            StatusCode::UNAUTHORIZED,
            "AADSTS7000222",
            format!(
                "The provided client secret keys for app '{app_id}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
            ),
        )),
        Some(password) if password.starts <= scene.now => Ok(()),
        _ => Err(refused(
            StatusCode::UNAUTHORIZED,
            "AADSTS7000215",
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app_id}'."
            ),
        )),
    }
}

/// The values of the resource's app roles that are assigned to the caller.
fn roles(
    scene: &Scene<'_>,
    found: &Tenant,
    principal: &ServicePrincipal,
    audience: &str,
) -> Vec<String> {
    let audience = match clouds::resource(audience) {
        Some(clouds::Resource::Graph) => clouds::GRAPH_APP_ID,
        _ => audience,
    };
    let Some(resource) = found.resource(audience) else {
        return Vec::new();
    };
    let mut roles: Vec<String> = found
        .app_role_assignments
        .values()
        .filter(|given| given.principal_id == principal.id && given.resource_id == resource.id)
        .filter(|given| scene.shows(Replica::SignIn, given.made))
        .filter_map(|given| {
            let role = resource
                .app_roles
                .iter()
                .find(|role| role.id == given.app_role_id)?;
            Some(role.value.clone())
        })
        .collect();
    roles.sort();
    roles
}

fn unknown_tenant(tenant: &str) -> Refusal {
    refused(
        StatusCode::BAD_REQUEST,
        "AADSTS90002",
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        ),
    )
}

fn unknown_application(client_id: &str, tenant: &str) -> Refusal {
    refused(
        StatusCode::BAD_REQUEST,
        "AADSTS700016",
        format!(
            "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        ),
    )
}

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;

    use super::super::fixture::{ARM, BASE_SECRET, GRAPH, TENANT, World};
    use crate::sandbox::AzureCloud;

    fn claims(token: &str) -> Value {
        let claims = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_token_says_whose_it_is_and_what_for() {
        // Microsoft Learn, "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "Access token claims reference".
        let world = World::new();
        let reply = world.sign_in(&world.base.app_id, BASE_SECRET).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json["token_type"], "Bearer");
        assert_eq!(reply.json["expires_in"], 3599);
        let claims = claims(reply.json["access_token"].as_str().unwrap());
        assert_eq!(claims["aud"], "https://graph.microsoft.com");
        assert_eq!(claims["tid"], TENANT);
        assert_eq!(claims["appid"], world.base.app_id.as_str());
        assert_eq!(claims["oid"], world.base.service_principal_id.as_str());
        assert_eq!(claims["roles"][0], "Application.ReadWrite.OwnedBy");
        assert_eq!(claims["sandbox"], true);
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            3599
        );
    }

    #[tokio::test]
    async fn a_tenant_says_where_its_endpoints_are() {
        // Microsoft Learn, "OpenID Connect on the Microsoft identity platform", OpenID configuration document URI.
        let world = World::new();
        let at = |tenant: &str| {
            format!("https://sandbox.test/{tenant}/v2.0/.well-known/openid-configuration")
        };
        let reply = world.send("GET", &at(TENANT), None, None).await;
        let of_tenant = format!("https://sandbox.test/{TENANT}");
        assert_eq!(reply.json["issuer"], format!("{of_tenant}/v2.0"));
        let token = format!("{of_tenant}/oauth2/v2.0/token");
        assert_eq!(reply.json["token_endpoint"], token);
        let elsewhere = world.send("GET", &at("elsewhere"), None, None).await;
        assert_eq!((elsewhere.status, elsewhere.aadsts()), (400, 90_002));
    }

    #[tokio::test]
    async fn roles_are_those_of_the_resource_and_as_they_were_at_sign_in() {
        // Microsoft Learn, "Access token claims reference": roles are the permissions exposed by the resource.
        let world = World::new();
        let resource = world.azure.add_resource(TENANT, "api", &["Things.Read"]);
        let resource = resource.unwrap();
        let base = &world.base.service_principal_id;
        world
            .azure
            .assign_app_role(base, &resource.service_principal_id, "Things.Read")
            .unwrap();
        for scope in [
            format!("api://{}/.default", resource.app_id),
            format!("{}/.default", resource.app_id),
        ] {
            let token = world.token(&scope).await;
            assert_eq!(claims(&token)["roles"][0], "Things.Read");
        }
        assert_eq!(claims(&world.token(ARM).await).get("roles"), None);
        world
            .azure
            .revoke(base, "Application.ReadWrite.OwnedBy")
            .unwrap();
        assert_eq!(claims(&world.token(GRAPH).await).get("roles"), None);
    }

    // The codes below: Microsoft Learn, "Microsoft Entra authentication and authorization error codes"; the status and error of
    // AADSTS7000229 as shown in microsoft/teams-sdk's troubleshooting page.

    #[tokio::test]
    async fn refusals_are_entras() {
        let world = World::new();
        let base = world.base.app_id.clone();
        let nobody = "00000000-0000-0000-0000-00000000dead";
        let wrong = world.sign_in(&base, "sandbox-wrong").await;
        assert_eq!((wrong.status, wrong.aadsts()), (401, 7_000_215));
        assert_eq!(wrong.json["error"], "invalid_client");
        let text = wrong.json["error_description"].as_str().unwrap();
        assert!(text.starts_with("AADSTS7000215: Invalid client secret provided"));
        let unknown = world.sign_in(nobody, BASE_SECRET).await;
        assert_eq!((unknown.status, unknown.aadsts()), (400, 700_016));
        assert_eq!(unknown.json["error"], "unauthorized_client");
        let elsewhere = world.sign_in_to(nobody, &base, BASE_SECRET, GRAPH).await;
        assert_eq!((elsewhere.status, elsewhere.aadsts()), (400, 90_002));
        for scope in ["https://graph.microsoft.com/User.Read", "/.default", ""] {
            let invalid = world.sign_in_to(TENANT, &base, BASE_SECRET, scope).await;
            assert_eq!((invalid.status, invalid.aadsts()), (400, 70_011));
            assert_eq!(invalid.json["error"], "invalid_scope");
        }
    }

    #[tokio::test]
    async fn an_expired_secret_stays_listed_and_only_refuses_sign_in() {
        // AADSTS7000222 in the same list; Microsoft Learn, "passwordCredential resource type", endDateTime.
        let world = World::new();
        let (client, _) = world.make_client("a").await;
        let object = world.object_id(&client);
        let ends = world.at(60);
        world
            .azure
            .add_password(&object, "short", "sandbox-short", ends)
            .unwrap();
        assert_eq!(world.sign_in(&client, "sandbox-short").await.status, 200);
        world.advance(60);
        let refused = world.sign_in(&client, "sandbox-short").await;
        assert_eq!((refused.status, refused.aadsts()), (401, 7_000_222));
        assert!(world.passwords(&object).contains(&"short".to_owned()));
    }

    #[tokio::test]
    async fn what_is_gone_cannot_sign_in() {
        let world = World::new();
        let (client, secret) = world.make_client("a").await;
        let object = world.object_id(&client);
        let principal = world.principal_id(&client);
        let path = format!("/v1.0/servicePrincipals/{principal}");
        assert_eq!(world.graph("DELETE", &path, None).await.status, 204);
        let refused = world.sign_in(&client, &secret).await;
        assert_eq!((refused.status, refused.aadsts()), (401, 7_000_229));
        world.upsert_principal(&client).await;
        assert_eq!(world.sign_in(&client, &secret).await.status, 200);
        let path = format!("/v1.0/applications/{object}");
        assert_eq!(world.graph("DELETE", &path, None).await.status, 204);
        let refused = world.sign_in(&client, &secret).await;
        assert_eq!((refused.status, refused.aadsts()), (400, 700_016));
    }

    #[tokio::test]
    async fn a_national_cloud_has_its_own_names() {
        // Microsoft Learn, "National cloud deployments"; AADSTS500011 in MicrosoftDocs/SupportArticles-docs.
        let world = World::new();
        world.azure.set_cloud(TENANT, AzureCloud::UsGov).unwrap();
        let refused = world.sign_in(&world.base.app_id, BASE_SECRET).await;
        assert_eq!((refused.status, refused.aadsts()), (400, 500_011));
        let token = world.token("https://graph.microsoft.us/.default").await;
        let list = world.send("GET", "/v1.0/applications", Some(&token), None);
        assert_eq!(list.await.status, 200);
    }
}
