//! The sandbox over TCP, called by the AWS SDKs themselves.

use std::future::IntoFuture;
use std::time::SystemTime;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_http_client::Builder;

use super::fixture::{Clock, Cloud, ROLE, role, user};
use super::{Fault, SandboxRole};

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Clock::now(self).into()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Where a cloud is served, and how SDK clients reach it.
struct Served {
    endpoint: String,
    clock: Clock,
    http: SharedHttpClient,
}

impl Served {
    fn sts(&self, credentials: Credentials) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .time_source(SharedTimeSource::new(self.clock.clone()))
            .http_client(self.http.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    fn kms(&self, credentials: Credentials) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .time_source(SharedTimeSource::new(self.clock.clone()))
            .http_client(self.http.clone());
        aws_sdk_kms::Client::from_conf(config.build())
    }
}

fn keys(of: &aws_sdk_sts::types::Credentials) -> Credentials {
    let token = Some(of.session_token().to_owned());
    Credentials::new(of.access_key_id(), of.secret_access_key(), token, None, "t")
}

/// Serves a cloud on a port of its own while the scenario runs.
async fn serving(cloud: &Cloud, scenario: impl AsyncFnOnce(Served)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = Served {
        endpoint: format!("http://{}", listener.local_addr().unwrap()),
        clock: cloud.clock.clone(),
        http: Builder::new().build_http(),
    };
    let listening = axum::serve(listener, cloud.sandbox.router()).into_future();
    tokio::select! {
        stopped = listening => panic!("the server stopped: {stopped:?}"),
        () = scenario(served) => {}
    }
}

#[tokio::test]
async fn sts_client_assumes_chains_and_expires() {
    let cloud = Cloud::new();
    let role = SandboxRole {
        trusted_users: vec!["000000000000".into()],
        allow_tag_session: true,
        allow_source_identity: true,
        external_id: Some("mayfly/1".into()),
        ..role(ROLE)
    };
    cloud.sandbox.add_role(role).unwrap();
    serving(&cloud, async |served: Served| {
        let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        let tag = Tag::builder().key("team").value("größe & <b>").build();
        let plain = Tag::builder().key("team").value("größe").build().unwrap();
        let assume = |tag| {
            served
                .sts(user())
                .assume_role()
                .role_arn(ROLE)
                .role_session_name("alice.01J")
                .duration_seconds(900)
                .external_id("mayfly/1")
                .source_identity("alice")
                .policy_arns(PolicyDescriptorType::builder().arn(arn).build())
                .tags(tag)
        };
        let refused = assume(tag.unwrap()).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("ValidationError"));
        assert!(refused.message().unwrap().contains("größe & <b>"));

        let assumed = assume(plain).send().await.unwrap();
        assert_eq!(assumed.source_identity(), Some("alice"));
        let session = assumed.credentials().unwrap();
        let ends = Clock::now(&served.clock).unix_timestamp() + 900;
        assert_eq!(session.expiration().secs(), ends);

        let chained = served.sts(keys(session));
        let identity = chained.get_caller_identity().send().await.unwrap();
        let expected = assumed.assumed_role_user().unwrap();
        assert_eq!(identity.arn(), Some(expected.arn()));
        assert_eq!(identity.user_id(), Some(expected.assumed_role_id()));

        served.clock.advance(900);
        let ended = chained.get_caller_identity().send().await.unwrap_err();
        assert_eq!(ended.code(), Some("ExpiredToken"));
        assert_eq!(ended.raw_response().unwrap().status().as_u16(), 403);
    })
    .await;
}

#[tokio::test]
async fn sts_client_federates_through_throttling() {
    let cloud = Cloud::new();
    let faults = cloud.sandbox.faults();
    faults.next("GetFederationToken", 1, Fault::Throttle);
    serving(&cloud, async |served: Served| {
        let federated = served
            .sts(user())
            .get_federation_token()
            .name("mf-01J")
            .policy(r#"{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#)
            .send()
            .await
            .unwrap();
        let who = federated.federated_user().unwrap();
        assert_eq!(who.federated_user_id(), "000000000000:mf-01J");
    })
    .await;
    let outcomes: Vec<_> = cloud
        .sandbox
        .calls()
        .into_iter()
        .map(|call| call.outcome)
        .collect();
    assert_eq!(outcomes, ["Throttling", "OK"]);
}

#[tokio::test]
async fn kms_client_seals_and_opens() {
    let cloud = Cloud::new();
    cloud.sandbox.add_key("k1").unwrap();
    serving(&cloud, async |served: Served| {
        let kms = served.kms(user());
        let made = kms
            .generate_data_key()
            .key_id("k1")
            .key_spec(DataKeySpec::Aes256)
            .encryption_context("table", "mayfly")
            .send()
            .await
            .unwrap();
        let blob = made.ciphertext_blob().unwrap().clone();
        let decrypt = |table| {
            kms.decrypt()
                .ciphertext_blob(blob.clone())
                .encryption_context("table", table)
        };
        let opened = decrypt("mayfly").send().await.unwrap();
        assert_eq!(opened.plaintext(), made.plaintext());
        let refused = decrypt("other").send().await.unwrap_err();
        assert!(
            refused
                .into_service_error()
                .is_invalid_ciphertext_exception()
        );

        let text = Blob::new("text");
        let unknown = kms.encrypt().key_id("k2").plaintext(text).send().await;
        let unknown = unknown.unwrap_err().into_service_error();
        assert!(unknown.is_not_found_exception());
    })
    .await;
}
