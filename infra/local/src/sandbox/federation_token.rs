//! `GetFederationToken`: a session with a user's rights, cut by policies.

use super::Sandbox;
use super::form::Form;
use super::principal::{Kind, Principal};
use super::refusal::Refusal;
use super::session_policy;
use super::sts::{credentials, element};

/// Federates a name for a user who holds a long-term key.
pub(super) fn get_federation_token(
    sandbox: &Sandbox,
    caller: &Principal,
    form: &Form,
) -> Result<String, Refusal> {
    let name = session_policy::name(form, "Name", 2, 32)?;
    let seconds = session_policy::duration(form, 43200, 129_600)?;
    session_policy::tags(form)?;
    let Kind::User { may_federate, .. } = caller.kind else {
        return Err(Refusal::new(
            "AccessDenied",
            "Cannot call GetFederationToken with session credentials",
        ));
    };
    let principal = Principal {
        partition: caller.partition.clone(),
        account: caller.account.clone(),
        kind: Kind::FederatedUser {
            name: name.to_owned(),
        },
    };
    let arn = principal.arn();
    if !may_federate {
        let action = "sts:GetFederationToken";
        return Err(Refusal::access_denied(&caller.arn(), action, &arn));
    }
    let policy = session_policy::policies(form, &principal)?;
    let user = element("FederatedUserId", &principal.user_id()) + &element("Arn", &arn);
    let issued = sandbox.issue(principal, seconds)?;
    let mut answer = credentials(&issued) + &format!("<FederatedUser>{user}</FederatedUser>");
    if let Some(size) = policy.packed_size {
        answer += &element("PackedPolicySize", &size.to_string());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ASSUME, Cloud, FEDERATE, user};
    use super::super::iam::SandboxUser;

    #[tokio::test]
    async fn answer_names_federated_user_and_end() {
        let reply = Cloud::new().sts(FEDERATE).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.tag("Arn"),
            "arn:aws:sts::000000000000:federated-user/mf-1"
        );
        assert_eq!(reply.tag("FederatedUserId"), "000000000000:mf-1");
        assert_eq!(reply.tag("Expiration"), "2026-01-01T00:15:00Z");
        assert_eq!(reply.tag("PackedPolicySize"), "2");
    }

    #[tokio::test]
    async fn temporary_keys_may_not_federate() {
        // GetFederationToken must be called with the long-term key of a user (hashicorp/vault#4108 shows the answer).
        let cloud = Cloud::new();
        for issue in [ASSUME, FEDERATE] {
            let session = cloud.sts(issue).await.credentials();
            let reply = cloud.sts_as(&session, FEDERATE).await;
            assert_eq!((reply.status, reply.code()), (403, "AccessDenied"));
            assert!(reply.message().contains("session credentials"));
        }
    }

    #[tokio::test]
    async fn federated_users_may_not_assume_roles() {
        // Permissions for GetFederationToken in the IAM user guide: no STS except GetCallerIdentity.
        let cloud = Cloud::new();
        let session = cloud.sts(FEDERATE).await.credentials();
        let reply = cloud.sts_as(&session, ASSUME).await;
        assert_eq!(reply.code(), "AccessDenied");
    }

    #[tokio::test]
    async fn a_user_needs_the_right_to_federate() {
        let cloud = Cloud::new();
        let key = user();
        let (id, secret) = (key.access_key_id(), key.secret_access_key().to_owned());
        let plain = SandboxUser::new("base", "000000000000", id, secret);
        cloud.sandbox.add_user(plain).unwrap();
        assert_eq!(
            cloud.sts(FEDERATE).await.message(),
            "User: arn:aws:iam::000000000000:user/base is not authorized to perform: sts:GetFederationToken \
             on resource: arn:aws:sts::000000000000:federated-user/mf-1"
        );
    }

    #[tokio::test]
    async fn name_duration_policies_and_tags_are_checked() {
        let cloud = Cloud::new();
        for (field, value, code) in [
            ("DurationSeconds", "899", "ValidationError"),
            ("DurationSeconds", "129601", "ValidationError"),
            ("Name", "n", "ValidationError"),
            ("Policy", "{", "MalformedPolicyDocument"),
            ("Tags.member.1.Key", "", "ValidationError"),
        ] {
            let kept = FEDERATE.iter().filter(|(name, _)| *name != field).copied();
            let fields: Vec<_> = kept.chain([(field, value)]).collect();
            assert_eq!(cloud.sts(&fields).await.code(), code, "{field}={value}");
        }
    }
}
