//! `GET /v1/secrets/{prefix}::listpaths`, `GET /v1/home/{principal}/{prefix}::listpaths`: what shell completion asks.

use http::StatusCode;
use mayfly::{
    access::caller::Identity,
    app::App,
    audit::Trail,
    error::Error,
    http::{query::Query, reply::Reply, target::Named},
    secrets::locate,
    store::{
        schema::{BROWSE, SecretSummary},
        search::{Walk, page},
    },
};
use serde_json::json;

/// Paths that begin with what is `named`, in order.
pub(crate) async fn list_paths(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    named: &Named,
    query: &Query,
) -> Result<Reply, Error> {
    let limit = query.count("limit", 25, 500)?;
    let prefix = named.path_prefix()?;
    let (_, place) = locate::list(app, identity, trail, named.owner.as_ref()).await?;
    let walk = Walk {
        index: BROWSE,
        entity: &place.indexed(),
        prefix,
        whole: false,
        descending: false,
        after: None,
    };
    let page = page(&app.table, &walk, limit, |_: &SecretSummary| true).await?;
    let paths: Vec<String> = page
        .found
        .iter()
        .map(|summary| place.at(&summary.path).to_string())
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "data": paths })))
}
