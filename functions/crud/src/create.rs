//! `POST /v1/secrets/{path}`, `POST /v1/home/{principal}/{path}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    change::until_done,
    domain::secret::Content,
    error::Error,
    http::{asked::Asked, reply::Reply, target::Named},
    secrets::{locate::locate_with, purge, stored, write},
    store::schema::SecretRecord,
};

use crate::{change, wire};

/// Makes a secret. A path that is taken, even by one marked for deletion, is a 400.
pub(crate) async fn create(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let target = Named::whole(&asked.path)?.new_target()?;
    let content = Content::created(wire::change(&asked.body)?);
    let base = change::base_key(&target, content.attributes.as_ref())?;
    until_done(app, || async {
        let (identity, trail) = (&asked.identity, &asked.trail);
        let more = |_: &_| base.clone();
        let located = locate_with(app, identity, trail, &target, Action::Create, more).await?;
        if let Some(there) = located.head()? {
            make_room(app, &there).await?;
        }
        let tie = change::check(app, &located, &content, None).await?;
        let by = &located.caller.principal;
        write::create(app, trail, &located.at, &content, tie.as_ref(), by)
            .await?
            .try_map(|record| wire::written(StatusCode::CREATED, &record, Some(&content.data)))
    })
    .await
}

/// Only a secret whose 72 hours are over makes room.
async fn make_room(app: &App, there: &SecretRecord) -> Result<(), Error> {
    match stored::live(Some(there.clone()), app.clock.now()) {
        Ok(_) => Err(Error::Refused(
            "error creating secret, secret at path already exists".to_owned(),
        )),
        Err(marked @ Error::MarkedForDeletion(_)) => Err(Error::Refused(marked.to_string())),
        Err(_) => purge::clear(app, there).await,
    }
}
