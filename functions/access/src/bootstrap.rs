//! One-time addresses: each hands out the secret of one client, once, to whoever has it.
//!
//! An address ends in `{clientId}.{code}`. The client id alone would not do: whoever may list clients sees it, and would
//! get the secret of another one's client with it. The code is 256 random bits, of which only a keyed hash is stored,
//! bound to that client.
//!
//! The secret is made when the address is opened, and stands in that one answer. If the answer gets lost, nobody has the
//! secret: delete the client and make another. Do the same if an address is found used that nobody is known to have
//! opened: somebody else has the secret. Following the address is opening it, so it belongs in no chat that shows
//! previews of links.

use http::{StatusCode, request::Parts};
use mayfly::{
    access::{client, heads},
    app::App,
    audit::Trail,
    change::{Attempt, Change, until_done},
    clock::unix_millis,
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::{edge::Arrived, error::status, reply::Reply},
    store::schema::{ClientRecord, Key},
};
use uuid::Uuid;

use crate::clients::{is_over, role_of, shown_once, stays};

/// What records say that it is about: the path itself holds the code.
const ABOUT: &str = "clients:bootstrap";
/// At most one failure in so many milliseconds is recorded; the others leave a log line.
const RECORD_EVERY: i64 = 200;

/// The address that hands out the secret of `client`.
pub(crate) fn url(origin: &str, client: &ClientRecord, code: &Sensitive) -> Sensitive {
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: whoever made the client passes the address on"
    )]
    let code = code.expose();
    Sensitive::new(format!(
        "{origin}/v1/clients/bootstrap/{}.{code}",
        client.name
    ))
}

/// `GET /v1/clients/bootstrap/{code}`
pub(crate) async fn open(app: &App, request: &Parts, code: &str) -> Result<Reply, Error> {
    let arrived = request.extensions.get::<Arrived>();
    let arrived = arrived.ok_or_else(|| Error::internal("a request past the edge"))?;
    let trail = arrived.trail_about(&request.method, ABOUT);
    let outcome = until_done(app, || hand_out(app, &trail, code)).await;
    if let Err(error @ (Error::NotFound | Error::Refused(_))) = &outcome {
        tracing::warn!("a one-time address did not open");
        let now = unix_millis(app.clock.now());
        if app.failed_openings.may_look(now, RECORD_EVERY) {
            let status = status(error).as_u16();
            trail.write(app, status, &error.to_string(), None).await?;
        }
    }
    outcome
}

/// A wrong code, an unknown client and one that is gone are the same to whoever asks.
async fn hand_out(app: &App, trail: &Trail, text: &str) -> Result<Attempt<Reply>, Error> {
    let (client_id, code) = parts(text).ok_or(Error::NotFound)?;
    trail.claimed_by("", client_id.as_str());
    let client: Option<ClientRecord> = app.table.get(&Key::client(&client_id)).await?;
    let client = client.ok_or(Error::NotFound)?;
    if !client::is_code_of(app, &client, &code).await? || client.deleted_at.is_some() {
        return Err(Error::NotFound);
    }
    let role = role_of(app, &client).await?.ok_or(Error::NotFound)?;
    let principal = Principal::role(&role.name);
    trail.claimed_by(principal.as_str(), client_id);
    let address = client.body.bootstrap.as_ref().ok_or(Error::NotFound)?;
    if address.opened {
        return Err(Error::Refused("url has already used".to_owned()));
    }
    if is_over(address, unix_millis(app.clock.now())) {
        let problem = "url has expired; delete its client and make another";
        return Err(Error::Refused(problem.to_owned()));
    }
    let (body, secret) = client::opened(app, &client).await?;
    let mut change = Change::new(app);
    stays(app, &mut change, &role)?;
    let head = heads::replace(&mut change, app, &client, body, principal.as_str())?;
    change
        .commit(trail, StatusCode::OK.as_u16(), "client secret handed out")
        .await?
        .try_map(|()| {
            Ok(shown_once(
                app,
                StatusCode::OK,
                &head,
                "clientSecret",
                &secret,
            ))
        })
}

/// The client id and the code in an address.
fn parts(text: &str) -> Option<(String, Sensitive)> {
    let (client_id, code) = text.split_once('.')?;
    let client_id = Uuid::try_parse(client_id).ok()?;
    Some((client_id.to_string(), Sensitive::new(code.to_owned())))
}
