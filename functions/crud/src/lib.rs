//! Creating, changing, deleting and searching secrets, the vault's and those in homes.

mod change;
mod create;
mod delete;
mod restore;
mod roll_back;
mod update;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use mayfly::{
    app::App,
    error::Error,
    http::{
        asked::Asked,
        reply::Reply,
        target::{Named, Tail},
    },
    seal::Purpose,
    secrets::search,
};

/// What this function may use branch keys for.
pub const PURPOSES: &[Purpose] = &[Purpose::Secret];

/// The routes of this function.
pub fn router(app: Arc<App>) -> Router {
    let changes = post(create).put(change).delete(delete);
    Router::new()
        .route("/v1/secrets", get(search))
        .route("/v1/secrets/{*path}", changes.clone())
        .route("/v1/home/{*path}", changes)
        .with_state(app)
}

async fn search(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = search::search(&app, &asked, None).await;
    asked.answer(&app, outcome).await
}

async fn create(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = create::create(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn delete(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = delete::delete(&app, &asked).await;
    asked.answer(&app, outcome).await
}

/// PUT changes a secret; its tails roll it back or restore it.
async fn change(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = changed(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn changed(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let named = Named::to_change(&asked.path)?;
    let target = named.target(&asked.query)?;
    match named.tail {
        Tail::RollBack(version) => roll_back::roll_back(app, asked, &target, version).await,
        Tail::Restore => restore::restore(app, asked, &target).await,
        _ => update::update(app, asked, &target).await,
    }
}
