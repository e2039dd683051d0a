//! The users and roles of the sandbox.

use serde::{Deserialize, Serialize};

use super::principal::{Kind, Principal, RoleArn};
use super::secret_text::SecretText;

/// A user with one long-term access key. Not `Debug`: it holds a secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct SandboxUser {
    /// The user's name.
    pub name: String,
    /// The user's account id, twelve digits.
    pub account: String,
    /// The long-term access key id.
    pub access_key_id: String,
    /// Whether the user's policies allow `sts:GetFederationToken`.
    pub may_federate: bool,
    secret_access_key: SecretText,
}

impl SandboxUser {
    /// A user who may not federate.
    pub fn new(
        name: impl Into<String>,
        account: impl Into<String>,
        access_key_id: impl Into<String>,
        secret_access_key: String,
    ) -> Self {
        Self {
            name: name.into(),
            account: account.into(),
            access_key_id: access_key_id.into(),
            may_federate: false,
            secret_access_key: SecretText::new(secret_access_key),
        }
    }

    /// The same user, allowed to federate.
    #[must_use]
    pub fn allowed_to_federate(self) -> Self {
        Self {
            may_federate: true,
            ..self
        }
    }

    pub(super) fn secret_access_key(&self) -> &SecretText {
        &self.secret_access_key
    }

    /// The user as seen in one partition: the sandbox keeps a user in all of them.
    pub(super) fn principal(&self, partition: &str) -> Principal {
        Principal {
            partition: partition.to_owned(),
            account: self.account.clone(),
            kind: Kind::User {
                name: self.name.clone(),
                may_federate: self.may_federate,
            },
        }
    }
}

/// A role and its trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRole {
    /// `arn:{partition}:iam::{account}:role/{path}{name}`.
    pub arn: String,
    /// Who may assume it: ARNs of users, roles or role sessions, or account ids.
    pub trusted_users: Vec<String>,
    /// The longest session in seconds, 3600 to 43200.
    pub max_duration: u32,
    /// The external id a caller must show, if any.
    pub external_id: Option<String>,
    /// Whether the trust policy allows `sts:TagSession`.
    pub allow_tag_session: bool,
    /// Whether the trust policy allows `sts:SetSourceIdentity`.
    pub allow_source_identity: bool,
}

impl SandboxRole {
    /// Whether the trust policy names the caller, its account, or the role it has assumed.
    ///
    /// A federated user is never trusted: AWS refuses it all of STS but `GetCallerIdentity`.
    pub(super) fn trusts(&self, caller: &Principal) -> bool {
        let lists = |name: &str| self.trusted_users.iter().any(|trusted| trusted == name);
        let here = RoleArn::parse(&self.arn).is_some_and(|arn| arn.partition == caller.partition);
        let by_role = match &caller.kind {
            Kind::FederatedUser { .. } => return false,
            Kind::AssumedRole { role_arn, .. } => lists(role_arn),
            Kind::User { .. } => false,
        };
        here && (by_role || lists(&caller.arn()) || lists(&caller.account))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, USER_KEY};
    use super::*;

    #[test]
    fn trust_is_by_user_account_or_role_and_never_across_partitions() {
        let trusting = |name: &str| SandboxRole {
            trusted_users: vec![name.to_owned()],
            ..fixture::role("arn:aws:iam::000000000000:role/reader")
        };
        let user = SandboxUser::new("a", "000000000000", USER_KEY, String::new()).principal("aws");
        assert!(trusting("arn:aws:iam::000000000000:user/a").trusts(&user));
        assert!(trusting("000000000000").trusts(&user));
        assert!(!trusting("arn:aws:iam::000000000000:user/b").trusts(&user));
        let elsewhere = Principal {
            partition: "aws-cn".into(),
            ..user.clone()
        };
        assert!(!trusting("000000000000").trusts(&elsewhere));
        // Permissions for GetFederationToken in the IAM user guide: no STS except GetCallerIdentity.
        let federated = Principal {
            kind: Kind::FederatedUser { name: "f".into() },
            ..user.clone()
        };
        assert!(!trusting("000000000000").trusts(&federated));
        let chained = Principal {
            kind: Kind::AssumedRole {
                role_arn: "arn:aws:iam::000000000000:role/first".into(),
                session_name: "s1".into(),
                source_identity: None,
            },
            ..user
        };
        assert!(trusting("arn:aws:iam::000000000000:role/first").trusts(&chained));
    }
}
