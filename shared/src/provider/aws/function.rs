//! The function's own identity, and the roles that a deployment lends it for.
//!
//! Whoever makes a base secret without a key of its own mints with this identity, and so with rights that nobody gave
//! to them at AWS. So a deployment lends it to nobody unless it lists the roles, one by one.

use crate::{
    config::AwsAccess,
    domain::data::SecretData,
    error::Error,
    provider::aws::{arn, credential::SOURCE, region::Region},
};

/// The roles that the deployment lets base secrets assume with the function's own identity: literal ARNs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssumableRoles(Vec<String>);

impl AssumableRoles {
    /// These roles; `None` if one is no ARN of a role. Wildcards are none.
    pub fn new(arns: Vec<String>) -> Option<Self> {
        arns.iter()
            .all(|arn| arn::is_role(arn))
            .then_some(Self(arns))
    }
}

/// What the function signs its own calls with, lent for some roles. By default it is lent for none, and holds nothing.
#[derive(Debug, Clone, Default)]
pub struct FunctionIdentity(Option<Lent>);

#[derive(Debug, Clone)]
pub(super) struct Lent {
    pub(super) access: AwsAccess,
    roles: AssumableRoles,
}

impl FunctionIdentity {
    /// The identity behind `access`, lent for `roles`.
    pub fn new(access: &AwsAccess, roles: AssumableRoles) -> Self {
        Self((!roles.0.is_empty()).then(|| Lent {
            access: access.clone(),
            roles,
        }))
    }

    /// The identity; refused if the deployment lends it to nobody.
    pub(super) fn lent(&self) -> Result<&Lent, Error> {
        self.0.as_ref().ok_or_else(|| {
            Error::invalid(
                SOURCE,
                "this deployment lends its identity to nobody; its operator may list the roles that it is lent for in \
                 MAYFLY_ASSUMABLE_ROLES of the functions crud and dynamic-read. The local vault never lends one",
            )
        })
    }

    /// Whether a session of this role may be minted with it.
    pub(super) fn is_for(&self, role_arn: &str) -> bool {
        let lent = self.0.as_ref();
        lent.is_some_and(|lent| lent.roles.0.iter().any(|arn| arn == role_arn))
    }
}

impl Lent {
    /// Where STS is called: the region that the base names, or the function's own. One of another partition is refused:
    /// the identity is unknown there.
    pub(super) fn region(&self, data: &SecretData) -> Result<Region, Error> {
        let own = Region::named("data.region", &self.access.region);
        let Some(named) = data.string("region") else {
            return if data.has("region") {
                Err(Error::invalid("data.region", "must be a string"))
            } else {
                own
            };
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "provider: the region decides where the call goes"
        )]
        let named = Region::named("data.region", named.expose())?;
        match own {
            Ok(own) if own.partition != named.partition => Err(Error::invalid(
                "data.region",
                format!(
                    "must be of the deployment's own partition, {}",
                    own.partition.name
                ),
            )),
            _ => Ok(named),
        }
    }
}
