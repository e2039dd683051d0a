//! `POST /v1/secrets/{path}`

use http::StatusCode;
use mayfly::{
    access::{
        caller::{self, Caller},
        policy::{Action, secret_resource},
    },
    app::App,
    domain::{cloud::Cloud, path::SecretPath, secret::Content},
    error::Error,
    http::{asked::Asked, reply::Reply, target::Named},
    provider::{self, Base},
    secrets::{
        link, purge, stored,
        write::{self, Attempt, until_done},
    },
    store::schema::{Key, SecretRecord},
};

use crate::wire;

/// Makes a secret. A path that is taken, even by one marked for deletion, is a 400.
pub(crate) async fn create(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let path = Named::whole(&asked.path).new_path()?;
    let content = Content::created(wire::change(&asked.body)?);
    content.check()?;
    let keys = keys(&path, &content)?;
    until_done(app, || async {
        let (caller, items) = caller::open(app, &asked.identity, keys.clone()).await?;
        asked.trail.acted_by(&caller);
        caller.may(Action::Create, &secret_resource(&path))?;
        if let Some(there) = items.record::<SecretRecord>(&Key::secret(&path))? {
            make_room(app, &there).await?;
        }
        let tie = link::tie(app, &caller, &path, &content, None, &items).await?;
        if tie.is_none() {
            check_base(app, &content)?;
        }
        match write::create(
            app,
            &asked.trail,
            &path,
            &content,
            tie.as_ref(),
            &caller.principal,
        )
        .await?
        {
            Attempt::Done(record) => Ok(Attempt::Done(wire::written(
                StatusCode::CREATED,
                &record,
                &content,
            )?)),
            Attempt::Lost => Ok(Attempt::Lost),
        }
    })
    .await
}

/// The head itself and, if the content has a link, the base's.
pub(crate) fn keys(path: &SecretPath, content: &Content) -> Result<Vec<Key>, Error> {
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

/// A secret that says it is a base must be able to mint.
pub(crate) fn check_base(app: &App, content: &Content) -> Result<(), Error> {
    let Some(cloud) = content.type_word().and_then(Cloud::named) else {
        return Ok(());
    };
    let attributes = content.attributes.clone().unwrap_or_default();
    let base = Base {
        data: content.data.clone(),
        attributes,
        modified: app.clock.now(),
    };
    provider::check_base(cloud, &base)
}

/// Everything the rules ask of the resulting head of a change: its tie, or that it can be a base.
pub(crate) async fn check_result(
    app: &App,
    caller: &Caller,
    old: &SecretRecord,
    content: &Content,
    kept: Option<&mayfly::store::schema::LinkRecord>,
    items: &mayfly::store::table::Items,
) -> Result<Option<link::Tie>, Error> {
    content.check()?;
    let tie = link::tie(app, caller, &old.path, content, kept, items).await?;
    if tie.is_none() {
        check_base(app, content)?;
    }
    Ok(tie)
}
