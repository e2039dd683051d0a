//! What the owner of a base secret allows to be minted from it.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    domain::{attributes::Attributes, link::LinkRight, ttl::Ttl},
    error::Error,
    provider::azure::grammar::{self, is_within, role_guid},
};

/// The bounds in a base's attributes. What is absent does not bound whoever could read the base, and lists nothing for
/// whoever could only assign it.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    max_ttl: Option<Ttl>,
    scopes: Option<Vec<String>>,
    /// GUIDs: the same role has different ids at different scopes.
    role_ids: Option<Vec<String>>,
    app_object_ids: Option<Vec<String>>,
    app_role_ids: Option<Vec<String>>,
    token_scopes: Option<Vec<String>>,
    pub(super) client_secret_expires: Option<OffsetDateTime>,
}

impl Bounds {
    /// Reads the bounds; 400 naming the attribute if one has the wrong type.
    pub(super) fn from_base(attributes: &Attributes, subscription: &str) -> Result<Self, Error> {
        let role = |field: &str, text: &str| {
            let id = grammar::role_id(field, text, subscription)?;
            role_guid(&id).ok_or_else(|| Error::invalid(field, "must hold role definitions' GUIDs"))
        };
        Ok(Self {
            max_ttl: Ttl::from_attribute("attributes.maxTtl", attributes.get("maxTtl"))?,
            scopes: list(attributes, "allowedScopes", grammar::scope)?,
            role_ids: list(attributes, "allowedRoleIds", role)?,
            app_object_ids: list(attributes, "allowedAppObjectIds", grammar::guid)?,
            app_role_ids: list(attributes, "allowedAppRoleIds", grammar::guid)?,
            token_scopes: list(attributes, "allowedTokenScopes", grammar::token_scope)?,
            client_secret_expires: time(attributes, "clientSecretExpires")?,
        })
    }

    /// Refuses a lifetime over `maxTtl`; never clamps it.
    pub(super) fn check_ttl(&self, ttl: Ttl) -> Result<(), Error> {
        match self.max_ttl {
            Some(max) if ttl > max => Err(Error::invalid(
                "attributes.ttl",
                format!(
                    "must be at most {} seconds, the base's maxTtl",
                    max.seconds()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Without a list, whoever could read the base keeps to the base's own subscription.
    pub(super) fn check_scope(
        &self,
        scope: &str,
        subscription: &str,
        right: LinkRight,
    ) -> Result<(), Error> {
        match (&self.scopes, right) {
            (Some(allowed), _) if allowed.iter().any(|one| is_within(scope, one)) => Ok(()),
            (None, LinkRight::Read) => {
                if is_within(scope, &format!("/subscriptions/{subscription}")) {
                    return Ok(());
                }
                let problem =
                    "must lie in the base's subscription, or in one of the base's allowedScopes";
                Err(Error::invalid("attributes.scope", problem))
            }
            _ => Err(not_listed("attributes.scope", "allowedScopes")),
        }
    }

    pub(super) fn check_role(&self, id: &str, right: LinkRight) -> Result<(), Error> {
        let guid = role_guid(id).unwrap_or_default();
        listed(
            self.role_ids.as_deref(),
            &guid,
            right,
            "attributes.roleId",
            "allowedRoleIds",
        )
    }

    /// The roles that one named by its name must be among; `None` if any.
    pub(super) fn roles_for_name(&self, right: LinkRight) -> Result<Option<Vec<String>>, Error> {
        match (&self.role_ids, right) {
            (None, LinkRight::Assign) => Err(not_listed("attributes.roleName", "allowedRoleIds")),
            (allowed, _) => Ok(allowed.clone()),
        }
    }

    pub(super) fn check_app(&self, object_id: &str, right: LinkRight) -> Result<(), Error> {
        listed(
            self.app_object_ids.as_deref(),
            object_id,
            right,
            "attributes.appObjectId",
            "allowedAppObjectIds",
        )
    }

    pub(super) fn check_app_role(&self, id: &str, right: LinkRight) -> Result<(), Error> {
        listed(
            self.app_role_ids.as_deref(),
            id,
            right,
            "attributes.appRoleId",
            "allowedAppRoleIds",
        )
    }

    pub(super) fn check_token_scope(&self, scope: &str, right: LinkRight) -> Result<(), Error> {
        listed(
            self.token_scopes.as_deref(),
            scope,
            right,
            "attributes.scopes",
            "allowedTokenScopes",
        )
    }

    /// The roles themselves, for a role that is given by its id.
    pub(super) fn role_guids(&self) -> Option<Vec<String>> {
        self.role_ids.clone()
    }
}

fn listed(
    allowed: Option<&[String]>,
    value: &str,
    right: LinkRight,
    field: &str,
    bound: &str,
) -> Result<(), Error> {
    match (allowed, right) {
        (Some(allowed), _) if allowed.iter().any(|one| one == value) => Ok(()),
        (None, LinkRight::Read) => Ok(()),
        _ => Err(not_listed(field, bound)),
    }
}

fn not_listed(field: &str, bound: &str) -> Error {
    Error::invalid(field, format!("must be in the base's {bound}"))
}

fn list(
    attributes: &Attributes,
    name: &str,
    check: impl Fn(&str, &str) -> Result<String, Error>,
) -> Result<Option<Vec<String>>, Error> {
    let field = format!("attributes.{name}");
    let wrong = || Error::invalid(&field, "must be an array of strings");
    match attributes.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| check(&field, item.as_str().ok_or_else(wrong)?))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(wrong()),
    }
}

fn time(attributes: &Attributes, name: &str) -> Result<Option<OffsetDateTime>, Error> {
    let field = format!("attributes.{name}");
    match attributes.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
            .map(Some)
            .ok_or_else(|| Error::invalid(field, "must be a time such as 2030-01-31T00:00:00Z")),
    }
}
