//! `grant_type=client_credentials`

use mayfly::{
    access::{
        client,
        token::{self, Holder},
    },
    audit::Trail,
    change::{Attempt, Change, until_done},
    clock::unix_millis,
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::reply::Reply,
    store::schema::{ClientRecord, EpochRecord, Key, RoleRecord},
};
use uuid::Uuid;

use crate::{issuer::Issuer, wire};

/// Signs a client in: one read and one record when warm, whether or not its uses are counted.
pub(crate) async fn grant(
    issuer: &Issuer,
    trail: &Trail,
    client_id: &str,
    client_secret: &Sensitive,
) -> Result<Reply, Error> {
    trail.claimed_by("", client_id);
    let signed_in = match uuid_text(client_id) {
        Some(id) => until_done(&issuer.app, || sign_in(issuer, trail, &id, client_secret)).await,
        None => Err(Error::Unauthenticated),
    };
    match signed_in {
        Ok(token) => Ok(wire::granted(&token, None)),
        Err(Error::Unauthenticated) => Err(issuer.refuse(trail, "login failed").await),
        Err(error) => Err(error),
    }
}

async fn sign_in(
    issuer: &Issuer,
    trail: &Trail,
    client_id: &str,
    client_secret: &Sensitive,
) -> Result<Attempt<Sensitive>, Error> {
    let app = &issuer.app;
    let (client_key, epoch_key) = (Key::client(client_id), app.rules.epoch_key());
    let guess = app.roles.recall(&client_id.to_owned());
    let role_key = guess.as_deref().map(Key::role);
    let keys = [client_key.clone(), epoch_key.clone()]
        .into_iter()
        .chain(role_key);
    let mut items = app.table.batch_get(keys).await?;

    let client: ClientRecord = items.record(&client_key)?.ok_or(Error::Unauthenticated)?;
    if !client::is_secret_of(app, &client, client_secret).await? || !counts(issuer, &client) {
        return Err(Error::Unauthenticated);
    }
    let role_key = Key::role(&client.body.role);
    if guess.as_ref() != Some(&client.body.role) {
        items.extend(app.table.batch_get([role_key.clone()]).await?);
        app.roles
            .remember(client_id.to_owned(), client.body.role.clone());
    }
    let role: RoleRecord = items.record(&role_key)?.ok_or(Error::Unauthenticated)?;
    if role.deleted_at.is_some() || role.id != client.body.role_id {
        return Err(Error::Unauthenticated);
    }
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    let holder = Holder {
        principal: Principal::role(&role.name),
        id: role.id,
        client: client_id.to_owned(),
        stamp: token::stamp(&role.body.stamp, Some(&client.body.stamp)),
    };
    trail.claimed_by(holder.principal.as_str(), client_id);
    let token = issuer.issue(&rules, &holder).await?;
    let recorded = record(issuer, trail, &client).await?;
    recorded.try_map(|()| Ok(token))
}

/// Whether it may sign in at all.
fn counts(issuer: &Issuer, client: &ClientRecord) -> bool {
    let now = unix_millis(issuer.app.clock.now());
    client.deleted_at.is_none() && !client.body.is_over(now) && !client.body.is_used_up()
}

/// Records the sign-in; where its uses are limited, together with counting it.
async fn record(
    issuer: &Issuer,
    trail: &Trail,
    client: &ClientRecord,
) -> Result<Attempt<()>, Error> {
    let app = &issuer.app;
    if client.body.uses_limit == 0 {
        trail.write(app, 200, "login succeeded", None).await?;
        return Ok(Attempt::Done(()));
    }
    let mut change = Change::new(app);
    change.push(app.table.count_use(client)?);
    change.commit(trail, 200, "login succeeded").await
}

/// A client id in the one spelling that keys use.
fn uuid_text(text: &str) -> Option<String> {
    Uuid::parse_str(text).ok().map(|id| id.to_string())
}
