//! `grant_type=client_credentials`

use mayfly::{
    access::{client, token::Claims},
    audit::Trail,
    clock::unix_millis,
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::reply::Reply,
    store::schema::{ClientRecord, EpochRecord, Key, RoleRecord},
};

use crate::{issuer::Issuer, wire};

/// At most one failed grant in so many milliseconds is recorded; the others leave a log line.
const RECORD_EVERY: i64 = 200;

/// Signs a client in: one read and one record when warm.
pub(crate) async fn grant(
    issuer: &Issuer,
    trail: &Trail,
    client_id: &str,
    client_secret: &Sensitive,
) -> Result<Reply, Error> {
    let app = &issuer.app;
    trail.claimed_by("", client_id);
    match sign_in(issuer, trail, client_id, client_secret).await {
        Ok(token) => {
            trail.write(app, 200, "login succeeded", None).await?;
            Ok(wire::granted(&token))
        }
        Err(Error::Unauthenticated) => {
            tracing::warn!("a client could not sign in");
            if issuer
                .failures
                .may_look(unix_millis(app.clock.now()), RECORD_EVERY)
            {
                trail.write(app, 401, "login failed", None).await?;
            }
            Err(Error::Unauthenticated)
        }
        Err(error) => Err(error),
    }
}

async fn sign_in(
    issuer: &Issuer,
    trail: &Trail,
    client_id: &str,
    client_secret: &Sensitive,
) -> Result<Sensitive, Error> {
    let app = &issuer.app;
    let client_id = uuid_text(client_id).ok_or(Error::Unauthenticated)?;
    let (client_key, epoch_key) = (Key::client(&client_id), app.rules.epoch_key());
    let guess = app.roles.recall(&client_id);
    let role_key = guess.as_deref().map(Key::role);
    let keys = [client_key.clone(), epoch_key.clone()]
        .into_iter()
        .chain(role_key);
    let mut items = app.table.batch_get(keys).await?;

    let client: ClientRecord = items.record(&client_key)?.ok_or(Error::Unauthenticated)?;
    if !client::is_secret_of(app, &client, client_secret).await? || client.deleted_at.is_some() {
        return Err(Error::Unauthenticated);
    }
    let role_key = Key::role(&client.role);
    if guess.as_ref() != Some(&client.role) {
        items.extend(app.table.batch_get([role_key.clone()]).await?);
        app.roles.remember(client_id.clone(), client.role.clone());
    }
    let role: RoleRecord = items.record(&role_key)?.ok_or(Error::Unauthenticated)?;
    if role.deleted_at.is_some() {
        return Err(Error::Unauthenticated);
    }
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    let principal = Principal::role(&role.name);
    trail.claimed_by(principal.as_str(), client_id.clone());
    let claims = Claims::new(
        &principal,
        role.id,
        &client_id,
        rules.vault,
        app.clock.now(),
    );
    issuer.sign(&rules, &claims).await
}

/// A client id in the one spelling that keys use.
fn uuid_text(text: &str) -> Option<String> {
    uuid::Uuid::parse_str(text).ok().map(|id| id.to_string())
}
