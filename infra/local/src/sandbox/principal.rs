//! Who a call is made by, and how AWS names them.

use serde::{Deserialize, Serialize};

use super::random::unique_id;

/// An identity in one account of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Principal {
    pub(super) partition: String,
    pub(super) account: String,
    pub(super) kind: Kind,
}

/// What sort of identity it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    User {
        name: String,
        may_federate: bool,
    },
    AssumedRole {
        role_arn: String,
        session_name: String,
        source_identity: Option<String>,
    },
    FederatedUser {
        name: String,
    },
}

impl Principal {
    /// The ARN that STS and its error texts show.
    pub(super) fn arn(&self) -> String {
        let (service, resource) = match &self.kind {
            Kind::User { name, .. } => ("iam", format!("user/{name}")),
            Kind::FederatedUser { name } => ("sts", format!("federated-user/{name}")),
            Kind::AssumedRole {
                role_arn,
                session_name,
                ..
            } => {
                let role = role_arn.rsplit('/').next().unwrap_or_default();
                ("sts", format!("assumed-role/{role}/{session_name}"))
            }
        };
        format!(
            "arn:{}:{service}::{}:{resource}",
            self.partition, self.account
        )
    }

    /// The unique id: `UserId`, `AssumedRoleId` or `FederatedUserId` on the wire.
    pub(super) fn user_id(&self) -> String {
        match &self.kind {
            Kind::User { .. } => unique_id("AIDASANDBOX", &self.arn()),
            Kind::FederatedUser { name } => format!("{}:{name}", self.account),
            Kind::AssumedRole {
                role_arn,
                session_name,
                ..
            } => format!("{}:{session_name}", unique_id("AROASANDBOX", role_arn)),
        }
    }

    /// Whether this is a role session: its own sessions are chained.
    pub(super) fn is_role_session(&self) -> bool {
        matches!(self.kind, Kind::AssumedRole { .. })
    }

    /// The source identity that a role session carries on to every role it assumes.
    pub(super) fn source_identity(&self) -> Option<&str> {
        match &self.kind {
            Kind::AssumedRole {
                source_identity, ..
            } => source_identity.as_deref(),
            Kind::User { .. } | Kind::FederatedUser { .. } => None,
        }
    }
}

/// The parts of a role ARN, proved to have the shape of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoleArn<'a> {
    pub(super) partition: &'a str,
    pub(super) account: &'a str,
}

impl<'a> RoleArn<'a> {
    /// Reads `arn:{partition}:iam::{account}:role/{path}{name}`.
    pub(super) fn parse(arn: &'a str) -> Option<Self> {
        let (partition, account, resource) = iam_arn(arn)?;
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        (is_account(account) && is_name(name, 64)).then_some(Self { partition, account })
    }
}

/// The partition, account and resource of an IAM ARN.
pub(super) fn iam_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    let (scheme, partition, service) = (next()?, next()?, next()?);
    let (region, account, resource) = (next()?, next()?, next()?);
    let shaped =
        scheme == "arn" && partition.starts_with("aws") && service == "iam" && region.is_empty();
    shaped.then_some((partition, account, resource))
}

/// Whether this is an account id: twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit())
}

/// Whether this is a name as IAM allows them, `[\w+=,.@-]`, of 1 to `longest` characters.
pub(super) fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// Whether this byte is one of `[\w+=,.@-]`.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_and_ids_are_those_of_aws() {
        let role_arn = "arn:aws-cn:iam::000000000000:role/team/reader".to_owned();
        let session = Principal {
            partition: "aws-cn".into(),
            account: "000000000000".into(),
            kind: Kind::AssumedRole {
                role_arn,
                session_name: "me".into(),
                source_identity: None,
            },
        };
        assert_eq!(
            session.arn(),
            "arn:aws-cn:sts::000000000000:assumed-role/reader/me"
        );
        assert!(session.user_id().starts_with("AROASANDBOX"));
        assert!(session.user_id().ends_with(":me"));
    }

    #[test]
    fn role_arns_are_checked() {
        let parsed = RoleArn::parse("arn:aws-us-gov:iam::000000000000:role/a/b/reader");
        let expected = RoleArn {
            partition: "aws-us-gov",
            account: "000000000000",
        };
        assert_eq!(parsed, Some(expected));
        for bad in [
            "",
            "arn:aws:iam::000000000000:role/",
            "arn:aws:iam::000000000000:user/reader",
            "arn:aws:iam::00000000000:role/reader",
            "arn:aws:sts::000000000000:role/reader",
            "arn:aws:iam:us-east-1:000000000000:role/reader",
            "arn:gcp:iam::000000000000:role/reader",
            "arn:aws:iam::000000000000:role/rea der",
        ] {
            assert_eq!(RoleArn::parse(bad), None, "{bad}");
        }
    }
}
