//! `Caller`: who asks, as of this very request, and the one seam every decision goes through.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    access::{
        policy::Action,
        rules::Rules,
        token::{self, Claims, Verified},
    },
    app::App,
    domain::principal::Principal,
    error::Error,
    store::{
        schema::{ClientRecord, EpochRecord, Key, RoleRecord},
        table::Items,
    },
};

/// Who says to be calling: verified as far as that goes without reading the table.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The bearer of a token that we signed and that has not ended.
    Bearer(Box<Verified>),
    /// A direct invocation of an alias that the deployment maps to this principal. IAM has checked the invoker.
    Alias(Principal),
}

/// Who is calling. Holding one is the proof that the principal exists as of this request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The acting principal.
    pub principal: Principal,
    /// Id of its item.
    pub principal_id: Uuid,
    /// The client credential, if one was used.
    pub client_id: Option<String>,
    rules: Arc<Rules>,
}

impl Caller {
    /// Refuses with `Forbidden` unless the rules of this very request allow it.
    pub fn may(&self, action: Action, resource: &str) -> Result<(), Error> {
        if self.has(action, resource) {
            Ok(())
        } else {
            Err(Error::Forbidden)
        }
    }

    /// Whether the rules of this very request allow it.
    pub fn has(&self, action: Action, resource: &str) -> bool {
        self.rules.set.allow(&self.principal, action, resource)
    }
}

/// How soon an unknown key id may cause another look at the rules, in milliseconds.
const RELOAD_EVERY: i64 = 1000;

/// Verifies a bearer token. A key id that this process has not seen is looked up once a second at most, so that
/// made-up ids cannot keep the table busy.
pub async fn verify_bearer(app: &App, bearer: &str) -> Result<Identity, Error> {
    let now = app.clock.now();
    let held = match app.rules.held() {
        Some(rules) => rules,
        None => app.rules.load().await?,
    };
    let verified = match token::verify(bearer, &held, now) {
        Some(verified) => verified,
        None if app
            .unknown_keys
            .may_look(crate::clock::unix_millis(now), RELOAD_EVERY) =>
        {
            let fresh = app.rules.load().await?;
            token::verify(bearer, &fresh, now).unwrap_or(Err(Error::Unauthenticated))
        }
        None => Err(Error::Unauthenticated),
    };
    verified.map(|verified| Identity::Bearer(Box::new(verified)))
}

/// Reads, in one round trip, who the caller is, which rules count, and the items the request is about.
pub async fn open(
    app: &App,
    identity: &Identity,
    keys: impl IntoIterator<Item = Key>,
) -> Result<(Caller, Items), Error> {
    let principal = match identity {
        Identity::Bearer(bearer) => bearer
            .claims
            .sub
            .parse()
            .map_err(|_| Error::Unauthenticated)?,
        Identity::Alias(principal) => principal.clone(),
    };
    let role_name = principal.role_name().ok_or(Error::Unauthenticated)?;
    let (role_key, epoch_key) = (Key::role(role_name), app.rules.epoch_key());
    let client_key = match identity {
        Identity::Bearer(bearer) => Some(Key::client(&bearer.claims.cid)),
        Identity::Alias(_) => None,
    };
    let own = [role_key.clone(), epoch_key.clone()]
        .into_iter()
        .chain(client_key.clone());
    let items = app.table.batch_get(own.chain(keys)).await?;

    let role: RoleRecord = items.record(&role_key)?.ok_or(Error::Unauthenticated)?;
    if role.deleted_at.is_some() {
        return Err(Error::Unauthenticated);
    }
    if let (Identity::Bearer(bearer), Some(client_key)) = (identity, &client_key) {
        let client: ClientRecord = items.record(client_key)?.ok_or(Error::Unauthenticated)?;
        check_still_valid(&bearer.claims, &client, &role)?;
    }
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    if let Identity::Bearer(bearer) = identity
        && !rules.keys.iter().any(|key| key.kid == bearer.kid)
    {
        return Err(Error::Unauthenticated); // its signing key was withdrawn since this process looked
    }
    let client_id = match identity {
        Identity::Bearer(bearer) => Some(bearer.claims.cid.clone()),
        Identity::Alias(_) => None,
    };
    Ok((
        Caller {
            principal,
            principal_id: role.id,
            client_id,
            rules,
        },
        items,
    ))
}

/// A token counts only for the very client and role it was issued to, and not if either was reset since.
fn check_still_valid(
    claims: &Claims,
    client: &ClientRecord,
    role: &RoleRecord,
) -> Result<(), Error> {
    let valid = client.deleted_at.is_none()
        && client.role == role.name
        && claims.pid == role.id
        && claims.iat > client.valid_after
        && claims.iat > role.valid_after;
    if valid {
        Ok(())
    } else {
        Err(Error::Unauthenticated)
    }
}
