//! Answers on the wire: JSON, and each service's own envelope and headers for errors.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::refusal::{Refusal, Service};
use super::request::Request;
use super::state::Millis;
use super::{new_id, written};

/// What a service answers when it does as asked.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// None for an answer without a body.
    pub(super) body: Option<Value>,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
        }
    }

    pub(super) fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            body: Some(body),
        }
    }

    pub(super) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
        }
    }
}

/// Puts an outcome on the wire.
pub(super) fn render(
    request: &Request,
    outcome: Result<Answer, Refusal>,
    retry_after: &str,
    now: Millis,
) -> Response {
    let request_id = new_id();
    let (status, body, retry, unauthenticated) = match outcome {
        Ok(answer) => (answer.status, answer.body, false, false),
        Err(refusal) => {
            let body = match request.service {
                Service::Entra => entra_error(&refusal, &request_id, now),
                Service::Graph => graph_error(&refusal, request, &request_id, now),
                Service::Arm => json!({
                    "error": {"code": refusal.code, "message": refusal.message},
                }),
            };
            let unauthenticated = refusal.status == StatusCode::UNAUTHORIZED;
            (
                refusal.status,
                Some(body),
                refusal.retry_after,
                unauthenticated && request.service != Service::Entra,
            )
        }
    };
    let text = body.map(|body| body.to_string());
    let mut response = Response::new(Body::from(text.clone().unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: &str, value: &str| {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::from_str(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    };
    if text.is_some() {
        let kind = "application/json; charset=utf-8";
        set(header::CONTENT_TYPE.as_str(), kind);
    }
    set(id_header(request.service), &request_id);
    if let Some(id) = &request.client_request_id {
        set("client-request-id", id);
    }
    if retry {
        set(header::RETRY_AFTER.as_str(), retry_after);
    }
    if unauthenticated {
        set(header::WWW_AUTHENTICATE.as_str(), "Bearer");
    }
    response
}

fn id_header(service: Service) -> &'static str {
    match service {
        Service::Graph => "request-id",
        Service::Entra | Service::Arm => "x-ms-request-id",
    }
}

/// Microsoft Learn, "Microsoft Graph error responses and resource types".
fn graph_error(refusal: &Refusal, request: &Request, request_id: &str, now: Millis) -> Value {
    json!({"error": {
        "code": refusal.code,
        "message": refusal.message,
        "innerError": {
            "date": written(now),
            "request-id": request_id,
            "client-request-id": request.client_request_id.as_deref().unwrap_or(request_id),
        },
    }})
}

/// Microsoft Learn, "Microsoft identity platform and the OAuth 2.0 client credentials flow", error response.
fn entra_error(refusal: &Refusal, trace_id: &str, now: Millis) -> Value {
    let number: Option<u32> = refusal
        .code
        .strip_prefix("AADSTS")
        .and_then(|number| number.parse().ok());
    let error = match number {
        Some(7_000_215 | 7_000_218 | 7_000_222 | 7_000_229) => "invalid_client",
        Some(700_016) => "unauthorized_client",
        Some(70_003) => "unsupported_grant_type",
        Some(70_011) => "invalid_scope",
        Some(500_011) => "invalid_resource",
        Some(90_055) | None => "temporarily_unavailable",
        Some(90_033) => "server_error",
        Some(_) => "invalid_request",
    };
    let (time, correlation_id) = (written(now), new_id());
    let described = format!(
        "{}: {} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {time}",
        refusal.code, refusal.message
    );
    json!({
        "error": error,
        "error_description": described,
        "error_codes": number.into_iter().collect::<Vec<_>>(),
        "timestamp": time,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
    })
}
