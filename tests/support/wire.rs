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

use crate::{
    privileges::Privileges,
    stop::{Fate, Stop},
};

/// One upstream call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `BatchGetItem`, `AssumeRole`, `Decrypt`, …; of Azure the method and the kind of thing, `PATCH applications`.
    pub operation: String,
    /// The host it went to.
    pub host: String,
    /// The request body.
    pub body: String,
    started: u64,
    ended: u64,
}

impl Call {
    /// Whether it matters if a process stops at it: a write of the table, or any call to a cloud.
    pub fn is_point(&self) -> bool {
        is_point(&self.operation)
    }
}

fn is_point(operation: &str) -> bool {
    !["BatchGetItem", "GetItem", "Query"].contains(&operation)
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
pub struct Wire {
    inner: Arc<Inner>,
    privileges: Option<Privileges>,
}

#[derive(Debug, Default)]
struct Inner {
    ticks: AtomicU64,
    calls: Mutex<Vec<Call>>,
    troubles: Mutex<VecDeque<(String, Trouble)>>,
    weather: AtomicU64,
    count: AtomicU64,
    stop: Mutex<Option<Stop>>,
}

impl Wire {
    /// The same wire, as the process with these privileges calls over it.
    #[must_use]
    pub fn with(&self, privileges: Privileges) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            privileges: Some(privileges),
        }
    }

    /// An SDK HTTP client that records, and hands calls on to `inner`.
    pub fn over(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(RecordingClient {
            wire: self.clone(),
            inner,
        })
    }

    /// A connector that records, and hands calls on to `inner`.
    pub fn connector(&self, inner: SharedHttpConnector) -> SharedHttpConnector {
        SharedHttpConnector::new(Recording {
            wire: self.clone(),
            inner,
        })
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        self.inner.calls.lock().unwrap().clear();
    }

    /// The calls since the last [`Self::clear`], in the order they ended.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap().clone()
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
        self.inner
            .troubles
            .lock()
            .unwrap()
            .push_back((operation.to_owned(), trouble));
    }

    /// From now on every `n`th DynamoDB call meets a trouble that passes; 0 for none.
    pub fn bad_weather(&self, n: u64) {
        self.inner.weather.store(n, Ordering::SeqCst);
    }

    /// The process stops at its `n`th [point](Call::is_point) from now, counted from 1.
    pub fn stop_at(&self, n: usize, fate: Fate) -> Stop {
        let stop = Stop::new(n, fate);
        *self.inner.stop.lock().unwrap() = Some(stop.clone());
        stop
    }

    /// The stop, if this call is the one.
    fn stop(&self, operation: &str) -> Option<Stop> {
        let stop = self.inner.stop.lock().unwrap().clone();
        stop.filter(|stop| is_point(operation) && stop.is_now())
    }

    fn tick(&self) -> u64 {
        self.inner.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn trouble_for(&self, operation: &str) -> Option<Trouble> {
        let mut troubles = self.inner.troubles.lock().unwrap();
        if let Some(position) = troubles.iter().position(|(name, _)| name == operation) {
            return troubles.remove(position).map(|(_, trouble)| trouble);
        }
        drop(troubles);
        let weather = self.inner.weather.load(Ordering::SeqCst);
        let count = self.inner.count.fetch_add(1, Ordering::SeqCst);
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

/// What calls to Azure are named by: the last of these words in the path.
const AZURE: [&str; 13] = [
    "token",
    "applications",
    "servicePrincipals",
    "addPassword",
    "removePassword",
    "appRoleAssignedTo",
    "appRoleAssignments",
    "owners",
    "ownedObjects",
    "deletedItems",
    "roleDefinitions",
    "roleAssignments",
    "permissions",
];

/// The API call that a request is.
fn operation(request: &HttpRequest) -> String {
    if let Some(word) = azure(request.uri()) {
        return format!("{} {word}", request.method());
    }
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

fn azure(uri: &str) -> Option<&'static str> {
    let uri = uri.parse::<http::Uri>().ok()?;
    let mut segments = uri.path().rsplit('/');
    segments.find_map(|segment| {
        // What follows is a key: `applications(uniqueName='…')`.
        let name = segment.split('(').next().unwrap_or_default();
        AZURE.into_iter().find(|word| *word == name)
    })
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

/// As Graph and Resource Manager refuse.
fn azure_refusal(status: u16, code: &str) -> Result<HttpResponse, ConnectorError> {
    let body = json!({"error": {"code": code, "message": code}});
    let mut answer = response(status, body.to_string())?;
    if status == 429 {
        answer.headers_mut().insert("retry-after", "1");
    }
    Ok(answer)
}

impl Trouble {
    fn answer(self, operation: &str, body: &str) -> Result<HttpResponse, ConnectorError> {
        let is_azure = operation.contains(' ');
        match self {
            Self::Throttled if is_azure => azure_refusal(429, "TooManyRequests"),
            Self::Conflict if is_azure => azure_refusal(409, "Directory_ConcurrencyViolation"),
            Self::AccessDenied if is_azure => azure_refusal(403, "Authorization_RequestDenied"),
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
        self.wire
            .connector(self.inner.http_connector(settings, components))
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
            if let Some(privileges) = &wire.privileges {
                privileges.call(&request);
            }
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
            if let Some(stop) = wire.stop(&operation) {
                return stop.meet(&inner, request).await;
            }
            let answer = match wire.trouble_for(&operation) {
                Some(Trouble::LostAnswer) => {
                    drop(inner.call(request).await);
                    Trouble::LostAnswer.answer(&operation, &body)
                }
                Some(trouble) => trouble.answer(&operation, &body),
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
            wire.inner.calls.lock().unwrap().push(call);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_to_azure_are_named_by_what_they_are_about() {
        for (uri, word) in [
            ("https://x/t/oauth2/v2.0/token", "token"),
            (
                "https://x/v1.0/applications(uniqueName='dsv-1')?$select=id",
                "applications",
            ),
            ("https://x/v1.0/applications/1/addPassword", "addPassword"),
            (
                "https://x/v1.0/servicePrincipals/1/appRoleAssignments/Q-x_1",
                "appRoleAssignments",
            ),
            (
                "https://x/v1.0/directory/deletedItems/microsoft.graph.application",
                "deletedItems",
            ),
            (
                "https://x/subscriptions/1/providers/Microsoft.Authorization/roleAssignments/2?api-version=1",
                "roleAssignments",
            ),
        ] {
            assert_eq!(azure(uri), Some(word), "{uri}");
        }
        assert_eq!(azure("https://sts.us-east-1.amazonaws.com/"), None);
    }
}
