//! `Wire`: records every upstream call a vault makes, and breaks some on demand.
//!
//! The embedded DynamoDB never throttles, conflicts, or leaves keys unprocessed; the real one does. This connector sits
//! between the SDK and whatever answers, so that both can be seen.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::config::{
    HttpClient, RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use axum::{Router, body::Body};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// One upstream call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `BatchGetItem`, `AssumeRole`, `Decrypt`, …
    pub operation: String,
    /// The host it went to.
    pub host: String,
    /// The request body.
    pub body: String,
    started: u64,
    ended: u64,
}

/// What can go wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The table is over its throughput.
    Throttled,
    /// Another transaction is writing the same item.
    Conflict,
    /// `BatchGetItem` answers no item and leaves all keys unprocessed.
    Unprocessed,
    /// The work is done, but the answer never arrives.
    LostAnswer,
    /// The connection breaks before anything is done.
    Unreachable,
    /// Refused for good.
    AccessDenied,
}

/// A recorder of calls. Clones share the record.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ticks: AtomicU64,
    calls: Mutex<Vec<Call>>,
    troubles: Mutex<VecDeque<(String, Trouble)>>,
    weather: AtomicU64,
    count: AtomicU64,
}

impl Wire {
    /// An SDK HTTP client that records, and hands calls on to `inner`.
    pub fn over(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(RecordingClient {
            wire: self.clone(),
            inner,
        })
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        self.0.calls.lock().unwrap().clear();
    }

    /// The calls since the last [`Self::clear`], in the order they ended.
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().unwrap().clone()
    }

    /// The operations since the last [`Self::clear`].
    pub fn operations(&self) -> Vec<String> {
        self.calls()
            .into_iter()
            .map(|call| call.operation)
            .collect()
    }

    /// How many calls had to wait for one another: the longest chain in which each began after the one before ended.
    pub fn depth(&self) -> usize {
        let mut calls = self.calls();
        calls.sort_by_key(|call| call.ended);
        let (mut depth, mut last) = (0, 0);
        for call in calls {
            if call.started > last {
                depth += 1;
                last = call.ended;
            }
        }
        depth
    }

    /// The next call of `operation` meets `trouble`. Troubles of one operation queue up.
    pub fn next(&self, operation: &str, trouble: Trouble) {
        self.0
            .troubles
            .lock()
            .unwrap()
            .push_back((operation.to_owned(), trouble));
    }

    /// From now on every `n`th DynamoDB call meets a trouble that passes; 0 for none.
    pub fn bad_weather(&self, n: u64) {
        self.0.weather.store(n, Ordering::SeqCst);
    }

    fn tick(&self) -> u64 {
        self.0.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn trouble_for(&self, operation: &str) -> Option<Trouble> {
        let mut troubles = self.0.troubles.lock().unwrap();
        if let Some(position) = troubles.iter().position(|(name, _)| name == operation) {
            return troubles.remove(position).map(|(_, trouble)| trouble);
        }
        drop(troubles);
        let weather = self.0.weather.load(Ordering::SeqCst);
        let count = self.0.count.fetch_add(1, Ordering::SeqCst);
        if weather == 0 || count % weather != weather - 1 {
            return None;
        }
        match operation {
            "BatchGetItem" => Some(Trouble::Unprocessed),
            "TransactWriteItems" => Some(
                [Trouble::Conflict, Trouble::LostAnswer][usize::from(count / weather % 2 == 1)],
            ),
            "GetItem" | "PutItem" | "UpdateItem" | "Query" | "DeleteItem" => {
                Some(Trouble::Throttled)
            }
            _ => None,
        }
    }
}

/// The API call that a request is.
fn operation(request: &HttpRequest) -> String {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.rsplit('.').next());
    if let Some(target) = target {
        return target.to_owned();
    }
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action=").map(str::to_owned));
    action.unwrap_or_else(|| "?".to_owned())
}

fn response(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    StatusCode::try_from(status)
        .map(|status| HttpResponse::new(status, SdkBody::from(body)))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

fn refusal(kind: &str, more: &Value) -> Result<HttpResponse, ConnectorError> {
    let mut body =
        json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": kind});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    response(400, body.to_string())
}

impl Trouble {
    fn answer(self, body: &str) -> Result<HttpResponse, ConnectorError> {
        match self {
            Self::Throttled => refusal("ProvisionedThroughputExceededException", &json!({})),
            Self::AccessDenied => refusal("AccessDeniedException", &json!({})),
            Self::Conflict => {
                let request: Value = serde_json::from_str(body).unwrap_or_default();
                let count = request["TransactItems"].as_array().map_or(1, Vec::len);
                let mut reasons = vec![json!({"Code": "None"}); count];
                reasons[0] = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
                refusal(
                    "TransactionCanceledException",
                    &json!({ "CancellationReasons": reasons }),
                )
            }
            Self::Unprocessed => {
                let request: Value = serde_json::from_str(body).unwrap_or_default();
                let answer = json!({"Responses": {}, "UnprocessedKeys": request["RequestItems"]});
                response(200, answer.to_string())
            }
            Self::LostAnswer | Self::Unreachable => {
                Err(ConnectorError::io("the connection broke".into()))
            }
        }
    }
}

#[derive(Debug)]
struct RecordingClient {
    wire: Wire,
    inner: SharedHttpClient,
}

impl HttpClient for RecordingClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Recording {
            wire: self.wire.clone(),
            inner,
        })
    }
}

#[derive(Debug)]
struct Recording {
    wire: Wire,
    inner: SharedHttpConnector,
}

impl HttpConnector for Recording {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (wire, inner) = (self.wire.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let operation = operation(&request);
            let body =
                String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
            let host = request
                .uri()
                .parse::<http::Uri>()
                .ok()
                .and_then(|uri| uri.host().map(str::to_owned));
            let started = wire.tick();
            // What answers in this process answers at once; a real call would let others begin meanwhile.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let answer = match wire.trouble_for(&operation) {
                Some(Trouble::LostAnswer) => {
                    drop(inner.call(request).await);
                    Trouble::LostAnswer.answer(&body)
                }
                Some(trouble) => trouble.answer(&body),
                None => inner.call(request).await,
            };
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let ended = wire.tick();
            let call = Call {
                operation,
                host: host.unwrap_or_default(),
                body,
                started,
                ended,
            };
            wire.0.calls.lock().unwrap().push(call);
            answer
        })
    }
}

/// An SDK HTTP client that ends in a router of this process.
#[derive(Debug, Clone)]
pub struct InProcess(pub Router);

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let router = self.0.clone();
        HttpConnectorFuture::new(async move {
            let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
                ConnectorError::other(error, None)
            };
            let request = request
                .try_into_http1x()
                .map_err(|error| broken(error.into()))?;
            let (parts, body) = request.into_parts();
            let mut request = http::Request::from_parts(
                parts,
                Body::from(body.bytes().unwrap_or_default().to_vec()),
            );
            // Over a connection the host is a header, and the request line has the path alone.
            if let Some(host) = request.uri().authority().map(ToString::to_string)
                && let Ok(host) = host.parse()
            {
                request
                    .headers_mut()
                    .entry(http::header::HOST)
                    .or_insert(host);
            }
            let Ok(answer) = router.oneshot(request).await;
            let (parts, body) = answer.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| broken(error.into()))?
                .to_bytes();
            let answer = http::Response::from_parts(parts, SdkBody::from(body.to_vec()));
            HttpResponse::try_from(answer).map_err(|error| broken(error.into()))
        })
    }
}
