//! `PUT /v1/secrets/{path}`, `PUT /v1/home/{principal}/{path}`

use mayfly::{
    app::App,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{locate::Target, stored},
};

use crate::{
    change::{self, Next},
    wire,
};

/// Merges or overwrites.
pub(crate) async fn update(app: &App, asked: &Asked, target: &Target) -> Result<Reply, Error> {
    let sent = wire::change(&asked.body)?;
    let base = change::base_key(target, sent.attributes.as_ref())?;
    let sent = &sent;
    change::replace(app, asked, target, base, |old| async move {
        let content = stored::open(&app.sealer, &old).await?.updated(sent);
        let kept = old.link.clone();
        Ok(Next { old, content, kept })
    })
    .await
}
