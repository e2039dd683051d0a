//! `Edge`: what every request passes on its way in and out, whatever carries it.

use std::{net::IpAddr, sync::Arc};

use axum::{Router, body::Body, response::Response};
use http::{Method, Request, Uri, uri::PathAndQuery};
use tower::ServiceExt;

use crate::{
    app::App,
    audit::Trail,
    error::Error,
    http::{
        error::{Failed, reply},
        path::{EdgePath, RawPath},
    },
    routes::{ROUTES, Route},
    telemetry::Answered,
};

/// What the carrier knows of a request beside HTTP.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Names the request in logs, records and answers.
    pub request_id: String,
    /// The address that the carrier saw; never taken from a header.
    pub source: String,
    /// Where whoever asks has reached the vault, e.g. `https://vault.example.com`: what the carrier itself knows, never a
    /// header. None if it does not know.
    pub origin: Option<String>,
    /// The path before anyone else touched it.
    pub path: RawPath,
}

/// A request past the edge: the extension that handlers find.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The one path that is routed, authorised and stored.
    pub path: EdgePath,
    /// Where whoever asks has reached the vault, as far as the carrier knows.
    pub origin: Option<String>,
    request_id: String,
    source: String,
}

impl Arrived {
    /// The address it came from, if the carrier saw one. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn source(&self) -> Option<IpAddr> {
        let source: IpAddr = self.source.parse().ok()?;
        Some(source.to_canonical())
    }

    /// The trail of this request.
    pub fn trail(&self, method: &Method) -> Trail {
        self.trail_about(method, self.path.audited())
    }

    /// The trail of this request, where its path must not be written down: it holds a secret.
    pub fn trail_about(&self, method: &Method, about: impl Into<String>) -> Trail {
        Trail::new(
            self.request_id.clone(),
            word(method),
            about.into(),
            self.source.clone(),
        )
    }
}

/// A function's router with everything around it.
#[derive(Clone)]
pub struct Edge {
    router: Router,
    app: Arc<App>,
    function: Option<Arc<str>>,
}

impl Edge {
    /// Puts the edge around `router`, and answers in JSON where it has no route.
    pub fn new(router: Router, app: Arc<App>) -> Self {
        let router = router
            .fallback(no_route)
            .method_not_allowed_fallback(no_method);
        Self {
            router,
            app,
            function: None,
        }
    }

    /// The same, of a function: its name is in each log line.
    #[must_use]
    pub fn of_function(self, name: &str) -> Self {
        let function = Some(name.into());
        Self { function, ..self }
    }

    /// Answers a request. Errors are worded and logged here, once; branch keys are renewed beside it when due.
    pub async fn handle(&self, request: Request<Body>, arrival: Arrival) -> Response {
        let started = self.app.clock.now();
        let method = word(request.method());
        let path = EdgePath::new(&arrival.path);
        let row = path.as_ref().ok();
        let row = row.and_then(|path| Route::of(method, path.as_str()));
        let response = self
            .app
            .sealer
            .keys()
            .beside(self.route(request, path, &arrival))
            .await;
        let failed = response.extensions().get::<Failed>().cloned();
        let response = failed
            .as_ref()
            .map_or(response, |failed| reply(&failed.0, &arrival.request_id));
        let answered = Answered {
            request_id: &arrival.request_id,
            method,
            route: row.map(|row| row.path),
            function: self.function.as_deref(),
            status: response.status().as_u16(),
            took: self.app.clock.now() - started,
        };
        answered.tell(failed.as_ref().map(|failed| &*failed.0));
        response
    }

    async fn route(
        &self,
        request: Request<Body>,
        path: Result<EdgePath, Error>,
        arrival: &Arrival,
    ) -> Response {
        // A router answers HEAD by its GET, which would mint a credential for nobody.
        if request.method() == Method::HEAD {
            return no_method().await;
        }
        match path.and_then(|path| prepare(request, path, arrival)) {
            Ok(request) => match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => axum::response::IntoResponse::into_response(error),
        }
    }
}

/// Puts the one path in the request line and in the extensions.
fn prepare(
    mut request: Request<Body>,
    path: EdgePath,
    arrival: &Arrival,
) -> Result<Request<Body>, Error> {
    let line = match request.uri().query() {
        Some(query) => format!("{}?{query}", path.encoded()),
        None => path.encoded(),
    };
    let line: PathAndQuery = line
        .parse()
        .map_err(|_| Error::invalid("path", "cannot be a URL"))?;
    *request.uri_mut() = Uri::from(line);
    request.extensions_mut().insert(Arrived {
        path,
        origin: arrival.origin.clone(),
        request_id: arrival.request_id.clone(),
        source: arrival.source.clone(),
    });
    Ok(request)
}

/// The method as records write it.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        _ => "OTHER",
    }
}

/// What a router answers to a path that is not its own. What no route takes is handed to one function, so that one answers
/// for paths of others too, asked with a method that they do not take.
async fn no_route(method: Method, uri: Uri) -> Response {
    let mut rows = ROUTES.iter().filter(|row| row.takes(uri.path()));
    match rows.next() {
        Some(first) if first.method != method && rows.all(|row| row.method != method) => {
            no_method().await
        }
        _ => axum::response::IntoResponse::into_response(Error::NoRoute),
    }
}

/// What a router answers to a method that a path does not take.
async fn no_method() -> Response {
    let body = serde_json::json!({"code": 405, "message": "this path does not take that method"})
        .to_string();
    let headers = [(http::header::CONTENT_TYPE, "application/json")];
    axum::response::IntoResponse::into_response((
        http::StatusCode::METHOD_NOT_ALLOWED,
        headers,
        body,
    ))
}
