//! `PUT /v1/secrets/{path}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    domain::attributes::Attributes,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{
        locate::{Target, locate_with},
        stored,
        write::{self, until_done},
    },
    store::schema::Key,
};

use crate::{check, wire};

/// Merges or overwrites. A lost race is run again on what the winner wrote, so no merge is lost.
pub(crate) async fn update(app: &App, asked: &Asked, target: &Target) -> Result<Reply, Error> {
    let change = wire::change(&asked.body)?;
    let sent_base = change
        .attributes
        .as_ref()
        .map_or(Ok(None), Attributes::link)?;
    let sent_base = sent_base.as_ref().map(Key::secret);
    until_done(app, || async {
        let located = locate_with(
            app,
            &asked.identity,
            &asked.trail,
            target,
            Action::Update,
            |_| sent_base.clone(),
        )
        .await?;
        let old = stored::live(located.head()?, app.clock.now())?;
        let content = stored::open(&app.sealer, &old).await?.updated(&change);
        let kept = old.link.as_ref();
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
