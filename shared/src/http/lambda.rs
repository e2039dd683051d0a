//! Lambda: from an invocation to the edge, and back.

use std::{io::Write, process::ExitCode, sync::Arc};

use axum::body::Body;
use http::Request;
use lambda_http::{Adapter, LambdaEvent, request::LambdaRequest, service_fn, tower::ServiceExt};
use lambda_runtime::Diagnostic;
use serde_json::Value;

use crate::{
    app::{App, Setup},
    clients,
    clock::{BoxFuture, SystemClock},
    config::{Settings, WARM_UP, environment},
    domain::principal::Principal,
    error::Error,
    http::{
        edge::Edge,
        error::message,
        event::{alias_of, normalise},
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
    let setup = match &settings.setup_code {
        Some(code) => Setup::Code(code.clone()),
        None => Setup::Closed,
    };
    let azure = clients::azure(&settings.endpoints, clock.clone());
    let app = App::new(clock, table, Arc::new(keys), Providers { aws, azure });
    Ok(Arc::new(app.with_setup(setup)))
}

/// The whole `main` of a function: runs it, and says on standard error why it does not start.
pub async fn main(
    purposes: &[Purpose],
    router: impl FnOnce(Arc<App>) -> axum::Router,
    direct: Option<DirectHandler>,
) -> ExitCode {
    ended(run(purposes, router, direct).await)
}

/// How a function's process ends.
pub(crate) fn ended(outcome: Result<(), lambda_runtime::Error>) -> ExitCode {
    match outcome {
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

/// A failed invocation, so that orchestrators can tell errors apart by type.
pub(crate) fn failed(error: &Error, request_id: &str) -> Diagnostic {
    if crate::http::error::status(error).is_server_error() {
        tracing::error!(
            request_id,
            error = crate::error::chain(error),
            "invocation failed"
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
