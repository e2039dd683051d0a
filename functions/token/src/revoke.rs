//! `POST /v1/revoke/{refreshtoken}`

use http::StatusCode;
use mayfly::{
    access::refresh,
    audit::Trail,
    change::{Change, until_done},
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::reply::Reply,
    store::{schema::Key, writes::Only},
};

use crate::issuer::Issuer;

/// What records say this was about: the path itself holds the token.
pub(crate) const ABOUT: &str = "revoke";

/// Ends the family of a token of ours, old or new, whether or not there is anything left to end.
pub(crate) async fn revoke(
    issuer: &Issuer,
    trail: &Trail,
    token: &Sensitive,
) -> Result<Reply, Error> {
    let app = &issuer.app;
    let shown = match refresh::verify(app, token).await {
        Ok(shown) => shown,
        Err(Error::Unauthenticated) => {
            return Err(issuer.refuse(trail, "revoking failed").await);
        }
        Err(error) => return Err(error),
    };
    trail.claimed_by(Principal::user(&shown.user), "");
    until_done(app, || async {
        let mut change = Change::new(app);
        let family = Key::family(shown.family);
        change.push(app.table.remove(&family, &Only::Always)?);
        change.commit(trail, 204, "refresh tokens revoked").await
    })
    .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
