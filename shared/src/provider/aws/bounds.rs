//! What the owner of a base secret allows to be minted from it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    domain::{attributes::Attributes, link::LinkRight, ttl::Ttl},
    error::Error,
    provider::aws::function::FunctionIdentity,
};

/// The bounds in a base's attributes. What is absent does not bound whoever could read the base, and lists nothing for
/// whoever could only assign it.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    max_ttl: Option<Ttl>,
    role_arns: Option<Vec<String>>,
    policy_arns: Option<Vec<String>>,
    session_tags: Option<BTreeMap<String, AllowedTag>>,
    /// The base's own external id, which wins over the dynamic secret's.
    pub(super) external_id: Option<String>,
}

#[derive(Debug)]
enum AllowedTag {
    AnyValue,
    OneOf(Vec<String>),
}

impl Bounds {
    /// Reads the bounds; 400 naming the attribute if one has the wrong type.
    pub(super) fn from_base(attributes: &Attributes) -> Result<Self, Error> {
        Ok(Self {
            max_ttl: Ttl::from_attribute("attributes.maxTtl", attributes.get("maxTtl"))?,
            role_arns: texts(
                "attributes.allowedRoleArns",
                attributes.get("allowedRoleArns"),
            )?,
            policy_arns: texts(
                "attributes.allowedPolicyArns",
                attributes.get("allowedPolicyArns"),
            )?,
            session_tags: tags(attributes.get("allowedSessionTags"))?,
            external_id: super::plan::external_id(attributes)?,
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

    pub(super) fn check_role(&self, arn: &str, right: LinkRight) -> Result<(), Error> {
        match (&self.role_arns, right) {
            (Some(allowed), _) if allowed.iter().any(|one| one == arn) => Ok(()),
            (None, LinkRight::Read) => Ok(()),
            _ => Err(not_listed("attributes.roleArn", "allowedRoleArns")),
        }
    }

    /// The roles that a base without a key of its own names, each of which it must be lent the function's identity for.
    pub(super) fn check_lent(&self, function: &FunctionIdentity) -> Result<(), Error> {
        let field = "attributes.allowedRoleArns";
        let listed = self.role_arns.as_deref().unwrap_or_default();
        if listed.is_empty() {
            let problem = "is required, and not empty, on a base with credentialSource";
            return Err(Error::invalid(field, problem));
        }
        match listed.iter().position(|arn| !function.is_for(arn)) {
            None => Ok(()),
            Some(at) => Err(Error::invalid(
                format!("{field}[{at}]"),
                "must be one of the roles that this deployment lends its identity for (MAYFLY_ASSUMABLE_ROLES)",
            )),
        }
    }

    /// The roles that the base names and that the deployment does not lend the function's identity for.
    pub(super) fn unlent(&self, function: &FunctionIdentity) -> Vec<String> {
        let listed = self.role_arns.iter().flatten();
        let unlent = listed.filter(|arn| !function.is_for(arn));
        unlent.cloned().collect()
    }

    /// A base that lists policies wants every session cut by them: one without, or one that an inline policy could
    /// widen (session policies are added together), is over the bound. For an assumed role the list is asked only if
    /// it exists, since the role itself is the bound of whoever could only assign.
    pub(super) fn check_policies(
        &self,
        arns: &[String],
        inline_allows: bool,
        right: LinkRight,
        federates: bool,
    ) -> Result<(), Error> {
        let Some(allowed) = &self.policy_arns else {
            let unlisted = right == LinkRight::Assign && federates;
            return if unlisted {
                Err(not_listed("attributes.policyArn", "allowedPolicyArns"))
            } else {
                Ok(())
            };
        };
        if arns.is_empty() {
            return Err(Error::invalid(
                "attributes.policyArn",
                "is required: the base has allowedPolicyArns",
            ));
        }
        if inline_allows {
            return Err(Error::invalid(
                "attributes.policy",
                "may hold only Deny: the base has allowedPolicyArns",
            ));
        }
        if arns.iter().all(|arn| allowed.contains(arn)) {
            Ok(())
        } else {
            Err(not_listed("attributes.policyArn", "allowedPolicyArns"))
        }
    }

    pub(super) fn check_tags(
        &self,
        tags: &BTreeMap<String, String>,
        right: LinkRight,
    ) -> Result<(), Error> {
        for (key, value) in tags {
            let listed = match self.session_tags.as_ref().map(|allowed| allowed.get(key)) {
                Some(Some(AllowedTag::AnyValue)) => true,
                Some(Some(AllowedTag::OneOf(values))) => values.contains(value),
                Some(None) => false,
                None => right == LinkRight::Read,
            };
            if !listed {
                return Err(not_listed("attributes.sessionTags", "allowedSessionTags"));
            }
        }
        Ok(())
    }
}

fn not_listed(field: &str, bound: &str) -> Error {
    Error::invalid(field, format!("must be in the base's {bound}"))
}

fn texts(field: &str, value: Option<&Value>) -> Result<Option<Vec<String>>, Error> {
    let wrong = || Error::invalid(field, "must be an array of strings");
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(wrong()),
    }
}

fn tags(value: Option<&Value>) -> Result<Option<BTreeMap<String, AllowedTag>>, Error> {
    let field = "attributes.allowedSessionTags";
    let wrong = || {
        Error::invalid(
            field,
            "must be an object from tag to an array of values, or to \"*\" for any value",
        )
    };
    let fields = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(wrong()),
    };
    let mut allowed = BTreeMap::new();
    for (key, value) in fields {
        let tag = match value {
            Value::String(text) if text == "*" => AllowedTag::AnyValue,
            other => AllowedTag::OneOf(texts(field, Some(other)).ok().flatten().ok_or_else(wrong)?),
        };
        allowed.insert(key.clone(), tag);
    }
    Ok(Some(allowed))
}
