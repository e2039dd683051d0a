//! `PUT /v1/secrets/{path}/restore`, `PUT /v1/home/{principal}/{path}/restore`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    change::until_done,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{
        locate::{Target, locate},
        stored, write,
    },
    store::schema::SecretRecord,
};

use crate::change;

/// Brings a soft-deleted secret back as it was. Answers 200 without a body: the DSV command line prints what it gets.
pub(crate) async fn restore(app: &App, asked: &Asked, target: &Target) -> Result<Reply, Error> {
    until_done(app, || async {
        let located = locate(app, &asked.identity, &asked.trail, target, Action::Delete).await?;
        let old = marked(app, located.head()?)?;
        let content = stored::open(&app.sealer, &old).await?;
        let tie = change::check(app, &located, &content, old.link.as_ref()).await?;
        write::restore(app, &asked.trail, &old, &content, tie.as_ref())
            .await?
            .try_map(|()| Ok(Reply::empty(StatusCode::OK)))
    })
    .await
}

fn marked(app: &App, head: Option<SecretRecord>) -> Result<SecretRecord, Error> {
    match head {
        Some(record) if record.deleted_at.is_none() => Err(Error::Refused(
            "the secret is not marked for deletion".to_owned(),
        )),
        Some(record) if !stored::is_over(&record, app.clock.now()) => Ok(record),
        _ => Err(Error::NotFound),
    }
}
