//! The first admin: a role and a client for it, made by a direct invocation that IAM must allow.

use std::sync::Arc;

use mayfly::{
    access::{client, signing_key::rotate},
    app::App,
    audit::Trail,
    clock::{BoxFuture, unix_millis},
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::lambda::Direct,
    store::{
        schema::{Head, MemberOf, Role, RoleRecord, new_stamp},
        writes::Only,
    },
};
use serde_json::{Value, json};

use crate::{
    recover::recover,
    seed::{SYSTEM, commit, seed},
};

/// The role of the first admin.
pub const ADMIN: &str = "admin";

/// A client credential, shown this once.
pub struct Credential {
    /// Its public id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Sensitive,
    /// The role it acts as.
    pub role: String,
}

/// Answers `{"bootstrap": …}` once, `{"recover": true}` any time after, and `{"rotate": {"voidTokens": false}}`.
pub fn invoke(app: Arc<App>, direct: Direct) -> BoxFuture<'static, Result<Value, Error>> {
    Box::pin(async move {
        let asked = |name| direct.payload.get(name).filter(|value| !value.is_null());
        let trail = |what| trail(direct.request_id.clone(), what);
        match (asked("bootstrap"), asked("recover"), asked("rotate")) {
            (Some(_), None, None) => {
                let credential = bootstrap(&app, &trail("bootstrap")).await?;
                Ok(shown(&credential))
            }
            (None, Some(Value::Bool(true)), None) => {
                let credential = recover(&app, &trail("recover")).await?;
                Ok(shown(&credential))
            }
            (None, None, Some(options)) => {
                let voids = voids(options)?;
                let kid = rotate(&app, &trail("rotate"), voids).await?;
                Ok(json!({ "kid": kid }))
            }
            _ => Err(Error::invalid(
                "payload",
                "must be {\"bootstrap\": {}}, {\"recover\": true} or {\"rotate\": {}}",
            )),
        }
    })
}

/// What `{"rotate": …}` asks for.
fn voids(options: &Value) -> Result<bool, Error> {
    let wrong = || Error::invalid("rotate.voidTokens", "must be true or false");
    match options {
        Value::Bool(true) => Ok(false),
        Value::Object(fields) => match fields.get("voidTokens") {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(wrong),
        },
        _ => Err(Error::invalid("rotate", "must be an object")),
    }
}

fn shown(credential: &Credential) -> Value {
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: shown to the invoker this once"
    )]
    let secret = credential.client_secret.expose();
    json!({"clientId": credential.client_id, "clientSecret": secret, "role": credential.role})
}

/// What a direct invocation of this function leaves behind.
pub fn trail(request_id: String, what: &str) -> Trail {
    let trail = Trail::new(request_id, "INVOKE", format!("token:{what}"), String::new());
    trail.claimed_by(SYSTEM, "");
    trail
}

/// Makes the vault its own, with the role `admin` as its admin and one client for that.
pub async fn bootstrap(app: &App, trail: &Trail) -> Result<Credential, Error> {
    let role = admin_role(app, ADMIN);
    let mut change = seed(app, &Principal::role(ADMIN)).await?;
    let (client, client_secret) = client::generate(app, &role, SYSTEM).await?;
    change.push(app.table.write(&role, &Only::IfNew)?);
    change.push(app.table.write(&client, &Only::IfNew)?);
    commit(change, trail, "first admin made").await?;
    Ok(Credential {
        client_id: client.name,
        client_secret,
        role: role.name,
    })
}

/// A new role for an admin.
pub(crate) fn admin_role(app: &App, name: &str) -> RoleRecord {
    let body = Role {
        description: "may do everything but read homes".to_owned(),
        stamp: new_stamp(),
        member_of: MemberOf::default(),
    };
    Head::new(name, body, SYSTEM, unix_millis(app.clock.now()))
}
