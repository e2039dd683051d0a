//! `GET /v1/.well-known/jwks.json`

use http::StatusCode;
use mayfly::{
    app::App, clock::unix_millis, error::Error, http::reply::Reply, store::schema::EpochRecord,
};
use serde_json::json;

/// How often a stranger can make this process look for new keys, in milliseconds.
const LOOK_EVERY: i64 = 1000;

/// The public keys whose tokens count.
pub(crate) async fn jwks(app: &App) -> Result<Reply, Error> {
    let may_look = app
        .unknown_keys
        .may_look(unix_millis(app.clock.now()), LOOK_EVERY);
    let rules = match app.rules.held() {
        Some(rules) if !may_look => rules,
        _ => {
            let epoch: Option<EpochRecord> = app.table.get(&app.rules.epoch_key()).await?;
            app.rules.of_epoch(epoch).await?
        }
    };
    let keys: Vec<_> = rules
        .keys
        .iter()
        .map(|key| json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.x}))
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "keys": keys })))
}
