//! `AssumeRole`: a session with the rights of a role.

use super::Sandbox;
use super::form::Form;
use super::iam::SandboxRole;
use super::principal::{Kind, Principal, RoleArn};
use super::refusal::Refusal;
use super::session_policy;
use super::sts::{credentials, element};

/// The longest session of a chained role, in seconds, whatever the role allows.
const CHAINED: u32 = 3600;

/// What the request asks for, found to be well-formed.
struct Wanted<'a> {
    role_arn: &'a str,
    role: RoleArn<'a>,
    session_name: &'a str,
    seconds: u32,
    external_id: Option<&'a str>,
    tagged: bool,
    source_identity: Option<&'a str>,
}

/// Assumes a role for the caller; the order of the checks is AWS's: shape, trust, duration, policies.
pub(super) fn assume_role(
    sandbox: &Sandbox,
    caller: &Principal,
    form: &Form,
) -> Result<String, Refusal> {
    let wanted = parse(form)?;
    let role = sandbox.store().role(wanted.role_arn).cloned();
    let source_identity = check_trust(role.as_ref(), caller, &wanted)?;
    check_duration(role.as_ref(), caller, wanted.seconds)?;
    let principal = Principal {
        partition: wanted.role.partition.to_owned(),
        account: wanted.role.account.to_owned(),
        kind: Kind::AssumedRole {
            role_arn: wanted.role_arn.to_owned(),
            session_name: wanted.session_name.to_owned(),
            source_identity: source_identity.map(str::to_owned),
        },
    };
    let policy = session_policy::policies(form, &principal)?;
    let user = element("Arn", &principal.arn()) + &element("AssumedRoleId", &principal.user_id());
    let issued = sandbox.issue(principal, wanted.seconds)?;
    let mut answer = credentials(&issued) + &format!("<AssumedRoleUser>{user}</AssumedRoleUser>");
    if let Some(size) = policy.packed_size {
        answer += &element("PackedPolicySize", &size.to_string());
    }
    if let Some(identity) = source_identity {
        answer += &element("SourceIdentity", identity);
    }
    Ok(answer)
}

fn parse(form: &Form) -> Result<Wanted<'_>, Refusal> {
    let role_arn = form
        .text("RoleArn")
        .ok_or_else(|| Refusal::constraint("roleArn", None, "not be null"))?;
    session_policy::length("roleArn", role_arn, 20, 2048)?;
    let role = RoleArn::parse(role_arn)
        .ok_or_else(|| Refusal::validation(format!("{role_arn} is invalid")))?;
    let external_id = form.text("ExternalId");
    if let Some(id) = external_id {
        session_policy::length("externalId", id, 2, 1224)?;
    }
    let source_identity = form
        .text("SourceIdentity")
        .map(|_| session_policy::name(form, "SourceIdentity", 2, 64))
        .transpose()?;
    Ok(Wanted {
        role_arn,
        role,
        session_name: session_policy::name(form, "RoleSessionName", 2, 64)?,
        seconds: session_policy::duration(form, 3600, 43200)?,
        external_id,
        tagged: session_policy::tags(form)?,
        source_identity,
    })
}

/// Checks that the trust policy allows all that is wanted, and answers the session's source identity.
///
/// An unknown role and an untrusting one refuse in the same words: a stranger learns nothing of an account.
fn check_trust<'a>(
    role: Option<&SandboxRole>,
    caller: &'a Principal,
    wanted: &Wanted<'a>,
) -> Result<Option<&'a str>, Refusal> {
    let denied = |action| Refusal::access_denied(&caller.arn(), action, wanted.role_arn);
    let role = role
        .filter(|role| role.trusts(caller))
        .filter(|role| {
            role.external_id
                .as_deref()
                .is_none_or(|id| wanted.external_id == Some(id))
        })
        .ok_or_else(|| denied("sts:AssumeRole"))?;
    if wanted.tagged && !role.allow_tag_session {
        return Err(denied("sts:TagSession"));
    }
    // A source identity, once set, stays through a chain of roles and cannot be changed.
    let inherited = caller.source_identity();
    let changed = inherited.is_some()
        && wanted
            .source_identity
            .is_some_and(|new| inherited != Some(new));
    let source_identity = wanted.source_identity.or(inherited);
    if changed || source_identity.is_some() && !role.allow_source_identity {
        return Err(denied("sts:SetSourceIdentity"));
    }
    Ok(source_identity)
}

fn check_duration(
    role: Option<&SandboxRole>,
    caller: &Principal,
    seconds: u32,
) -> Result<(), Refusal> {
    if caller.is_role_session() && seconds > CHAINED {
        return Err(Refusal::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if role.is_some_and(|role| seconds > role.max_duration) {
        return Err(Refusal::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, ASSUME, Cloud, ROLE, Reply};
    use super::super::iam::SandboxUser;
    use super::*;

    const DENIED: &str = "User: arn:aws:iam::000000000000:user/base is not authorized to perform: ";

    async fn assume(cloud: &Cloud, more: &[(&str, &str)]) -> Reply {
        cloud.sts(&[ASSUME, more].concat()).await
    }

    fn cloud_with(change: impl FnOnce(&mut SandboxRole)) -> Cloud {
        let cloud = Cloud::new();
        let mut role = fixture::role(ROLE);
        change(&mut role);
        cloud.sandbox.add_role(role).unwrap();
        cloud
    }

    #[tokio::test]
    async fn answer_names_session_and_end() {
        let cloud = Cloud::new();
        let reply = assume(&cloud, &[("DurationSeconds", "900")]).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.tag("Arn"),
            "arn:aws:sts::000000000000:assumed-role/reader/me"
        );
        assert!(reply.tag("AssumedRoleId").ends_with(":me"));
        assert_eq!(reply.tag("Expiration"), "2026-01-01T00:15:00Z");
        assert!(reply.tag("AccessKeyId").starts_with("ASIASANDBOX"));
        assert_eq!(reply.tag("SecretAccessKey").len(), 40);
        assert!(reply.tag("SessionToken").starts_with("sandbox/"));
        assert_eq!(reply.tag("SourceIdentity"), "");
        assert_eq!(reply.tag("PackedPolicySize"), "");
    }

    #[tokio::test]
    async fn unknown_and_untrusting_roles_look_the_same() {
        // AssumeRole in the STS API reference, and the text AWS answers.
        let untrusting = cloud_with(|role| role.trusted_users.clear());
        let without = Cloud::without_role();
        for cloud in [untrusting, without] {
            let reply = assume(&cloud, &[]).await;
            assert_eq!((reply.status, reply.code()), (403, "AccessDenied"));
            let expected = format!("{DENIED}sts:AssumeRole on resource: {ROLE}");
            assert_eq!(reply.message(), expected);
        }
    }

    #[tokio::test]
    async fn malformed_role_arns_are_invalid_not_denied() {
        let cloud = Cloud::new();
        for arn in ["short", "arn:aws:iam::000000000000:user/base"] {
            let fields = [
                ("Action", "AssumeRole"),
                ("Version", "2011-06-15"),
                ("RoleArn", arn),
                ("RoleSessionName", "me"),
            ];
            assert_eq!(cloud.sts(&fields).await.code(), "ValidationError");
        }
    }

    #[tokio::test]
    async fn duration_is_within_the_roles_maximum() {
        // DurationSeconds of AssumeRole: 900 to the role's maximum, 3600 when nothing is asked.
        let cloud = cloud_with(|role| role.max_duration = 7200);
        let asked = async |seconds| assume(&cloud, &[("DurationSeconds", seconds)]).await;
        assert_eq!(
            assume(&cloud, &[]).await.tag("Expiration"),
            "2026-01-01T01:00:00Z"
        );
        assert_eq!(asked("7200").await.status, 200);
        assert_eq!(
            asked("7201").await.message(),
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        );
        for beyond in ["899", "43201"] {
            let reply = asked(beyond).await;
            assert_eq!((reply.status, reply.code()), (400, "ValidationError"));
            assert!(reply.message().starts_with("1 validation error detected"));
        }
    }

    #[tokio::test]
    async fn a_chained_session_lasts_an_hour_at_most() {
        // DurationSeconds of AssumeRole: role chaining limits a session to one hour.
        let cloud = cloud_with(|role| role.trusted_users = vec!["000000000000".into()]);
        let first = assume(&cloud, &[]).await.credentials();
        let chained = [ASSUME, &[("DurationSeconds", "3601")]].concat();
        let reply = cloud.sts_as(&first, &chained).await;
        assert!(reply.message().contains("role chaining"));
        assert_eq!(cloud.sts_as(&first, ASSUME).await.status, 200);
    }

    #[tokio::test]
    async fn external_id_is_demanded() {
        let cloud = cloud_with(|role| role.external_id = Some("mayfly-1".into()));
        assert_eq!(assume(&cloud, &[]).await.code(), "AccessDenied");
        let wrong = assume(&cloud, &[("ExternalId", "other")]).await;
        assert_eq!(wrong.code(), "AccessDenied");
        let right = assume(&cloud, &[("ExternalId", "mayfly-1")]).await;
        assert_eq!(right.status, 200);
    }

    #[tokio::test]
    async fn tags_need_tag_session() {
        // Tags of AssumeRole: the trust policy must allow sts:TagSession.
        let tag = [("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
        let reply = assume(&Cloud::new(), &tag).await;
        let expected = format!("{DENIED}sts:TagSession on resource: {ROLE}");
        assert_eq!(reply.message(), expected);
        let cloud = cloud_with(|role| role.allow_tag_session = true);
        assert_eq!(assume(&cloud, &tag).await.status, 200);
    }

    #[tokio::test]
    async fn source_identity_needs_set_source_identity() {
        // SourceIdentity of AssumeRole: the trust policy must allow sts:SetSourceIdentity.
        let identity = [("SourceIdentity", "alice")];
        let reply = assume(&Cloud::new(), &identity).await;
        let expected = format!("{DENIED}sts:SetSourceIdentity on resource: {ROLE}");
        assert_eq!(reply.message(), expected);
        let cloud = cloud_with(|role| role.allow_source_identity = true);
        let reply = assume(&cloud, &identity).await;
        assert_eq!(reply.tag("SourceIdentity"), "alice");
        let bad = assume(&cloud, &[("SourceIdentity", "a lice")]).await;
        assert_eq!(bad.code(), "ValidationError");
    }

    #[tokio::test]
    async fn source_identity_stays_through_a_chain() {
        // "Monitor and control actions taken with assumed roles" in the IAM user guide.
        let cloud = cloud_with(|role| {
            role.allow_source_identity = true;
            role.trusted_users = vec!["000000000000".into()];
        });
        let first = assume(&cloud, &[("SourceIdentity", "alice")])
            .await
            .credentials();
        let kept = cloud.sts_as(&first, ASSUME).await;
        assert_eq!(kept.tag("SourceIdentity"), "alice");
        let other = [ASSUME, &[("SourceIdentity", "bob")]].concat();
        assert_eq!(cloud.sts_as(&first, &other).await.code(), "AccessDenied");
    }

    #[tokio::test]
    async fn partition_and_account_come_from_the_role() {
        let cloud = Cloud::new();
        let arn = "arn:aws-us-gov:iam::111111111111:role/team/auditor";
        let mut role = fixture::role(arn);
        role.trusted_users = vec!["000000000000".into()];
        cloud.sandbox.add_role(role).unwrap();
        let fields = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", arn),
            ("RoleSessionName", "me"),
        ];
        // Partitions share no identities: a role is unknown to the endpoints of another one.
        assert_eq!(cloud.sts(&fields).await.code(), "AccessDenied");
        let mut request = cloud.request(&fixture::user(), "sts", &fields);
        request.region = "us-gov-west-1";
        assert_eq!(
            cloud.send(request).await.tag("Arn"),
            "arn:aws-us-gov:sts::111111111111:assumed-role/auditor/me"
        );
    }

    #[tokio::test]
    async fn policies_are_checked_and_measured() {
        let cloud = Cloud::new();
        let arn = (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
        );
        assert_eq!(assume(&cloud, &[arn]).await.tag("PackedPolicySize"), "2");
        let reply = assume(&cloud, &[("Policy", "{}")]).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "MalformedPolicyDocument")
        );
        let long = " ".repeat(2049);
        let reply = assume(&cloud, &[("Policy", &long)]).await;
        assert_eq!((reply.status, reply.code()), (400, "PackedPolicyTooLarge"));
    }

    #[tokio::test]
    async fn another_user_is_not_trusted() {
        let cloud = Cloud::new();
        let other = SandboxUser::new("other", "000000000000", "AKIASANDBOXOTHER0000", "s".into());
        cloud.sandbox.add_user(other).unwrap();
        let key =
            aws_credential_types::Credentials::new("AKIASANDBOXOTHER0000", "s", None, None, "test");
        assert_eq!(cloud.sts_as(&key, ASSUME).await.code(), "AccessDenied");
    }
}
