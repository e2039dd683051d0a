//! The way from Azure's client libraries to the connector that all clouds share, and the only hosts it leads to.

use std::sync::Arc;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use azure_core::{
    error::{Error, ErrorKind},
    http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode, Url, headers::Headers},
};
use http_body_util::{BodyExt, Limited};

use crate::{
    clock::Clock,
    config::Endpoints,
    error::chain,
    metrics::{Call, Provider},
    provider::azure::{environment::Environment, error::Service},
};

/// The longest answer that is read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Sends requests of Azure's client libraries over the shared connector: there is one HTTP stack.
pub(super) struct Transport {
    connector: SharedHttpConnector,
    overrides: Overrides,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

/// Where services are, if the deployment says that they are not at their usual place.
#[derive(Debug, Clone)]
struct Overrides {
    login: Option<String>,
    graph: Option<String>,
    arm: Option<String>,
}

impl Transport {
    pub(super) fn new(
        connector: SharedHttpConnector,
        endpoints: &Endpoints,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            connector,
            clock,
            overrides: Overrides {
                login: endpoints.azure_login.clone(),
                graph: endpoints.azure_graph.clone(),
                arm: endpoints.azure_arm.clone(),
            },
        }
    }

    /// Whether `link` stays with `service` in `cloud`: at its own host, or at the one that the deployment named.
    pub(super) fn is_home(&self, link: &Url, service: Service, cloud: Environment) -> bool {
        let own = host_of(service, cloud);
        let homes = [Some(own), self.overrides.of(service)];
        homes
            .into_iter()
            .flatten()
            .filter_map(|home| Url::parse(home).ok())
            .any(|home| home.origin() == link.origin())
    }

    fn to_connector(&self, request: &Request) -> azure_core::Result<(Service, HttpRequest)> {
        let (service, url) = self.overrides.apply(request.url())?;
        let body = match request.body() {
            Body::Bytes(bytes) => SdkBody::from(bytes.clone()),
            Body::SeekableStream(_) => return Err(wrong("a request with a stream")),
        };
        let mut sent = http::Request::builder()
            .method(request.method().as_str())
            .uri(url.as_str());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        // The request itself stays out of the error: it holds credentials.
        let sent = sent.body(body).map_err(|_| wrong("a request"))?;
        let sent = HttpRequest::try_from(sent).map_err(|_| wrong("a request"))?;
        Ok((service, sent))
    }

    async fn exchange(&self, sent: HttpRequest) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.connector.call(sent).await.map_err(|error| {
            let kind = if error.is_timeout() || error.is_io() {
                ErrorKind::Io
            } else {
                ErrorKind::Connection
            };
            Error::with_message(kind, chain(&error))
        })?;
        let status = StatusCode::from(answer.status().as_u16());
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            headers.insert(name.to_owned(), value.to_owned());
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| Error::with_message(ErrorKind::Io, error.to_string()))?
            .to_bytes();
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (service, sent) = self.to_connector(request)?;
        let call = Call::begin(service.into(), &*self.clock);
        let answer = self.exchange(sent).await;
        call.answered(answer.as_ref().map_or(true, is_fault));
        answer
    }
}

/// Whether an answer is the service's own fault, or throttling.
fn is_fault(answer: &AsyncRawResponse) -> bool {
    let status = u16::from(answer.status());
    status == 429 || status >= 500
}

impl From<Service> for Provider {
    fn from(service: Service) -> Self {
        match service {
            Service::Entra => Self::Entra,
            Service::Graph => Self::Graph,
            Service::Arm => Self::Arm,
        }
    }
}

impl Overrides {
    fn of(&self, service: Service) -> Option<&str> {
        match service {
            Service::Entra => self.login.as_deref(),
            Service::Graph => self.graph.as_deref(),
            Service::Arm => self.arm.as_deref(),
        }
    }

    /// Where `url` is really sent: nowhere but to a known host, or to what the deployment named.
    fn apply(&self, url: &Url) -> azure_core::Result<(Service, Url)> {
        let services = [Service::Entra, Service::Graph, Service::Arm];
        for service in services {
            let is_own = Environment::ALL
                .into_iter()
                .any(|cloud| is_at(url, host_of(service, cloud)));
            let to = match self.of(service) {
                Some(other) if is_own => moved(url, other)?,
                None if is_own => url.clone(),
                Some(other) if is_at(url, other) => url.clone(),
                _ => continue,
            };
            return Ok((service, to));
        }
        Err(wrong("a request to a host that is none of Azure's"))
    }
}

/// Where a service is in a cloud.
pub(super) fn host_of(service: Service, cloud: Environment) -> &'static str {
    match service {
        Service::Entra => cloud.login(),
        Service::Graph => cloud.graph(),
        Service::Arm => cloud.arm(),
    }
}

fn is_at(url: &Url, base: &str) -> bool {
    Url::parse(base).is_ok_and(|base| base.origin() == url.origin())
}

fn moved(url: &Url, base: &str) -> azure_core::Result<Url> {
    let mut moved = Url::parse(base).map_err(|_| wrong("an endpoint setting"))?;
    let path = format!("{}{}", moved.path().trim_end_matches('/'), url.path());
    moved.set_path(&path);
    moved.set_query(url.query());
    Ok(moved)
}

fn wrong(what: &'static str) -> Error {
    Error::with_message(ErrorKind::Other, format!("{what} that cannot be sent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(graph: Option<&str>) -> Overrides {
        Overrides {
            login: None,
            graph: graph.map(str::to_owned),
            arm: None,
        }
    }

    fn sent(overrides: &Overrides, url: &str) -> Result<String, String> {
        overrides
            .apply(&Url::parse(url).unwrap())
            .map(|(_, url)| url.into())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_setting_requests_go_to_known_hosts_only() {
        let none = overrides(None);
        for good in [
            "https://login.microsoftonline.com/t/oauth2/v2.0/token",
            "https://graph.microsoft.us/v1.0/applications?$top=1",
            "https://management.chinacloudapi.cn/subscriptions/x",
        ] {
            assert_eq!(sent(&none, good).unwrap(), good);
        }
        for bad in [
            "http://graph.microsoft.com/v1.0/applications",
            "https://graph.microsoft.com.evil.example/",
            "https://graph.microsoft.com@evil.example/",
            "https://graph.microsoft.com:8443/",
            "http://127.0.0.1:8080/v1.0/applications",
        ] {
            assert!(sent(&none, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_setting_moves_its_own_service_only() {
        let moved = overrides(Some("http://127.0.0.1:8080/cloud/"));
        assert_eq!(
            sent(
                &moved,
                "https://graph.microsoft.com/v1.0/applications(uniqueName='x')?$select=id"
            )
            .unwrap(),
            "http://127.0.0.1:8080/cloud/v1.0/applications(uniqueName='x')?$select=id"
        );
        let arm = "https://management.azure.com/subscriptions/x";
        assert_eq!(sent(&moved, arm).unwrap(), arm);
        // A link that the other host gave is followed as it is.
        let next = "http://127.0.0.1:8080/cloud/v1.0/applications?$skiptoken=1";
        assert_eq!(sent(&moved, next).unwrap(), next);
        assert!(sent(&overrides(Some("no url")), "https://graph.microsoft.com/").is_err());
    }
}
