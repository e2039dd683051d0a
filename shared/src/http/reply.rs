//! `Reply`: what a use case's handler answers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::domain::sensitive::Sensitive;

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    /// 200, 201 or 204.
    pub status: StatusCode,
    body: Option<Sensitive>,
}

impl Reply {
    /// JSON text that may hold a secret.
    pub fn secret(status: StatusCode, body: Sensitive) -> Self {
        Self {
            status,
            body: Some(body),
        }
    }

    /// JSON that holds none.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            body: Some(Sensitive::new(body.to_string())),
        }
    }

    /// 200 with a sentence.
    pub fn message(text: &str) -> Self {
        Self::json(StatusCode::OK, &json!({ "message": text }))
    }

    /// 204, or 200 without a body where a client wants just that.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, body: None }
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
        (self.status, headers, body).into_response()
    }
}
