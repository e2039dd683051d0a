//! `GET /v1/secrets/{path}::description`, `GET /v1/home/{principal}/{path}::description`

use http::StatusCode;
use mayfly::{
    access::{caller::Identity, policy::Action},
    app::App,
    audit::Trail,
    error::Error,
    http::{reply::Reply, wire},
    secrets::{
        locate::{Target, locate},
        stored,
    },
};

/// Everything but the data. Mints nothing.
pub(crate) async fn describe(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
) -> Result<Reply, Error> {
    let located = locate(app, identity, trail, target, Action::Read).await?;
    let head = stored::live(located.head()?, app.clock.now())?;
    // Opened although the data are not shown: what was edited in the table must not be believed.
    stored::open(&app.sealer, &head).await?;
    Ok(Reply::secret(
        StatusCode::OK,
        wire::secret(&stored::describe(&head)?, None)?,
    ))
}
