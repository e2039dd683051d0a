//! `GET /v1/leases`

use http::StatusCode;
use mayfly::{
    access::{caller, policy::Action},
    app::App,
    clock::wire_millis,
    domain::{lease::State, path::SecretPath, principal::Principal},
    error::Error,
    http::{asked::Asked, query::Query, reply::Reply},
    leases::list::{self, Wanted, find},
    seal::Purpose,
    store::{
        cursor::{self, Position},
        schema::LeaseRecord,
    },
};
use serde_json::{Value, json};

/// What a client gets when it does not ask for a number, and the most it may ask for.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 500;

/// Leases by `secret`, `prefix`, `base`, `principal` and `state`. Who may not list all of them is shown its own.
pub(crate) async fn list(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let (caller, _) = caller::open(app, &asked.identity, []).await?;
    asked.trail.acted_by(&caller);
    let mut wanted = wanted(&asked.query)?;
    if !caller.has(Action::List, &list::resource(None)) {
        let own = caller.principal.to_string();
        match &wanted.principal {
            Some(other) if *other != own => return Err(Error::Forbidden),
            _ => wanted.principal = Some(own),
        }
        wanted.principal_id = Some(caller.principal_id);
    }
    let limit = asked.query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let query = format!("leases {wanted:?}");
    let who = &caller.principal;
    let purpose = Purpose::Secret;
    let position = match asked.query.get("cursor") {
        Some(text) => Some(cursor::decode(&app.sealer, purpose, text, &query, who).await?),
        None => None,
    };
    let seen = position.as_ref().map_or(0, |position| position.seen);
    let page = find(app, &wanted, limit, position.map(|position| position.last)).await?;
    let shown = seen + page.found.len();
    let (cursor, total) = match page.next {
        Some(last) => {
            let position = Position { last, seen: shown };
            let next = cursor::encode(&app.sealer, purpose, &position, &query, who);
            (next.await?, shown + 1)
        }
        None => (String::new(), shown),
    };
    let data: Vec<Value> = page.found.iter().map(wire).collect();
    let body = json!({
        "cursor": cursor, "data": data, "length": data.len(), "limit": limit, "total": total,
    });
    Ok(Reply::json(StatusCode::OK, &body))
}

fn wanted(query: &Query) -> Result<Wanted, Error> {
    let at = |name: &str| query.get(name).map(|text| path(name, text)).transpose();
    let state = query.get("state").map(|word| {
        State::named(word).ok_or_else(|| {
            Error::invalid(
                "state",
                "must be intent, active, revoking, revoked or stuck",
            )
        })
    });
    Ok(Wanted {
        secret: at("secret")?,
        prefix: at("prefix")?,
        base: at("base")?,
        principal: query.get("principal").map(principal).transpose()?,
        principal_id: None,
        state: state.transpose()?,
    })
}

/// A path in its canonical form; what is wrong with it is told under the `name` of the field.
pub(crate) fn path(name: &str, text: &str) -> Result<String, Error> {
    match text.parse::<SecretPath>() {
        Ok(path) => Ok(path.to_string()),
        Err(Error::Invalid { problem, .. }) => Err(Error::invalid(name, problem)),
        Err(error) => Err(error),
    }
}

/// A principal in its canonical form.
pub(crate) fn principal(text: &str) -> Result<String, Error> {
    let principal: Result<Principal, _> = text.parse();
    principal
        .map(|principal| principal.to_string())
        .map_err(|problem| Error::invalid("principal", problem))
}

/// A lease as whoever looks after it reads it. It holds no secret.
pub(crate) fn wire(lease: &LeaseRecord) -> Value {
    let life = &lease.life;
    json!({
        "id": lease.id,
        "state": life.state,
        "secret": lease.secret,
        "base": lease.base,
        "principal": lease.principal,
        "issuance": lease.issuance,
        "kind": lease.what,
        "created": wire_millis(life.created),
        "expiration": wire_millis(life.ends),
        "next": wire_millis(life.due),
        "attempts": life.attempts,
        "trouble": life.trouble.as_ref().map(|trouble| json!({
            "class": trouble.class, "code": trouble.code,
        })),
        "appObjectId": lease.app_object_id,
        "appId": lease.app_id,
        "servicePrincipalId": lease.service_principal_id,
        "task": lease.assignment.as_ref().map(|_| lease.task_id()),
    })
}
