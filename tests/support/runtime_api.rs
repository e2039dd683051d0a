//! A Lambda Runtime API on loopback with one function binary behind it: what the Lambda service is to a function.

use std::path::Path as FilePath;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long an invocation may take, waiting for its turn included, before the process is ended.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a function has to reach its first request for work, or to give up: Lambda's own limit.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The largest answer that Lambda takes from a function.
const ANSWER_LIMIT: usize = 6_291_556;

/// A function binary that runs as a child process, and the service that hands it its events.
#[derive(Debug)]
pub struct Function {
    arn: String,
    service: Arc<Service>,
    queue: mpsc::UnboundedSender<Invocation>,
    /// Dropping the set ends the service, and with it the process that one of its tasks owns.
    _tasks: JoinSet<()>,
}

/// What came of one invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// What the function answered.
    Answer(Value),
    /// The function, or the service on its behalf, reported an error.
    Failed {
        /// The class of the error, for example `Runtime.ExitError`.
        error_type: String,
        /// What it says.
        message: String,
    },
}

impl Outcome {
    /// Gives the answer, or the failure as an error.
    pub fn answer(self) -> anyhow::Result<Value> {
        match self {
            Self::Answer(answer) => Ok(answer),
            Self::Failed {
                error_type,
                message,
            } => bail!("{error_type}: {message}"),
        }
    }
}

/// How a function's process ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The status it ended with.
    pub status: ExitStatus,
    /// Everything it wrote, complete.
    pub logs: String,
    /// What it told the service about a failed initialisation, if it did.
    pub init_error: Option<InitError>,
}

/// A failed initialisation, as the function reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitError {
    /// The class of the error.
    pub error_type: String,
    /// What it says.
    pub message: String,
}

impl Function {
    /// Starts a binary under a Runtime API of its own; its environment is the given one and what Lambda adds.
    ///
    /// Must be called within a Tokio runtime. The process ends when the function is dropped.
    pub fn start(binary: &FilePath, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let name = binary
            .file_stem()
            .and_then(|name| name.to_str())
            .with_context(|| format!("{} names no function", binary.display()))?;
        Self::spawn(name, Command::new(binary), env)
            .with_context(|| format!("cannot start {}", binary.display()))
    }

    /// Sends one event, as the unqualified function.
    pub async fn invoke(&self, event: Value) -> anyhow::Result<Outcome> {
        self.invoke_as(None, event).await
    }

    /// Sends one event through an alias: the invoked ARN, which the function sees, then ends in its name.
    pub async fn invoke_as(&self, alias: Option<&str>, event: Value) -> anyhow::Result<Outcome> {
        let id = Uuid::new_v4().to_string();
        let (reply, replied) = oneshot::channel();
        let invocation = Invocation {
            id: id.clone(),
            arn: alias.map_or_else(|| self.arn.clone(), |alias| format!("{}:{alias}", self.arn)),
            event: serde_json::to_vec(&event)?.into(),
            reply,
        };
        self.queue
            .send(invocation)
            .context("the service has ended")?;
        let mut exit = self.service.exit.subscribe();
        tokio::select! {
            // An answer counts even if the process ended right after it.
            biased;
            outcome = replied => outcome.context("the function took the next event without an answer to this one"),
            ended = exit.wait_for(Option::is_some) => Ok(self.service.died(&id, *ended?)),
            () = tokio::time::sleep(TIMEOUT) => {
                self.service.stop.notify_one();
                Ok(failed("Sandbox.Timedout", format!("RequestId: {id} Error: Task timed out after {TIMEOUT:.2?}")))
            }
        }
    }

    /// Waits for the first request for work and gives the time that passed since the process was started.
    pub async fn first_next(&self) -> anyhow::Result<Duration> {
        let (mut first, mut exit) = (
            self.service.first_next.subscribe(),
            self.service.exit.subscribe(),
        );
        tokio::select! {
            biased;
            first = first.wait_for(Option::is_some) => first?.context("no first request"),
            _ = exit.wait_for(Option::is_some) => bail!("the function ended at start:\n{}", self.logs()),
            () = tokio::time::sleep(INIT_LIMIT) => bail!("the function asked for no work:\n{}", self.logs()),
        }
    }

    /// Gives what the function has written so far; [`Function::stop`] gives all of it.
    pub fn logs(&self) -> String {
        String::from_utf8_lossy(&lock(&self.service.logs)).into_owned()
    }

    /// Waits for a function that must end by itself.
    pub async fn exited(&self) -> anyhow::Result<Exit> {
        let mut exit = self.service.exit.subscribe();
        let ended = tokio::time::timeout(INIT_LIMIT, exit.wait_for(Option::is_some)).await;
        let Ok(ended) = ended else {
            bail!("the function is still running:\n{}", self.logs());
        };
        Ok(Exit {
            status: ended?.context("no exit status")?,
            logs: self.logs(),
            init_error: lock(&self.service.init_error).clone(),
        })
    }

    /// Ends the process and gives how it ended, with complete logs.
    pub async fn stop(&self) -> anyhow::Result<Exit> {
        self.service.stop.notify_one();
        self.exited().await
    }

    fn spawn(name: &str, mut command: Command, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        command
            .env_clear()
            .envs(lambda_environment(name, &address))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let (queue, waiting) = mpsc::unbounded_channel();
        let service = Arc::new(Service::new(waiting));
        let child = command.spawn()?;

        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // Only latency is at stake, so a refusal does not matter.
            let _ = stream.set_nodelay(true);
        });
        let mut tasks = JoinSet::new();
        let router = routes(Arc::clone(&service));
        tasks.spawn(async move {
            // `serve` never ends; the set ends it.
            let _ = axum::serve(listener, router).await;
        });
        tasks.spawn(watch_over(child, Arc::clone(&service)));
        Ok(Self {
            arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
            service,
            queue,
            _tasks: tasks,
        })
    }
}

/// The variables that Lambda sets for every function, as far as a function written in Rust reads them.
fn lambda_environment(name: &str, address: &str) -> [(&'static str, String); 7] {
    [
        ("AWS_LAMBDA_RUNTIME_API", address.into()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "[$LATEST]local".into()),
        ("_HANDLER", "bootstrap".into()),
    ]
}

/// Keeps the process, collects what it writes and announces its end once everything is collected.
async fn watch_over(mut child: Child, service: Arc<Service>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        tokio::select! {
            status = child.wait() => status,
            () = service.stop.notified() => {
                child.kill().await?;
                child.wait().await
            }
        }
    };
    let (status, (), ()) = tokio::join!(
        ended,
        collect(stdout, &service.logs),
        collect(stderr, &service.logs),
    );
    if let Ok(status) = status {
        service.exit.send_replace(Some(status));
    }
}

async fn collect(stream: Option<impl AsyncRead + Unpin>, logs: &Mutex<Vec<u8>>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = Vec::with_capacity(8 * 1024);
    while stream.read_buf(&mut chunk).await.is_ok_and(|read| read > 0) {
        lock(logs).append(&mut chunk);
        chunk.reserve(8 * 1024);
    }
}

/// The state behind the Runtime API of one process.
#[derive(Debug)]
struct Service {
    started: Instant,
    first_next: watch::Sender<Option<Duration>>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<Option<(String, oneshot::Sender<Outcome>)>>,
    init_error: Mutex<Option<InitError>>,
    logs: Mutex<Vec<u8>>,
    stop: Notify,
    exit: watch::Sender<Option<ExitStatus>>,
}

/// One event on its way to the function.
#[derive(Debug)]
struct Invocation {
    id: String,
    arn: String,
    event: Bytes,
    reply: oneshot::Sender<Outcome>,
}

impl Service {
    fn new(waiting: mpsc::UnboundedReceiver<Invocation>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "measures a real process")]
        let started = Instant::now();
        Self {
            started,
            first_next: watch::Sender::new(None),
            waiting: waiting.into(),
            running: Mutex::default(),
            init_error: Mutex::default(),
            logs: Mutex::default(),
            stop: Notify::new(),
            exit: watch::Sender::new(None),
        }
    }

    /// Marks an invocation as the running one and writes it as the Runtime API does.
    fn hand_out(&self, invocation: Invocation) -> Response {
        let trace = Uuid::new_v4().as_u128();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("lambda-runtime-aws-request-id", invocation.id.clone()),
            ("lambda-runtime-deadline-ms", deadline().to_string()),
            ("lambda-runtime-invoked-function-arn", invocation.arn),
            (
                "lambda-runtime-trace-id",
                format!(
                    "Root=1-{:08x}-{:024x};Sampled=0",
                    trace >> 96,
                    trace & (u128::MAX >> 32)
                ),
            ),
        ];
        *lock(&self.running) = Some((invocation.id, invocation.reply));
        (headers, invocation.event).into_response()
    }

    /// Ends the running invocation if it is the one that the function names.
    fn finish(&self, id: &str, outcome: Outcome) -> Response {
        let running = lock(&self.running).take_if(|(running, _)| running == id);
        let Some((_, reply)) = running else {
            return answer(
                StatusCode::BAD_REQUEST,
                &json!({"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}),
            );
        };
        // The caller may have stopped waiting.
        let _ = reply.send(outcome);
        accepted()
    }

    /// What an invocation comes to when the process is gone.
    fn died(&self, id: &str, status: Option<ExitStatus>) -> Outcome {
        if let Some(error) = lock(&self.init_error).clone() {
            return failed(error.error_type, error.message);
        }
        let status =
            status.map_or_else(|| "unknown status".to_owned(), |status| status.to_string());
        failed(
            "Runtime.ExitError",
            format!("RequestId: {id} Error: Runtime exited with error: {status}"),
        )
    }
}

/// The four calls that a runtime makes.
fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(response),
        )
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        // `response` has a limit of its own, which also ends the invocation.
        .layer(DefaultBodyLimit::disable())
        .with_state(service)
}

async fn next(State(service): State<Arc<Service>>) -> Response {
    let now = service.started.elapsed();
    service.first_next.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert(now);
        is_first
    });
    let mut waiting = service.waiting.lock().await;
    while let Some(invocation) = waiting.recv().await {
        // Nobody may be waiting any longer for an event that stood in the queue.
        if !invocation.reply.is_closed() {
            return service.hand_out(invocation);
        }
    }
    StatusCode::GONE.into_response()
}

async fn response(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    if body.len() > ANSWER_LIMIT {
        let message = format!("Exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes).");
        service.finish(
            &id,
            failed("Function.ResponseSizeTooLarge", message.as_str()),
        );
        return answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({"errorMessage": message, "errorType": "RequestEntityTooLarge"}),
        );
    }
    let outcome = match serde_json::from_slice(&body) {
        Ok(answer) => Outcome::Answer(answer),
        Err(error) => failed("Runtime.MalformedResponse", error.to_string()),
    };
    service.finish(&id, outcome)
}

async fn error(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let InitError {
        error_type,
        message,
    } = reported(&body);
    service.finish(&id, failed(error_type, message))
}

async fn init_error(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    *lock(&service.init_error) = Some(reported(&body));
    accepted()
}

/// Reads an error report; whatever is missing from it stays empty.
fn reported(body: &[u8]) -> InitError {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    InitError {
        error_type: text("errorType"),
        message: text("errorMessage"),
    }
}

fn failed(error_type: impl Into<String>, message: impl Into<String>) -> Outcome {
    Outcome::Failed {
        error_type: error_type.into(),
        message: message.into(),
    }
}

fn accepted() -> Response {
    answer(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    (status, headers, body.to_string()).into_response()
}

/// When the invocation that is handed out now must have ended, in milliseconds of the wall clock.
fn deadline() -> u128 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the function compares it with its own clock"
    )]
    let now = SystemTime::now();
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    (now + TIMEOUT).as_millis()
}

/// Locks in spite of a panic elsewhere: the state is replaced whole, so it is never half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn event_and_answer_pass_through() {
        let function = idle();
        let (outcome, ()) =
            tokio::join!(function.invoke_as(Some("live"), json!({"n": 1})), async {
                let (id, arn, event) = take(&function).await;
                assert!(arn.ends_with(":function:idle:live"), "{arn}");
                assert_eq!(event, json!({"n": 1}));
                let status = tell(
                    &function,
                    &format!("invocation/{id}/response"),
                    r#"{"n":2}"#,
                )
                .await;
                assert_eq!(status, StatusCode::ACCEPTED);
            });
        assert_eq!(outcome.unwrap(), Outcome::Answer(json!({"n": 2})));
    }

    #[tokio::test]
    async fn error_report_fails_the_invocation() {
        let function = idle();
        let report = r#"{"errorType":"Boom","errorMessage":"it broke"}"#;
        let (outcome, ()) = tokio::join!(function.invoke(json!({})), async {
            let (id, arn, _) = take(&function).await;
            assert!(arn.ends_with(":function:idle"), "{arn}");
            tell(&function, &format!("invocation/{id}/error"), report).await;
        });
        assert_eq!(outcome.unwrap(), failed("Boom", "it broke"));
    }

    #[tokio::test]
    async fn events_are_handed_out_one_at_a_time() {
        let function = idle();
        let play = async {
            for _ in 0..2 {
                let (id, _, event) = take(&function).await;
                assert!(lock(&function.service.running).is_some());
                tell(
                    &function,
                    &format!("invocation/{id}/response"),
                    &event.to_string(),
                )
                .await;
                let again = tell(&function, &format!("invocation/{id}/response"), "1").await;
                assert_eq!(again, StatusCode::BAD_REQUEST);
            }
        };
        let (first, second, ()) =
            tokio::join!(function.invoke(json!(1)), function.invoke(json!(2)), play);
        assert_eq!(first.unwrap(), Outcome::Answer(json!(1)));
        assert_eq!(second.unwrap(), Outcome::Answer(json!(2)));
    }

    #[tokio::test]
    async fn abandoned_event_is_skipped() {
        let function = idle();
        let gone = tokio::time::timeout(Duration::ZERO, function.invoke(json!("gone"))).await;
        assert!(gone.is_err());
        let (outcome, ()) = tokio::join!(function.invoke(json!("here")), async {
            let (id, _, event) = take(&function).await;
            assert_eq!(event, json!("here"));
            tell(&function, &format!("invocation/{id}/response"), "null").await;
        });
        assert_eq!(outcome.unwrap(), Outcome::Answer(Value::Null));
    }

    #[tokio::test]
    async fn oversized_answer_is_refused() {
        let function = idle();
        let body = format!("\"{}\"", "x".repeat(ANSWER_LIMIT));
        let (outcome, ()) = tokio::join!(function.invoke(json!({})), async {
            let (id, _, _) = take(&function).await;
            let status = tell(&function, &format!("invocation/{id}/response"), &body).await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        });
        let error = outcome.unwrap().answer().unwrap_err().to_string();
        assert!(
            error.starts_with("Function.ResponseSizeTooLarge"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn process_that_ends_is_reported_with_its_logs() {
        let function = shell("echo out; echo $_HANDLER >&2; exit 3");
        let exit = function.exited().await.unwrap();
        assert_eq!(exit.status.code(), Some(3));
        assert!(exit.logs.contains("out\n") && exit.logs.contains("bootstrap\n"));
        assert_eq!(exit.init_error, None);
        let error = function.first_next().await.unwrap_err().to_string();
        assert!(error.contains("ended at start"), "{error}");
        let error = function.invoke(json!({})).await.unwrap().answer();
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("Runtime.ExitError")
        );
    }

    #[tokio::test]
    async fn failed_initialisation_is_what_invocations_come_to() {
        let function = idle();
        let report = r#"{"errorType":"Config","errorMessage":"MAYFLY_TABLE is missing"}"#;
        tell(&function, "init/error", report).await;
        let exit = function.stop().await.unwrap();
        assert!(!exit.status.success());
        assert_eq!(exit.init_error.unwrap().error_type, "Config");
        assert_eq!(
            function.invoke(json!({})).await.unwrap(),
            failed("Config", "MAYFLY_TABLE is missing")
        );
    }

    #[tokio::test]
    async fn environment_is_only_what_was_given_and_what_lambda_adds() {
        let env = [("MAYFLY_TABLE", "t"), ("AWS_LAMBDA_FUNCTION_NAME", "named")];
        let mut command = Command::new("/usr/bin/env");
        command.env("LEAKED", "1");
        let function = Function::spawn("env", command, &env).unwrap();
        let logs = function.exited().await.unwrap().logs;
        assert_eq!(logs.lines().count(), 8, "{logs}");
        assert!(logs.contains("MAYFLY_TABLE=t") && logs.contains("FUNCTION_NAME=named"));
    }

    /// A process that asks for nothing, so that the test can play its part.
    fn idle() -> Function {
        let mut command = Command::new("sleep");
        command.arg("600");
        Function::spawn("idle", command, &[]).unwrap()
    }

    fn shell(script: &str) -> Function {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Function::spawn("shell", command, &[]).unwrap()
    }

    async fn take(function: &Function) -> (String, String, Value) {
        let request = Request::get("/2018-06-01/runtime/invocation/next");
        let request = request.body(Body::empty()).unwrap();
        let router = routes(Arc::clone(&function.service));
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
        assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
        assert!(header("lambda-runtime-deadline-ms").parse::<u64>().unwrap() > 0);
        let body = body.collect().await.unwrap().to_bytes();
        (
            header("lambda-runtime-aws-request-id"),
            header("lambda-runtime-invoked-function-arn"),
            serde_json::from_slice(&body).unwrap(),
        )
    }

    async fn tell(function: &Function, call: &str, body: &str) -> StatusCode {
        let request = Request::post(format!("/2018-06-01/runtime/{call}"));
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let router = routes(Arc::clone(&function.service));
        router.oneshot(request).await.unwrap().status()
    }
}
