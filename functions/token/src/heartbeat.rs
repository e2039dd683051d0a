//! `GET /v1/heartbeat`

use http::StatusCode;
use mayfly::{app::App, error::Error, http::reply::Reply};
use serde_json::json;

/// Ready, and what DSV's clients read as "not set up yet".
const READY: u8 = 1;
const NOT_INITIALISED: u8 = 2;

/// Whether the vault has its first admin. Costs nothing once that is known.
pub(crate) async fn heartbeat(app: &App) -> Result<Reply, Error> {
    let ready = match app.rules.held() {
        Some(_) => true,
        None => match app.rules.load().await {
            Ok(_) => true,
            Err(Error::Unauthenticated) => false,
            Err(error) => return Err(error),
        },
    };
    let (code, message) = if ready {
        (READY, "ready")
    } else {
        (NOT_INITIALISED, "not initialised: make the first admin")
    };
    Ok(Reply::json(
        StatusCode::OK,
        &json!({"statusCode": code, "message": message}),
    ))
}
