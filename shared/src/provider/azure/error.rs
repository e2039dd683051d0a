//! What Entra, Graph and Resource Manager answer, in our words.

use std::time::Duration;

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::error::Error;

/// How many characters of the provider's sentence reach the caller.
const MAX_TEXT: usize = 300;
/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// What a caller is told to wait if the provider did not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// Why a call did not do what it should.
#[derive(Debug)]
pub struct Failure {
    /// What could be done about it.
    pub class: Class,
    /// What a caller would be told.
    pub error: Error,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The provider's code, or a word of ours.
    pub code: Box<str>,
}

/// What could be done about a failure. Whether to do it is up to whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wait, and try again: nothing was done.
    Throttled,
    /// No answer, or none that says so: it may have been done.
    Unknown,
    /// Somebody else is changing the same object.
    Overlapped,
    /// The object, or its scope, is not there, or not visible yet.
    NotThere,
    /// Another object that this one needs is not visible yet, if it was just made.
    NotYet,
    /// The base may not do this; or not yet, if the object was just made.
    Forbidden,
    /// It has been done already.
    Exists,
    /// A lock on the scope forbids changes.
    Locked,
    /// There is no room for more.
    Quota,
    /// The same id is in use for something else.
    Mismatch,
    /// Final.
    Refused,
    /// Not sent: the deadline is too near.
    Late,
}

impl Class {
    /// Its word, for the log and for whoever looks at a lease.
    pub fn word(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unknown => "unknown",
            Self::Overlapped => "overlapped",
            Self::NotThere => "not_there",
            Self::NotYet => "not_yet",
            Self::Forbidden => "forbidden",
            Self::Exists => "exists",
            Self::Locked => "locked",
            Self::Quota => "quota",
            Self::Mismatch => "mismatch",
            Self::Refused => "refused",
            Self::Late => "late",
        }
    }

    /// Whether somebody must change something before it can work.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Forbidden | Self::Locked | Self::Quota | Self::Mismatch | Self::Refused => true,
            Self::Throttled
            | Self::Unknown
            | Self::Overlapped
            | Self::NotThere
            | Self::NotYet
            | Self::Exists
            | Self::Late => false,
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Entra,
    Graph,
    Arm,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entra => "Microsoft Entra",
            Self::Graph => "Microsoft Graph",
            Self::Arm => "Azure Resource Manager",
        }
    }
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    /// Any line of it may come from what was asked; only the first leaves, shortened.
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// Not sent: the deadline is too near.
    pub fn late() -> Self {
        Self {
            class: Class::Late,
            error: unavailable("Microsoft Azure", "the deadline is too near to begin"),
            retry_after: None,
            code: "Late".into(),
        }
    }

    /// Not sent: there is no base secret to call with.
    pub fn base(problem: &str) -> Self {
        Self {
            class: Class::Refused,
            error: Error::Refused(problem.to_owned()),
            retry_after: None,
            code: "Base".into(),
        }
    }

    /// Sent, but what became of it is not known.
    pub(super) fn unknown(service: Service, why: &str) -> Self {
        Self {
            class: Class::Unknown,
            error: unavailable(service.name(), why),
            retry_after: None,
            code: "Unknown".into(),
        }
    }

    /// Nothing was sent, and never will be.
    pub(super) fn ours(what: &str) -> Self {
        Self {
            class: Class::Refused,
            error: Error::internal(what),
            retry_after: None,
            code: "Internal".into(),
        }
    }

    /// The provider's answer to `action`.
    pub(super) fn answered(service: Service, action: &'static str, refusal: Refusal) -> Self {
        let class = classify(service, &refusal);
        let error = match class {
            Class::Throttled => throttled(service, refusal.retry_after),
            Class::Unknown => unavailable(
                service.name(),
                &format!("{} {}", refusal.status, one_line(&refusal.code)),
            ),
            _ => Error::Provider {
                provider: service.name(),
                action,
                code: one_line(&refusal.code),
                text: text(&refusal),
            },
        };
        Self {
            class,
            error,
            retry_after: refusal.retry_after,
            code: refusal.code.into(),
        }
    }
}

fn throttled(service: Service, retry_after: Option<Duration>) -> Error {
    let wait = retry_after.unwrap_or(DEFAULT_WAIT);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Error::Throttled {
        message: format!("{} is throttling; try again", service.name()),
        retry_after: u32::try_from(seconds).unwrap_or(u32::MAX).max(1),
    }
}

fn unavailable(what: &'static str, why: &str) -> Error {
    Error::Unavailable {
        what,
        source: why.to_owned().into(),
    }
}

fn classify(service: Service, refusal: &Refusal) -> Class {
    let (status, code) = (refusal.status, refusal.code.as_str());
    if status == 429 || (matches!(status, 503 | 504) && refusal.retry_after.is_some()) {
        return Class::Throttled;
    }
    let by_code = match service {
        Service::Entra => entra(code),
        Service::Graph => graph(code, &refusal.message.to_lowercase()),
        Service::Arm => arm(code),
    };
    by_code.unwrap_or(match (status, service) {
        (408 | 500.., _) => Class::Unknown,
        (403, Service::Graph | Service::Arm) => Class::Forbidden,
        (404 | 410, Service::Graph | Service::Arm) => Class::NotThere,
        (409 | 412, Service::Graph | Service::Arm) => Class::Overlapped,
        _ => Class::Refused,
    })
}

/// By the number after `AADSTS` ("Microsoft Entra authentication and authorization error codes").
fn entra(code: &str) -> Option<Class> {
    match code {
        // Not in the tenant; its secret is wrong; no trust is configured: or none of that is known everywhere yet.
        "AADSTS700016" | "AADSTS7000215" | "AADSTS70021" | "AADSTS700213" => Some(Class::NotYet),
        "AADSTS90055" => Some(Class::Throttled),
        "AADSTS90033" | "AADSTS90036" => Some(Class::Unknown),
        _ => None,
    }
}

/// By code, and by the sentence where Graph has one code for many things.
fn graph(code: &str, message: &str) -> Option<Class> {
    match code {
        "Directory_QuotaExceeded" | "Directory_ResourceSizeExceeded" => return Some(Class::Quota),
        "Directory_ConcurrencyViolation" | "Request_MultipleObjectsWithSameKeyValue" => {
            return Some(Class::Overlapped);
        }
        "Request_ResourceNotFound" => return Some(Class::NotThere),
        "Authorization_RequestDenied" => return Some(Class::Forbidden),
        _ => {}
    }
    let says = |words: &str| message.contains(words);
    if says("no password credential") || says("no credential found") {
        Some(Class::NotThere)
    } else if says("does not reference a valid application object")
        || code == "NoBackingApplicationObject"
    {
        Some(Class::NotYet)
    } else if says("permission being assigned already exists") {
        Some(Class::Exists)
    } else if says("exceeded its limit") || says("maximum number of password") {
        Some(Class::Quota)
    } else {
        None
    }
}

fn arm(code: &str) -> Option<Class> {
    match code {
        "PrincipalNotFound" => Some(Class::NotYet),
        "RoleAssignmentExists" => Some(Class::Exists),
        "RoleAssignmentUpdateNotPermitted" => Some(Class::Mismatch),
        "RoleAssignmentLimitExceeded" => Some(Class::Quota),
        "ScopeLocked" | "ReadOnlyDisabledSubscription" => Some(Class::Locked),
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => Some(Class::Forbidden),
        _ => None,
    }
}

/// The sentence for the caller, with what to do about it where we know.
fn text(refusal: &Refusal) -> String {
    let said = refusal.message.trim();
    one_line(&match refusal.code.as_str() {
        "AADSTS7000215" => "the client secret is wrong, or not known everywhere yet".to_owned(),
        "AADSTS7000222" => "the client secret has expired".to_owned(),
        "AADSTS700016" => "the application is not in the tenant".to_owned(),
        "AADSTS90002" => "the tenant does not exist".to_owned(),
        "Directory_QuotaExceeded" => {
            format!("deleted objects count until they are removed from the recycle bin: {said}")
        }
        "CredentialInvalidLifetimeAsPerAppPolicy" | "CredentialTypeNotAllowedAsPerAppPolicy" => {
            format!("the tenant's app management policy forbids it: {said}")
        }
        _ => said.to_owned(),
    })
}

/// The first line alone, and of Entra's only what comes before its ids.
fn one_line(text: &str) -> String {
    let first = text.trim().lines().next().unwrap_or_default();
    let sentence = first.split(" Trace ID:").next().unwrap_or_default();
    sentence
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT)
        .collect()
}

/// `Retry-After`: seconds, whole or not, or a date.
pub(super) fn retry_after(value: &str, now: OffsetDateTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse::<f64>() {
        Duration::try_from_secs_f64(seconds).ok()?
    } else {
        let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
        Duration::try_from(date - now).unwrap_or_default()
    };
    Some(wait.min(MAX_WAIT))
}

/// The body of an error of Graph or Resource Manager.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorDetail,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Code and sentence in the body of an error of Graph or Resource Manager; the status if there is none.
pub(super) fn read_body(status: u16, body: &[u8]) -> (String, String) {
    let detail = serde_json::from_slice::<ErrorBody>(body)
        .unwrap_or_default()
        .error;
    let code = detail.code.filter(|code| !code.is_empty());
    (
        code.unwrap_or_else(|| format!("HTTP {status}")),
        detail.message.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn refusal(status: u16, code: &str, message: &str) -> Refusal {
        Refusal {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn codes_of_graph_have_classes() {
        for (status, code, message, class) in [
            (429, "TooManyRequests", "", Class::Throttled),
            (500, "InternalServerError", "", Class::Unknown),
            (503, "ServiceUnavailable", "", Class::Unknown),
            (409, "Directory_ConcurrencyViolation", "", Class::Overlapped),
            (404, "Request_ResourceNotFound", "", Class::NotThere),
            (404, "HTTP 404", "", Class::NotThere),
            (
                400,
                "Request_BadRequest",
                "No password credential found with keyId.",
                Class::NotThere,
            ),
            (
                400,
                "Request_BadRequest",
                "The appId 'x' of the service principal does not reference a valid application object.",
                Class::NotYet,
            ),
            (
                400,
                "Request_BadRequest",
                "Permission being assigned already exists on the object",
                Class::Exists,
            ),
            (400, "Request_BadRequest", "Invalid value", Class::Refused),
            (403, "Authorization_RequestDenied", "", Class::Forbidden),
            (403, "Directory_QuotaExceeded", "", Class::Quota),
            (403, "Directory_ResourceSizeExceeded", "", Class::Quota),
            (
                400,
                "CredentialInvalidLifetimeAsPerAppPolicy",
                "",
                Class::Refused,
            ),
            (401, "InvalidAuthenticationToken", "", Class::Refused),
        ] {
            let found = classify(Service::Graph, &refusal(status, code, message));
            assert_eq!(found, class, "{status} {code} {message}");
        }
    }

    #[test]
    fn codes_of_resource_manager_have_classes() {
        for (status, code, class) in [
            (429, "TooManyRequests", Class::Throttled),
            (400, "PrincipalNotFound", Class::NotYet),
            (409, "RoleAssignmentExists", Class::Exists),
            (400, "RoleAssignmentUpdateNotPermitted", Class::Mismatch),
            (400, "RoleAssignmentLimitExceeded", Class::Quota),
            (409, "ScopeLocked", Class::Locked),
            (403, "AuthorizationFailed", Class::Forbidden),
            (404, "SubscriptionNotFound", Class::NotThere),
            (409, "Conflict", Class::Overlapped),
            (400, "InvalidPrincipalId", Class::Refused),
            (502, "HTTP 502", Class::Unknown),
        ] {
            assert_eq!(
                classify(Service::Arm, &refusal(status, code, "")),
                class,
                "{code}"
            );
        }
    }

    #[test]
    fn codes_of_entra_have_classes() {
        for (status, code, class) in [
            (401, "AADSTS7000215", Class::NotYet),
            (400, "AADSTS700016", Class::NotYet),
            (401, "AADSTS7000222", Class::Refused),
            (400, "AADSTS90002", Class::Refused),
            (403, "AADSTS53003", Class::Refused),
            (429, "AADSTS90055", Class::Throttled),
            (500, "HTTP 500", Class::Unknown),
        ] {
            assert_eq!(
                classify(Service::Entra, &refusal(status, code, "")),
                class,
                "{code}"
            );
        }
    }

    #[test]
    fn a_busy_service_that_says_when_is_throttling() {
        let mut busy = refusal(503, "ServiceUnavailable", "");
        busy.retry_after = Some(Duration::from_millis(1500));
        let failure = Failure::answered(Service::Graph, "addPassword", busy);
        assert_eq!(failure.class, Class::Throttled);
        assert!(matches!(
            failure.error,
            Error::Throttled { retry_after: 2, .. }
        ));
    }

    #[test]
    fn the_caller_reads_code_and_one_short_sentence() {
        let long = format!("a\u{7}b{}\nsecond line", "x".repeat(1000));
        let failure = Failure::answered(
            Service::Graph,
            "addPassword",
            refusal(400, "Request_BadRequest", &long),
        );
        let text = failure.error.to_string();
        assert!(
            text.starts_with(
                "addPassword was refused by Microsoft Graph: Request_BadRequest: a bx"
            )
        );
        assert!(text.len() < 400 && !text.contains("second"));

        let entra = "AADSTS500011: The resource was not found. Trace ID: 1 Correlation ID: 2";
        let failure =
            Failure::answered(Service::Entra, "token", refusal(400, "AADSTS500011", entra));
        let text = failure.error.to_string();
        assert!(
            text.contains("not found.") && !text.contains("Trace"),
            "{text}"
        );
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = datetime!(2026-01-01 00:00 UTC);
        for (text, millis) in [
            ("7", 7000),
            (" 1.25 ", 1250),
            ("Thu, 01 Jan 2026 00:00:30 GMT", 30_000),
            ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
            ("999999999", 3_600_000),
        ] {
            let wait = retry_after(text, now).unwrap();
            assert_eq!(wait.as_millis(), millis, "{text}");
        }
        for bad in ["", "-1", "soon", "NaN", "inf"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_body_that_is_no_error_leaves_the_status() {
        assert_eq!(read_body(502, b"<html>").0, "HTTP 502");
        let body = br#"{"error":{"code":"X","message":"y","innerError":{"date":"z"}}}"#;
        assert_eq!(read_body(400, body), ("X".to_owned(), "y".to_owned()));
    }
}
