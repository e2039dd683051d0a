//! `Reply`: what a use case's handler answers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::sensitive::Sensitive;

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    /// 200, 201 or 204.
    pub status: StatusCode,
    body: Option<Sensitive>,
    lease: Option<Uuid>,
}

/// Names the lease of what was minted, for whoever wants to revoke it before its time.
const LEASE_HEADER: HeaderName = HeaderName::from_static("mayfly-lease-id");

impl Reply {
    /// JSON text that may hold a secret.
    pub fn secret(status: StatusCode, body: Sensitive) -> Self {
        Self {
            status,
            body: Some(body),
            lease: None,
        }
    }

    /// JSON that holds none.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            body: Some(Sensitive::new(body.to_string())),
            lease: None,
        }
    }

    /// 200 with a sentence.
    pub fn message(text: &str) -> Self {
        Self::json(StatusCode::OK, &json!({ "message": text }))
    }

    /// 204, or 200 without a body where a client wants just that.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: None,
            lease: None,
        }
    }

    /// The same, of something that was minted under a lease.
    #[must_use]
    pub fn under(self, lease: Option<Uuid>) -> Self {
        Self { lease, ..self }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let Some(body) = self.body else {
            return self.status.into_response();
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "reply: the use case decided what the caller may read"
        )]
        let body = Body::from(body.expose().to_owned());
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (self.status, headers, body).into_response();
        if let Some(lease) = self.lease.and_then(|id| id.to_string().parse().ok()) {
            response.headers_mut().insert(LEASE_HEADER, lease);
        }
        response
    }
}
