//! The first admin, and a way back in: direct invocations that IAM must allow.

use std::sync::Arc;

use mayfly::{
    access::{
        client,
        policy::{Effect, Rule},
        rules::{self, Snapshot},
        token,
    },
    app::App,
    audit::Trail,
    clock::{BoxFuture, unix_millis},
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    http::lambda::Direct,
    seal::Purpose,
    store::{
        schema::{Key, MarkRecord, RoleRecord, SigningKeyRecord, VaultRecord},
        table::{Cancelled, TransactError},
        writes::Only,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The role of the first admin.
pub const ADMIN: &str = "admin";

/// Who seeds a vault.
const SYSTEM: &str = "system";

/// A client credential, shown this once.
pub struct Credential {
    /// Its public id.
    pub client_id: Uuid,
    /// Its secret.
    pub client_secret: Sensitive,
}

/// Answers `{"bootstrap": …}` once, and `{"recover": true}` any time after.
pub fn invoke(app: Arc<App>, direct: Direct) -> BoxFuture<'static, Result<Value, Error>> {
    Box::pin(async move {
        let bootstraps = direct.payload.get("bootstrap").is_some();
        let recovers = direct.payload.get("recover") == Some(&Value::Bool(true));
        let credential = match (bootstraps, recovers) {
            (true, false) => bootstrap(&app, &trail(direct.request_id, "bootstrap")).await?,
            (false, true) => recover(&app, &trail(direct.request_id, "recover")).await?,
            _ => {
                return Err(Error::invalid(
                    "payload",
                    "must be {\"bootstrap\": {}} or {\"recover\": true}",
                ));
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "reply: shown to the invoker this once"
        )]
        let secret = credential.client_secret.expose();
        Ok(
            json!({"clientId": credential.client_id.to_string(), "clientSecret": secret, "role": ADMIN}),
        )
    })
}

/// What a direct invocation of this function leaves behind.
pub fn trail(request_id: String, what: &str) -> Trail {
    let trail = Trail::new(request_id, "INVOKE", format!("token:{what}"), String::new());
    trail.claimed_by(SYSTEM, "");
    trail
}

/// Makes the vault its own: its id, its first signing key, the admin's rules, role and client. All of it or nothing,
/// and only once.
pub async fn bootstrap(app: &App, trail: &Trail) -> Result<Credential, Error> {
    let vault = VaultRecord {
        key: Key::vault(),
        vault_id: Uuid::new_v4(),
    };
    app.table.put_new(&vault).await?;
    let vault_id = app.sealer.keys().vault_id().await?;

    let now = unix_millis(app.clock.now());
    let (private, public) = token::generate()?;
    let binding = token::signing_key_binding(&public.kid);
    let sealed = app
        .sealer
        .seal(Purpose::TokenSigning, &binding, &private)
        .await?;
    let signing_key = SigningKeyRecord {
        key: Key::signing_key(&public.kid),
        sealed,
        created: now,
    };
    let snapshot = Snapshot {
        format: 1,
        vault: vault_id,
        rules: admin_rules(),
        signing: public.kid.clone(),
        keys: vec![public],
    };
    let (client, client_secret) = client::generate(app, ADMIN, SYSTEM).await?;

    let table = &app.table;
    let mut writes = vec![
        table.write(
            &MarkRecord {
                key: Key::initialised(),
                created: now,
            },
            &Only::IfNew,
        )?,
        table.write(&admin_role(app), &Only::IfNew)?,
        table.write(&client, &Only::IfNew)?,
        table.write(&signing_key, &Only::IfNew)?,
        table.write(
            &trail.record(app.clock.now(), 201, "first admin made", None),
            &Only::Always,
        )?,
    ];
    writes.extend(rules::writes(table, &snapshot)?);
    match table.transact(Uuid::new_v4(), writes).await {
        Ok(()) => Ok(Credential {
            client_id: client.client_id,
            client_secret,
        }),
        Err(error) if matches!(error.at(0), Some(Cancelled::Condition(_))) => Err(Error::Refused(
            "this vault has had its first admin; {\"recover\": true} makes another".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Makes another client for the admin role, and the role again if it is gone. Loud in the log: it is alarmed on.
pub async fn recover(app: &App, trail: &Trail) -> Result<Credential, Error> {
    let mark: Option<MarkRecord> = app.table.get(&Key::initialised()).await?;
    if mark.is_none() {
        return Err(Error::Refused(
            "this vault has no first admin yet; {\"bootstrap\": {}} makes one".to_owned(),
        ));
    }
    let role: Option<RoleRecord> = app.table.get(&Key::role(ADMIN)).await?;
    let (client, client_secret) = client::generate(app, ADMIN, SYSTEM).await?;
    let table = &app.table;
    let mut writes = vec![
        table.write(&client, &Only::IfNew)?,
        table.write(
            &trail.record(app.clock.now(), 201, "admin recovered", None),
            &Only::Always,
        )?,
    ];
    match role {
        Some(role) if role.deleted_at.is_none() => {
            writes.push(table.require(
                &role.key,
                &Only::IfUnchanged {
                    id: role.id,
                    rev: role.rev,
                },
            )?);
        }
        Some(gone) => {
            writes.push(table.write(
                &admin_role(app),
                &Only::IfUnchanged {
                    id: gone.id,
                    rev: gone.rev,
                },
            )?);
        }
        None => writes.push(table.write(&admin_role(app), &Only::IfNew)?),
    }
    tracing::warn!(client_id = %client.client_id, "admin recovered");
    match table.transact(Uuid::new_v4(), writes).await {
        Ok(()) => Ok(Credential {
            client_id: client.client_id,
            client_secret,
        }),
        Err(TransactError::Cancelled(_)) => Err(Error::Conflict(
            "the admin role is being changed; try again".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Everything, but nobody's home: those belong to their owners.
fn admin_rules() -> Vec<Rule> {
    let one = |text: &str| vec![text.to_owned()];
    let subject = Principal::role(ADMIN).to_string();
    let rule = |effect, resource| Rule {
        subjects: one(&subject),
        effect,
        resources: one(resource),
        actions: one("<.*>"),
    };
    vec![rule(Effect::Allow, "<.*>"), rule(Effect::Deny, "home:<.*>")]
}

fn admin_role(app: &App) -> RoleRecord {
    RoleRecord {
        key: Key::role(ADMIN),
        id: Uuid::new_v4(),
        name: ADMIN.to_owned(),
        rev: 0,
        description: "may do everything but read homes".to_owned(),
        created: unix_millis(app.clock.now()),
        created_by: SYSTEM.to_owned(),
        valid_after: 0,
        deleted_at: None,
    }
}
