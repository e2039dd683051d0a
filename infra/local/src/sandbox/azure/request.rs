//! One request, as far as it can be read without knowing who sent it.

use axum::http::{HeaderMap, Method, Uri, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::refusal::{Refusal, Service};
use super::{arm, graph};

/// A request to one of the services.
pub(crate) struct Request {
    pub(super) service: Service,
    /// What it asks for; none if the service has no such thing.
    pub(super) operation: Option<Operation>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The access token, if one came with it.
    pub(super) bearer: Option<String>,
    pub(super) client_request_id: Option<String>,
    /// Where the services are for whoever sent it, for links in the answer.
    pub(super) origin: String,
    pub(super) path: String,
}

/// What a request asks for.
pub(super) enum Operation {
    /// A token from a tenant.
    Token(String),
    /// Where a tenant's endpoints are.
    Discovery(String),
    Graph(graph::Operation),
    Arm(arm::Operation),
}

impl Request {
    pub(super) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let path: Vec<String> = uri
            .path()
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let creates = text("prefer").is_some_and(|value| value.contains("create-if-missing"));
        let (service, operation) = operation(method, &path, creates);
        let bearer = text(header::AUTHORIZATION.as_str())
            .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        let host = uri.authority().map(ToString::to_string);
        let host = host.or_else(|| text(header::HOST.as_str()));
        // Whoever ends TLS in front of the sandbox says so.
        let forwarded = text("x-forwarded-proto");
        let scheme = forwarded.as_deref().or(uri.scheme_str()).unwrap_or("http");
        let query = uri.query().unwrap_or_default();
        Self {
            service,
            operation,
            query: serde_urlencoded::from_str(query).unwrap_or_default(),
            body,
            bearer,
            client_request_id: text("client-request-id"),
            origin: format!("{scheme}://{}", host.unwrap_or_default()),
            path: uri.path().to_owned(),
        }
    }

    /// The name of what is asked for; empty if there is no such thing.
    pub(super) fn action(&self) -> &'static str {
        match &self.operation {
            None => "",
            Some(Operation::Token(_)) => "Token",
            Some(Operation::Discovery(_)) => "Discovery",
            Some(Operation::Graph(operation)) => operation.name(),
            Some(Operation::Arm(operation)) => operation.name(),
        }
    }

    /// The value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The JSON body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Refusal::bad_request(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )
        })
    }
}

fn operation(method: &Method, path: &[String], creates: bool) -> (Service, Option<Operation>) {
    let first = path.first().map(String::as_str).unwrap_or_default();
    match first {
        "v1.0" => {
            let operation = graph::parse(method, path.get(1..).unwrap_or_default(), creates);
            (Service::Graph, operation.map(Operation::Graph))
        }
        "subscriptions" | "providers" => {
            (Service::Arm, arm::parse(method, path).map(Operation::Arm))
        }
        tenant => {
            let tenant = tenant.to_lowercase();
            let operation = match path.last().map(String::as_str) {
                Some("openid-configuration") => Operation::Discovery(tenant),
                _ => Operation::Token(tenant),
            };
            (Service::Entra, Some(operation))
        }
    }
}
