//! The one endpoint: tells the services apart, authenticates, bends, performs, records.

use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use time::macros::format_description;

use super::authentication::Caller;
use super::calls::Call;
use super::faults::Fault;
use super::form::Form;
use super::refusal::Refusal;
use super::sigv4::{Authorization, Received};
use super::{Sandbox, kms, sts};

/// One call, by the service that must answer it.
enum ApiRequest {
    Sts(Form),
    Kms { action: String, body: Bytes },
}

impl ApiRequest {
    fn parse(headers: &HeaderMap, body: &Bytes) -> Self {
        match headers.get("x-amz-target") {
            None => Self::Sts(Form::parse(body)),
            Some(target) => Self::Kms {
                action: kms::action(target),
                body: body.clone(),
            },
        }
    }

    fn service(&self) -> &'static str {
        match self {
            Self::Sts(_) => "sts",
            Self::Kms { .. } => "kms",
        }
    }

    fn action(&self) -> &str {
        match self {
            Self::Sts(form) => form.text("Action").unwrap_or_default(),
            Self::Kms { action, .. } => action,
        }
    }

    fn perform(&self, sandbox: &Sandbox, caller: &Caller) -> Result<String, Refusal> {
        match self {
            Self::Sts(form) => sts::perform(sandbox, caller, form),
            Self::Kms { action, body } => kms::perform(sandbox, caller, action, body),
        }
    }

    /// Names a refusal as this service spells it.
    fn spell(&self, refusal: Refusal) -> Refusal {
        match self {
            Self::Sts(_) => refusal,
            Self::Kms { .. } => kms::spell(refusal),
        }
    }

    fn render(&self, outcome: Result<String, Refusal>) -> Response {
        match self {
            Self::Sts(_) => sts::render(self.action(), outcome),
            Self::Kms { .. } => kms::render(outcome),
        }
    }
}

/// Answers one call and records how.
pub(super) async fn answer(
    Shared(sandbox): Shared<Sandbox>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = ApiRequest::parse(&headers, &body);
    let received = Received {
        method,
        uri,
        headers,
        body,
    };
    let authorization = Authorization::parse(&received.headers);
    let access_key_id = authorization
        .as_ref()
        .ok()
        .map(|found| found.access_key_id.to_owned());
    let outcome = sandbox
        .perform(&request, authorization, &received)
        .await
        .map_err(|refusal| request.spell(refusal));
    sandbox.shared.calls.record(Call {
        service: request.service(),
        action: request.action().to_owned(),
        outcome: match &outcome {
            Ok(_) => "OK".to_owned(),
            Err(refusal) => refusal.code.to_string(),
        },
        access_key_id,
    });
    request.render(outcome)
}

/// Says on every answer, errors of the router included, that no cloud gave it.
///
/// The `Date` is the sandbox's own: SDKs correct their clocks by it before a retry.
pub(super) async fn mark(Shared(sandbox): Shared<Sandbox>, mut response: Response) -> Response {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = sandbox.now().format(format).ok();
    let headers = response.headers_mut();
    headers.insert("x-mayfly-sandbox", HeaderValue::from_static("true"));
    if let Some(date) = date.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::DATE, date);
    }
    response
}

impl Sandbox {
    /// Authenticates and performs one call, bent by the next planned fault if there is one.
    async fn perform(
        &self,
        request: &ApiRequest,
        authorization: Result<Authorization<'_>, Refusal>,
        received: &Received,
    ) -> Result<String, Refusal> {
        let caller = self.authenticate(request.service(), &authorization?, received)?;
        let work = || request.perform(self, &caller);
        match self.shared.faults.take(request.action()) {
            None => work(),
            Some(Fault::Throttle) => Err(Refusal::throttled()),
            Some(Fault::Refuse { code, message }) => Err(Refusal::new(code, message)),
            Some(Fault::Late(_)) => Err(Refusal::new("ServiceUnavailable", "Please try again.")),
            Some(Fault::FailAfterSuccess) => work().and_then(|_| Err(Refusal::internal())),
            Some(Fault::Delay(delay)) => {
                let outcome = work();
                tokio::time::sleep(delay).await;
                outcome
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{Cloud, FEDERATE, USER_KEY};
    use super::*;

    #[tokio::test]
    async fn every_answer_says_it_is_a_sandbox() {
        let cloud = Cloud::new();
        assert_eq!(cloud.sts(FEDERATE).await.sandbox_header, "true");
        assert_eq!(cloud.get("/").await.sandbox_header, "true");
        assert_eq!(cloud.get("/elsewhere").await.sandbox_header, "true");
    }

    #[tokio::test]
    async fn date_is_the_sandboxes_own() {
        let cloud = Cloud::new();
        assert_eq!(cloud.get("/").await.date, "Thu, 01 Jan 2026 00:00:00 GMT");
    }

    #[tokio::test]
    async fn calls_are_listed_in_order_with_outcome_and_key() {
        let cloud = Cloud::new();
        cloud.sts(FEDERATE).await;
        cloud.sts(&[("Action", "Nonsense")]).await;
        cloud.get("/").await;
        let calls: Vec<_> = cloud
            .sandbox
            .calls()
            .into_iter()
            .map(|call| (call.service, call.action, call.outcome, call.access_key_id))
            .collect();
        let key = Some(USER_KEY.to_owned());
        let expected = [("GetFederationToken", "OK"), ("Nonsense", "InvalidAction")]
            .map(|(action, outcome)| ("sts", action.into(), outcome.into(), key.clone()));
        assert_eq!(calls, expected);
    }

    #[tokio::test]
    async fn throttling_is_what_sts_sends() {
        // The common errors of the STS API reference: throttling is a 400.
        let cloud = Cloud::new();
        let faults = cloud.sandbox.faults();
        faults.next("GetFederationToken", 1, Fault::Throttle);
        let reply = cloud.sts(FEDERATE).await;
        assert_eq!((reply.status, reply.code()), (400, "Throttling"));
        assert_eq!(reply.message(), "Rate exceeded");
        assert_eq!(cloud.sts(FEDERATE).await.status, 200);
    }

    #[tokio::test]
    async fn failure_after_success_leaves_the_session_behind() {
        let cloud = Cloud::new();
        let faults = cloud.sandbox.faults();
        faults.always("GetFederationToken", Fault::FailAfterSuccess);
        let reply = cloud.sts(FEDERATE).await;
        assert_eq!((reply.status, reply.code()), (500, "InternalFailure"));
        assert_eq!(cloud.sandbox.store().session_count(), 1);
        faults.clear();
        assert_eq!(cloud.sts(FEDERATE).await.status, 200);
    }

    #[tokio::test]
    async fn a_delay_holds_the_answer_not_the_work() {
        let cloud = Cloud::new();
        let delay = Fault::Delay(Duration::from_secs(30));
        cloud.sandbox.faults().next("GetFederationToken", 1, delay);
        let impatient = tokio::time::timeout(Duration::ZERO, cloud.sts(FEDERATE));
        assert!(impatient.await.is_err());
        assert_eq!(cloud.sandbox.store().session_count(), 1);
    }

    #[tokio::test]
    async fn a_refusal_can_be_any() {
        let cloud = Cloud::new();
        let refusal = Fault::Refuse {
            code: "RegionDisabledException".into(),
            message: "STS is not activated in this region".into(),
        };
        cloud
            .sandbox
            .faults()
            .next("GetFederationToken", 1, refusal);
        let reply = cloud.sts(FEDERATE).await;
        assert_eq!(reply.code(), "RegionDisabledException");
        assert_eq!(reply.message(), "STS is not activated in this region");
        assert_eq!(cloud.sandbox.store().session_count(), 0);
    }
}
