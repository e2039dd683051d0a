//! Client credentials: 256 random bits, stored only as a keyed hash.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    app::App,
    clock::unix_millis,
    domain::sensitive::Sensitive,
    error::Error,
    seal::{KeyedHash, Purpose, random},
    store::schema::{ClientRecord, Key},
};

const LABEL: &str = "client secret";

/// A new client credential for `role`: what to store, and the secret that is shown this once.
pub async fn generate(
    app: &App,
    role: &str,
    created_by: &str,
) -> Result<(ClientRecord, Sensitive), Error> {
    let client_id = Uuid::new_v4();
    let secret = Sensitive::new(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?));
    let verifier = app
        .sealer
        .hash(Purpose::Verifier, LABEL, &message(client_id, &secret))
        .await?;
    let record = ClientRecord {
        key: Key::client(&client_id.to_string()),
        id: Uuid::new_v4(),
        client_id,
        role: role.to_owned(),
        rev: 0,
        verifier: verifier.hash,
        verifier_key: verifier.key,
        created: unix_millis(app.clock.now()),
        created_by: created_by.to_owned(),
        valid_after: 0,
        deleted_at: None,
    };
    Ok((record, secret))
}

/// Whether `secret` is the one of `client`; compared in constant time.
pub async fn is_secret_of(
    app: &App,
    client: &ClientRecord,
    secret: &Sensitive,
) -> Result<bool, Error> {
    let stored = KeyedHash {
        key: client.verifier_key,
        hash: client.verifier.clone(),
    };
    app.sealer
        .is_hash_of(
            Purpose::Verifier,
            LABEL,
            &message(client.client_id, secret),
            &stored,
        )
        .await
}

/// The client id is part of what is hashed, so a verifier copied to another client does not count there.
#[expect(
    clippy::disallowed_methods,
    reason = "store: only its keyed hash is kept"
)]
fn message(client_id: Uuid, secret: &Sensitive) -> Vec<u8> {
    format!("{client_id} {}", secret.expose()).into_bytes()
}
