//! From an error to a status, a type and a body: the only such table.
#![deny(clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::error::Error;

/// The status a caller gets. Statuses follow what DSV's clients expect, not taste: a cloud's refusal is a 400.
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid { .. } | Error::Refused(_) | Error::Provider { .. } => {
            StatusCode::BAD_REQUEST
        }
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden => StatusCode::FORBIDDEN,
        Error::NotFound | Error::MarkedForDeletion(_) | Error::NoRoute => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The types of failed invocations: all that a direct caller can tell errors apart by. Never renamed, because state
/// machines name them in `Retry` and `Catch`.
pub const TYPES: [&str; 9] = [
    "Invalid",
    "Unauthenticated",
    "Forbidden",
    "NotFound",
    "Conflict",
    "Throttled",
    "Provider",
    "Unavailable",
    "Internal",
];

/// Which of [`TYPES`] an error is.
pub fn error_type(error: &Error) -> &'static str {
    match error {
        Error::Invalid { .. } | Error::Refused(_) => "Invalid",
        Error::Unauthenticated => "Unauthenticated",
        Error::Forbidden => "Forbidden",
        Error::NotFound | Error::MarkedForDeletion(_) | Error::NoRoute => "NotFound",
        Error::Conflict(_) => "Conflict",
        Error::Throttled { .. } => "Throttled",
        Error::Provider { .. } => "Provider",
        Error::Unavailable { .. } => "Unavailable",
        Error::Internal(_) => "Internal",
    }
}

/// What a caller reads. Of our own failures that is a fixed phrase and the request id; the log has the rest.
pub fn message(error: &Error, request_id: &str) -> String {
    match error {
        Error::Unavailable { what, .. } => {
            format!("{what} is unavailable; try again (request {request_id})")
        }
        Error::Internal(_) => format!("internal error (request {request_id})"),
        Error::Invalid { .. }
        | Error::Refused(_)
        | Error::Unauthenticated
        | Error::Forbidden
        | Error::NotFound
        | Error::MarkedForDeletion(_)
        | Error::NoRoute
        | Error::Conflict(_)
        | Error::Throttled { .. }
        | Error::Provider { .. } => error.to_string(),
    }
}

/// The whole answer.
pub fn reply(error: &Error, request_id: &str) -> Response {
    let status = status(error);
    let body = json!({"code": status.as_u16(), "message": message(error, request_id)}).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    let retry_after = match error {
        Error::Throttled { retry_after, .. } => Some(*retry_after),
        Error::Unavailable { .. } => Some(1),
        Error::Invalid { .. }
        | Error::Refused(_)
        | Error::Unauthenticated
        | Error::Forbidden
        | Error::NotFound
        | Error::MarkedForDeletion(_)
        | Error::NoRoute
        | Error::Conflict(_)
        | Error::Provider { .. }
        | Error::Internal(_) => None,
    };
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An error travels to the edge as an extension of its answer; there it is worded and logged, once.
#[derive(Clone)]
pub struct Failed(pub Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(Failed(Arc::new(self)));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_error_has_its_status_and_type_and_some_may_be_tried_again() {
        let text = || "x".to_owned();
        let table = [
            (Error::invalid("x", "x"), 400, "Invalid", false),
            (Error::Refused(text()), 400, "Invalid", false),
            (Error::Unauthenticated, 401, "Unauthenticated", false),
            (Error::Forbidden, 403, "Forbidden", false),
            (Error::NotFound, 404, "NotFound", false),
            (Error::MarkedForDeletion("x"), 404, "NotFound", false),
            (Error::NoRoute, 404, "NotFound", false),
            (Error::Conflict(text()), 409, "Conflict", true),
            (
                Error::Throttled {
                    message: text(),
                    retry_after: 1,
                },
                429,
                "Throttled",
                true,
            ),
            (
                Error::Provider {
                    provider: "x",
                    action: "x",
                    code: text(),
                    text: text(),
                },
                400,
                "Provider",
                false,
            ),
            (
                Error::Unavailable {
                    what: "x",
                    source: "x".into(),
                },
                503,
                "Unavailable",
                true,
            ),
            (Error::internal("x"), 500, "Internal", false),
        ];
        for (error, code, kind, again) in &table {
            assert_eq!(status(error).as_u16(), *code, "{error:?}");
            assert_eq!(error_type(error), *kind, "{error:?}");
            assert_eq!(error.is_retryable(), *again, "{error:?}");
        }
        let seen: BTreeSet<_> = table.iter().map(|(error, ..)| error_type(error)).collect();
        assert_eq!(seen, TYPES.into());
    }
}
