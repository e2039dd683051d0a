//! Signing in: grants, the keys that prove them, and the first admin.

pub mod bootstrap;
mod client_credentials;
mod heartbeat;
mod initialise;
mod issuer;
mod jwks;
mod password;
pub mod recover;
mod refresh_token;
mod revoke;
mod seed;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{Request, request::Parts};
use mayfly::{
    app::App,
    domain::sensitive::Sensitive,
    error::Error,
    http::{asked::collect, edge::Arrived, reply::Reply},
    seal::Purpose,
};

pub use bootstrap::invoke;

use crate::{issuer::Issuer, wire::Grant};

/// What this function may use branch keys for.
pub const PURPOSES: &[Purpose] = &[Purpose::TokenSigning, Purpose::Verifier];

/// The routes of this function. None of them takes a token, so an `Authorization` header is ignored: the DSV command
/// line sends an empty one.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/token", post(token))
        .route("/v1/revoke/{refreshtoken}", post(revoke))
        .route("/v1/initialize", post(initialise))
        .route("/v1/heartbeat", get(heartbeat))
        .route("/v1/.well-known/jwks.json", get(jwks))
        .with_state(Arc::new(Issuer::new(app)))
}

async fn token(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    Box::pin(granted(&issuer, request)).await.into_response()
}

async fn granted(issuer: &Issuer, request: Request<Body>) -> Result<Reply, Error> {
    let (parts, body) = request.into_parts();
    let arrived = arrived(&parts)?;
    let (trail, source) = (arrived.trail(&parts.method), arrived.source());
    match Grant::read(&parts.headers, &collect(body).await?)? {
        Grant::ClientCredentials {
            client_id,
            client_secret,
        } => client_credentials::grant(issuer, &trail, &client_id, &client_secret).await,
        Grant::Password(login) => password::grant(issuer, &trail, source, &login).await,
        Grant::RefreshToken(token) => refresh_token::grant(issuer, &trail, source, &token).await,
    }
}

async fn revoke(
    State(issuer): State<Arc<Issuer>>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let outcome = async {
        let trail = arrived(&parts)?.trail_about(&parts.method, revoke::ABOUT);
        revoke::revoke(&issuer, &trail, &Sensitive::new(token)).await
    };
    outcome.await.into_response()
}

fn arrived(parts: &Parts) -> Result<&Arrived, Error> {
    let arrived = parts.extensions.get::<Arrived>();
    arrived.ok_or_else(|| Error::internal("a request past the edge"))
}

async fn initialise(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    initialised(&issuer.app, request).await.into_response()
}

async fn initialised(app: &App, request: Request<Body>) -> Result<Reply, Error> {
    let (parts, body) = request.into_parts();
    let arrived = parts
        .extensions
        .get::<Arrived>()
        .ok_or_else(|| Error::internal("a request past the edge"))?;
    let trail = arrived.trail(&parts.method);
    initialise::initialise(app, &trail, &collect(body).await?).await
}

async fn heartbeat(State(issuer): State<Arc<Issuer>>) -> Response {
    heartbeat::heartbeat(&issuer.app).await.into_response()
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Response {
    jwks::jwks(&issuer.app).await.into_response()
}
