//! `PUT /v1/secrets/{path}/rollback/{n}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{
        locate::{Target, locate},
        stored,
        write::{self, until_done},
    },
    store::schema::{Key, SecretRecord},
};

use crate::{check, wire};

/// Writes an earlier version again, as a new one. What it links to must still be the very secret it linked to then.
pub(crate) async fn roll_back(
    app: &App,
    asked: &Asked,
    target: &Target,
    version: u64,
) -> Result<Reply, Error> {
    until_done(app, || async {
        let located = locate(app, &asked.identity, &asked.trail, target, Action::Update).await?;
        let old = stored::live(located.head()?, app.clock.now())?;
        let earlier = earlier(app, &old, version).await?;
        let content = stored::open(&app.sealer, &earlier).await?;
        let kept = earlier.link.as_ref();
        let tie = check::result(
            app,
            &located.caller,
            &old.path,
            &content,
            kept,
            &located.items,
        )
        .await?;
        let by = &located.caller.principal;
        write::replace(app, &asked.trail, &old, &content, tie.as_ref(), by)
            .await?
            .try_map(|record| wire::written(StatusCode::OK, &record, &content))
    })
    .await
}

async fn earlier(app: &App, old: &SecretRecord, version: u64) -> Result<SecretRecord, Error> {
    if version == old.version {
        return Ok(old.clone());
    }
    app.table
        .get(&Key::version(&old.path, old.id, version))
        .await?
        .ok_or(Error::NotFound)
}
