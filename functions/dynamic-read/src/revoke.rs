//! `POST /v1/leases/{id}/revoke`, `POST /v1/leases/revoke`

use http::StatusCode;
use mayfly::{
    access::{caller, policy::Action},
    app::App,
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    leases::{
        list::{is_issued_to, resource},
        revoke,
    },
    store::schema::{Key, RevokeBy},
};
use serde_json::json;
use uuid::Uuid;

use crate::leases::{path, principal, wire};

/// Revokes one lease. Whoever was issued it may, and whoever may `delete` on `leases:{its secret}`. Revoking twice
/// succeeds; what is stuck is tried again now.
pub(crate) async fn one(app: &App, asked: &Asked, id: &str) -> Result<Reply, Error> {
    let id =
        Uuid::try_parse(id).map_err(|_| Error::invalid("id", "must be the UUID of a lease"))?;
    let (caller, items) = caller::open(app, &asked.identity, [Key::lease(id)]).await?;
    asked.trail.acted_by(&caller);
    let lease = match revoke::found(&items, id) {
        Ok(lease) => lease,
        Err(error) => {
            // The decision comes before existence.
            caller.may(Action::Delete, &resource(Some(&id.to_string())))?;
            return Err(error);
        }
    };
    if !is_issued_to(&lease, &caller) {
        caller.may(Action::Delete, &resource(Some(lease.secret.as_str())))?;
    }
    let lease = revoke::revoke(app, id, "the lease was revoked").await?;
    Ok(Reply::json(StatusCode::OK, &wire(&lease)))
}

/// Revokes all leases of a `prefix`, a `base` or a `principal`: 202, and a task to ask about.
pub(crate) async fn all(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let fields = Fields::parse(&asked.body)?;
    let (prefix, base) = (fields.text("prefix")?, fields.text("base")?);
    let given = [
        (RevokeBy::Prefix, "prefix", prefix),
        (RevokeBy::Base, "base", base),
        (RevokeBy::Principal, "principal", fields.text("principal")?),
    ];
    let mut given = given.into_iter().filter(|(_, _, value)| value.is_some());
    let (Some((by, name, Some(value))), None) = (given.next(), given.next()) else {
        return Err(Error::invalid(
            "body",
            "must name one of prefix, base and principal",
        ));
    };
    let value = match by {
        RevokeBy::Principal => principal(&value)?,
        _ => path(name, &value)?,
    };
    let (caller, _) = caller::open(app, &asked.identity, []).await?;
    asked.trail.acted_by(&caller);
    let own = by == RevokeBy::Principal && value == caller.principal.to_string();
    if by == RevokeBy::Prefix {
        // A path may be a secret's and also what others begin with: whoever may revoke the one's leases may not, by that
        // alone, revoke those of the others.
        for part in [value.clone(), format!("{value}:")] {
            caller.may(Action::Delete, &resource(Some(&part)))?;
        }
    } else if !own {
        caller.may(Action::Delete, &resource(None))?;
    }
    let task = revoke::ask_for_all(app, &asked.trail, by, value, &caller.principal).await?;
    let body = json!({ "taskId": task.task_id });
    Ok(Reply::json(StatusCode::ACCEPTED, &body))
}
