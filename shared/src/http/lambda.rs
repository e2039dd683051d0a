//! Lambda: from an invocation to the edge, and back.

use std::{io::Write, process::ExitCode, sync::Arc};

use axum::body::Body;
use http::Request;
use lambda_http::{Adapter, LambdaEvent, request::LambdaRequest, service_fn, tower::ServiceExt};
use lambda_runtime::Diagnostic;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    app::{App, Setup},
    clients,
    clock::{BoxFuture, SystemClock},
    config::{Settings, WARM_UP, environment},
    domain::principal::Principal,
    error::Error,
    http::{
        edge::Edge,
        error::{error_type, message, status},
        event::{alias_of, normalise},
    },
    metrics,
    provider::{Providers, aws::FunctionIdentity},
    seal::{Keyrings, Purpose},
    store::table::Table,
    telemetry::{self, Answered},
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
    )
    .lending(FunctionIdentity::new(
        &settings.aws,
        settings.assumable_roles.clone(),
    ));
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
    metrics::install(&settings.table, &settings.function)?;
    let app = app(&settings, purposes)?;
    if settings.warm_up {
        app.warm_up(WARM_UP).await;
    }
    let function = Arc::new(Invoked {
        edge: Edge::new(router(app.clone()), app.clone()).of_function(&settings.function),
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
        let request_id = context.request_id.clone();
        let invocation = Invocation::begin(&self.app, &self.settings.function, &request_id);
        if payload.get("requestContext").is_none() {
            let outcome = telemetry::caught(self.answer_direct(payload, &context)).await;
            return invocation.end("INVOKE", outcome);
        }
        match telemetry::caught(self.answer_http(payload, context)).await {
            // The edge has written its line.
            Ok(answer) => {
                metrics::flush();
                Ok(answer)
            }
            Err(error) => invocation.end("INVOKE", Err(error)),
        }
    }

    async fn answer_direct(
        &self,
        payload: Value,
        context: &lambda_runtime::Context,
    ) -> Result<Value, Error> {
        let Some(direct) = self.direct else {
            return Err(refused("this function takes HTTP events only"));
        };
        let alias = alias_of(&context.invoked_function_arn);
        let principal = alias
            .as_ref()
            .and_then(|alias| self.settings.aliases.get(alias))
            .cloned();
        let work = direct(
            self.app.clone(),
            Direct {
                principal,
                alias,
                payload,
                request_id: context.request_id.clone(),
            },
        );
        self.app.sealer.keys().beside(work).await
    }

    async fn answer_http(
        &self,
        mut event: Value,
        context: lambda_runtime::Context,
    ) -> Result<Value, Error> {
        if alias_of(&context.invoked_function_arn) != self.settings.gateway_alias {
            return Err(refused("HTTP events are taken on the gateway's alias only"));
        }
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
        serde_json::to_value(answer).map_err(|error| Error::internal(error.to_string()))
    }
}

fn refused(problem: &str) -> Error {
    Error::Refused(problem.to_owned())
}

/// An invocation from its beginning to its end, when its log line and its metrics leave: then Lambda freezes the process.
pub(crate) struct Invocation<'a> {
    app: &'a App,
    function: &'a str,
    request_id: &'a str,
    started: OffsetDateTime,
}

impl<'a> Invocation<'a> {
    pub(crate) fn begin(app: &'a App, function: &'a str, request_id: &'a str) -> Self {
        let started = app.clock.now();
        Self {
            app,
            function,
            request_id,
            started,
        }
    }

    /// Ends it, and puts a failure so that orchestrators can tell errors apart by type. `method` stands where that of HTTP
    /// would.
    pub(crate) fn end(
        self,
        method: &str,
        outcome: Result<Value, Error>,
    ) -> Result<Value, Diagnostic> {
        let error = outcome.as_ref().err();
        let answered = Answered {
            request_id: self.request_id,
            method,
            route: None,
            function: Some(self.function),
            status: error.map_or(200, |error| status(error).as_u16()),
            took: self.app.clock.now() - self.started,
        };
        answered.tell(error);
        metrics::flush();
        outcome.map_err(|error| Diagnostic {
            error_type: error_type(&error).to_owned(),
            error_message: message(&error, self.request_id),
        })
    }
}
