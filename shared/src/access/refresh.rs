//! Refresh tokens: each counts once and is answered with the next. Whoever shows one twice ends the whole family, since
//! one of the two who had it was a thief.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    app::App,
    clock::unix_millis,
    domain::sensitive::Sensitive,
    error::Error,
    seal::{KeyedHash, Purpose},
    store::schema::{FamilyRecord, Key, UserRecord},
};

const LABEL: &str = "refresh token";

/// How long a token counts, in seconds.
pub const REFRESH_TTL: i64 = 48 * 3600;

/// How soon a key that this process has not seen may cause a look at the table, in milliseconds.
const LOOK_EVERY: i64 = 1000;

/// What a token of ours says. Holding one is the proof that we made it, not that it still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its family.
    pub family: Uuid,
    /// Its number in the family.
    pub number: u64,
    /// The user it was made for.
    pub user_id: Uuid,
    /// That user's folded name.
    pub user: String,
}

/// How a token stands with its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the one that counts.
    Newest,
    /// This very request has used it; the answer was lost.
    UsedByThis,
    /// It was used before.
    UsedBefore,
    /// The family's time is over, or it is not what the token was made for.
    Over,
}

/// A new family for `user`, who has just signed in.
pub fn begin(app: &App, user: &UserRecord) -> FamilyRecord {
    let id = Uuid::new_v4();
    let now = app.clock.now();
    FamilyRecord {
        key: Key::family(id),
        id,
        rev: 0,
        user: user.folded(),
        user_id: user.id,
        stamp: user.body.stamp.clone(),
        made_by: id,
        created: unix_millis(now),
        expires: now.unix_timestamp() + REFRESH_TTL,
    }
}

/// The family after its newest token was used by the request `by`.
pub fn next(app: &App, family: &FamilyRecord, by: Uuid) -> FamilyRecord {
    FamilyRecord {
        rev: family.rev + 1,
        made_by: by,
        expires: app.clock.now().unix_timestamp() + REFRESH_TTL,
        ..family.clone()
    }
}

/// How `shown` stands with its family, for the request `by`.
pub fn standing(app: &App, shown: &Shown, family: &FamilyRecord, by: Uuid) -> Standing {
    if family.expires <= app.clock.now().unix_timestamp() || family.user_id != shown.user_id {
        Standing::Over
    } else if family.rev == shown.number {
        Standing::Newest
    } else if family.rev == shown.number + 1 && family.made_by == by {
        Standing::UsedByThis
    } else {
        Standing::UsedBefore
    }
}

/// The token of `family` that counts: family, number, user and name, and a keyed hash of all of them.
pub async fn token(app: &App, family: &FamilyRecord) -> Result<Sensitive, Error> {
    let (id, rev, user_id) = (family.id.simple(), family.rev, family.user_id.simple());
    let user = BASE64_URL_SAFE_NO_PAD.encode(&family.user);
    let said = format!("{id}.{rev}.{user_id}.{user}");
    let hash = app
        .sealer
        .hash(Purpose::Verifier, LABEL, said.as_bytes())
        .await?;
    let (key, hash) = (hash.key, BASE64_URL_SAFE_NO_PAD.encode(hash.hash));
    Ok(Sensitive::new(format!("{said}.{key}.{hash}")))
}

/// Reads a token. What we did not make is `Unauthenticated`, and the table is not asked about it.
pub async fn verify(app: &App, token: &Sensitive) -> Result<Shown, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "store: checked against its keyed hash"
    )]
    let (said, claimed, shown) = read(token.expose()).ok_or(Error::Unauthenticated)?;
    let (newest, _) = app.sealer.keys().newest(Purpose::Verifier).await?;
    let is_known = (1..=newest).contains(&claimed.key);
    // A key that this process has not seen is looked up, so made-up numbers could keep the table busy.
    let now = unix_millis(app.clock.now());
    let may_ask = is_known || claimed.key > newest && app.unknown_keys.may_look(now, LOOK_EVERY);
    if !may_ask {
        return Err(Error::Unauthenticated);
    }
    let is_ours = app
        .sealer
        .is_hash_of(Purpose::Verifier, LABEL, said.as_bytes(), &claimed);
    match is_ours.await {
        Ok(true) => Ok(shown),
        Ok(false) => Err(Error::Unauthenticated),
        Err(Error::Internal(_)) if !is_known => Err(Error::Unauthenticated), // there is no such key
        Err(error) => Err(error),
    }
}

/// What is hashed, the hash, and what it says.
fn read(token: &str) -> Option<(&str, KeyedHash, Shown)> {
    let (rest, hash) = token.rsplit_once('.')?;
    let (said, key) = rest.rsplit_once('.')?;
    let mut parts = said.split('.');
    let mut part = || parts.next();
    let shown = Shown {
        family: Uuid::try_parse(part()?).ok()?,
        number: part()?.parse().ok()?,
        user_id: Uuid::try_parse(part()?).ok()?,
        user: String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part()?).ok()?).ok()?,
    };
    let claimed = KeyedHash {
        key: key.parse().ok()?,
        hash: BASE64_URL_SAFE_NO_PAD.decode(hash).ok()?,
    };
    part().is_none().then_some((said, claimed, shown))
}
