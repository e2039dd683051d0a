//! STS on the wire: the query protocol in, XML out.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Sandbox;
use super::authentication::Caller;
use super::form::Form;
use super::refusal::Refusal;
use super::session::Issued;
use super::{assume_role, federation_token};

const VERSION: &str = "2011-06-15";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Performs one STS action; the answer is the inside of its `…Result` element.
pub(super) fn perform(sandbox: &Sandbox, caller: &Caller, form: &Form) -> Result<String, Refusal> {
    let action = form.text("Action").unwrap_or_default();
    let version = form.text("Version").unwrap_or_default();
    match (action, version) {
        ("AssumeRole", VERSION) => assume_role::assume_role(sandbox, &caller.principal, form),
        ("GetFederationToken", VERSION) => {
            federation_token::get_federation_token(sandbox, &caller.principal, form)
        }
        ("GetCallerIdentity", VERSION) => Ok(caller_identity(caller)),
        _ => Err(Refusal::new(
            "InvalidAction",
            format!("Could not find operation {action} for version {version}"),
        )),
    }
}

/// Wraps an outcome in the envelope, and gives it the status, that STS uses.
pub(super) fn render(action: &str, outcome: Result<String, Refusal>) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let id = element("RequestId", &request_id);
    let (status, root, content) = match outcome {
        Ok(result) => {
            let content = format!(
                "<{action}Result>{result}</{action}Result><ResponseMetadata>{id}</ResponseMetadata>"
            );
            (StatusCode::OK, format!("{action}Response"), content)
        }
        Err(refusal) => {
            let blame = if refusal.is_server_fault() {
                "Receiver"
            } else {
                "Sender"
            };
            let error = element("Type", blame)
                + &element("Code", &refusal.code)
                + &element("Message", &refusal.message);
            (
                status(&refusal),
                "ErrorResponse".to_owned(),
                format!("<Error>{error}</Error>{id}"),
            )
        }
    };
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/xml"),
        ("x-amzn-requestid", &request_id),
    ];
    let body = format!("<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>");
    (status, headers, Body::from(body)).into_response()
}

/// The HTTP status STS gives a code.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.code.as_ref() {
        "AccessDenied"
        | "ExpiredToken"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "RegionDisabledException"
        | "SignatureDoesNotMatch" => StatusCode::FORBIDDEN,
        "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ if refusal.is_server_fault() => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The `Credentials` element: the one place where a session's secrets leave the sandbox.
pub(super) fn credentials(issued: &Issued) -> String {
    let session = &issued.session;
    let expiration = OffsetDateTime::from_unix_timestamp(session.ends_at)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let fields = element("AccessKeyId", &issued.access_key_id)
        + &element("SecretAccessKey", session.secret_access_key.expose())
        + &element("SessionToken", session.token.expose())
        + &element("Expiration", &expiration);
    format!("<Credentials>{fields}</Credentials>")
}

/// One element with a text in it, escaped.
pub(super) fn element(name: &str, text: &str) -> String {
    let mut xml = format!("<{name}>");
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // Not legal in XML 1.0, not even as a reference.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                xml.push('\u{fffd}');
            }
            _ => xml.push(character),
        }
    }
    xml + "</" + name + ">"
}

fn caller_identity(caller: &Caller) -> String {
    element("Arn", &caller.principal.arn())
        + &element("UserId", &caller.principal.user_id())
        + &element("Account", &caller.principal.account)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ASSUME, Cloud, FEDERATE, IDENTITY};
    use super::*;

    #[tokio::test]
    async fn caller_identity_works_for_users_and_sessions() {
        // GetCallerIdentity needs no permission, and works in a federated session too.
        let cloud = Cloud::new();
        let user = cloud.sts(IDENTITY).await;
        assert_eq!(user.tag("Arn"), "arn:aws:iam::000000000000:user/base");
        assert_eq!(user.tag("Account"), "000000000000");
        assert!(user.tag("UserId").starts_with("AIDASANDBOX"));

        for (issue, id) in [(ASSUME, "AssumedRoleId"), (FEDERATE, "FederatedUserId")] {
            let issued = cloud.sts(issue).await;
            let seen = cloud.sts_as(&issued.credentials(), IDENTITY).await;
            assert_eq!(seen.tag("Arn"), issued.tag("Arn"));
            assert_eq!(seen.tag("UserId"), issued.tag(id));
            assert_eq!(seen.tag("Account"), "000000000000");
        }
    }

    #[tokio::test]
    async fn other_actions_and_versions_are_invalid() {
        let cloud = Cloud::new();
        for fields in [
            &[("Action", "GetSessionToken"), ("Version", VERSION)],
            &[("Action", "GetCallerIdentity"), ("Version", "2010-05-08")],
        ] {
            let reply = cloud.sts(fields).await;
            assert_eq!((reply.status, reply.code()), (400, "InvalidAction"));
        }
        let reply = cloud.sts(&[]).await;
        assert_eq!(reply.code(), "InvalidAction");
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(
            element("A", "<b> & \u{1}c"),
            "<A>&lt;b&gt; &amp; \u{fffd}c</A>"
        );
    }

    #[test]
    fn errors_name_the_one_to_blame() {
        // The common errors page of the STS API reference.
        let internal = render("AssumeRole", Err(Refusal::internal()));
        assert_eq!(internal.status(), 500);
        let denied = Refusal::access_denied("arn:u", "sts:AssumeRole", "arn:r");
        assert_eq!(render("AssumeRole", Err(denied)).status(), 403);
        let busy = Refusal::new("ServiceUnavailable", "");
        assert_eq!(render("AssumeRole", Err(busy)).status(), 503);
    }
}
