//! From an error to a status and a body: the only such table.
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
