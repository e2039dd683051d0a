//! Why a call was refused, in the words of STS.

use std::borrow::Cow;

/// An error answer: the code SDKs act on, and the text people read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The code as STS spells it.
    pub(super) code: Cow<'static, str>,
    /// The message, which never holds a secret.
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// The refusal of an action that nothing allows, in AWS's words.
    pub(super) fn access_denied(caller: &str, action: &str, resource: &str) -> Self {
        Self::new(
            "AccessDenied",
            format!(
                "User: {caller} is not authorized to perform: {action} on resource: {resource}"
            ),
        )
    }

    /// A request that is wrong whatever the state of the cloud.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// A parameter that breaks one constraint of the service model, in AWS's words.
    pub(super) fn constraint(field: &str, value: Option<&str>, constraint: &str) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        ))
    }

    /// An access key or session token the cloud does not know.
    pub(super) fn unknown_token() -> Self {
        Self::new(
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    }

    /// A request whose signature, or the scope it was made for, does not hold.
    pub(super) fn signature(message: impl Into<String>) -> Self {
        Self::new("SignatureDoesNotMatch", message)
    }

    /// Too many calls.
    pub(super) fn throttled() -> Self {
        Self::new("Throttling", "Rate exceeded")
    }

    /// A failure that is the cloud's own.
    pub(super) fn internal() -> Self {
        Self::new(
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        )
    }

    /// Whether the fault is the cloud's, so that the same request may succeed later.
    pub(super) fn is_server_fault(&self) -> bool {
        matches!(
            self.code.as_ref(),
            "InternalFailure" | "KMSInternalException" | "ServiceFailure" | "ServiceUnavailable"
        )
    }
}
