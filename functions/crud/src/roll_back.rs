//! `PUT /v1/secrets/{path}/rollback/{n}`, `PUT /v1/home/{principal}/{path}/rollback/{n}`

use mayfly::{
    app::App,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{locate::Target, stored},
    store::schema::{Key, SecretRecord},
};

use crate::change::{self, Next};

/// Writes an earlier version again, as a new one. What it links to must still be the very secret it linked to then.
pub(crate) async fn roll_back(
    app: &App,
    asked: &Asked,
    target: &Target,
    version: u64,
) -> Result<Reply, Error> {
    change::replace(app, asked, target, None, |old| async move {
        let earlier = earlier(app, &old, version).await?;
        let content = stored::open(&app.sealer, &earlier).await?;
        let kept = earlier.link;
        Ok(Next { old, content, kept })
    })
    .await
}

async fn earlier(app: &App, old: &SecretRecord, version: u64) -> Result<SecretRecord, Error> {
    if version == old.version {
        return Ok(old.clone());
    }
    app.table
        .get(&Key::version(&old.at, old.id, version))
        .await?
        .ok_or(Error::NotFound)
}
