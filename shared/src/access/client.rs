//! Client credentials: 256 random bits, stored only as a keyed hash. So is the code in a one-time address.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    app::App,
    clock::unix_millis,
    domain::sensitive::Sensitive,
    error::Error,
    seal::{KeyedHash, Purpose, random},
    store::schema::{
        BootstrapRecord, Client, ClientRecord, Head, RoleRecord, VerifierRecord, new_stamp,
    },
};

const SECRET: &str = "client secret";
const CODE: &str = "bootstrap code";

/// What a client is made with.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Free text.
    pub description: String,
    /// How long it counts from when it can first sign in, in seconds; 0 for ever.
    pub ttl: u64,
    /// How often it may sign in; 0 for any number.
    pub uses_limit: u64,
}

/// A new client credential for `role` with no limits: what to store, and the secret that is shown this once.
pub async fn generate(
    app: &App,
    role: &RoleRecord,
    created_by: &str,
) -> Result<(ClientRecord, Sensitive), Error> {
    generate_on(app, role, Terms::default(), created_by).await
}

/// A new client credential for `role`: what to store, and the secret that is shown this once.
pub async fn generate_on(
    app: &App,
    role: &RoleRecord,
    terms: Terms,
    created_by: &str,
) -> Result<(ClientRecord, Sensitive), Error> {
    let client = blank(app, role, terms, created_by);
    let (body, secret) = with_secret(app, &client).await?;
    Ok((ClientRecord { body, ..client }, secret))
}

/// A new client credential for `role` that has no secret before its one-time address is opened: what to store, and the
/// code in that address. `url_ttl` is how long the address counts, in seconds; 0 for ever.
pub async fn generate_waiting(
    app: &App,
    role: &RoleRecord,
    terms: Terms,
    url_ttl: u64,
    created_by: &str,
) -> Result<(ClientRecord, Sensitive), Error> {
    let mut client = blank(app, role, terms, created_by);
    let (code, verifier) = hashed(app, CODE, &client.name).await?;
    client.body.bootstrap = Some(BootstrapRecord {
        code: verifier,
        ttl: url_ttl,
        expires_at: end(client.created, url_ttl),
        opened: false,
    });
    Ok((client, code))
}

/// `waiting` once its address was opened: its time begins now. With the secret that is shown this once.
pub async fn opened(app: &App, waiting: &ClientRecord) -> Result<(Client, Sensitive), Error> {
    let (mut body, secret) = with_secret(app, waiting).await?;
    if let Some(bootstrap) = &mut body.bootstrap {
        bootstrap.opened = true;
    }
    Ok((body, secret))
}

/// Whether `code` is the one in the address of `client`; compared in constant time. A client without an address has
/// none.
pub async fn is_code_of(app: &App, client: &ClientRecord, code: &Sensitive) -> Result<bool, Error> {
    match &client.body.bootstrap {
        Some(bootstrap) => is_hash_of(app, CODE, &client.name, code, &bootstrap.code).await,
        None => Ok(false),
    }
}

/// Whether `secret` is the one of `client`; compared in constant time. A client without one yet has none.
pub async fn is_secret_of(
    app: &App,
    client: &ClientRecord,
    secret: &Sensitive,
) -> Result<bool, Error> {
    match &client.body.secret {
        Some(verifier) => is_hash_of(app, SECRET, &client.name, secret, verifier).await,
        None => Ok(false),
    }
}

fn blank(app: &App, role: &RoleRecord, terms: Terms, created_by: &str) -> ClientRecord {
    let body = Client {
        role: role.name.clone(),
        role_id: role.id,
        description: terms.description,
        stamp: new_stamp(),
        secret: None,
        ttl: terms.ttl,
        expires_at: None,
        uses_limit: terms.uses_limit,
        used_count: 0,
        bootstrap: None,
    };
    let now = unix_millis(app.clock.now());
    Head::new(&Uuid::new_v4().to_string(), body, created_by, now)
}

async fn with_secret(app: &App, client: &ClientRecord) -> Result<(Client, Sensitive), Error> {
    let (secret, verifier) = hashed(app, SECRET, &client.name).await?;
    let body = Client {
        secret: Some(verifier),
        expires_at: end(unix_millis(app.clock.now()), client.body.ttl),
        ..client.body.clone()
    };
    Ok((body, secret))
}

/// When what counts for `ttl` seconds from `start` ends; never if that is 0.
fn end(start: i64, ttl: u64) -> Option<i64> {
    let millis = i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(1000);
    (ttl > 0).then(|| start.saturating_add(millis))
}

async fn hashed(
    app: &App,
    label: &str,
    client_id: &str,
) -> Result<(Sensitive, VerifierRecord), Error> {
    let secret = Sensitive::new(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?));
    let hash = app
        .sealer
        .hash(Purpose::Verifier, label, &message(client_id, &secret))
        .await?;
    let verifier = VerifierRecord {
        hash: hash.hash,
        key: hash.key,
    };
    Ok((secret, verifier))
}

async fn is_hash_of(
    app: &App,
    label: &str,
    client_id: &str,
    secret: &Sensitive,
    verifier: &VerifierRecord,
) -> Result<bool, Error> {
    let stored = KeyedHash {
        key: verifier.key,
        hash: verifier.hash.clone(),
    };
    app.sealer
        .is_hash_of(
            Purpose::Verifier,
            label,
            &message(client_id, secret),
            &stored,
        )
        .await
}

/// The client id is part of what is hashed, so a verifier copied to another client does not count there.
#[expect(
    clippy::disallowed_methods,
    reason = "store: only its keyed hash is kept"
)]
fn message(client_id: &str, secret: &Sensitive) -> Vec<u8> {
    format!("{client_id} {}", secret.expose()).into_bytes()
}
