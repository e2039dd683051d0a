//! Signing in to Microsoft Entra, and the tokens that are kept for a while.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{Secret, TokenCredential},
    http::{
        AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions,
        Transport as AzureTransport, headers::RETRY_AFTER,
    },
};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use base64::Engine;
use lru::LruCache;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    clock::{Clock, SystemClock},
    domain::sensitive::Sensitive,
    provider::azure::{
        Azure, CALL_TIMEOUT,
        credential::Credential,
        environment::Environment,
        error::{Failure, Refusal, Service, retry_after},
        transport::Transport,
    },
};

/// How many tokens a process keeps.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(256).expect("above zero");
/// How long before its end a token is no longer used.
const MARGIN: time::Duration = time::Duration::minutes(5);

/// Whose token to get.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The tenant.
    pub tenant_id: String,
    /// The application's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Sensitive,
    /// The cloud.
    pub environment: Environment,
}

impl From<&Credential> for SignIn {
    fn from(credential: &Credential) -> Self {
        Self {
            tenant_id: credential.tenant_id.clone(),
            client_id: credential.client_id.clone(),
            client_secret: credential.client_secret.clone(),
            environment: credential.environment,
        }
    }
}

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token itself.
    pub value: Sensitive,
    /// When it ends, by this process's clock.
    pub expires: OffsetDateTime,
}

/// What is read of a token's claims.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    roles: BTreeSet<String>,
}

impl Token {
    /// The application roles in it; none if it cannot be read.
    pub fn roles(&self) -> BTreeSet<String> {
        self.known_roles().unwrap_or_default()
    }

    /// The application roles in it; `None` if it is not a JSON Web Token, so that its roles are not known. The
    /// signature is not verified: whoever decides by these roles only saves itself a call that would be refused.
    #[expect(
        clippy::disallowed_methods,
        reason = "provider: the token's own claims say what it may do"
    )]
    pub fn known_roles(&self) -> Option<BTreeSet<String>> {
        let mut parts = self.value.expose().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD
            .decode(payload)
            .ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        Some(claims.roles)
    }
}

impl Azure {
    /// Signs in, always anew and never twice: one request, whose answer is not kept.
    pub async fn sign_in(
        &self,
        who: &SignIn,
        scope: &str,
        until: OffsetDateTime,
    ) -> Result<Token, Failure> {
        if self.is_late(until) {
            return Err(Failure::late());
        }
        let seen = Arc::new(Seen {
            transport: self.transport.clone(),
            clock: self.clock.clone(),
            refusal: Mutex::new(None),
        });
        let credential = credential(who, seen.clone())?;
        let asked = tokio::time::timeout(CALL_TIMEOUT, credential.get_token(&[scope], None)).await;
        match asked {
            Ok(Ok(token)) => Ok(Token {
                value: Sensitive::new(token.token.secret().to_owned()),
                expires: self.clock.now() + left(token.expires_on),
            }),
            Ok(Err(error)) => Err(match seen.refusal() {
                Some(refusal) => Failure::answered(Service::Entra, "sign-in", refusal),
                None => Failure::unknown(Service::Entra, &error.kind().to_string()),
            }),
            Err(_) => Err(Failure::unknown(Service::Entra, "no answer in time")),
        }
    }
}

/// How long a token lives that ends at `end` by the machine's clock, which is the one that the library reads.
fn left(end: OffsetDateTime) -> time::Duration {
    let left = (end - SystemClock.now()).as_seconds_f64().round();
    time::Duration::seconds_f64(left.max(0.0))
}

fn credential(who: &SignIn, seen: Arc<Seen>) -> Result<Arc<ClientSecretCredential>, Failure> {
    let mut cloud = CustomConfiguration::default();
    // Always given, so that the library does not look for a host in the environment.
    who.environment
        .login()
        .clone_into(&mut cloud.authority_host);
    let options = ClientSecretCredentialOptions {
        client_options: ClientOptions {
            transport: Some(AzureTransport::new(seen)),
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::from(cloud))),
            ..ClientOptions::default()
        },
    };
    #[expect(clippy::disallowed_methods, reason = "provider: to sign in with it")]
    let secret = Secret::new(who.client_secret.expose().to_owned());
    ClientSecretCredential::new(&who.tenant_id, who.client_id.clone(), secret, Some(options))
        .map_err(|_| Failure::ours("a credential that Azure's library does not take"))
}

/// Remembers the refusal that a sign-in met: of an answer that the library does not understand it keeps neither status nor
/// `Retry-After`.
struct Seen {
    transport: Arc<Transport>,
    clock: Arc<dyn Clock>,
    refusal: Mutex<Option<Refusal>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seen")
    }
}

impl Seen {
    fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().ok()?.take()
    }
}

#[async_trait]
impl HttpClient for Seen {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.transport.execute_request(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let answer = answer.try_into_raw_response().await?;
        let (status, headers, body) = answer.deconstruct();
        let (code, message) = read_refusal(status.into(), &body);
        let now = self.clock.now();
        if let Ok(mut refusal) = self.refusal.lock() {
            *refusal = Some(Refusal {
                status: status.into(),
                code,
                message,
                retry_after: headers
                    .get_optional_str(&RETRY_AFTER)
                    .and_then(|value| retry_after(value, now)),
            });
        }
        Ok(AsyncRawResponse::from_bytes(
            status,
            headers,
            body.as_ref().to_vec(),
        ))
    }
}

/// What Entra answers to a sign-in that it refuses.
#[derive(Default, Deserialize)]
struct RefusedBody {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<i64>,
}

/// Code and sentence: the first `AADSTS` number, else OAuth's word, else the status.
fn read_refusal(status: u16, body: &[u8]) -> (String, String) {
    let body: RefusedBody = serde_json::from_slice(body).unwrap_or_default();
    let code = match body.error_codes.first() {
        Some(number) => format!("AADSTS{number}"),
        None if body.error.is_empty() => format!("HTTP {status}"),
        None => body.error,
    };
    let prefix = format!("{code}: ");
    let said = body.error_description;
    let message = said.strip_prefix(&prefix).unwrap_or(&said).to_owned();
    (code, message)
}

/// Tokens of base secrets, for a while: a base whose version changed is another one.
pub(super) struct Tokens(Mutex<LruCache<Key, Kept>>);

/// Whose token for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) base_id: Uuid,
    pub(super) base_version: u64,
    pub(super) service: Service,
}

struct Kept {
    token: Token,
    fresh_until: OffsetDateTime,
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Tokens {
    pub(super) fn find(&self, key: &Key, now: OffsetDateTime) -> Option<Token> {
        let mut tokens = self.0.lock().ok()?;
        let kept = tokens.get(key)?;
        if now < kept.fresh_until {
            return Some(kept.token.clone());
        }
        tokens.pop(key);
        None
    }

    pub(super) fn keep(&self, key: Key, token: &Token, now: OffsetDateTime) {
        // A short token is used for most of its life: nobody should sign in for every call.
        let margin = MARGIN.min((token.expires - now) / 5);
        if let Ok(mut tokens) = self.0.lock() {
            let kept = Kept {
                token: token.clone(),
                fresh_until: token.expires - margin,
            };
            tokens.put(key, kept);
        }
    }

    pub(super) fn forget(&self, key: &Key) {
        if let Ok(mut tokens) = self.0.lock() {
            tokens.pop(key);
        }
    }
}

#[cfg(test)]
#[path = "entra_tests.rs"]
mod tests;
