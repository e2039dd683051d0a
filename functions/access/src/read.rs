//! Reading a head, and its versions.

use http::StatusCode;
use mayfly::{
    access::{heads, policy::Action},
    app::App,
    domain::secret::MAX_VERSIONS,
    error::Error,
    http::{asked::Asked, reply::Reply},
    store::{
        schema::{Head, Key},
        table::Range,
    },
};
use serde_json::{Value, json};

use crate::{
    thing::{Thing, key, resource, wire},
    write::{open, open_for},
};

/// `GET /v1/{things}/{name}`
pub(crate) async fn read<T: Thing>(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = T::name(name)?;
    let opened = open_for::<T>(app, asked, &name, Action::Read).await?;
    let head = heads::live::<T>(&opened.items, &name, app.clock.now())?;
    Ok(Reply::json(
        StatusCode::OK,
        &wire(app, &head, opened.caller.rules()),
    ))
}

/// `GET /v1/{things}/{name}/version/{n}`: the current version and the `count` before it, newest first.
pub(crate) async fn versions<T: Thing>(
    app: &App,
    asked: &Asked,
    name: &str,
    count: u64,
) -> Result<Reply, Error> {
    let name = T::name(name)?;
    versions_of::<T>(app, asked, &name, &resource::<T>(&name), count).await
}

/// As [`versions`], with the right asked on `resource`.
pub(crate) async fn versions_of<T: Thing>(
    app: &App,
    asked: &Asked,
    name: &str,
    resource: &str,
    count: u64,
) -> Result<Reply, Error> {
    let opened = open(app, asked, [key::<T>(name)]).await?;
    opened.caller.may(Action::Read, resource)?;
    let head = heads::live::<T>(&opened.items, name, app.clock.now())?;
    let earlier = earlier(app, &head, count).await?;
    let data: Vec<Value> = std::iter::once(&head)
        .chain(&earlier)
        .map(|head| wire(app, head, opened.caller.rules()))
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "data": data })))
}

/// One earlier version.
pub(crate) async fn version<T: Thing>(
    app: &App,
    head: &Head<T>,
    version: u64,
) -> Result<Head<T>, Error> {
    if version == head.version {
        return Ok(head.clone());
    }
    let key = Key::earlier::<T>(&head.name, head.id, version);
    app.table.get(&key).await?.ok_or(Error::NotFound)
}

async fn earlier<T: Thing>(app: &App, head: &Head<T>, count: u64) -> Result<Vec<Head<T>>, Error> {
    let limit = usize::try_from(count.min(MAX_VERSIONS)).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let prefix = Key::version_prefix(head.id);
    let range = Range {
        index: None,
        partition: &head.key.pk,
        from: &prefix,
        to: &format!("{prefix}~"),
        descending: true,
        limit,
    };
    app.table.query(range).await
}
