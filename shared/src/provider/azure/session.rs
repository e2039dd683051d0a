//! `Session`: calls to Graph and Resource Manager as one base secret.

use azure_core::http::{
    Context, Method, PipelineSendOptions, Request, Url,
    headers::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    error::Error,
    provider::azure::{
        Azure, CALL_TIMEOUT,
        credential::Credential,
        entra::{Key, SignIn, Token},
        error::{Class, Failure, Refusal, Service, read_body, retry_after},
        transport::host_of,
    },
};

/// What a part of a path or query keeps as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The most pages that a list is followed for.
const MAX_PAGES: usize = 200;

/// Signed in as one version of one base secret. Signing in happens when it is needed.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    pub(super) azure: &'a Azure,
    pub(super) credential: &'a Credential,
    base_id: Uuid,
    base_version: u64,
}

/// A call, ready to send.
pub(super) struct Call {
    service: Service,
    action: &'static str,
    method: Method,
    url: String,
    body: Option<Value>,
    header: Option<(&'static str, &'static str)>,
}

/// Any answer.
pub(super) struct Answer {
    service: Service,
    status: u16,
    body: azure_core::http::response::ResponseBody,
    retry_after: Option<std::time::Duration>,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
    #[serde(default, rename = "@odata.nextLink", alias = "nextLink")]
    next: Option<String>,
}

impl Azure {
    /// Calls as `credential`, which is what the base secret `base_id` holds in its version `base_version`.
    pub fn session<'a>(
        &'a self,
        credential: &'a Credential,
        base_id: Uuid,
        base_version: u64,
    ) -> Session<'a> {
        Session {
            azure: self,
            credential,
            base_id,
            base_version,
        }
    }
}

impl Session<'_> {
    /// Drops the base's kept tokens: a right that it was given since is in a new one only.
    pub fn forget_tokens(&self) {
        for service in [Service::Graph, Service::Arm] {
            self.azure.tokens.forget(&self.key(service));
        }
    }

    /// A call to `service` at `path`, which begins with a slash and may have a query.
    pub(super) fn call(
        &self,
        service: Service,
        method: Method,
        action: &'static str,
        path: &str,
    ) -> Call {
        Call {
            service,
            action,
            method,
            url: format!("{}{path}", host_of(service, self.credential.environment)),
            body: None,
            header: None,
        }
    }

    /// Sends once; every answer but a success is a failure.
    pub(super) async fn send(&self, call: Call, until: OffsetDateTime) -> Result<Answer, Failure> {
        let (token, was_kept) = self.token(call.service, until).await?;
        let mut answer = self.send_with(&call, &token, until).await?;
        if answer.status == 401 && was_kept {
            // A kept token may have become void. Nothing was done, so this is no second try.
            self.azure.tokens.forget(&self.key(call.service));
            let (token, _) = self.token(call.service, until).await?;
            answer = self.send_with(&call, &token, until).await?;
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let (code, message) = read_body(answer.status, &answer.body);
        let refusal = Refusal {
            status: answer.status,
            code,
            message,
            retry_after: answer.retry_after,
        };
        Err(Failure::answered(call.service, call.action, refusal))
    }

    /// All pages of a list. A link to the next page that leads to another host is not followed: the token goes with it.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        mut call: Call,
        until: OffsetDateTime,
    ) -> Result<Vec<T>, Failure> {
        let (service, action) = (call.service, call.action);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: Page<T> = self.send(call, until).await?.json()?;
            found.extend(page.value);
            let Some(next) = page.next.filter(|next| !next.is_empty()) else {
                return Ok(found);
            };
            let transport = &self.azure.transport;
            let home = |next: &Url| transport.is_home(next, service, self.credential.environment);
            let Some(next) = Url::parse(&next).ok().filter(home) else {
                return Err(Failure::unknown(service, "a list goes on at another host"));
            };
            call = self.call(service, Method::Get, action, "");
            call.url = next.into();
        }
        Err(Failure::unknown(service, "a list does not end"))
    }

    /// A token for `service`, and whether it was kept from before.
    pub(super) async fn token(
        &self,
        service: Service,
        until: OffsetDateTime,
    ) -> Result<(Token, bool), Failure> {
        let key = self.key(service);
        if let Some(token) = self.azure.tokens.find(&key, self.azure.clock.now()) {
            return Ok((token, true));
        }
        let host = host_of(service, self.credential.environment);
        let scope = format!("{host}/.default");
        let who = SignIn::from(self.credential);
        let token = Box::pin(self.azure.sign_in(&who, &scope, until))
            .await
            .map_err(|failure| about_base(failure, self.credential))?;
        let now = self.azure.clock.now();
        self.azure.tokens.keep(key, &token, now);
        Ok((token, false))
    }

    fn key(&self, service: Service) -> Key {
        Key {
            base_id: self.base_id,
            base_version: self.base_version,
            service,
        }
    }

    async fn send_with(
        &self,
        call: &Call,
        token: &Token,
        until: OffsetDateTime,
    ) -> Result<Answer, Failure> {
        if self.azure.is_late(until) {
            return Err(Failure::late());
        }
        let mut request = call.request(token)?;
        let options = PipelineSendOptions {
            skip_checks: true,
            ..PipelineSendOptions::default()
        };
        let context = Context::new();
        let sent = self
            .azure
            .pipeline
            .send(&context, &mut request, Some(options));
        // Boxed, as signing in is: many calls stand in the futures of minting and of taking back.
        let sent = Box::pin(sent);
        let answer = match tokio::time::timeout(CALL_TIMEOUT, sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Failure::unknown(call.service, &error.to_string())),
            Err(_) => return Err(Failure::unknown(call.service, "no answer in time")),
        };
        let (status, headers, body) = answer.deconstruct();
        let now = self.azure.clock.now();
        Ok(Answer {
            service: call.service,
            status: status.into(),
            body,
            retry_after: headers
                .get_optional_str(&RETRY_AFTER)
                .and_then(|value| retry_after(value, now)),
        })
    }
}

impl Call {
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    fn request(&self, token: &Token) -> Result<Request, Failure> {
        let url = Url::parse(&self.url)
            .ok()
            // Parsing takes out what would climb up the path; then it is not the path that was meant.
            .filter(|url| url.as_str() == self.url)
            .ok_or_else(|| Failure::ours("an address that means something else"))?;
        let mut request = Request::new(url, self.method);
        #[expect(
            clippy::disallowed_methods,
            reason = "provider: the call is made with it"
        )]
        request.insert_header(AUTHORIZATION, format!("Bearer {}", token.value.expose()));
        request.insert_header(ACCEPT, "application/json");
        if let Some((name, value)) = self.header {
            request.insert_header(HeaderName::from(name), value);
        }
        if let Some(body) = &self.body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_body(body.to_string());
        }
        Ok(request)
    }
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The body. What it holds never gets into an error: it may be a secret.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Failure::unknown(self.service, "an answer that is not understood"))
    }
}

/// Parts of a path, each kept from meaning more than a name.
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |path, part| {
        format!("{path}/{}", utf8_percent_encode(part, PLAIN))
    })
}

/// The end of a path that names an object by another key than its id: `(uniqueName='…')`.
pub(super) fn by_key(key: &str, value: &str) -> String {
    format!("({key}='{}')", encoded_string(value))
}

/// A string in a filter, ready for a query.
pub(super) fn quoted(value: &str) -> String {
    format!("%27{}%27", encoded_string(value))
}

fn encoded_string(value: &str) -> String {
    utf8_percent_encode(&value.replace('\'', "''"), PLAIN).to_string()
}

/// Nothing found is an answer too.
pub(super) fn optional<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.class == Class::NotThere => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A base that cannot sign in is at fault itself; waiting for another object would not help.
pub(super) fn about_base(mut failure: Failure, credential: &Credential) -> Failure {
    if failure.class == Class::NotYet {
        failure.class = Class::Refused;
    }
    match (&*failure.code, &mut failure.error) {
        ("AADSTS7000222", error) => *error = credential.expired(),
        ("AADSTS7000215", Error::Provider { text, .. }) => {
            "the base's client secret is wrong".clone_into(text);
        }
        ("AADSTS700016", Error::Provider { text, .. }) => {
            "the base's clientId is no application of its tenantId".clone_into(text);
        }
        _ => {}
    }
    failure
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
