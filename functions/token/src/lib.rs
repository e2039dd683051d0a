//! Signing in: grants, the keys that prove them, and the first admin.

pub mod bootstrap;
mod client_credentials;
mod heartbeat;
mod issuer;
mod jwks;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::Request;
use mayfly::{
    app::App,
    error::Error,
    http::{asked::collect, edge::Arrived, reply::Reply},
};

pub use bootstrap::invoke;

use crate::{issuer::Issuer, wire::Grant};

/// The routes of this function. None of them takes a token, so an `Authorization` header is ignored: the DSV command
/// line sends an empty one.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/token", post(token))
        .route("/v1/heartbeat", get(heartbeat))
        .route("/v1/.well-known/jwks.json", get(jwks))
        .with_state(Arc::new(Issuer::new(app)))
}

async fn token(State(issuer): State<Arc<Issuer>>, request: Request<Body>) -> Response {
    granted(&issuer, request).await.into_response()
}

async fn granted(issuer: &Issuer, request: Request<Body>) -> Result<Reply, Error> {
    let (parts, body) = request.into_parts();
    let arrived = parts
        .extensions
        .get::<Arrived>()
        .ok_or_else(|| Error::internal("a request past the edge"))?;
    let trail = arrived.trail(&parts.method);
    match Grant::read(&parts.headers, &collect(body).await?)? {
        Grant::ClientCredentials {
            client_id,
            client_secret,
        } => client_credentials::grant(issuer, &trail, &client_id, &client_secret).await,
    }
}

async fn heartbeat(State(issuer): State<Arc<Issuer>>) -> Response {
    heartbeat::heartbeat(&issuer.app).await.into_response()
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Response {
    jwks::jwks(&issuer.app).await.into_response()
}
