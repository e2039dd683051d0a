//! Reading one secret: static or dynamic, described, checked, in its versions; and the leases that reading leaves. Also
//! searching a home, since a gateway cannot tell a home from a secret in it.

mod check;
mod describe;
mod invoke;
mod leases;
mod list_paths;
mod read;
mod revoke;
mod versions;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use mayfly::{
    app::App,
    error::Error,
    http::{
        asked::Asked,
        reply::Reply,
        target::{Named, Tail},
    },
    leases::status,
    seal::Purpose,
    secrets::search,
};

pub use invoke::invoke;

/// What this function may use branch keys for.
pub const PURPOSES: &[Purpose] = &[Purpose::Secret];

/// The routes of this function.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/secrets/{*path}", get(look))
        .route("/v1/home/{*path}", get(look))
        .route("/v1/leases", get(list_leases))
        .route("/v1/leases/revoke", post(revoke_all))
        .route("/v1/leases/{id}/revoke", post(revoke_one))
        .route("/v1/task/status/{id}", get(task_status))
        .with_state(app)
}

async fn list_leases(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = leases::list(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn revoke_one(State(app): State<Arc<App>>, Path(id): Path<String>, asked: Asked) -> Response {
    let outcome = revoke::one(&app, &asked, &id).await;
    asked.answer(&app, outcome).await
}

async fn revoke_all(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = revoke::all(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn task_status(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    let outcome = status::status(&app, &asked.identity, &asked.trail, &id)
        .await
        .map(|task| Reply::json(StatusCode::OK, &task));
    asked.answer(&app, outcome).await
}

async fn look(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = Box::pin(looked(&app, &asked)).await;
    asked.answer(&app, outcome).await
}

async fn looked(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let (identity, trail, query) = (&asked.identity, &asked.trail, &asked.query);
    let named = Named::to_read(&asked.path)?;
    match named.tail {
        Tail::Search => search::search(app, asked, named.owner.as_ref()).await,
        Tail::ListPaths => list_paths::list_paths(app, identity, trail, &named, query).await,
        Tail::Description => describe::describe(app, identity, trail, &named.target(query)?).await,
        Tail::Check => check::check(app, identity, trail, &named.target(query)?).await,
        Tail::Version(count) => {
            versions::versions(app, identity, trail, &named.target(query)?, count).await
        }
        _ => {
            let stored = query.flag("edit")?;
            read::read(app, identity, trail, &named.target(query)?, stored)
                .await
                .and_then(read::reply)
        }
    }
}
