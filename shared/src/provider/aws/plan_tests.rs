//! Every bound of a dynamic AWS secret, right and wrong.

use serde_json::{Value, json};

use super::*;
use crate::{
    config::AwsAccess, domain::data::SecretData, domain::sensitive::Sensitive,
    provider::aws::function::AssumableRoles,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const OTHER: &str = "arn:aws:iam::123456789012:role/writer";
const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn attributes(value: &Value) -> Attributes {
    Attributes::new(value.as_object().unwrap().clone())
}

fn base_with(data: &Value, bounds: &Value) -> Base {
    let data: SecretData = serde_json::from_value(data.clone())
        .unwrap_or_else(|_| serde_json::from_str(&data.to_string()).unwrap());
    Base {
        id: uuid::Uuid::nil(),
        version: 0,
        rev: 0,
        data,
        attributes: attributes(bounds),
        modified: OffsetDateTime::UNIX_EPOCH,
    }
}

fn long_term() -> Value {
    json!({"accessKey": "AKIAEXAMPLE", "secretKey": "s", "region": "us-east-1"})
}

fn temporary() -> Value {
    json!({"accessKey": "ASIAEXAMPLE", "secretKey": "s", "sessionToken": "t", "region": "us-east-1"})
}

fn assume(more: &Value) -> Value {
    with(json!({"providerType": "assumeRole", "roleArn": ROLE}), more)
}

fn federate(more: &Value) -> Value {
    with(
        json!({"providerType": "federate", "policyArn": POLICY}),
        more,
    )
}

fn with(mut value: Value, more: &Value) -> Value {
    for (key, one) in more.as_object().unwrap() {
        value[key] = one.clone();
    }
    value
}

fn plan_as(
    dynamic: &Value,
    data: &Value,
    bounds: &Value,
    right: LinkRight,
) -> Result<Plan, String> {
    plan_lent(dynamic, data, bounds, right, &FunctionIdentity::default())
}

fn plan_lent(
    dynamic: &Value,
    data: &Value,
    bounds: &Value,
    right: LinkRight,
    function: &FunctionIdentity,
) -> Result<Plan, String> {
    let base = base_with(data, bounds);
    Plan::new(&attributes(dynamic), &base, right, function).map_err(|error| error.to_string())
}

/// A function in `region` that is lent for `roles`.
fn lent(region: &str, roles: &[&str]) -> FunctionIdentity {
    let access = AwsAccess {
        region: region.to_owned(),
        access_key: Sensitive::new("ASIAFUNCTION".to_owned()),
        secret_key: Sensitive::new("the function's secret".to_owned()),
        session_token: Some(Sensitive::new("the function's token".to_owned())),
    };
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    FunctionIdentity::new(&access, AssumableRoles::new(roles).unwrap())
}

/// A base without a key, whose roles are `bounds`, of a function that is lent for [`ROLE`].
fn keyless(dynamic: &Value, bounds: &Value) -> Result<Plan, String> {
    let data = json!({"credentialSource": "function"});
    let function = lent("us-east-1", &[ROLE]);
    plan_lent(dynamic, &data, bounds, LinkRight::Read, &function)
}

/// What is wrong with a base of a function that is lent for [`ROLE`].
fn wrong_base(data: &Value, bounds: &Value) -> String {
    let function = lent("us-east-1", &[ROLE]);
    let wrong = check_base(&base_with(data, bounds), &function).unwrap_err();
    wrong.to_string()
}

fn plan(dynamic: &Value, bounds: &Value) -> Result<Plan, String> {
    plan_as(dynamic, &long_term(), bounds, LinkRight::Read)
}

/// The field that the refusal names.
fn refused(result: Result<Plan, String>) -> String {
    result.unwrap_err().split(": ").next().unwrap().to_owned()
}

#[test]
fn the_default_ttl_is_a_quarter_of_an_hour() {
    assert_eq!(
        plan(&assume(&json!({})), &json!({})).unwrap().ttl.seconds(),
        900
    );
}

#[test]
fn a_ttl_below_what_sts_mints_says_why() {
    for ttl in [1, 899] {
        let text = plan(&assume(&json!({ "ttl": ttl })), &json!({})).unwrap_err();
        assert!(
            text.contains("at least 900") && text.contains("STS"),
            "{text}"
        );
    }
}

#[test]
fn a_ttl_over_the_longest_session_is_refused() {
    let ttl = |seconds: u64| json!({ "ttl": seconds });
    assert!(plan(&assume(&ttl(43_200)), &json!({})).is_ok());
    assert!(plan(&assume(&ttl(43_201)), &json!({})).is_err());
    assert!(plan(&federate(&ttl(129_600)), &json!({})).is_ok());
    assert!(plan(&federate(&ttl(129_601)), &json!({})).is_err());
    let chained = |seconds| {
        plan_as(
            &assume(&ttl(seconds)),
            &temporary(),
            &json!({}),
            LinkRight::Read,
        )
    };
    assert!(chained(3_600).is_ok());
    assert!(chained(3_601).unwrap_err().contains("temporary key"));
}

#[test]
fn a_federation_needs_a_policy_and_a_long_term_key() {
    assert_eq!(
        refused(plan(&json!({"providerType": "federate"}), &json!({}))),
        "attributes.policyArn"
    );
    let text = plan_as(
        &federate(&json!({})),
        &temporary(),
        &json!({}),
        LinkRight::Read,
    )
    .unwrap_err();
    assert!(text.contains("long-term"), "{text}");
}

#[test]
fn a_federation_refuses_what_only_a_role_has() {
    for name in ["roleArn", "externalId", "sourceIdentity"] {
        let field = refused(plan(&federate(&json!({ name: "xx" })), &json!({})));
        assert_eq!(field, format!("attributes.{name}"));
    }
}

#[test]
fn each_bad_attribute_is_named() {
    for (more, field) in [
        (json!({"providerType": "sts"}), "attributes.providerType"),
        (json!({"providerType": null}), "attributes.providerType"),
        (json!({"roleArn": null}), "attributes.roleArn"),
        (
            json!({"roleArn": "arn:aws:iam::1:role/x"}),
            "attributes.roleArn",
        ),
        (
            json!({"roleArn": "arn:aws-cn:iam::123456789012:role/x"}),
            "attributes.roleArn",
        ),
        (json!({"policyArn": 7}), "attributes.policyArn"),
        (json!({"policyArn": "x"}), "attributes.policyArn"),
        (json!({"policyArns": "x"}), "attributes.policyArns"),
        (json!({"policyArns": [7]}), "attributes.policyArns"),
        (
            json!({"policyArns": (0..11).map(|n| format!("{POLICY}{n}")).collect::<Vec<_>>()}),
            "attributes.policyArns",
        ),
        (json!({"externalId": 7}), "attributes.externalId"),
        (json!({"externalId": "x"}), "attributes.externalId"),
        (json!({"externalId": "a b"}), "attributes.externalId"),
        (json!({"sourceIdentity": "me"}), "attributes.sourceIdentity"),
        (json!({"sessionTags": []}), "attributes.sessionTags"),
        (json!({"sessionTags": {"a": 1}}), "attributes.sessionTags"),
        (json!({"sessionTags": {"": "x"}}), "attributes.sessionTags"),
        (
            json!({"sessionTags": {"aws:x": "x"}}),
            "attributes.sessionTags",
        ),
        (
            json!({"sessionTags": {"a": "x".repeat(257)}}),
            "attributes.sessionTags",
        ),
        (json!({"policy": 7}), "attributes.policy"),
        (json!({"ttl": "900"}), "attributes.ttl"),
    ] {
        assert_eq!(refused(plan(&assume(&more), &json!({}))), field, "{more}");
    }
}

#[test]
fn a_base_that_cannot_mint_is_named() {
    for (data, field) in [
        (json!({}), "data.accessKey"),
        (json!({"accessKey": "a"}), "data.secretKey"),
        (
            json!({"accessKey": "a", "secretKey": 7, "region": "us-east-1"}),
            "data.secretKey",
        ),
        (json!({"accessKey": "a", "secretKey": "s"}), "data.region"),
        (
            json!({"accessKey": "a", "secretKey": "s", "region": "mars-1"}),
            "data.region",
        ),
        (
            json!({"accessKey": "ASIAX", "secretKey": "s", "region": "us-east-1"}),
            "data.sessionToken",
        ),
    ] {
        assert_eq!(
            refused(plan_as(
                &assume(&json!({})),
                &data,
                &json!({}),
                LinkRight::Read
            )),
            field,
            "{data}"
        );
    }
    for name in [
        "maxTtl",
        "allowedRoleArns",
        "allowedPolicyArns",
        "allowedSessionTags",
        "externalId",
    ] {
        let base = base_with(&long_term(), &json!({ name: true }));
        let text = check_base(&base, &FunctionIdentity::default())
            .unwrap_err()
            .to_string();
        assert!(text.starts_with(&format!("attributes.{name}: ")), "{text}");
    }
}

#[test]
fn bounds_refuse_and_never_clamp() {
    let max = json!({"maxTtl": 1000});
    assert!(plan(&assume(&json!({"ttl": 1000})), &max).is_ok());
    assert_eq!(
        refused(plan(&assume(&json!({"ttl": 1001})), &max)),
        "attributes.ttl"
    );
    assert!(
        plan(&assume(&json!({})), &json!({"maxTtl": 600})).is_err(),
        "the default is bounded too"
    );

    assert!(plan(&assume(&json!({})), &json!({"allowedRoleArns": [ROLE]})).is_ok());
    assert_eq!(
        refused(plan(&assume(&json!({})), &json!({"allowedRoleArns": []}))),
        "attributes.roleArn"
    );

    let policies = json!({"allowedPolicyArns": [POLICY]});
    assert!(plan(&federate(&json!({})), &policies).is_ok());
    let other = json!({"policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]});
    assert_eq!(
        refused(plan(&federate(&other), &policies)),
        "attributes.policyArn"
    );
    assert_eq!(
        refused(plan(&assume(&json!({})), &policies)),
        "attributes.policyArn",
        "a role session is cut too"
    );
    let allow = json!({"policy": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, "policyArn": null});
    assert!(
        plan(&federate(&allow), &policies).is_err(),
        "an inline Allow would escape the list"
    );

    let tags = json!({"allowedSessionTags": {"team": ["a", "b"], "any": "*"}});
    assert!(
        plan(
            &assume(&json!({"sessionTags": {"team": "a", "any": "x"}})),
            &tags
        )
        .is_ok()
    );
    for bad in [json!({"team": "c"}), json!({"other": "a"})] {
        let field = refused(plan(&assume(&json!({ "sessionTags": bad })), &tags));
        assert_eq!(field, "attributes.sessionTags");
    }
}

#[test]
fn whoever_may_only_assign_gets_only_what_a_bound_lists() {
    let assigned =
        |dynamic: &Value, bounds: &Value| plan_as(dynamic, &long_term(), bounds, LinkRight::Assign);
    assert_eq!(
        refused(assigned(&assume(&json!({})), &json!({}))),
        "attributes.roleArn"
    );
    assert!(assigned(&assume(&json!({})), &json!({"allowedRoleArns": [ROLE]})).is_ok());
    assert_eq!(
        refused(assigned(&federate(&json!({})), &json!({}))),
        "attributes.policyArn"
    );
    assert!(
        assigned(
            &federate(&json!({})),
            &json!({"allowedPolicyArns": [POLICY]})
        )
        .is_ok()
    );
    let tagged = assume(&json!({"sessionTags": {"team": "a"}}));
    assert_eq!(
        refused(assigned(&tagged, &json!({"allowedRoleArns": [ROLE]}))),
        "attributes.sessionTags"
    );
}

#[test]
fn whoever_may_read_a_base_without_a_key_gets_only_what_a_bound_lists() {
    let tagged = assume(&json!({"sessionTags": {"team": "a"}}));
    assert_eq!(
        refused(keyless(&tagged, &json!({"allowedRoleArns": [ROLE]}))),
        "attributes.sessionTags"
    );
    let bounds = json!({"allowedRoleArns": [ROLE], "allowedSessionTags": {"team": "*"}});
    assert!(keyless(&tagged, &bounds).is_ok());
}

#[test]
fn the_bases_external_id_wins() {
    let plan = plan(
        &assume(&json!({"externalId": "mine"})),
        &json!({"externalId": "theirs"}),
    )
    .unwrap();
    let Call::AssumeRole { external_id, .. } = plan.call else {
        panic!("assumes a role")
    };
    assert_eq!(external_id.as_deref(), Some("theirs"));
}

#[test]
fn unknown_attributes_are_ignored() {
    assert!(
        plan(
            &assume(&json!({"costCenter": 7, "owner": {"team": "x"}})),
            &json!({"color": "red"})
        )
        .is_ok()
    );
}

#[test]
fn a_base_without_a_key_says_so_in_one_way_only() {
    let roles = json!({ "allowedRoleArns": [ROLE] });
    for (data, field) in [
        (
            json!({"credentialSource": "lambda"}),
            "data.credentialSource",
        ),
        (
            json!({"credentialSource": "Function"}),
            "data.credentialSource",
        ),
        (json!({"credentialSource": null}), "data.credentialSource"),
        (
            json!({"credentialSource": ["function"]}),
            "data.credentialSource",
        ),
        (
            with(long_term(), &json!({"credentialSource": ""})),
            "data.credentialSource",
        ),
        (
            with(long_term(), &json!({"credentialSource": "function"})),
            "data.accessKey",
        ),
        (
            json!({"credentialSource": "function", "secretKey": ""}),
            "data.secretKey",
        ),
        (
            json!({"credentialSource": "function", "sessionToken": null}),
            "data.sessionToken",
        ),
        (
            json!({"credentialSource": "function", "region": 7}),
            "data.region",
        ),
        (
            json!({"credentialSource": "function", "region": "mars-1"}),
            "data.region",
        ),
        (
            json!({"credentialSource": "function", "region": "cn-north-1"}),
            "data.region",
        ),
        (json!({}), "data.accessKey"),
    ] {
        let text = wrong_base(&data, &roles);
        assert!(text.starts_with(&format!("{field}: ")), "{data}: {text}");
        assert!(!text.contains("lambda"), "{text}");
    }
}

#[test]
fn an_identity_is_lent_to_nobody_by_default() {
    let data = json!({"credentialSource": "function"});
    let roles = json!({ "allowedRoleArns": [ROLE] });
    for nobody in [FunctionIdentity::default(), lent("us-east-1", &[])] {
        let base = check_base(&base_with(&data, &roles), &nobody)
            .unwrap_err()
            .to_string();
        let plan = plan_lent(&assume(&json!({})), &data, &roles, LinkRight::Read, &nobody);
        for text in [base, plan.unwrap_err()] {
            assert!(text.starts_with("data.credentialSource: "), "{text}");
            assert!(text.contains("lends its identity to nobody"), "{text}");
            assert!(text.contains("MAYFLY_ASSUMABLE_ROLES"), "{text}");
        }
    }
}

#[test]
fn each_role_of_a_base_without_a_key_is_one_that_the_deployment_lists() {
    let data = json!({"credentialSource": "function"});
    for (roles, field) in [
        (json!({}), "attributes.allowedRoleArns"),
        (
            json!({"allowedRoleArns": null}),
            "attributes.allowedRoleArns",
        ),
        (json!({"allowedRoleArns": []}), "attributes.allowedRoleArns"),
        (
            json!({"allowedRoleArns": ROLE}),
            "attributes.allowedRoleArns",
        ),
        (
            json!({"allowedRoleArns": [ROLE, OTHER]}),
            "attributes.allowedRoleArns[1]",
        ),
        (
            json!({"allowedRoleArns": ["arn:aws:iam::123456789012:role/*"]}),
            "attributes.allowedRoleArns[0]",
        ),
        (
            json!({"allowedRoleArns": [ROLE.to_uppercase()]}),
            "attributes.allowedRoleArns[0]",
        ),
        (
            json!({"allowedRoleArns": [format!("{ROLE} ")]}),
            "attributes.allowedRoleArns[0]",
        ),
    ] {
        let text = wrong_base(&data, &roles);
        assert!(text.starts_with(&format!("{field}: ")), "{roles}: {text}");
    }
    let roles = json!({ "allowedRoleArns": [ROLE] });
    let function = lent("us-east-1", &[OTHER, ROLE]);
    assert!(check_base(&base_with(&data, &roles), &function).is_ok());
}

#[test]
fn a_role_that_base_or_deployment_no_longer_lists_is_not_assumed() {
    let other = assume(&json!({ "roleArn": OTHER }));
    let both = json!({ "allowedRoleArns": [ROLE, OTHER] });
    assert!(keyless(&assume(&json!({})), &both).is_ok());
    let text = keyless(&other, &both).unwrap_err();
    assert!(text.starts_with("attributes.roleArn: "), "{text}");
    assert!(text.contains("MAYFLY_ASSUMABLE_ROLES"), "{text}");
    for bounds in [
        json!({}),
        json!({"allowedRoleArns": []}),
        json!({ "allowedRoleArns": [OTHER] }),
    ] {
        let text = keyless(&assume(&json!({})), &bounds).unwrap_err();
        assert!(text.contains("allowedRoleArns"), "{text}");
    }
}

#[test]
fn a_chained_session_ends_after_an_hour_at_most() {
    let bounds = json!({ "allowedRoleArns": [ROLE] });
    let asked = |ttl: u32| keyless(&assume(&json!({ "ttl": ttl })), &bounds);
    assert_eq!(keyless(&assume(&json!({})), &bounds).unwrap().ttl(), 900);
    assert_eq!(asked(3_600).unwrap().ttl(), 3_600);
    let text = asked(3_601).unwrap_err();
    assert!(text.starts_with("attributes.ttl: "), "{text}");
    assert!(
        text.contains("chained sessions end after an hour at most"),
        "{text}"
    );
}

#[test]
fn nothing_is_federated_with_the_functions_identity() {
    let text = keyless(&federate(&json!({})), &json!({ "allowedRoleArns": [ROLE] })).unwrap_err();
    assert!(text.starts_with("attributes.providerType: "), "{text}");
    assert!(text.contains("cannot call GetFederationToken"), "{text}");
}

#[test]
fn the_functions_region_is_used_unless_the_base_names_one() {
    let bounds = json!({ "allowedRoleArns": [ROLE] });
    let region = |own: &str, data: &Value| {
        let function = lent(own, &[ROLE]);
        plan_lent(
            &assume(&json!({})),
            data,
            &bounds,
            LinkRight::Read,
            &function,
        )
        .map(|plan| plan.credential.region.name)
    };
    let bare = json!({"credentialSource": "function"});
    let named = json!({"credentialSource": "function", "region": "eu-west-1"});
    assert_eq!(region("us-west-2", &bare).unwrap(), "us-west-2");
    assert_eq!(region("us-west-2", &named).unwrap(), "eu-west-1");
    // A region that is newer than the list is no reason to refuse a base that names a known one.
    assert_eq!(region("us-new-9", &named).unwrap(), "eu-west-1");
    assert!(
        region("us-new-9", &bare)
            .unwrap_err()
            .starts_with("data.region: ")
    );
}

#[test]
fn the_functions_keys_do_not_print() {
    let function = lent("us-east-1", &[ROLE]);
    let plan = keyless(&assume(&json!({})), &json!({ "allowedRoleArns": [ROLE] })).unwrap();
    let text = format!("{function:?} {plan:?}");
    for part in ["ASIAFUNCTION", "the function's"] {
        assert!(!text.contains(part), "{text}");
    }
}
