//! `GET /v1/secrets/{prefix}::listpaths`: what shell completion asks.

use http::StatusCode;
use mayfly::{
    access::{
        caller::{self, Identity},
        policy::Action,
    },
    app::App,
    audit::Trail,
    error::Error,
    http::{query::Query, reply::Reply},
    store::{
        schema::{BROWSE, SECRET, SecretSummary},
        search::{Walk, page},
    },
};
use serde_json::json;

/// Paths that begin with `prefix`, in order.
pub(crate) async fn list_paths(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    prefix: &str,
    query: &Query,
) -> Result<Reply, Error> {
    let limit = query.count("limit", 25, 500)?;
    let (caller, _) = caller::open(app, identity, []).await?;
    trail.acted_by(&caller);
    caller.may(Action::List, "secrets")?;
    let walk = Walk {
        index: BROWSE,
        entity: SECRET,
        prefix: prefix.to_owned(),
        whole: false,
        descending: false,
        after: None,
    };
    let page = page(&app.table, &walk, limit, |_: &SecretSummary| true).await?;
    let paths: Vec<&str> = page
        .found
        .iter()
        .map(|summary| summary.path.as_str())
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "data": paths })))
}
