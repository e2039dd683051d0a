//! `Caller`: who asks, as of this very request, and the one seam every decision goes through.

use std::{net::IpAddr, sync::Arc};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::{
        condition::Context,
        policy::{Action, Asking},
        rules::Rules,
        token::{self, Claims, Verified},
    },
    app::App,
    clock::unix_millis,
    domain::principal::Principal,
    error::Error,
    store::{
        schema::{ClientRecord, EpochRecord, Key, MemberOf, RoleRecord, UserRecord},
        table::Items,
    },
};

/// Who says to be calling: verified as far as that goes without reading the table.
#[derive(Debug, Clone)]
pub struct Identity {
    /// By which proof.
    pub proof: Proof,
    /// The address that the carrier saw. Whoever invokes directly has none, and meets no condition on one.
    pub source: Option<IpAddr>,
}

/// What makes somebody be somebody.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A token that we signed and that has not ended.
    Bearer(Box<Verified>),
    /// A direct invocation of an alias that the deployment maps to this principal. IAM has checked the invoker.
    Alias(Principal),
}

impl Identity {
    /// The principal it is said to be.
    pub fn principal(&self) -> Result<Principal, Error> {
        match &self.proof {
            Proof::Bearer(bearer) => bearer
                .claims
                .sub
                .parse()
                .map_err(|_| Error::Unauthenticated),
            Proof::Alias(principal) => Ok(principal.clone()),
        }
    }

    /// The id of the principal's item, as far as the proof says.
    pub fn claimed_id(&self) -> Option<Uuid> {
        self.claims().map(|claims| claims.pid)
    }

    fn claims(&self) -> Option<&Claims> {
        match &self.proof {
            Proof::Bearer(bearer) => Some(&bearer.claims),
            Proof::Alias(_) => None,
        }
    }

    /// The client credential that signed in; a user has none.
    fn client_id(&self) -> Option<&str> {
        let claims = self.claims()?;
        Some(claims.cid.as_str()).filter(|cid| !cid.is_empty())
    }
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
    /// The principal and its groups, as policies write them.
    subjects: Vec<String>,
    context: Context,
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
        self.rules.set.allow(&Asking {
            subjects: &self.subjects,
            action,
            resource,
            context: &self.context,
        })
    }

    /// The rules of this very request.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// How soon an unknown key id may cause another look at the rules, in milliseconds.
const RELOAD_EVERY: i64 = 1000;

/// Verifies a bearer token. A key id that this process has not seen is looked up once a second at most, so that
/// made-up ids cannot keep the table busy.
pub async fn verify_bearer(
    app: &App,
    bearer: &str,
    source: Option<IpAddr>,
) -> Result<Identity, Error> {
    let now = app.clock.now();
    let held = match app.rules.held() {
        Some(rules) => rules,
        None => app.rules.load().await?,
    };
    let verified = match token::verify(bearer, &held, now) {
        Some(verified) => verified,
        None if app.unknown_keys.may_look(unix_millis(now), RELOAD_EVERY) => {
            let fresh = app.rules.load().await?;
            token::verify(bearer, &fresh, now).unwrap_or(Err(Error::Unauthenticated))
        }
        None => Err(Error::Unauthenticated),
    };
    verified.map(|verified| Identity {
        proof: Proof::Bearer(Box::new(verified)),
        source,
    })
}

/// Reads, in one round trip, who the caller is, which rules count, and the items the request is about.
pub async fn open(
    app: &App,
    identity: &Identity,
    keys: impl IntoIterator<Item = Key>,
) -> Result<(Caller, Items), Error> {
    let principal = identity.principal()?;
    let principal_key = key_of(&principal)?;
    let client_key = identity.client_id().map(Key::client);
    let epoch_key = app.rules.epoch_key();
    let own = [principal_key, epoch_key.clone()]
        .into_iter()
        .chain(client_key);
    let items = app.table.batch_get(own.chain(keys)).await?;

    let standing = standing(&principal, &items)?;
    check_still_valid(identity, &standing, &items, app.clock.now())?;
    let rules = app
        .rules
        .of_epoch(items.record::<EpochRecord>(&epoch_key)?)
        .await?;
    if let Proof::Bearer(bearer) = &identity.proof
        && !rules.keys.iter().any(|key| key.kid == bearer.kid)
    {
        return Err(Error::Unauthenticated); // its signing key was withdrawn since this process looked
    }
    let mut subjects = vec![principal.to_string()];
    subjects.extend(rules.groups_of(&standing.member_of));
    Ok((
        Caller {
            principal,
            principal_id: standing.id,
            client_id: identity.client_id().map(str::to_owned),
            subjects,
            context: Context {
                remote_ip: identity.source,
            },
            rules,
        },
        items,
    ))
}

/// Where a principal's item is.
pub fn key_of(principal: &Principal) -> Result<Key, Error> {
    let role = principal.role_name().map(Key::role);
    role.or_else(|| principal.user_name().map(Key::user))
        .ok_or(Error::Unauthenticated)
}

/// What a principal's item says of it.
struct Standing {
    id: Uuid,
    stamp: String,
    member_of: MemberOf,
}

/// Refuses a principal that is not there, or deleted.
fn standing(principal: &Principal, items: &Items) -> Result<Standing, Error> {
    let key = key_of(principal)?;
    let (deleted_at, standing) = if principal.role_name().is_some() {
        let role: RoleRecord = items.record(&key)?.ok_or(Error::Unauthenticated)?;
        let standing = Standing {
            id: role.id,
            stamp: role.body.stamp,
            member_of: role.body.member_of,
        };
        (role.deleted_at, standing)
    } else {
        let user: UserRecord = items.record(&key)?.ok_or(Error::Unauthenticated)?;
        let standing = Standing {
            id: user.id,
            stamp: user.body.stamp,
            member_of: user.body.member_of,
        };
        (user.deleted_at, standing)
    };
    match deleted_at {
        None => Ok(standing),
        Some(_) => Err(Error::Unauthenticated),
    }
}

/// A token counts only for the very principal, and the very client, that it was issued to, and not if either was
/// deleted, reset or has ended since.
fn check_still_valid(
    identity: &Identity,
    standing: &Standing,
    items: &Items,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let Some(claims) = identity.claims() else {
        return Ok(());
    };
    let client = match identity.client_id() {
        Some(id) => Some(
            items
                .record::<ClientRecord>(&Key::client(id))?
                .ok_or(Error::Unauthenticated)?,
        ),
        None => None,
    };
    let client_counts = client.as_ref().is_none_or(|client| {
        client.deleted_at.is_none()
            && client.body.role_id == standing.id
            && !client.body.is_over(unix_millis(now))
    });
    let client_stamp = client.as_ref().map(|client| client.body.stamp.as_str());
    let stamp = token::stamp(&standing.stamp, client_stamp);
    if client_counts && claims.pid == standing.id && claims.stp == stamp {
        Ok(())
    } else {
        Err(Error::Unauthenticated)
    }
}
