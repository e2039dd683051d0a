//! A small cloud for the tests of the sandbox, and signed requests to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use mayfly::clock::BoxFuture;
use serde_json::Value;
use time::OffsetDateTime;
use tower::ServiceExt;

use super::{Sandbox, SandboxRole, SandboxUser};

pub(super) const USER_KEY: &str = "AKIASANDBOXBASE00000";
pub(super) const USER_SECRET: &str = "sandbox-base-secret";
pub(super) const ROLE: &str = "arn:aws:iam::000000000000:role/team/reader";

/// The fields of one call.
pub(super) type Fields = &'static [(&'static str, &'static str)];

pub(super) const IDENTITY: Fields = &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
pub(super) const ASSUME: Fields = &[
    ("Action", "AssumeRole"),
    ("Version", "2011-06-15"),
    ("RoleArn", ROLE),
    ("RoleSessionName", "me"),
];
pub(super) const FEDERATE: Fields = &[
    ("Action", "GetFederationToken"),
    ("Version", "2011-06-15"),
    ("Name", "mf-1"),
    ("DurationSeconds", "900"),
    (
        "PolicyArns.member.1.arn",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
    ),
];

/// A clock that stands at the first second of 2026 until it is advanced.
#[derive(Clone)]
pub(super) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_225_600)))
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0.load(Ordering::Relaxed)).unwrap()
    }

    pub(super) fn source(&self) -> Arc<dyn mayfly::clock::Clock> {
        Arc::new(self.clone())
    }
}

impl mayfly::clock::Clock for Clock {
    fn now(&self) -> OffsetDateTime {
        Self::now(self)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        self.advance(i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
        Box::pin(std::future::ready(()))
    }
}

/// A role that trusts the base user and allows neither tags nor a source identity.
pub(super) fn role(arn: &str) -> SandboxRole {
    SandboxRole {
        arn: arn.to_owned(),
        trusted_users: vec!["arn:aws:iam::000000000000:user/base".to_owned()],
        max_duration: 43200,
        external_id: None,
        allow_tag_session: false,
        allow_source_identity: false,
    }
}

/// The long-term key of the base user.
pub(super) fn user() -> Credentials {
    Credentials::new(USER_KEY, USER_SECRET, None, None, "test")
}

/// A sandbox with the base user, who may federate, and the role that trusts them.
pub(super) struct Cloud {
    pub(super) sandbox: Sandbox,
    pub(super) clock: Clock,
}

impl Cloud {
    pub(super) fn new() -> Self {
        let cloud = Self::without_role();
        cloud.sandbox.add_role(role(ROLE)).unwrap();
        cloud
    }

    pub(super) fn without_role() -> Self {
        let clock = Clock::new();
        let sandbox = Sandbox::in_memory(clock.source());
        Self { sandbox, clock }.with_user()
    }

    pub(super) fn in_dir(dir: &Path) -> Self {
        let clock = Clock::new();
        let sandbox = Sandbox::open(dir, clock.source()).unwrap();
        sandbox.add_role(role(ROLE)).unwrap();
        Self { sandbox, clock }.with_user()
    }

    fn with_user(self) -> Self {
        let user = SandboxUser::new("base", "000000000000", USER_KEY, USER_SECRET.to_owned());
        self.sandbox.add_user(user.allowed_to_federate()).unwrap();
        self
    }

    /// Calls STS as the base user.
    pub(super) async fn sts(&self, fields: &[(&str, &str)]) -> Reply {
        self.sts_as(&user(), fields).await
    }

    pub(super) async fn sts_as(&self, who: &Credentials, fields: &[(&str, &str)]) -> Reply {
        self.send(self.request(who, "sts", fields)).await
    }

    /// Calls KMS as the base user.
    pub(super) async fn kms(&self, action: &str, body: &Value) -> Reply {
        self.kms_as(&user(), action, body).await
    }

    pub(super) async fn kms_as(&self, who: &Credentials, action: &str, body: &Value) -> Reply {
        self.send(self.kms_request(who, action, body)).await
    }

    pub(super) fn request(
        &self,
        who: &Credentials,
        service: &'static str,
        fields: &[(&str, &str)],
    ) -> Call {
        Call {
            credentials: who.clone(),
            service,
            region: "eu-central-1",
            at: self.clock.now(),
            target: None,
            body: serde_urlencoded::to_string(fields).unwrap(),
        }
    }

    pub(super) fn kms_request(&self, who: &Credentials, action: &str, body: &Value) -> Call {
        Call {
            target: Some(format!("TrentService.{action}")),
            body: body.to_string(),
            ..self.request(who, "kms", &[])
        }
    }

    pub(super) async fn send(&self, call: Call) -> Reply {
        self.deliver(call.signed()).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        let request = Request::get(path).body(String::new()).unwrap();
        self.deliver(request).await
    }

    pub(super) async fn deliver(&self, request: Request<String>) -> Reply {
        let router = self.sandbox.router();
        let response = router.oneshot(request.map(Body::from)).await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.unwrap().to_str().unwrap().to_owned()
        };
        let (status, date) = (response.status().as_u16(), header("date"));
        let sandbox_header = header("x-mayfly-sandbox");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply {
            status,
            date,
            sandbox_header,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// A call before it is signed.
pub(super) struct Call {
    credentials: Credentials,
    pub(super) service: &'static str,
    pub(super) region: &'static str,
    pub(super) at: OffsetDateTime,
    target: Option<String>,
    body: String,
}

impl Call {
    pub(super) fn signed(self) -> Request<String> {
        let mut request = Request::post("/").header("host", "sandbox.test");
        if let Some(target) = self.target {
            request = request.header("x-amz-target", target);
        }
        let mut request = request.body(self.body).unwrap();
        let identity = self.credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.at.into())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = request.headers().iter();
        let signable = SignableRequest::new(
            "POST",
            "/",
            headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())),
            SignableBody::Bytes(request.body().as_bytes()),
        );
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }
}

/// An answer, read whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) date: String,
    pub(super) sandbox_header: String,
    body: String,
}

impl Reply {
    /// The text of the first element of this name, as it stands in the XML; empty if there is none.
    pub(super) fn tag(&self, name: &str) -> &str {
        let after = self.body.split_once(&format!("<{name}>"));
        let inside = after.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inside.map_or("", |(text, _)| text)
    }

    pub(super) fn code(&self) -> &str {
        self.tag("Code")
    }

    pub(super) fn message(&self) -> &str {
        self.tag("Message")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(
            self.tag("AccessKeyId"),
            self.tag("SecretAccessKey"),
            Some(self.tag("SessionToken").to_owned()),
            None,
            "test",
        )
    }
}
