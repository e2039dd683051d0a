//! `DELETE /v1/secrets/{path}`, `DELETE /v1/home/{principal}/{path}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    change::{Attempt, until_done},
    error::Error,
    http::{asked::Asked, reply::Reply, target::Named},
    secrets::{locate::locate, stored, write},
    store::schema::SecretRecord,
};

/// Marks for deletion, or with `force=true` removes for good. A base that others link to stays, force or not.
pub(crate) async fn delete(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let target = Named::whole(&asked.path)?.target(&asked.query)?;
    let force = asked.query.flag("force")?;
    until_done(app, || async {
        let located = locate(app, &asked.identity, &asked.trail, &target, Action::Delete).await?;
        let head = located.head()?;
        if force {
            remove(app, asked, head).await
        } else {
            mark(app, asked, head).await
        }
    })
    .await
}

async fn remove(
    app: &App,
    asked: &Asked,
    head: Option<SecretRecord>,
) -> Result<Attempt<Reply>, Error> {
    let now = app.clock.now();
    let old = head
        .filter(|record| !stored::is_over(record, now))
        .ok_or(Error::NotFound)?;
    write::force_delete(app, &asked.trail, &old)
        .await?
        .try_map(|()| Ok(Reply::empty(StatusCode::NO_CONTENT)))
}

/// Marking twice answers the same twice.
async fn mark(
    app: &App,
    asked: &Asked,
    head: Option<SecretRecord>,
) -> Result<Attempt<Reply>, Error> {
    let done = Error::MarkedForDeletion(stored::SECRET_WORD).to_string();
    let old = match stored::live(head, app.clock.now()) {
        Err(Error::MarkedForDeletion(_)) => return Ok(Attempt::Done(Reply::message(&done))),
        other => other?,
    };
    write::soft_delete(app, &asked.trail, &old)
        .await?
        .try_map(|()| Ok(Reply::message(&done)))
}
