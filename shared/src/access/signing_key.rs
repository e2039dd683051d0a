//! The keys that sign tokens. They rotate with overlap: a new key is known everywhere before it signs, and an old one
//! counts until the last token it signed has ended.

use crate::{
    access::{
        snapshot::PublicKey,
        token::{self, TOKEN_TTL},
    },
    app::App,
    audit::Trail,
    change::{Change, until_done},
    clock::unix_millis,
    error::Error,
    seal::Purpose,
    store::{
        schema::{Key, SigningKeyRecord},
        writes::Only,
    },
};

/// How long a new key is only known before it signs, in seconds. A process that hears of it later asks the table.
const HEAD_START: i64 = 120;
/// How much longer than its last token a key is kept, in seconds.
const AFTERLIFE: i64 = 300;
/// How old the newest key may become, in seconds: 30 days.
const MAX_AGE: i64 = 30 * 24 * 3600;

/// A new signing key, sealed, and its public half, which signs from the Unix second `from` on.
pub async fn generate(app: &App, from: i64) -> Result<(SigningKeyRecord, PublicKey), Error> {
    let (private, public) = token::generate(from)?;
    let binding = token::signing_key_binding(&public.kid);
    let sealed = app
        .sealer
        .seal(Purpose::TokenSigning, &binding, &private)
        .await?;
    let record = SigningKeyRecord {
        key: Key::signing_key(&public.kid),
        sealed,
        created: unix_millis(app.clock.now()),
    };
    Ok((record, public))
}

/// Adds a signing key and forgets those whose tokens have all ended. `voids` forgets all others at once, so that every
/// token that was ever issued is void: for a key that got out, and for a table that was restored. Answers the new key's
/// id.
pub async fn rotate(app: &App, trail: &Trail, voids: bool) -> Result<String, Error> {
    until_done(app, || async {
        let (mut snapshot, epoch) = app.rules.read().await?;
        let now = app.clock.now().unix_timestamp();
        let from = if voids { now } else { now + HEAD_START };
        let (record, public) = generate(app, from).await?;
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
    let trail = Trail::new(
        format!("rotate-{now}"),
        "INVOKE",
        "token:rotate".to_owned(),
        String::new(),
    );
    trail.claimed_by("system", "");
    rotate(app, &trail, false).await.map(|_| true)
}
