//! An HTTP server that plays an API Gateway HTTP API in front of functions, and beside it the call of the Lambda service
//! that invokes one directly.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::json;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::events::{self, Sent, Shape};
use crate::runtime_api::{Function, Outcome};

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
    /// Listens on a loopback port, 0 for any free one, and routes to the named functions: to their `alias`, if there is one.
    pub async fn start(
        port: u16,
        routes: &[Route],
        functions: HashMap<&'static str, Arc<Function>>,
        alias: Option<String>,
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
            alias,
        });
        let service = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .fallback(serve)
            .with_state(table);
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
    alias: Option<String>,
}

impl Table {
    /// Finds the function behind the most specific of the routes that fit both method and path.
    fn find(&self, method: &str, path: &str) -> Option<&Function> {
        let function = select(&self.routes, method, path)?.function;
        self.functions.get(function).map(Arc::as_ref)
    }

    /// Finds a function by the name that it was deployed under: its own, behind the deployment's and a dash.
    fn deployed(&self, name: &str) -> Option<&Function> {
        let is_meant = |own: &str| {
            name.strip_suffix(own)
                .is_some_and(|before| before.ends_with('-'))
        };
        let mut all = self.functions.iter();
        let (_, function) = all.find(|(own, _)| name == **own || is_meant(own))?;
        Some(function)
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
    match ask(function, table.alias.as_deref(), &sent).await {
        Ok(answer) => reply(answer),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

async fn ask(function: &Function, alias: Option<&str>, sent: &Sent) -> anyhow::Result<Answer> {
    let outcome = function
        .invoke_as(alias, sent.event(Shape::HttpApi))
        .await?;
    events::answer(&outcome.answer()?)
}

/// `Invoke` of the Lambda API, waiting for the answer: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
async fn invoke(
    State(table): State<Arc<Table>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let Some(function) = table.deployed(&name) else {
        return refusal(StatusCode::NOT_FOUND, "Function not found");
    };
    let Ok(event) = serde_json::from_slice(&body) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "Could not parse request body into json",
        );
    };
    let alias = query.get("Qualifier").map(String::as_str);
    match function.invoke_as(alias, event).await {
        Ok(Outcome::Answer(answer)) => answer.to_string().into_response(),
        Ok(Outcome::Failed {
            error_type,
            message,
        }) => {
            let error = json!({"errorType": error_type, "errorMessage": message});
            ([("x-amz-function-error", "Unhandled")], error.to_string()).into_response()
        }
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
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
        let error = Gateway::start(0, &ROUTES, HashMap::new(), None)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "no function is named read");
    }

    #[tokio::test]
    async fn unrouted_request_gets_the_gateways_own_answer() {
        let table = Arc::new(Table {
            routes: Vec::new(),
            functions: HashMap::new(),
            alias: None,
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
