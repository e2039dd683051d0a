//! `PUT /v1/secrets/{path}`

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    error::Error,
    http::{asked::Asked, reply::Reply},
    secrets::{
        locate::{Target, locate},
        stored,
        write::{self, Attempt, until_done},
    },
    store::schema::Key,
};

use crate::{create::check_result, wire};

/// Merges or overwrites. A lost race is run again on what the winner wrote, so no merge is lost.
pub(crate) async fn update(app: &App, asked: &Asked, target: &Target) -> Result<Reply, Error> {
    let change = wire::change(&asked.body)?;
    let sent_base = change
        .attributes
        .as_ref()
        .map_or(Ok(None), |attributes| attributes.link())?;
    let sent_base = sent_base.as_ref().map(Key::secret);
    until_done(app, || async {
        let with_base = |_: &_| sent_base.iter().cloned().collect();
        let located = locate(
            app,
            &asked.identity,
            target,
            Action::Update,
            with_base,
            |caller| asked.trail.acted_by(caller),
        )
        .await?;
        let old = stored::live(located.head()?, app.clock.now())?;
        let content = stored::open(&app.sealer, &old).await?.updated(&change);
        let kept = old.link.as_ref();
        let tie = check_result(app, &located.caller, &old, &content, kept, &located.items).await?;
        let by = &located.caller.principal;
        match write::replace(app, &asked.trail, &old, &content, tie.as_ref(), by).await? {
            Attempt::Done(record) => Ok(Attempt::Done(wire::written(
                StatusCode::OK,
                &record,
                &content,
            )?)),
            Attempt::Lost => Ok(Attempt::Lost),
        }
    })
    .await
}
