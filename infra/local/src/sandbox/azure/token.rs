//! Access tokens: JSON web tokens that say they are a sandbox's, and who shows one.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::clouds::{self, Resource};
use super::refusal::{Refusal, Service};
use super::request::Request;
use super::state::Directory;
use crate::sandbox::secret_text::SecretText;

/// What a token says. Names from Microsoft Learn, "Access token claims reference".
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) aud: String,
    pub(super) iss: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    pub(super) appid: String,
    pub(super) oid: String,
    pub(super) sub: String,
    pub(super) tid: String,
    /// The resource's app roles that were assigned to the caller when it signed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    /// Different in every token.
    pub(super) uti: String,
    pub(super) ver: String,
    /// Always true: no cloud gave this token.
    pub(super) sandbox: bool,
}

/// Who sent a request.
pub(super) struct Caller {
    pub(super) tenant: String,
    /// The app id, proven or, to Entra, only claimed.
    pub(super) client_id: Option<String>,
    /// The object id of the service principal.
    pub(super) principal_id: String,
    /// The Graph permissions in the token.
    pub(super) roles: BTreeSet<String>,
}

/// A signed token; none without a usable key.
pub(super) fn sign(key: &SecretText, claims: &Claims) -> Option<String> {
    let header = br#"{"typ":"JWT","alg":"HS256","kid":"mayfly-sandbox"}"#;
    let claims = serde_json::to_vec(claims).ok()?;
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let tag = hmac::sign(&hmac_key(key)?, signed.as_bytes());
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
}

/// Finds who shows the token of a request to Graph or Resource Manager.
pub(super) fn authenticate(
    directory: &Directory,
    request: &Request,
    now: OffsetDateTime,
) -> Result<Caller, Refusal> {
    let bearer = request.bearer.as_deref().ok_or_else(|| {
        let (code, message) = match request.service {
            Service::Arm => (
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            ),
            Service::Graph | Service::Entra => {
                ("InvalidAuthenticationToken", "Access token is empty.")
            }
        };
        unauthenticated(code, message)
    })?;
    let claims = directory
        .signing_key
        .as_ref()
        .and_then(|key| verify(key, bearer))
        .ok_or_else(|| {
            unauthenticated(
                "InvalidAuthenticationToken",
                "Access token validation failure. Invalid signature.",
            )
        })?;
    let expected = match request.service {
        Service::Arm => Resource::Arm,
        Service::Graph | Service::Entra => Resource::Graph,
    };
    if clouds::resource(&claims.aud) != Some(expected) {
        return Err(wrong_audience(request.service));
    }
    if now.unix_timestamp() >= claims.exp {
        return Err(expired(request.service));
    }
    Ok(Caller {
        tenant: claims.tid,
        client_id: Some(claims.appid),
        principal_id: claims.oid,
        roles: claims.roles.into_iter().collect(),
    })
}

fn verify(key: &SecretText, token: &str) -> Option<Claims> {
    let (signed, tag) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&hmac_key(key)?, signed.as_bytes(), &tag).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn hmac_key(key: &SecretText) -> Option<hmac::Key> {
    let key = STANDARD.decode(key.expose()).ok()?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn wrong_audience(service: Service) -> Refusal {
    match service {
        Service::Arm => unauthenticated(
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource.",
        ),
        Service::Graph | Service::Entra => unauthenticated(
            "InvalidAuthenticationToken",
            "Access token validation failure. Invalid audience.",
        ),
    }
}

fn expired(service: Service) -> Refusal {
    match service {
        Service::Arm => unauthenticated(
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        ),
        Service::Graph | Service::Entra => unauthenticated(
            "InvalidAuthenticationToken",
            "Lifetime validation failed, the token is expired.",
        ),
    }
}

fn unauthenticated(code: &'static str, message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ARM, GRAPH, World};

    // Microsoft Learn, "Resolve Microsoft Graph authorization errors": the audience must be Graph's. ARM's codes: "Common Azure Resource
    // Manager errors", and Microsoft/azure-tools-for-java#2341 for InvalidAuthenticationTokenAudience.

    #[tokio::test]
    async fn a_token_is_for_one_service() {
        let world = World::new();
        let (graph, arm) = (world.token(GRAPH).await, world.token(ARM).await);
        let list = "/v1.0/applications";
        let crossed = world.send("GET", list, Some(&arm), None).await;
        assert_eq!(
            (crossed.status, crossed.code()),
            (401, "InvalidAuthenticationToken")
        );
        let roles = world.in_group("roleAssignments");
        let crossed = world.send("GET", &roles, Some(&graph), None).await;
        assert_eq!(crossed.status, 401);
        assert_eq!(crossed.code(), "InvalidAuthenticationTokenAudience");
        assert_eq!(
            world.send("GET", list, Some(&graph), None).await.status,
            200
        );
        assert_eq!(
            world.send("GET", &roles, Some(&arm), None).await.status,
            200
        );
    }

    #[tokio::test]
    async fn no_token_a_forged_one_and_an_old_one_are_refused() {
        let world = World::new();
        let list = "/v1.0/applications";
        let token = world.graph_token().await;
        let (head, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.AAAA");
        for wrong in [None, Some("nonsense"), Some(forged.as_str())] {
            assert_eq!(world.send("GET", list, wrong, None).await.status, 401);
        }
        world.advance(3598);
        assert_eq!(
            world.send("GET", list, Some(&token), None).await.status,
            200
        );
        world.advance(1);
        let old = world.send("GET", list, Some(&token), None).await;
        assert_eq!(
            (old.status, old.code()),
            (401, "InvalidAuthenticationToken")
        );
        let roles = world.in_group("roleAssignments");
        assert_eq!(
            world.send("GET", &roles, None, None).await.code(),
            "AuthenticationFailed"
        );
    }
}
