//! Rotating the key that signs tokens, with overlap: a new key is known everywhere before it signs, and an old one
//! counts until the last token it signed has ended.

use mayfly::{
    access::token::TOKEN_TTL,
    app::App,
    audit::Trail,
    change::{Change, until_done},
    error::Error,
    store::{schema::Key, writes::Only},
};
use serde_json::Value;

use crate::{bootstrap::trail, seed::signing_key};

/// How long a new key is only known before it signs, in seconds. A process that hears of it later asks the table.
const HEAD_START: i64 = 120;
/// How much longer than its last token a key is kept, in seconds.
const AFTERLIFE: i64 = 300;
/// How old the newest key may become, in seconds: 30 days.
const MAX_AGE: i64 = 30 * 24 * 3600;

/// What `{"rotate": …}` asks for.
pub(crate) fn voids(options: &Value) -> Result<bool, Error> {
    let wrong = || Error::invalid("rotate.voidTokens", "must be true or false");
    match options {
        Value::Bool(true) => Ok(false),
        Value::Object(fields) => match fields.get("voidTokens") {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(wrong),
        },
        _ => Err(Error::invalid("rotate", "must be an object")),
    }
}

/// Adds a signing key and forgets those whose tokens have all ended. `voids` forgets all others at once, so that every
/// token that was ever issued is void: for a key that got out, and for a table that was restored. Answers the new key's
/// id.
pub async fn rotate(app: &App, trail: &Trail, voids: bool) -> Result<String, Error> {
    until_done(app, || async {
        let (mut snapshot, epoch) = app.rules.read().await?;
        let now = app.clock.now().unix_timestamp();
        let from = if voids { now } else { now + HEAD_START };
        let (record, public) = signing_key(app, from).await?;
        let kid = public.kid.clone();
        let mut change = Change::new(app);
        change.push(app.table.write(&record, &Only::IfNew)?);
        let mut kept = Vec::new();
        for (at, key) in snapshot.keys.iter().enumerate() {
            let succeeded = snapshot.keys.get(at + 1).map(|next| next.from);
            let ended = succeeded.is_some_and(|at| at + TOKEN_TTL + AFTERLIFE <= now);
            if voids || ended {
                change.push(
                    app.table
                        .remove(&Key::signing_key(&key.kid), &Only::Always)?,
                );
            } else {
                kept.push(key.clone());
            }
        }
        kept.push(public);
        snapshot.keys = kept;
        change.extend(snapshot.writes(&app.table, Some(&epoch))?);
        let message = if voids {
            "signing key rotated, all tokens voided"
        } else {
            "signing key rotated"
        };
        change
            .commit(trail, 200, message)
            .await?
            .try_map(|()| Ok(kid))
    })
    .await
}

/// Rotates if the newest key is 30 days old; answers whether it was.
pub async fn rotate_when_due(app: &App) -> Result<bool, Error> {
    let rules = app.rules.load().await?;
    let now = app.clock.now().unix_timestamp();
    let newest = rules.keys.iter().map(|key| key.from).max();
    if newest.is_some_and(|from| now - from < MAX_AGE) {
        return Ok(false);
    }
    let trail = trail(format!("rotate-{now}"), "rotate");
    rotate(app, &trail, false).await.map(|_| true)
}
