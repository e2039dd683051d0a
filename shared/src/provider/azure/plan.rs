//! What a dynamic Azure secret asks for, read from its attributes and checked against every bound.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    domain::{attributes::Attributes, link::LinkRight, ttl::Ttl},
    error::Error,
    provider::{
        Base,
        azure::{bounds::Bounds, credential::Credential, grammar},
    },
};

/// The shortest lifetime of what leaves a lease, in seconds.
const MIN_TTL: u32 = 60;
/// The longest, in seconds: 30 days.
const MAX_TTL: u32 = 30 * 24 * 60 * 60;
/// How many unfinished leases a dynamic secret may have, if it does not say.
const DEFAULT_LEASES: u32 = 100;
/// The most that it may say.
const MAX_LEASES: u64 = 10_000;
/// The longest role name, in characters.
const MAX_ROLE_NAME: usize = 512;

/// What to mint, and as whom.
#[derive(Debug)]
pub struct Plan {
    /// As whom.
    pub credential: Credential,
    /// The base secret.
    pub base_id: Uuid,
    /// Its version.
    pub base_version: u64,
    /// What.
    pub kind: Kind,
}

/// What is minted.
#[derive(Debug)]
pub enum Kind {
    /// An access token of the base's own application: it ends by itself, when Entra says so.
    Token {
        /// A resource and `/.default`.
        scope: String,
    },
    /// A client secret, which must be taken back.
    Leased(Leased),
}

/// A client secret under a lease.
#[derive(Debug)]
pub struct Leased {
    /// How long.
    pub ttl: Ttl,
    /// Whether to answer only when one can sign in with it.
    pub readiness: bool,
    /// How many unfinished leases there may be.
    pub max_leases: u32,
    /// Whose client secret.
    pub what: What,
}

/// Whose client secret, with what rights.
#[derive(Debug)]
pub enum What {
    /// An application that is there already.
    Existing {
        /// Its client id.
        app_id: String,
        /// Its object id.
        app_object_id: String,
        /// Only echoed.
        role_name: Option<String>,
    },
    /// A new application with a role in Azure.
    Rbac {
        /// Which role.
        role: RoleRef,
        /// Where.
        scope: String,
        /// The GUIDs, in lower case, that the role's must be among; `None` if any. Checked here for a role that is given by its id;
        /// one that is given by its name is checked when it has been looked up.
        allowed_role_ids: Option<Vec<String>>,
    },
    /// A new application with a role of another application, such as a permission of Microsoft Graph.
    AppRole {
        /// Object id of the other application's service principal.
        resource_id: String,
        /// Id of its role.
        app_role_id: String,
    },
}

/// A role in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRef {
    /// The id of its definition.
    Id(String),
    /// Its name, which must turn out to be one role's only.
    Name(String),
}

/// Refuses a base that could never mint, being written now.
pub fn check_base(base: &Base) -> Result<(), Error> {
    let mut credential = Credential::from_data(&base.data)?;
    let bounds = Bounds::from_base(&base.attributes, &credential.subscription_id)?;
    credential.secret_expires = bounds.client_secret_expires;
    credential.check_expiry(base.modified)
}

impl Plan {
    /// Reads and checks. Everything wrong is a 400 that names the attribute.
    pub(crate) fn new(
        attributes: &Attributes,
        base: &Base,
        right: LinkRight,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let mut credential = Credential::from_data(&base.data)?;
        let bounds = Bounds::from_base(&base.attributes, &credential.subscription_id)?;
        credential.secret_expires = bounds.client_secret_expires;
        credential.check_expiry(now)?;
        let kind = Kind::read(attributes, &credential, &bounds, right)?;
        Ok(Self {
            credential,
            base_id: base.id,
            base_version: base.version,
            kind,
        })
    }
}

impl Kind {
    fn read(
        attributes: &Attributes,
        credential: &Credential,
        bounds: &Bounds,
        right: LinkRight,
    ) -> Result<Self, Error> {
        match word(attributes, "providerType")? {
            None => {}
            Some("token") => return token(attributes, bounds, right),
            Some(_) => {
                return Err(Error::invalid(
                    "attributes.providerType",
                    "must be token or absent on a base of type azure",
                ));
            }
        }
        let what = What::read(attributes, credential, bounds, right)?;
        let ttl = ttl(attributes)?;
        bounds.check_ttl(ttl)?;
        Ok(Self::Leased(Leased {
            ttl,
            readiness: readiness(attributes)?,
            max_leases: max_leases(attributes)?,
            what,
        }))
    }
}

impl What {
    fn read(
        attributes: &Attributes,
        credential: &Credential,
        bounds: &Bounds,
        right: LinkRight,
    ) -> Result<Self, Error> {
        let is_there = |name: &str| attributes.get(name).is_some_and(|value| !value.is_null());
        match word(attributes, "msApiType")? {
            Some("msgraph") => return app_role(attributes, bounds, right),
            None => {}
            Some(_) => {
                let problem = "must be msgraph or absent";
                return Err(Error::invalid("attributes.msApiType", problem));
            }
        }
        if is_there("appId") || is_there("appObjectId") {
            existing(attributes, credential, bounds, right)
        } else {
            rbac(attributes, credential, bounds, right)
        }
    }
}

fn token(attributes: &Attributes, bounds: &Bounds, right: LinkRight) -> Result<Kind, Error> {
    if attributes.get("ttl").is_some_and(|ttl| !ttl.is_null()) {
        let problem =
            "goes not with providerType token: Microsoft Entra decides how long a token lives";
        return Err(Error::invalid("attributes.ttl", problem));
    }
    let foreign = [
        "msApiType",
        "appId",
        "appObjectId",
        "roleName",
        "roleId",
        "scope",
        "resourceId",
        "appRoleId",
        "readiness",
        "maxLeases",
    ];
    refuse(attributes, &foreign, "providerType token")?;
    let field = "attributes.scopes";
    let one = match attributes.get("scopes") {
        Some(Value::Array(scopes)) => match scopes.as_slice() {
            [Value::String(one)] => Some(one),
            _ => None,
        },
        _ => None,
    };
    let one = one.ok_or_else(|| {
        let problem =
            "is required, as an array of one scope such as https://storage.azure.com/.default";
        Error::invalid(field, problem)
    })?;
    let scope = grammar::token_scope(field, one)?;
    bounds.check_token_scope(&scope, right)?;
    Ok(Kind::Token { scope })
}

fn existing(
    attributes: &Attributes,
    credential: &Credential,
    bounds: &Bounds,
    right: LinkRight,
) -> Result<What, Error> {
    let foreign = ["scope", "roleId", "resourceId", "appRoleId", "scopes"];
    refuse(attributes, &foreign, "an existing application (appId)")?;
    let app_id = id(attributes, "appId")?;
    if app_id == credential.client_id {
        return Err(Error::invalid(
            "attributes.appId",
            "must not be the base's own application: taking its client secrets back could lock the base out",
        ));
    }
    let app_object_id = id(attributes, "appObjectId")?;
    bounds.check_app(&app_object_id, right)?;
    Ok(What::Existing {
        app_id,
        app_object_id,
        role_name: role_name(attributes)?,
    })
}

fn rbac(
    attributes: &Attributes,
    credential: &Credential,
    bounds: &Bounds,
    right: LinkRight,
) -> Result<What, Error> {
    let foreign = ["resourceId", "appRoleId", "scopes"];
    refuse(attributes, &foreign, "a role at a scope")?;
    let (role_id, role_name) = (text(attributes, "roleId")?, role_name(attributes)?);
    let scope = text(attributes, "scope")?;
    if scope.is_none() && role_id.is_none() && role_name.is_none() {
        return Err(Error::invalid(
            "attributes.scope",
            "is required with roleName or roleId; or give appId with appObjectId, or msApiType msgraph with \
             resourceId and appRoleId, or providerType token with scopes",
        ));
    }
    let scope = scope.ok_or_else(|| required("scope"))?;
    let scope = grammar::scope("attributes.scope", scope)?;
    bounds.check_scope(&scope, &credential.subscription_id, right)?;
    let (role, allowed_role_ids) = match (role_id, role_name) {
        (Some(id), _) => {
            let id = grammar::role_id("attributes.roleId", id, &credential.subscription_id)?;
            bounds.check_role(&id, right)?;
            (RoleRef::Id(id), bounds.role_guids())
        }
        (None, Some(name)) => (RoleRef::Name(name), bounds.roles_for_name(right)?),
        (None, None) => {
            let problem = "is required, or roleId";
            return Err(Error::invalid("attributes.roleName", problem));
        }
    };
    Ok(What::Rbac {
        role,
        scope,
        allowed_role_ids,
    })
}

fn app_role(attributes: &Attributes, bounds: &Bounds, right: LinkRight) -> Result<What, Error> {
    let foreign = [
        "appId",
        "appObjectId",
        "roleName",
        "roleId",
        "scope",
        "scopes",
    ];
    refuse(attributes, &foreign, "msApiType msgraph")?;
    let resource_id = id(attributes, "resourceId")?;
    let app_role_id = id(attributes, "appRoleId")?;
    bounds.check_app_role(&app_role_id, right)?;
    Ok(What::AppRole {
        resource_id,
        app_role_id,
    })
}

fn ttl(attributes: &Attributes) -> Result<Ttl, Error> {
    let field = "attributes.ttl";
    let ttl = Ttl::from_attribute(field, attributes.get("ttl"))?.unwrap_or_default();
    if ttl.seconds() < MIN_TTL {
        let problem = format!(
            "must be at least {MIN_TTL} seconds: a client secret takes time to be known everywhere"
        );
        return Err(Error::invalid(field, problem));
    }
    if ttl.seconds() > MAX_TTL {
        return Err(Error::invalid(
            field,
            format!("must be at most {MAX_TTL} seconds, 30 days"),
        ));
    }
    Ok(ttl)
}

fn readiness(attributes: &Attributes) -> Result<bool, Error> {
    match word(attributes, "readiness")? {
        None | Some("none") => Ok(false),
        Some("token") => Ok(true),
        Some(_) => Err(Error::invalid(
            "attributes.readiness",
            "must be none or token",
        )),
    }
}

fn max_leases(attributes: &Attributes) -> Result<u32, Error> {
    match attributes.get("maxLeases") {
        None | Some(Value::Null) => Ok(DEFAULT_LEASES),
        Some(value) => value
            .as_u64()
            .filter(|count| (1..=MAX_LEASES).contains(count))
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| {
                let problem = format!("must be a whole number from 1 to {MAX_LEASES}");
                Error::invalid("attributes.maxLeases", problem)
            }),
    }
}

fn role_name(attributes: &Attributes) -> Result<Option<String>, Error> {
    let Some(name) = text(attributes, "roleName")? else {
        return Ok(None);
    };
    if name.chars().count() > MAX_ROLE_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "attributes.roleName",
            format!("must be at most {MAX_ROLE_NAME} characters, none of them a control character"),
        ));
    }
    Ok(Some(name.to_owned()))
}

/// Refuses attributes of another kind: which kind is meant would be a guess.
fn refuse(attributes: &Attributes, names: &[&str], with: &str) -> Result<(), Error> {
    let found = names
        .iter()
        .find(|name| attributes.get(name).is_some_and(|value| !value.is_null()));
    match found {
        Some(name) => Err(Error::invalid(
            format!("attributes.{name}"),
            format!("goes not with {with}"),
        )),
        None => Ok(()),
    }
}

fn id(attributes: &Attributes, name: &str) -> Result<String, Error> {
    let text = text(attributes, name)?.ok_or_else(|| required(name))?;
    grammar::guid(&format!("attributes.{name}"), text)
}

fn required(name: &str) -> Error {
    Error::invalid(format!("attributes.{name}"), "is required, as a string")
}

/// A string that is not empty; `None` if the attribute is absent or null.
fn text<'a>(attributes: &'a Attributes, name: &str) -> Result<Option<&'a str>, Error> {
    match word(attributes, name)? {
        Some("") => Err(required(name)),
        other => Ok(other),
    }
}

fn word<'a>(attributes: &'a Attributes, name: &str) -> Result<Option<&'a str>, Error> {
    match attributes.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(
            format!("attributes.{name}"),
            "must be a string",
        )),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
