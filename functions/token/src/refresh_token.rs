//! `grant_type=refresh_token`

use std::net::IpAddr;

use mayfly::{
    access::{
        lockout,
        refresh::{self, Shown, Standing},
    },
    audit::Trail,
    change::{Attempt, Change, until_done},
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::reply::Reply,
    store::{
        schema::{EpochRecord, FamilyRecord, Key, UserRecord},
        writes::Only,
    },
};
use uuid::Uuid;

use crate::{issuer::Issuer, password, wire};

/// What a refresh token is exchanged for.
struct Granted {
    access: Sensitive,
    next: Sensitive,
}

/// Exchanges a refresh token for an access token and the next refresh token: one read and one transaction when warm.
pub(crate) async fn grant(
    issuer: &Issuer,
    trail: &Trail,
    source: Option<IpAddr>,
    token: &Sensitive,
) -> Result<Reply, Error> {
    match exchange(issuer, trail, source, token).await {
        Ok(granted) => Ok(wire::granted(&granted.access, Some(&granted.next))),
        Err(Error::Unauthenticated) => Err(issuer.refuse(trail, "refresh failed").await),
        Err(error) => Err(error),
    }
}

async fn exchange(
    issuer: &Issuer,
    trail: &Trail,
    source: Option<IpAddr>,
    token: &Sensitive,
) -> Result<Granted, Error> {
    let app = &issuer.app;
    let shown = refresh::verify(app, token).await?;
    trail.claimed_by(Principal::user(&shown.user), "");
    let tries_key = match source {
        Some(source) => Some(lockout::source_key(app, source).await?),
        None => None,
    };
    let by = Uuid::new_v4();
    let granted = until_done(app, || {
        attempt(issuer, trail, &shown, tries_key.as_ref(), by)
    });
    granted.await?.ok_or(Error::Unauthenticated)
}

/// One look at the family and what follows from it; `None` if that ended the family.
async fn attempt(
    issuer: &Issuer,
    trail: &Trail,
    shown: &Shown,
    tries_key: Option<&Key>,
    by: Uuid,
) -> Result<Attempt<Option<Granted>>, Error> {
    let app = &issuer.app;
    let (family_key, user_key) = (Key::family(shown.family), Key::user(&shown.user));
    let epoch_key = app.rules.epoch_key();
    let keys = [family_key.clone(), user_key.clone(), epoch_key.clone()];
    let keys = keys.into_iter().chain(tries_key.cloned());
    let items = app.table.batch_get(keys).await?;

    let family: FamilyRecord = items.record(&family_key)?.ok_or(Error::Unauthenticated)?;
    let standing = refresh::standing(app, shown, &family, by);
    if standing == Standing::UsedBefore {
        let revoked = revoke_family(issuer, trail, &family).await?;
        return revoked.try_map(|()| Ok(None));
    }
    let user: Option<UserRecord> = items.record(&user_key)?;
    let user = user.filter(|user| {
        user.deleted_at.is_none()
            && user.id == family.user_id
            && user.body.stamp == family.stamp
            && standing != Standing::Over
    });
    let Some(user) = user else {
        app.table.delete_all([family_key]).await?; // it can never count again
        return Err(Error::Unauthenticated);
    };
    if let Some(key) = tries_key
        && lockout::is_source_locked(app, &items, key)?
    {
        return Err(Error::Unauthenticated);
    }
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    let access = issuer.issue(&rules, &password::holder(&user)).await?;
    if standing == Standing::UsedByThis {
        let next = refresh::token(app, &family).await?;
        return Ok(Attempt::Done(Some(Granted { access, next })));
    }
    let moved = refresh::next(app, &family, by);
    let next = refresh::token(app, &moved).await?;
    let mut change = Change::new(app);
    change.push(app.table.write(&moved, &unchanged(&family))?);
    let recorded = change.commit(trail, 200, "login renewed").await?;
    recorded.try_map(|()| Ok(Some(Granted { access, next })))
}

/// A token that was used before is shown again: somebody has it who should not, and nobody can tell who.
async fn revoke_family(
    issuer: &Issuer,
    trail: &Trail,
    family: &FamilyRecord,
) -> Result<Attempt<()>, Error> {
    let why = "refresh token used twice: its family was revoked";
    tracing::warn!(request_id = trail.request_id(), family = %family.id, "{why}");
    let app = &issuer.app;
    let mut change = Change::new(app);
    change.push(app.table.remove(&family.key, &unchanged(family))?);
    change.commit(trail, 401, why).await
}

fn unchanged(family: &FamilyRecord) -> Only {
    Only::IfUnchanged {
        id: family.id,
        rev: family.rev,
    }
}
