//! Why a request was refused, in the words of the service that refuses.

use std::borrow::Cow;

use axum::http::StatusCode;

/// The services of Azure that the sandbox stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Entra,
    Graph,
    Arm,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Graph => "graph",
            Self::Arm => "arm",
        }
    }
}

/// An error answer: the code clients act on, and the text people read.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// As the service spells it; for Entra `AADSTS` and the number.
    pub(super) code: Cow<'static, str>,
    /// The message, which never holds a secret.
    pub(super) message: String,
    /// Whether a `Retry-After` header goes with it.
    pub(super) retry_after: bool,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after: false,
        }
    }

    /// A refusal that was planned: the status is the one its code has in the cloud.
    pub(super) fn planned(service: Service, code: String, message: String) -> Self {
        let refusal = Self::new(status(service, &code), code, message);
        let retry_after = matches!(refusal.status.as_u16(), 429 | 503);
        Self {
            retry_after,
            ..refusal
        }
    }

    /// Graph's refusal of a request that is wrong in itself.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// Graph knows no such object, or does not see it yet.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// Graph's refusal of a caller without the permission.
    pub(super) fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(super) fn throttled(service: Service) -> Self {
        let (code, message) = match service {
            Service::Entra => (
                "AADSTS90055",
                "The server is terminating the request due to too many incoming requests.",
            ),
            Service::Graph => (
                "TooManyRequests",
                "This request is throttled. Please try again after the value specified in the Retry-After header.",
            ),
            Service::Arm => (
                "TooManyRequests",
                "The request is being throttled as the limit has been reached for this operation type.",
            ),
        };
        Self {
            retry_after: true,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        }
    }

    /// The cloud's own failure.
    pub(super) fn internal(service: Service) -> Self {
        let code = match service {
            Service::Entra => "AADSTS90033",
            Service::Graph => "Service_InternalServerError",
            Service::Arm => "InternalServerError",
        };
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code,
            "Encountered an internal server error.",
        )
    }

    /// No answer in time.
    pub(super) fn timed_out() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "GatewayTimeout",
            "The gateway did not receive a response within the specified time period.",
        )
    }
}

/// The status a service gives a code.
///
/// Sources: Microsoft Learn, "Microsoft Graph error responses and resource types", "Common Azure Resource Manager errors",
/// "Microsoft Entra authentication and authorization error codes".
fn status(service: Service, code: &str) -> StatusCode {
    match (service, code) {
        (Service::Entra, "AADSTS7000215" | "AADSTS7000222" | "AADSTS7000229")
        | (_, "InvalidAuthenticationToken" | "ExpiredAuthenticationToken") => {
            StatusCode::UNAUTHORIZED
        }
        (
            _,
            "Authorization_RequestDenied"
            | "AuthorizationFailed"
            | "Directory_QuotaExceeded"
            | "Directory_ResourceSizeExceeded",
        ) => StatusCode::FORBIDDEN,
        (
            _,
            "Request_ResourceNotFound"
            | "ResourceGroupNotFound"
            | "ResourceNotFound"
            | "SubscriptionNotFound"
            | "RoleAssignmentNotFound",
        ) => StatusCode::NOT_FOUND,
        (
            _,
            "Directory_ConcurrencyViolation" | "RoleAssignmentExists" | "ScopeLocked" | "Conflict",
        ) => StatusCode::CONFLICT,
        (_, "TooManyRequests" | "Request_ThrottledTemporarily" | "AADSTS90055") => {
            StatusCode::TOO_MANY_REQUESTS
        }
        (_, "Service_InternalServerError" | "InternalServerError" | "UnknownError") => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        (_, "ServiceUnavailable" | "serviceNotAvailable" | "AADSTS90033") => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        (_, "GatewayTimeout") => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    }
}
