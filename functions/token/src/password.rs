//! `grant_type=password`

use std::net::IpAddr;

use mayfly::{
    access::{
        lockout, password, refresh,
        token::{self, Holder},
    },
    app::App,
    audit::Trail,
    change::{Change, until_done},
    domain::{name::Name, principal::Principal, sensitive::Sensitive},
    error::{Error, chain},
    http::reply::Reply,
    store::{
        schema::{EpochRecord, FamilyRecord, Key, UserRecord},
        writes::Only,
    },
};
use tokio::{join, try_join};

use crate::{issuer::Issuer, wire};

/// What a user signs in with.
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: Sensitive,
    /// Who else could vouch for the user; empty for this vault itself.
    pub(crate) provider: String,
}

/// Signs a user in. Warm, that is two round trips: the try is counted beside the read, and its outcome settled beside
/// the record.
pub(crate) async fn grant(
    issuer: &Issuer,
    trail: &Trail,
    source: Option<IpAddr>,
    login: &Login,
) -> Result<Reply, Error> {
    let app = &issuer.app;
    if !login.provider.is_empty() {
        let why = "unable to find provider with specified name.";
        return Err(issuer.refuse(trail, why).await);
    }
    // What cannot be a name is nobody's, after the same work.
    let name = Name::parse("username", &login.username).ok();
    let user_key = name.map(|name| Key::user(name.as_str()));
    let epoch_key = app.rules.epoch_key();
    let keys = [epoch_key.clone()].into_iter().chain(user_key.clone());
    let (attempt, items) = try_join!(
        lockout::reserve(app, &login.username, source),
        app.table.batch_get(keys),
    )?;
    let user: Option<UserRecord> = match &user_key {
        Some(key) => items.record(key)?,
        None => None,
    };
    // Only a name that exists is written down: others may be a password in the wrong field.
    if let Some(user) = &user {
        trail.claimed_by(Principal::user(&user.name), "");
    }
    let right = attempt.is_right(app, user.as_ref(), &login.password);
    let (true, Some(user)) = (right.await?, user) else {
        let why = if attempt.is_admitted() {
            "login failed"
        } else {
            "login failed: too many failures lately"
        };
        return Err(issuer.refuse(trail, why).await);
    };
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    let family = refresh::begin(app, &user);
    let access = issuer.issue(&rules, &holder(&user)).await?;
    let next = refresh::token(app, &family).await?;
    let (recorded, (), ()) = join!(
        Box::pin(record(app, trail, &family)),
        attempt.settle(app),
        renew(app, &user, &login.password),
    );
    recorded.map(|()| wire::granted(&access, Some(&next)))
}

/// What a token of `user` says.
pub(crate) fn holder(user: &UserRecord) -> Holder {
    Holder {
        principal: Principal::user(&user.name),
        id: user.id,
        client: String::new(),
        stamp: token::stamp(&user.body.stamp, None),
    }
}

/// Records the sign-in together with the family that it begins. Nobody else knows of that yet, so writing it again
/// after a lost race does no harm.
async fn record(app: &App, trail: &Trail, family: &FamilyRecord) -> Result<(), Error> {
    until_done(app, || async {
        let mut change = Change::new(app);
        change.push(app.table.write(family, &Only::Always)?);
        change.commit(trail, 200, "login succeeded").await
    })
    .await
}

/// Hashes the password anew if it was hashed in an older way. That can wait for the next time.
async fn renew(app: &App, user: &UserRecord, password: &Sensitive) {
    let renewed = async {
        let Some(record) = &user.body.password else {
            return Ok(());
        };
        match password::renewed(app, user.id, record, password).await? {
            Some(record) => app.table.renew_password(user, &record).await,
            None => Ok(()),
        }
    };
    if let Err(error) = renewed.await {
        tracing::warn!(error = chain(&error), "a password was not hashed anew");
    }
}
