//! Lambda: from an invocation to the edge, and back.

use std::{io::Write, process::ExitCode, sync::Arc};

use axum::body::Body;
use http::Request;
use lambda_http::{Adapter, LambdaEvent, request::LambdaRequest, service_fn, tower::ServiceExt};
use lambda_runtime::Diagnostic;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::{
    app::App,
    clients,
    clock::{BoxFuture, SystemClock},
    config::{Settings, WARM_UP, environment},
    domain::principal::Principal,
    error::Error,
    http::{
        edge::{Arrival, Edge},
        error::message,
        path::{EdgePath, RawPath},
    },
    provider::Providers,
    seal::{Keyrings, Purpose},
    store::table::Table,
    telemetry,
};

/// A direct invocation: no HTTP, but a payload that IAM let somebody send.
#[derive(Debug)]
pub struct Direct {
    /// The principal that the deployment maps to the invoked alias.
    pub principal: Option<Principal>,
    /// The alias that was invoked.
    pub alias: Option<String>,
    /// The payload.
    pub payload: Value,
    /// Names the invocation.
    pub request_id: String,
}

/// What answers direct invocations of a function.
pub type DirectHandler = fn(Arc<App>, Direct) -> BoxFuture<'static, Result<Value, Error>>;

/// Builds a function's app from its environment.
pub fn app(settings: &Settings, purposes: &[Purpose]) -> Result<Arc<App>, Error> {
    let (clock, http) = (Arc::new(SystemClock), clients::https()?);
    let table = clients::dynamodb(http.clone(), &settings.aws, &settings.endpoints);
    let table = Table::new(table, settings.table.as_str(), clock.clone());
    let kms = clients::kms(
        http.clone(),
        &settings.aws,
        &settings.endpoints,
        &settings.kms_key,
    );
    let keys = Keyrings::new(
        table.clone(),
        Arc::new(kms),
        clock.clone(),
        purposes.to_vec(),
    );
    let aws = clients::sts(
        http,
        &settings.aws.region,
        &settings.endpoints,
        clock.clone(),
    );
    Ok(Arc::new(App::new(
        clock,
        table,
        Arc::new(keys),
        Providers { aws },
    )))
}

/// The whole `main` of a function: runs it, and says on standard error why it does not start.
pub async fn main(
    purposes: &[Purpose],
    router: impl FnOnce(Arc<App>) -> axum::Router,
    direct: Option<DirectHandler>,
) -> ExitCode {
    match run(purposes, router, direct).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a closed standard error.
            _ = writeln!(std::io::stderr(), "cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a function until the Lambda service ends it: reads settings, warms up, answers.
async fn run(
    purposes: &[Purpose],
    router: impl FnOnce(Arc<App>) -> axum::Router,
    direct: Option<DirectHandler>,
) -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(&environment)?;
    telemetry::init_json(settings.log);
    let app = app(&settings, purposes)?;
    if settings.warm_up {
        app.warm_up(WARM_UP).await;
    }
    let function = Arc::new(Invoked {
        edge: Edge::new(router(app.clone()), app.clone()),
        app,
        settings,
        direct,
    });
    lambda_runtime::run(lambda_runtime::service_fn(
        move |event: LambdaEvent<Value>| {
            let function = function.clone();
            async move { function.answer(event).await }
        },
    ))
    .await
}

/// A running function.
struct Invoked {
    edge: Edge,
    app: Arc<App>,
    settings: Settings,
    direct: Option<DirectHandler>,
}

impl Invoked {
    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let alias = alias_of(&context.invoked_function_arn);
        if payload.get("requestContext").is_some() {
            if alias != self.settings.gateway_alias {
                return Err(refused("HTTP events are taken on the gateway's alias only"));
            }
            return self.answer_http(payload, context).await;
        }
        let Some(direct) = self.direct else {
            return Err(refused("this function takes HTTP events only"));
        };
        let principal = alias
            .as_ref()
            .and_then(|alias| self.settings.aliases.get(alias))
            .cloned();
        let request_id = context.request_id.clone();
        let work = direct(
            self.app.clone(),
            Direct {
                principal,
                alias,
                payload,
                request_id,
            },
        );
        self.app
            .sealer
            .keys()
            .beside(work)
            .await
            .map_err(|error| failed(&error, &context.request_id))
    }

    async fn answer_http(
        &self,
        mut event: Value,
        context: lambda_runtime::Context,
    ) -> Result<Value, Diagnostic> {
        let arrival = normalise(&mut event, &context.request_id);
        // lambda_http's request type reads from text only.
        let event: LambdaRequest = serde_json::from_str(&event.to_string())
            .map_err(|_| refused("this is no HTTP event of API Gateway"))?;
        let edge = self.edge.clone();
        let service = service_fn(move |request: lambda_http::Request| {
            let (edge, arrival) = (edge.clone(), arrival.clone());
            async move {
                let request: Request<Body> = request.map(Body::new);
                Ok::<_, std::convert::Infallible>(edge.handle(request, arrival).await)
            }
        });
        let Ok(answer) = Adapter::from(service)
            .oneshot(LambdaEvent::new(event, context))
            .await;
        serde_json::to_value(answer).map_err(|_| refused("an answer that is no JSON"))
    }
}

fn refused(problem: &str) -> Diagnostic {
    Diagnostic {
        error_type: "Refused".to_owned(),
        error_message: problem.to_owned(),
    }
}

/// A failed direct invocation, so that orchestrators can tell errors apart by type.
fn failed(error: &Error, request_id: &str) -> Diagnostic {
    if crate::http::error::status(error).is_server_error() {
        tracing::error!(
            request_id,
            error = crate::error::chain(error),
            "direct invocation failed"
        );
    }
    let error_type = match error {
        Error::Invalid { .. } | Error::Refused(_) => "Invalid",
        Error::Unauthenticated => "Unauthenticated",
        Error::Forbidden => "Forbidden",
        Error::NotFound | Error::NoRoute | Error::MarkedForDeletion(_) => "NotFound",
        Error::Conflict(_) => "Conflict",
        Error::Throttled { .. } => "Throttled",
        Error::Provider { .. } => "Provider",
        Error::Unavailable { .. } => "Unavailable",
        Error::Internal(_) => "Internal",
    };
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: message(error, request_id),
    }
}

/// The alias in `arn:aws:lambda:region:account:function:name:alias`.
fn alias_of(arn: &str) -> Option<String> {
    arn.split(':')
        .nth(7)
        .filter(|alias| !alias.is_empty())
        .map(str::to_owned)
}

/// What a raw query string may hold as it is.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'#')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Takes path and source from the event before anyone parses it again, and leaves in the event only what the parser
/// reads the same way: an encoded path without stage, a plain host, a query string that is one.
fn normalise(event: &mut Value, request_id: &str) -> Arrival {
    let context = |event: &Value, pointer: &str| {
        event
            .pointer(&format!("/requestContext/{pointer}"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let is_v2 = event.get("rawPath").is_some();
    let text = |event: &Value, name: &str| {
        event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (path, source, field) = if is_v2 {
        let path = without_stage(text(event, "rawPath"), context(event, "stage").as_deref());
        // A function URL uses the same event but hands the path over as it was sent.
        let is_url = context(event, "domainName").is_some_and(|name| name.contains(".lambda-url."));
        let path = if is_url {
            RawPath::Encoded(path)
        } else {
            RawPath::Decoded(path)
        };
        (path, context(event, "http/sourceIp"), "rawPath")
    } else {
        (
            RawPath::Encoded(text(event, "path")),
            context(event, "identity/sourceIp"),
            "path",
        )
    };
    let encoded = EdgePath::new(&path).map_or_else(|_| "/".to_owned(), |path| path.encoded());
    event[field] = Value::String(encoded);
    if is_v2 {
        let query = text(event, "rawQueryString");
        event["rawQueryString"] = Value::String(utf8_percent_encode(&query, QUERY).to_string());
    }
    if let Some(context) = event
        .get_mut("requestContext")
        .and_then(Value::as_object_mut)
    {
        context.insert("stage".to_owned(), Value::String("$default".to_owned()));
        context.insert("domainName".to_owned(), Value::String("vault".to_owned()));
    }
    for headers in ["headers", "multiValueHeaders"] {
        if let Some(headers) = event.get_mut(headers).and_then(Value::as_object_mut) {
            headers.retain(|name, _| {
                !name.eq_ignore_ascii_case("host")
                    && !name.eq_ignore_ascii_case("x-forwarded-proto")
            });
        }
    }
    Arrival {
        request_id: request_id.to_owned(),
        source: source.unwrap_or_default(),
        path,
    }
}

/// An HTTP API puts a named stage in front of the path.
fn without_stage(path: String, stage: Option<&str>) -> String {
    match stage {
        Some(stage) if stage != "$default" => match path.strip_prefix(&format!("/{stage}")) {
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => path,
        },
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_alias_is_the_last_part_of_the_arn() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:dynamic-read";
        assert_eq!(alias_of(arn), None);
        assert_eq!(
            alias_of(&format!("{arn}:reports")).as_deref(),
            Some("reports")
        );
    }

    #[test]
    fn a_stage_is_cut_once() {
        assert_eq!(
            without_stage("/v1/v1/secrets".into(), Some("v1")),
            "/v1/secrets"
        );
        assert_eq!(
            without_stage("/v1x/secrets".into(), Some("v1")),
            "/v1x/secrets"
        );
        assert_eq!(
            without_stage("/v1/secrets".into(), Some("$default")),
            "/v1/secrets"
        );
    }

    #[test]
    fn what_the_parser_would_stumble_over_is_taken_out() {
        let mut event = json!({
            "rawPath": "/v1/secrets/a b", "rawQueryString": "searchTerm=a b\"<",
            "headers": {"Host": "no host", "X-Forwarded-Proto": "ht tp", "accept": "x"},
            "requestContext": {"stage": "$default", "domainName": "bad host", "http": {"sourceIp": "192.0.2.1"}},
        });
        let arrival = normalise(&mut event, "r");
        assert_eq!(arrival.path, RawPath::Decoded("/v1/secrets/a b".into()));
        assert_eq!(arrival.source, "192.0.2.1");
        assert_eq!(event["rawPath"], "/v1/secrets/a%20b");
        assert_eq!(event["rawQueryString"], "searchTerm=a%20b%22%3C");
        assert_eq!(event["headers"], json!({"accept": "x"}));
    }
}
