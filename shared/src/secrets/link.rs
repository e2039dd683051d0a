//! Tying a dynamic secret to its base, and checking the tie.
//!
//! Linking is delegation: whoever reads the dynamic secret uses the base without a right on it. So the rule is applied
//! to the resulting head of every write, and what it found is checked again inside the write's transaction and at
//! every read.

use crate::{
    access::{
        caller::Caller,
        policy::{Action, secret_resource},
    },
    app::App,
    domain::{
        cloud::Cloud,
        link::{Link, LinkRight},
        location::Location,
        path::SecretPath,
        secret::Content,
    },
    error::Error,
    provider::Base,
    secrets::{locate::Located, stored},
    store::{
        schema::{Key, LeaseCountRecord, LinkRecord, LinksRecord, SecretRecord},
        table::{Item, decode},
    },
};

const FIELD: &str = "attributes.linkConfig.linkedSecret";

/// A link that may be written, with what must still be true of the base when it is.
#[derive(Debug, Clone)]
pub struct Tie {
    /// The link.
    pub link: Link,
    /// The word of the base's cloud.
    pub kind: String,
}

/// Where a base is: always among the vault's secrets.
pub fn base_key(path: &SecretPath) -> Key {
    Key::secret(&Location::in_vault(path))
}

/// The tie that the resulting `content` of the secret at `located` needs; `None` if it has no link.
///
/// `kept` is the link that the content already had when it was stored: the base must still be that very secret.
pub async fn tie(
    app: &App,
    located: &Located,
    content: &Content,
    kept: Option<&LinkRecord>,
) -> Result<Option<Tie>, Error> {
    let Some(base_path) = content.link()? else {
        return Ok(None);
    };
    let Located { caller, items, .. } = located;
    if located.at == Location::in_vault(&base_path) {
        return Err(Error::invalid(FIELD, "must not be the secret itself"));
    }
    let right = right_on(caller, &base_path)?;
    let key = base_key(&base_path);
    let base = match items.record::<SecretRecord>(&key)? {
        Some(record) => Some(record),
        None => app.table.batch_get([key.clone()]).await?.record(&key)?,
    };
    let base = check_base(base, app).map_err(|problem| Error::invalid(FIELD, problem))?;
    if kept.is_some_and(|kept| kept.base == base_path && kept.base_id != base.record.id) {
        return Err(Error::invalid(FIELD, REPLACED));
    }
    let opened = stored::open_base(&app.sealer, &base.record).await?;
    let attributes = content.attributes.clone().unwrap_or_default();
    app.providers
        .plan(base.cloud, &attributes, &opened, right, app.clock.now())?;
    Ok(Some(Tie {
        link: Link {
            base: base_path,
            base_id: base.record.id,
            linked_by: caller.principal.clone(),
            right,
        },
        kind: base.record.kind.unwrap_or_default(),
    }))
}

/// What stands in the way of changing a base: its link count.
pub(crate) fn still_linked(item: Option<Item>) -> Error {
    let Some(record) = item.and_then(|item| decode::<LinksRecord>(item).ok()) else {
        return Error::Refused("dynamic secrets are linked to this secret".to_owned());
    };
    let path = record.key.pk.trim_start_matches("SECRET#").to_owned();
    Error::Refused(format!(
        "dynamic secrets are linked to this secret ({}); list them with \
         GET /v1/secrets?search.links=true&searchTerm={path}, and remove or relink them first",
        record.links
    ))
}

/// What stands in the way of changing who a base is, or of removing it: what must still be taken back with it.
pub(crate) fn still_leased(item: Option<Item>) -> Error {
    let count = item.and_then(|item| decode::<LeaseCountRecord>(item).ok());
    let count = count.map_or(String::new(), |record| format!(" ({})", record.leases));
    Error::Refused(format!(
        "this base secret has unfinished leases{count}, which are taken back with it; list them with \
         GET /v1/leases?base= and its path, and revoke them or wait until they have ended"
    ))
}

/// The base that a dynamic secret is tied to, from what was just read; refused if the tie no longer holds.
pub async fn base_of(
    app: &App,
    link: &LinkRecord,
    base: Option<SecretRecord>,
) -> Result<(Cloud, Base), Error> {
    let base = check_base(base, app).map_err(|problem| refused(link, &problem))?;
    if base.record.id != link.base_id {
        return Err(refused(link, REPLACED));
    }
    Ok((
        base.cloud,
        stored::open_base(&app.sealer, &base.record).await?,
    ))
}

const REPLACED: &str =
    "is not the secret that this one was linked to: that one was removed and another made there";

fn refused(link: &LinkRecord, problem: &str) -> Error {
    Error::Refused(format!("the linked secret {} {problem}", link.base))
}

/// The better of the caller's rights on the base; neither is `Forbidden`, whether or not the base exists.
fn right_on(caller: &Caller, base: &SecretPath) -> Result<LinkRight, Error> {
    let resource = secret_resource(base);
    if caller.has(Action::Read, &resource) {
        return Ok(LinkRight::Read);
    }
    caller
        .may(Action::Assign, &resource)
        .map(|()| LinkRight::Assign)
}

struct BaseRecord {
    record: SecretRecord,
    cloud: Cloud,
}

fn check_base(base: Option<SecretRecord>, app: &App) -> Result<BaseRecord, String> {
    let now = app.clock.now();
    let Some(record) = base.filter(|record| !stored::is_over(record, now)) else {
        return Err("does not exist".to_owned());
    };
    if record.deleted_at.is_some() {
        return Err("is marked for deletion".to_owned());
    }
    if record.link.is_some() {
        return Err("is itself a dynamic secret".to_owned());
    }
    match stored::cloud(&record) {
        Some(cloud) => Ok(BaseRecord { record, cloud }),
        None => Err("is no base secret: its attributes.type must be aws or azure".to_owned()),
    }
}
