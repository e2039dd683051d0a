//! `Asked`: an authenticated request, and how its outcome is recorded and answered.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::FromRequest,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    access::caller::{self, Identity, Proof},
    app::App,
    audit::Trail,
    error::Error,
    http::{
        body::MAX_BODY,
        edge::Arrived,
        error::{message, status},
        path::EdgePath,
        query::Query,
        reply::Reply,
    },
    metrics,
};

/// A request whose token was verified.
pub struct Asked {
    /// Who says to be calling.
    pub identity: Identity,
    /// What it leaves behind.
    pub trail: Trail,
    /// Its path.
    pub path: EdgePath,
    /// Where whoever asks has reached the vault, as far as the carrier knows; never taken from a header.
    pub origin: Option<String>,
    /// Its parameters.
    pub query: Query,
    /// Its body, at most [`MAX_BODY`].
    pub body: Bytes,
}

impl Asked {
    /// Turns the outcome of a use case into an answer, after its audit record is safe. A record that a use case wrote
    /// with or beside its work is not written again.
    pub async fn answer(self, app: &App, outcome: Result<Reply, Error>) -> Response {
        settle(app, &self.trail, outcome).await.into_response()
    }
}

/// Records the outcome unless that was done, then lets it go. What cannot be recorded must not leave.
pub async fn settle(
    app: &App,
    trail: &Trail,
    outcome: Result<Reply, Error>,
) -> Result<Reply, Error> {
    let outcome = recorded(app, trail, outcome).await;
    if let Some(kind) = trail.kind() {
        metrics::read(kind, code(&outcome));
    }
    outcome
}

async fn recorded(app: &App, trail: &Trail, outcome: Result<Reply, Error>) -> Result<Reply, Error> {
    if matches!(outcome, Err(Error::Unauthenticated)) && !trail.is_direct() {
        metrics::refused_token();
    } else if !trail.is_recorded() {
        let text = match &outcome {
            Ok(_) => "ok".to_owned(),
            Err(error) => message(error, trail.request_id()),
        };
        trail.write(app, code(&outcome), &text, None).await?;
    }
    outcome
}

fn code(outcome: &Result<Reply, Error>) -> u16 {
    match outcome {
        Ok(reply) => reply.status.as_u16(),
        Err(error) => status(error).as_u16(),
    }
}

impl FromRequest<Arc<App>> for Asked {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let arrived = parts
            .extensions
            .get::<Arrived>()
            .ok_or_else(|| Error::internal("a request past the edge"))?;
        let identity = identify(app, &parts.headers, arrived.source()).await?;
        let trail = arrived.trail(&parts.method);
        if let Proof::Bearer(bearer) = &identity.proof {
            trail.claimed_by(&bearer.claims.sub, &bearer.claims.cid);
        }
        let (path, origin) = (arrived.path.clone(), arrived.origin.clone());
        Ok(Self {
            identity,
            trail,
            path,
            origin,
            query: Query::parse(parts.uri.query())?,
            body: collect(body).await?,
        })
    }
}

/// Who says to be calling. Who does not leaves a log line and is counted, and no more.
async fn identify(
    app: &App,
    headers: &HeaderMap,
    source: Option<IpAddr>,
) -> Result<Identity, Error> {
    let identity = match bearer(headers) {
        Some(token) => caller::verify_bearer(app, token, source).await,
        None => Err(Error::Unauthenticated),
    };
    if matches!(identity, Err(Error::Unauthenticated)) {
        metrics::refused_token();
    }
    identity
}

/// The token, with or without the word `Bearer`: half of DSV's clients send it bare.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => value,
    };
    Some(token).filter(|token| !token.is_empty())
}

/// Reads a body of at most [`MAX_BODY`] bytes.
pub async fn collect(body: Body) -> Result<Bytes, Error> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::invalid(
            "body",
            format!("must be at most {MAX_BODY} bytes"),
        )),
        Err(_) => Err(Error::invalid("body", "ended too early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn tokens_come_bare_or_with_bearer() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(with("Bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(with("bearer  a.b.c ").as_deref(), Some("a.b.c"));
        assert_eq!(with(""), None);
        assert_eq!(with("Basic dXNlcg=="), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
