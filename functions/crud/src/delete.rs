//! `DELETE /v1/secrets/{path}`, `DELETE /v1/home/{principal}/{path}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    change::{Attempt, until_done},
    error::Error,
    http::{asked::Asked, reply::Reply, target::Named},
    leases::revoke,
    secrets::{locate::locate, stored, write},
    store::schema::{SecretRecord, TaskRecord},
};

/// Marks for deletion, or with `force=true` removes for good. A base that others link to, or with which something must
/// still be taken back, stays, force or not. With `revoke=true` a dynamic secret's leases are revoked.
pub(crate) async fn delete(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let target = Named::whole(&asked.path)?.target(&asked.query)?;
    let (force, revoke) = (asked.query.flag("force")?, asked.query.flag("revoke")?);
    until_done(app, || async {
        let located = locate(app, &asked.identity, &asked.trail, &target, Action::Delete).await?;
        let head = located.head()?;
        // It may be linked no more and still have leases. In homes nothing is minted.
        let revoking = head
            .as_ref()
            .filter(|head| revoke && head.at.place.is_vault())
            .map(|head| revoke::all_of(app, &head.at.path, &located.caller.principal));
        if force {
            remove(app, asked, head, revoking.as_ref()).await
        } else {
            mark(app, asked, head, revoking.as_ref()).await
        }
    })
    .await
}

async fn remove(
    app: &App,
    asked: &Asked,
    head: Option<SecretRecord>,
    revoking: Option<&TaskRecord>,
) -> Result<Attempt<Reply>, Error> {
    let now = app.clock.now();
    let old = head
        .filter(|record| !stored::is_over(record, now))
        .ok_or(Error::NotFound)?;
    write::force_delete(app, &asked.trail, &old, revoking)
        .await?
        .try_map(|()| Ok(Reply::empty(StatusCode::NO_CONTENT)))
}

/// Marking twice answers the same twice; revoking may be the second thought.
async fn mark(
    app: &App,
    asked: &Asked,
    head: Option<SecretRecord>,
    revoking: Option<&TaskRecord>,
) -> Result<Attempt<Reply>, Error> {
    let done = Error::MarkedForDeletion(stored::SECRET_WORD).to_string();
    let old = match stored::live(head, app.clock.now()) {
        Err(Error::MarkedForDeletion(_)) => {
            if let Some(revoking) = revoking {
                revoke::ask(app, &asked.trail, revoking, 200, "marked for deletion").await?;
            }
            return Ok(Attempt::Done(Reply::message(&done)));
        }
        other => other?,
    };
    write::soft_delete(app, &asked.trail, &old, revoking)
        .await?
        .try_map(|()| Ok(Reply::message(&done)))
}
