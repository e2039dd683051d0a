//! An HTTP server that plays an API Gateway HTTP API in front of functions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use http::{StatusCode, header};
use serde_json::json;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::events::{self, Sent, Shape};
use crate::runtime_api::Function;

/// The largest request that API Gateway takes.
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;

/// A listening gateway; it ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// One line of the route table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method, or `ANY`.
    pub method: &'static str,
    /// The path; a segment is text, `{name}` for any one segment, or at the end `{name+}` for all that follow.
    pub path: &'static str,
    /// The name of the function.
    pub function: &'static str,
}

/// The product's own route table, as the gateway takes it.
pub fn routes() -> Vec<Route> {
    let row = |route: &mayfly::routes::Route| Route {
        method: route.method,
        path: route.path,
        function: route.function.name(),
    };
    mayfly::routes::ROUTES.iter().map(row).collect()
}

impl Gateway {
    /// Listens on a loopback port, 0 for any free one, and routes to the named functions.
    pub async fn start(
        port: u16,
        routes: &[Route],
        functions: HashMap<&'static str, Arc<Function>>,
    ) -> anyhow::Result<Self> {
        for route in routes {
            let known = functions.contains_key(route.function);
            ensure!(known, "no function is named {}", route.function);
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // Only latency is at stake, so a refusal does not matter.
            let _ = stream.set_nodelay(true);
        });
        let table = Arc::new(Table {
            routes: routes.to_vec(),
            functions,
        });
        let service = Router::new().fallback(serve).with_state(table);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // `serve` never ends; the set ends it.
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    /// The URL of the gateway, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Table {
    routes: Vec<Route>,
    functions: HashMap<&'static str, Arc<Function>>,
}

impl Table {
    /// Finds the function behind the most specific of the routes that fit both method and path.
    fn find(&self, method: &str, path: &str) -> Option<&Function> {
        let function = select(&self.routes, method, path)?.function;
        self.functions.get(function).map(Arc::as_ref)
    }
}

/// How well a segment of a route fits, best first, so that comparing lists of them compares routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Text,
    Segment,
    Rest,
    Any,
}

fn select<'a>(routes: &'a [Route], method: &str, path: &str) -> Option<&'a Route> {
    routes
        .iter()
        .filter_map(|route| Some((fit(route, method, path)?, route)))
        .min_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, route)| route)
}

fn fit(route: &Route, method: &str, path: &str) -> Option<Vec<Fit>> {
    let patterns: Vec<_> = route.path.split('/').collect();
    let segments: Vec<_> = path.split('/').collect();
    let mut fits = fit_path(&patterns, &segments)?;
    match route.method {
        "ANY" => fits.push(Fit::Any),
        own if own == method => fits.push(Fit::Text),
        _ => return None,
    }
    Some(fits)
}

fn fit_path(patterns: &[&str], segments: &[&str]) -> Option<Vec<Fit>> {
    let (pattern, patterns) = match patterns {
        [] => return segments.is_empty().then(Vec::new),
        // A greedy variable takes everything, but not nothing.
        [last] if last.ends_with("+}") => {
            return (!matches!(segments, [] | [""])).then(|| vec![Fit::Rest]);
        }
        [pattern, patterns @ ..] => (pattern, patterns),
    };
    let (segment, segments) = segments.split_first()?;
    let fit = if pattern == segment {
        Fit::Text
    } else if pattern.starts_with('{') && !segment.is_empty() {
        Fit::Segment
    } else {
        return None;
    };
    let mut fits = fit_path(patterns, segments)?;
    fits.insert(0, fit);
    Some(fits)
}

async fn serve(State(table): State<Arc<Table>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(function) = table.find(parts.method.as_str(), parts.uri.path()) else {
        return refusal(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = axum::body::to_bytes(body, REQUEST_LIMIT).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long");
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut sent = Sent::new(parts.method.as_str(), target)
        .body(body)
        .source_ip("127.0.0.1");
    for (name, value) in &parts.headers {
        sent = sent.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    match ask(function, &sent).await {
        Ok(answer) => reply(answer),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

async fn ask(function: &Function, sent: &Sent) -> anyhow::Result<Answer> {
    let outcome = function.invoke(sent.event(Shape::HttpApi)).await?;
    events::answer(&outcome.answer()?)
}

fn reply(mut answer: Answer) -> Response {
    // The length is that of the decoded body, which the server knows.
    answer.headers.remove(header::CONTENT_LENGTH);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, answer.headers, Body::from(answer.body)).into_response()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, json!({"message": message}).to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: [Route; 6] = [
        route("GET", "/v1/secrets/{proxy+}", "read"),
        route("POST", "/v1/secrets/{proxy+}", "write"),
        route("GET", "/v1/secrets", "search"),
        route("GET", "/v1/{entity}/{id}", "one"),
        route("ANY", "/v1/secrets/fixed", "fixed"),
        route("GET", "/v1/{proxy+}", "rest"),
    ];

    const fn route(method: &'static str, path: &'static str, function: &'static str) -> Route {
        Route {
            method,
            path,
            function,
        }
    }

    fn chosen(method: &str, path: &str) -> Option<&'static str> {
        select(&ROUTES, method, path).map(|route| route.function)
    }

    #[test]
    fn most_specific_route_wins() {
        assert_eq!(chosen("GET", "/v1/secrets"), Some("search"));
        assert_eq!(chosen("GET", "/v1/secrets/a:b::description"), Some("read"));
        assert_eq!(chosen("GET", "/v1/secrets/a/b/"), Some("read"));
        assert_eq!(chosen("POST", "/v1/secrets/a"), Some("write"));
        assert_eq!(chosen("GET", "/v1/secrets/fixed"), Some("fixed"));
        assert_eq!(chosen("GET", "/v1/roles/r"), Some("one"));
        assert_eq!(chosen("GET", "/v1/roles/r/more"), Some("rest"));
    }

    #[test]
    fn what_fits_no_route_is_not_found() {
        assert_eq!(chosen("DELETE", "/v1/secrets/a"), None);
        assert_eq!(chosen("POST", "/v1/secrets/"), None);
        assert_eq!(chosen("GET", "/v2/secrets"), None);
        assert_eq!(chosen("GET", "/"), None);
        assert_eq!(chosen("PATCH", "/v1/secrets/fixed/more"), None);
    }

    #[tokio::test]
    async fn route_to_an_unknown_function_is_refused_at_start() {
        let error = Gateway::start(0, &ROUTES, HashMap::new())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "no function is named read");
    }

    #[tokio::test]
    async fn unrouted_request_gets_the_gateways_own_answer() {
        let table = Arc::new(Table {
            routes: Vec::new(),
            functions: HashMap::new(),
        });
        let request = Request::new(Body::empty());
        let response = serve(State(table), request).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = axum::body::to_bytes(response.into_body(), 100)
            .await
            .unwrap();
        assert_eq!(body, r#"{"message":"Not Found"}"#);
    }
}
