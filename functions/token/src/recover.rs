//! The way back in: another admin for a vault that has locked its own out. IAM says who may ask.

use mayfly::{
    access::{
        admin, client,
        document::{PermissionDocument, Scope},
        heads,
        snapshot::Snapshot,
    },
    app::App,
    audit::Trail,
    change::{Attempt, Change, until_done},
    domain::principal::Principal,
    error::Error,
    metrics,
    store::{
        schema::{
            CONFIG_NAME, Config, ConfigRecord, Head, Key, MarkRecord, MemberOf, RoleRecord,
            new_stamp,
        },
        writes::Only,
    },
};

use crate::{
    bootstrap::{ADMIN, Credential, admin_role},
    seed::{SYSTEM, document_of, text_of},
};

/// Makes another client for an admin role, the role again if it is gone, and the config's rules for it if they are.
/// Loud in the log: it is alarmed on.
pub async fn recover(app: &App, trail: &Trail) -> Result<Credential, Error> {
    let mark: Option<MarkRecord> = app.table.get(&Key::initialised()).await?;
    if mark.is_none() {
        return Err(Error::Refused(
            "this vault has no first admin yet; {\"bootstrap\": {}} makes one".to_owned(),
        ));
    }
    tracing::warn!("admin recovered");
    let credential = until_done(app, || attempt(app, trail)).await?;
    metrics::admin_recovery();
    Ok(credential)
}

async fn attempt(app: &App, trail: &Trail) -> Result<Attempt<Credential>, Error> {
    let (snapshot, epoch) = app.rules.read().await?;
    let config: Option<ConfigRecord> = app.table.get(&Key::head::<Config>(CONFIG_NAME)).await?;
    let config = config.ok_or_else(|| Error::internal("the config is missing"))?;
    let there: Option<RoleRecord> = app.table.get(&Key::role(ADMIN)).await?;
    let plan = plan(&snapshot, &config, there.as_ref())?;

    let table = &app.table;
    let mut change = Change::new(app);
    let role = match there.filter(|role| role.folded() == plan.role) {
        Some(role) if role.deleted_at.is_none() => {
            change.push(table.require(&role.key, &unchanged(&role))?);
            role
        }
        Some(gone) => {
            let role = admin_role(app, &plan.role);
            change.push(table.write(&role, &unchanged(&gone))?);
            change.push(table.remove(&Key::purge(gone.id), &Only::Always)?);
            role
        }
        None => {
            let role = admin_role(app, &plan.role);
            change.push(table.write(&role, &Only::IfNew)?);
            role
        }
    };
    if let Some(document) = &plan.document {
        let body = Config {
            document: text_of(document)?,
            settings: config.body.settings.clone(),
        };
        heads::replace(&mut change, app, &config, body, SYSTEM)?;
        let snapshot = Snapshot {
            config: document.rules(),
            ..snapshot
        };
        change.extend(snapshot.writes(table, Some(&epoch))?);
    } else {
        change.push(table.require(&Key::epoch(0), &Only::IfEpoch(epoch))?);
    }
    let (client, client_secret) = client::generate(app, &role, SYSTEM).await?;
    change.push(table.write(&client, &Only::IfNew)?);
    let credential = Credential {
        client_id: client.name,
        client_secret,
        role: role.name,
    };
    change
        .commit(trail, 201, "admin recovered")
        .await?
        .try_map(|()| Ok(credential))
}

/// Which role becomes an admin, and the config's document that makes it one if the present one does not.
struct Plan {
    role: String,
    document: Option<PermissionDocument>,
}

/// Changes as little as helps: nothing; the seed's entries before the present ones; the seed's in their place. Where
/// policies deny the role `admin`, a role under a new name is tried: nobody can have named it.
fn plan(
    snapshot: &Snapshot,
    config: &ConfigRecord,
    there: Option<&RoleRecord>,
) -> Result<Plan, Error> {
    let fresh = format!("{ADMIN}-{}", new_stamp());
    let none = MemberOf::default();
    let live = there.filter(|role| role.deleted_at.is_none());
    let member_of = live.map_or(&none, |role| &role.body.member_of);
    for (role, member_of) in [(ADMIN, member_of), (&fresh, &none)] {
        let mut subjects = vec![Principal::role(role).to_string()];
        subjects.extend(snapshot.groups_of(member_of));
        let own = subjects.get(..1).unwrap_or_default();
        let seed = document_of(own)?;
        for document in [None, Some(joined(&seed, config)?), Some(seed)] {
            let mut changed = snapshot.clone();
            if let Some(document) = &document {
                changed.config = document.rules();
            }
            // By its own name as well: a group's allow may go with the group.
            if admin::is_admin(&changed, own) && admin::is_admin(&changed, &subjects) {
                let role = role.to_owned();
                return Ok(Plan { role, document });
            }
        }
    }
    Err(Error::Refused(
        "a policy denies every role to update config:policies".to_owned(),
    ))
}

/// The seed's entries, then the present ones.
fn joined(seed: &PermissionDocument, config: &ConfigRecord) -> Result<PermissionDocument, Error> {
    let stored = |text: &str| -> Result<Vec<serde_json::Value>, Error> {
        serde_json::from_str(text).map_err(|error| Error::internal(error.to_string()))
    };
    let mut entries = stored(&text_of(seed)?)?;
    // A config that cannot be read any more is what somebody recovers from.
    entries.extend(stored(&config.body.document).unwrap_or_default());
    let text = serde_json::json!({ "permissionDocument": entries }).to_string();
    PermissionDocument::parse("config", &text, None, Scope::Config).or_else(|_| Ok(seed.clone()))
}

fn unchanged<T>(head: &Head<T>) -> Only {
    Only::IfUnchanged {
        id: head.id,
        rev: head.rev,
    }
}
