//! What a dynamic AWS secret asks for, read from its attributes and checked against every bound.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    domain::{attributes::Attributes, link::LinkRight, ttl::Ttl},
    error::Error,
    provider::{
        Base,
        aws::{
            arn::{self, Kind},
            bounds::Bounds,
            credential::{self, Credential},
            function::FunctionIdentity,
            region::Partition,
            session_policy::{self, InlinePolicy},
        },
    },
};

/// STS's shortest session, in seconds.
const MIN_TTL: u32 = 900;
/// The longest a role can be set to, in seconds. The role's own maximum may be less; STS says so.
const MAX_ASSUME: u32 = 43_200;
/// The longest session that a temporary key, the function's among them, can assume, in seconds.
const MAX_CHAINED: u32 = 3_600;
/// The longest federation session, in seconds.
const MAX_FEDERATE: u32 = 129_600;

/// One STS call, ready to send.
#[derive(Debug)]
pub struct Plan {
    pub(super) credential: Credential,
    pub(super) base_modified: OffsetDateTime,
    pub(super) ttl: Ttl,
    pub(super) policy_arns: Vec<String>,
    pub(super) policy: Option<InlinePolicy>,
    pub(super) session_tags: BTreeMap<String, String>,
    pub(super) call: Call,
}

/// Which STS call.
#[derive(Debug)]
pub(super) enum Call {
    AssumeRole {
        role_arn: String,
        external_id: Option<String>,
        source_identity: bool,
    },
    FederationToken,
}

/// Refuses a base that could never mint, and one that would mint more with the function's identity than it is lent for.
pub fn check_base(base: &Base, function: &FunctionIdentity) -> Result<(), Error> {
    let credential = Credential::from_data(&base.data, function)?;
    let bounds = Bounds::from_base(&base.attributes)?;
    match credential.kind {
        credential::Kind::Function => bounds.check_lent(function),
        credential::Kind::LongTerm | credential::Kind::Temporary => Ok(()),
    }
}

impl Plan {
    /// How long the session is asked to live, in seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl.seconds()
    }

    /// Reads and checks. Everything wrong is a 400 that names the attribute.
    pub(crate) fn new(
        attributes: &Attributes,
        base: &Base,
        right: LinkRight,
        function: &FunctionIdentity,
    ) -> Result<Self, Error> {
        let credential = Credential::from_data(&base.data, function)?;
        let bounds = Bounds::from_base(&base.attributes)?;
        // Whoever may read a base without a key has no key by that: what it mints must be in its bounds.
        let right = match credential.kind {
            credential::Kind::Function => LinkRight::Assign,
            credential::Kind::LongTerm | credential::Kind::Temporary => right,
        };
        let call = Call::read(attributes, &credential, &bounds, right)?;
        call.check_lent(&credential, function)?;
        let federates = matches!(call, Call::FederationToken);

        let ttl = Ttl::from_attribute("attributes.ttl", attributes.get("ttl"))?.unwrap_or_default();
        check_ttl(ttl, &credential, federates)?;
        bounds.check_ttl(ttl)?;

        let policy_arns = policy_arns(attributes, credential.region.partition)?;
        let policy = session_policy::read(attributes.get("policy"))?;
        if federates && policy_arns.is_empty() && policy.is_none() {
            let problem = "is required: a federation without any policy could do nothing";
            return Err(Error::invalid("attributes.policyArn", problem));
        }
        session_policy::check_together(policy.as_ref(), &policy_arns)?;
        let inline_allows = policy.as_ref().is_some_and(|policy| policy.allows);
        bounds.check_policies(&policy_arns, inline_allows, right, federates)?;
        if federates && right == LinkRight::Assign && inline_allows {
            return Err(Error::invalid(
                "attributes.policy",
                "may hold only Deny for whoever may only assign the base",
            ));
        }

        let session_tags = session_tags(attributes)?;
        bounds.check_tags(&session_tags, right)?;
        let base_modified = base.modified;
        Ok(Self {
            credential,
            base_modified,
            ttl,
            policy_arns,
            policy,
            session_tags,
            call,
        })
    }
}

impl Call {
    fn read(
        attributes: &Attributes,
        credential: &Credential,
        bounds: &Bounds,
        right: LinkRight,
    ) -> Result<Self, Error> {
        match attributes.get("providerType").and_then(Value::as_str) {
            Some("assumeRole") => {
                let role_arn = required_text(attributes, "roleArn")?;
                arn::check(
                    "attributes.roleArn",
                    &role_arn,
                    Kind::Role,
                    credential.region.partition,
                )?;
                bounds.check_role(&role_arn, right)?;
                let own = external_id(attributes)?;
                let external_id = bounds.external_id.clone().or(own);
                Ok(Self::AssumeRole {
                    role_arn,
                    external_id,
                    source_identity: source_identity(attributes)?,
                })
            }
            Some("federate") => {
                for name in ["roleArn", "externalId", "sourceIdentity"] {
                    if attributes
                        .get(name)
                        .is_some_and(|value| !value.is_null() && value != &Value::Bool(false))
                    {
                        let field = format!("attributes.{name}");
                        return Err(Error::invalid(
                            field,
                            "goes with providerType assumeRole only",
                        ));
                    }
                }
                let problem = match credential.kind {
                    credential::Kind::LongTerm => return Ok(Self::FederationToken),
                    credential::Kind::Temporary => {
                        "federate needs a base with a long-term access key: AWS refuses it to a temporary one"
                    }
                    credential::Kind::Function => {
                        "federate needs a base with an access key of its own: a role's session, such as the function's, \
                         cannot call GetFederationToken"
                    }
                };
                Err(Error::invalid("attributes.providerType", problem))
            }
            _ => Err(Error::invalid(
                "attributes.providerType",
                "must be assumeRole or federate on a base of type aws",
            )),
        }
    }

    /// With the function's identity, the base must bound the roles, and the deployment must still list this one.
    fn check_lent(
        &self,
        credential: &Credential,
        function: &FunctionIdentity,
    ) -> Result<(), Error> {
        match self {
            Self::AssumeRole { role_arn, .. } if credential.kind == credential::Kind::Function => {
                if function.is_for(role_arn) {
                    return Ok(());
                }
                Err(Error::invalid(
                    "attributes.roleArn",
                    "must be one of the roles that this deployment lends its identity for (MAYFLY_ASSUMABLE_ROLES)",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn check_ttl(ttl: Ttl, credential: &Credential, federates: bool) -> Result<(), Error> {
    let seconds = ttl.seconds();
    let (max, whose) = match (federates, credential.kind) {
        (true, _) => (MAX_FEDERATE, "AWS's longest federation session"),
        (false, credential::Kind::LongTerm) => (MAX_ASSUME, "AWS's longest role session"),
        (false, credential::Kind::Temporary) => {
            (MAX_CHAINED, "AWS's longest session from a temporary key")
        }
        (false, credential::Kind::Function) => (
            MAX_CHAINED,
            "because the function's own session assumes the role: chained sessions end after an hour at most",
        ),
    };
    if seconds < MIN_TTL {
        return Err(Error::invalid(
            "attributes.ttl",
            format!("must be at least {MIN_TTL} seconds: AWS STS mints nothing shorter"),
        ));
    }
    if seconds > max {
        return Err(Error::invalid(
            "attributes.ttl",
            format!("must be at most {max} seconds, {whose}"),
        ));
    }
    Ok(())
}

fn required_text(attributes: &Attributes, name: &str) -> Result<String, Error> {
    match attributes.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(Error::invalid(
            format!("attributes.{name}"),
            "is required, as a string",
        )),
    }
}

/// `externalId`: 2 to 1224 characters of `[\w+=,.@:/-]` (`AssumeRole`, `ExternalId`).
pub(super) fn external_id(attributes: &Attributes) -> Result<Option<String>, Error> {
    let wrong = || {
        Error::invalid(
            "attributes.externalId",
            "must be 2 to 1224 letters, digits or any of +=,.@:/_-",
        )
    };
    match attributes.get("externalId") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@:/_-".contains(&b);
            let good = (2..=1224).contains(&text.len()) && text.bytes().all(allowed);
            if good {
                Ok(Some(text.clone()))
            } else {
                Err(wrong())
            }
        }
        Some(_) => Err(wrong()),
    }
}

fn source_identity(attributes: &Attributes) -> Result<bool, Error> {
    match attributes.get("sourceIdentity") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(_) => Err(Error::invalid(
            "attributes.sourceIdentity",
            "must be true or false: its value is always the caller's name",
        )),
    }
}

/// `policyArn` and `policyArns` together, at most 10.
fn policy_arns(attributes: &Attributes, partition: Partition) -> Result<Vec<String>, Error> {
    let mut arns = Vec::new();
    match attributes.get("policyArn") {
        None | Some(Value::Null) => {}
        Some(Value::String(one)) => {
            arn::check("attributes.policyArn", one, Kind::Policy, partition)?;
            arns.push(one.clone());
        }
        Some(_) => return Err(Error::invalid("attributes.policyArn", "must be a string")),
    }
    match attributes.get("policyArns") {
        None | Some(Value::Null) => {}
        Some(Value::Array(more)) => {
            for one in more {
                let one = one.as_str().unwrap_or_default();
                arn::check("attributes.policyArns", one, Kind::Policy, partition)?;
                if !arns.iter().any(|arn| arn == one) {
                    arns.push(one.to_owned());
                }
            }
        }
        Some(_) => {
            return Err(Error::invalid(
                "attributes.policyArns",
                "must be an array of strings",
            ));
        }
    }
    if arns.len() > 10 {
        return Err(Error::invalid(
            "attributes.policyArns",
            "may name at most 10 policies",
        ));
    }
    Ok(arns)
}

/// `sessionTags`: at most 50, keys of 1 to 128 and values of at most 256 characters, none of AWS's own.
fn session_tags(attributes: &Attributes) -> Result<BTreeMap<String, String>, Error> {
    let wrong = |problem: &str| Error::invalid("attributes.sessionTags", problem);
    let fields = match attributes.get("sessionTags") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(wrong("must be an object from tag to string")),
    };
    if fields.len() > 50 {
        return Err(wrong("may hold at most 50 tags"));
    }
    let mut tags = BTreeMap::new();
    for (key, value) in fields {
        let value = value
            .as_str()
            .ok_or_else(|| wrong("must be an object from tag to string"))?;
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(wrong(
                "takes keys of 1 to 128 and values of at most 256 characters",
            ));
        }
        let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
        if !key.chars().all(allowed) || !value.chars().all(allowed) {
            return Err(wrong("takes letters, digits, spaces and any of _.:/=+-@"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(wrong("may not hold keys that begin with aws:"));
        }
        if tags
            .keys()
            .any(|other: &String| other.to_lowercase() == key.to_lowercase())
        {
            return Err(wrong("may not hold keys that differ only in case"));
        }
        tags.insert(key.clone(), value.to_owned());
    }
    Ok(tags)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
