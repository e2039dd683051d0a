//! The cloud clients of a process: one TLS stack, connections shared, no credential chain to probe.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, HttpClient, Region, RuntimeComponents, SharedHttpClient, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_http_client::{
    Builder, Connector,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};

use crate::{
    clock::Clock,
    config::{AwsAccess, Endpoints},
    error::Error,
    provider::{aws::Sts, azure::Azure},
    seal::Kms,
};

/// The roots that AWS's own endpoints chain to. Parsing the system's whole bundle would take longer than everything
/// else at a cold start together.
const AMAZON_ROOTS: &[u8] = include_bytes!("roots/amazon.pem");

/// An HTTPS client that trusts Amazon's roots only.
pub fn https() -> Result<SharedHttpClient, Error> {
    with_trust(
        TrustStore::empty()
            .with_native_roots(false)
            .with_pem_certificate(AMAZON_ROOTS),
    )
}

/// An HTTPS client that trusts what this machine trusts.
pub fn https_with_system_roots() -> Result<SharedHttpClient, Error> {
    with_trust(TrustStore::default())
}

fn with_trust(trust: TrustStore) -> Result<SharedHttpClient, Error> {
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| Error::internal(format!("TLS: {error}")))?;
    let client = Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https();
    Ok(SharedHttpClient::new(OnFirstUse(client)))
}

/// Lets an HTTP client read its roots at its first connection, which warming up makes beside other work, and not when
/// the first SDK client is built: it passes on connectors, but not the check that a client runs when it is built.
#[derive(Debug)]
struct OnFirstUse(SharedHttpClient);

impl HttpClient for OnFirstUse {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}

/// DynamoDB. A read takes milliseconds; what takes seconds is better tried again.
pub fn dynamodb(
    http: SharedHttpClient,
    aws: &AwsAccess,
    endpoints: &Endpoints,
) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(aws.region.clone()))
        .credentials_provider(credentials(aws))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(4)
                .with_initial_backoff(Duration::from_millis(25)),
        )
        .timeout_config(timeouts(Duration::from_secs(3), Duration::from_secs(10)));
    config.set_endpoint_url(endpoints.dynamodb.clone());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// KMS as the key wrapper.
pub fn kms(http: SharedHttpClient, aws: &AwsAccess, endpoints: &Endpoints, key: &str) -> Kms {
    let mut config = aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(aws.region.clone()))
        .credentials_provider(credentials(aws))
        .timeout_config(timeouts(Duration::from_secs(3), Duration::from_secs(8)));
    config.set_endpoint_url(endpoints.kms.clone());
    Kms::new(
        aws_sdk_kms::Client::from_conf(config.build()),
        key.to_owned(),
    )
}

/// STS. Every call brings the base secret's own keys and region, so identities are not cached: the cache would grow
/// with every base.
pub fn sts(
    http: SharedHttpClient,
    region: &str,
    endpoints: &Endpoints,
    clock: Arc<dyn Clock>,
) -> Sts {
    let mut config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(region.to_owned()))
        .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(200)),
        )
        .timeout_config(timeouts(Duration::from_secs(5), Duration::from_secs(12)));
    config.set_endpoint_url(endpoints.sts.clone());
    config.set_time_source(Some(SharedTimeSource::new(SigningTime(clock.clone()))));
    Sts::new(aws_sdk_sts::Client::from_conf(config.build()), clock)
}

/// Azure, over connections that trust what this machine trusts.
pub fn azure(endpoints: &Endpoints, clock: Arc<dyn Clock>) -> Azure {
    let connector = SharedHttpConnector::new(OnFirstCall::default());
    Azure::new(connector, endpoints, clock)
}

/// Connections that are built at the first call: a function that never calls Azure does not read the system's roots.
#[derive(Debug, Default)]
struct OnFirstCall(OnceLock<Result<Connector, String>>);

impl HttpConnector for OnFirstCall {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.0.get_or_init(connector_with_system_roots) {
            Ok(connector) => connector.call(request),
            Err(error) => {
                HttpConnectorFuture::ready(Err(ConnectorError::other(error.clone().into(), None)))
            }
        }
    }
}

fn connector_with_system_roots() -> Result<Connector, String> {
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::default())
        .build()
        .map_err(|error| format!("TLS: {error}"))?;
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(2))
        .build();
    Ok(Connector::builder()
        .connector_settings(settings)
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build())
}

/// The time that calls are signed with.
#[derive(Clone)]
struct SigningTime(Arc<dyn Clock>);

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

impl std::fmt::Debug for SigningTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningTime")
    }
}

fn timeouts(attempt: Duration, whole: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(attempt)
        .operation_timeout(whole)
        .build()
}

#[expect(
    clippy::disallowed_methods,
    reason = "provider: the function's own keys sign its calls"
)]
fn credentials(aws: &AwsAccess) -> Credentials {
    let token = aws
        .session_token
        .as_ref()
        .map(|token| token.expose().to_owned());
    Credentials::new(
        aws.access_key.expose(),
        aws.secret_key.expose(),
        token,
        None,
        "environment",
    )
}
