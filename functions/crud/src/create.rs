//! `POST /v1/secrets/{path}`

use http::StatusCode;
use mayfly::{
    access::{
        caller,
        policy::{Action, secret_resource},
    },
    app::App,
    domain::{path::SecretPath, secret::Content},
    error::Error,
    http::{asked::Asked, reply::Reply, target::Named},
    secrets::{
        purge, stored,
        write::{self, until_done},
    },
    store::schema::{Key, SecretRecord},
};

use crate::{check, wire};

/// Makes a secret. A path that is taken, even by one marked for deletion, is a 400.
pub(crate) async fn create(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let path = Named::whole(&asked.path).new_path()?;
    let content = Content::created(wire::change(&asked.body)?);
    let keys = keys(&path, &content)?;
    until_done(app, || async {
        let (caller, items) = caller::open(app, &asked.identity, keys.clone()).await?;
        asked.trail.acted_by(&caller);
        caller.may(Action::Create, &secret_resource(&path))?;
        if let Some(there) = items.record::<SecretRecord>(&Key::secret(&path))? {
            make_room(app, &there).await?;
        }
        let tie = check::result(app, &caller, &path, &content, None, &items).await?;
        let by = &caller.principal;
        write::create(app, &asked.trail, &path, &content, tie.as_ref(), by)
            .await?
            .try_map(|record| wire::written(StatusCode::CREATED, &record, &content))
    })
    .await
}

/// The head itself and, if the content has a link, the base's.
fn keys(path: &SecretPath, content: &Content) -> Result<Vec<Key>, Error> {
    let base = content.link()?.as_ref().map(Key::secret);
    Ok([Key::secret(path)].into_iter().chain(base).collect())
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
