//! Reading one secret: static or dynamic, described, in its versions. Also searching a home, since a gateway cannot tell
//! a home from a secret in it.

mod describe;
mod invoke;
mod list_paths;
mod read;
mod versions;

use std::sync::Arc;

use axum::{Router, extract::State, response::Response, routing::get};
use mayfly::{
    app::App,
    error::Error,
    http::{
        asked::Asked,
        reply::Reply,
        target::{Named, Tail},
    },
    secrets::search,
};

pub use invoke::invoke;

/// The routes of this function.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/secrets/{*path}", get(look))
        .route("/v1/home/{*path}", get(look))
        .with_state(app)
}

async fn look(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let outcome = looked(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn looked(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let (identity, trail, query) = (&asked.identity, &asked.trail, &asked.query);
    let named = Named::to_read(&asked.path)?;
    match named.tail {
        Tail::Search => search::search(app, asked, named.owner.as_ref()).await,
        Tail::ListPaths => list_paths::list_paths(app, identity, trail, &named, query).await,
        Tail::Description => describe::describe(app, identity, trail, &named.target(query)?).await,
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
