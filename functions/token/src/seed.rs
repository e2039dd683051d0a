//! What a vault begins with: its id, a signing key, and a config that names its first admin.

use mayfly::{
    access::{
        document::{PermissionDocument, Scope},
        policy::Rule,
        signing_key,
        snapshot::Snapshot,
    },
    app::App,
    audit::Trail,
    change::{Attempt, Change},
    clock::unix_millis,
    domain::principal::Principal,
    error::Error,
    store::{
        schema::{CONFIG_NAME, Config, ConfigRecord, Head, Key, MarkRecord, VaultRecord},
        table::Item,
        writes::Only,
    },
};
use serde_json::json;

/// Who seeds a vault.
pub(crate) const SYSTEM: &str = "system";

/// Makes the vault its own, with `admin` as its admin; the caller adds what makes `admin` exist. All of it or nothing,
/// and only once.
pub(crate) async fn seed<'a>(app: &'a App, admin: &Principal) -> Result<Change<'a>, Error> {
    let vault = VaultRecord {
        key: Key::vault(),
        vault_id: uuid::Uuid::new_v4(),
    };
    app.table.put_new(&vault).await?;
    let vault_id = app.sealer.keys().vault_id().await?;
    let now = app.clock.now();
    let (config, rules) = config_of(&[admin.to_string()], unix_millis(now))?;
    let (key, public) = signing_key::generate(app, now.unix_timestamp()).await?;
    let snapshot = Snapshot::new(vault_id, rules, public);

    let table = &app.table;
    let mark = MarkRecord {
        key: Key::initialised(),
        created: unix_millis(now),
    };
    let mut change = Change::new(app);
    change.push_guard(table.write(&mark, &Only::IfNew)?, had_its_first);
    change.push(table.write(&config, &Only::IfNew)?);
    change.push(table.write(&key, &Only::IfNew)?);
    change.extend(snapshot.writes(table, None)?);
    Ok(change)
}

fn had_its_first(_: Option<Item>) -> Error {
    Error::Refused(
        "this vault has had its first admin; invoke token with {\"recover\": true} for another"
            .to_owned(),
    )
}

/// Commits what seeds a vault. Nobody else can write what it writes without having been first.
pub(crate) async fn commit(change: Change<'_>, trail: &Trail, message: &str) -> Result<(), Error> {
    match change.commit(trail, 201, message).await? {
        Attempt::Done(()) => Ok(()),
        Attempt::Lost => Err(Error::Conflict(
            "the vault is being changed; try again".to_owned(),
        )),
    }
}

/// Everything, but nobody's home: those belong to their owners.
pub(crate) fn document_of(admins: &[String]) -> Result<PermissionDocument, Error> {
    let entry = |effect, resource, description| {
        json!({
            "description": description, "subjects": admins, "effect": effect,
            "resources": [resource], "actions": ["<.*>"],
        })
    };
    let text = json!({"permissionDocument": [
        entry("allow", "<.*>", "the admin may do everything"),
        entry("deny", "home:<.*>", "but homes are their owners'"),
    ]});
    PermissionDocument::parse("config", &text.to_string(), None, Scope::Config)
}

/// The config of a new vault and its rules.
fn config_of(admins: &[String], now: i64) -> Result<(ConfigRecord, Vec<Rule>), Error> {
    let document = document_of(admins)?;
    let body = Config {
        document: text_of(&document)?,
        settings: "{}".to_owned(),
    };
    Ok((Head::new(CONFIG_NAME, body, SYSTEM, now), document.rules()))
}

/// A document as it is stored.
pub(crate) fn text_of(document: &PermissionDocument) -> Result<String, Error> {
    serde_json::to_string(document).map_err(|error| Error::internal(error.to_string()))
}
