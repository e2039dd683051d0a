//! The owner of a base bounds what is minted from it: when a dynamic secret is written, and at every read.

use mayfly_tests::{
    Vault,
    vault::{POLICY, ROLE, assume_role},
};
use serde_json::{Value, json};

use crate::cloud::{mints, outcomes, with};

const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/other";
const OTHER_POLICY: &str = "arn:aws:iam::aws:policy/ViewOnlyAccess";

/// A bound of the base, dynamic attributes that are within it, ones that are not, and what the refusal says.
fn bounds() -> Vec<(Value, Value, Value, &'static str)> {
    let federate = |arn: &str| json!({"providerType": "federate", "policyArn": arn});
    let allow = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let tagged = |tags: Value| with(assume_role(), &json!({ "sessionTags": tags }));
    vec![
        (
            json!({"maxTtl": 1000}),
            with(assume_role(), &json!({"ttl": 1000})),
            with(assume_role(), &json!({"ttl": 1001})),
            "attributes.ttl: must be at most 1000 seconds, the base's maxTtl",
        ),
        (
            json!({"allowedRoleArns": [ROLE]}),
            assume_role(),
            with(assume_role(), &json!({"roleArn": OTHER_ROLE})),
            "attributes.roleArn: must be in the base's allowedRoleArns",
        ),
        (
            json!({"allowedPolicyArns": [POLICY]}),
            federate(POLICY),
            federate(OTHER_POLICY),
            "attributes.policyArn: must be in the base's allowedPolicyArns",
        ),
        (
            json!({"allowedPolicyArns": [POLICY]}),
            with(assume_role(), &json!({"policyArns": [POLICY]})),
            assume_role(),
            "attributes.policyArn: is required",
        ),
        (
            json!({"allowedPolicyArns": [POLICY, OTHER_POLICY]}),
            federate(OTHER_POLICY),
            json!({"providerType": "federate", "policy": allow}),
            "attributes.policyArn: is required",
        ),
        (
            json!({"allowedSessionTags": {"team": ["blue"], "any": "*"}}),
            tagged(json!({"team": "blue", "any": "thing"})),
            tagged(json!({"team": "red"})),
            "attributes.sessionTags: must be in the base's allowedSessionTags",
        ),
        (
            json!({"allowedSessionTags": {"team": ["blue"]}}),
            tagged(json!({})),
            tagged(json!({"other": "blue"})),
            "attributes.sessionTags: must be in the base's allowedSessionTags",
        ),
    ]
}

#[tokio::test]
async fn nothing_over_a_bound_is_written() {
    for (bound, within, over, says) in bounds() {
        let vault = Vault::start().await;
        vault.create_base("aws/base", bound).await;
        vault
            .create_dynamic("aws/reader", "aws:base", over.clone())
            .await
            .refused(400, says);
        vault
            .create_dynamic("aws/reader", "aws:base", within)
            .await
            .expect(201);
        vault.read("aws/reader").await.expect(200);
        let link = json!({"linkType": "dynamic", "linkedSecret": "aws:base"});
        let change = json!({
            "attributes": with(over, &json!({ "linkConfig": link })), "overwrite": true,
        });
        vault.update("aws/reader", change).await.refused(400, says);
        assert_eq!(mints(&vault).len(), 1);
    }
}

#[tokio::test]
async fn a_bound_that_comes_later_stops_the_next_read() {
    for (bound, within, over, says) in bounds() {
        let vault = Vault::start().await;
        vault
            .sandbox
            .add_role(mayfly_tests::vault::role(OTHER_ROLE))
            .unwrap();
        vault.create_base("aws/base", json!({})).await;
        for (path, attributes) in [("aws/over", over), ("aws/within", within)] {
            vault
                .create_dynamic(path, "aws:base", attributes)
                .await
                .expect(201);
            vault.read(path).await.expect(200);
        }
        // Another process tightens the base; this one is warm.
        let owner = vault.another();
        owner
            .update("aws/base", json!({ "attributes": bound }))
            .await
            .expect(200);
        vault.wire.clear();

        vault.read("aws/over").await.refused(400, says);
        assert_eq!(mints(&vault).len(), 0, "refused before STS is asked");
        let (status, message) = outcomes(&vault, "secrets:aws:over").pop().unwrap();
        assert_eq!(status, 400);
        assert!(message.contains(says), "{message}");
        vault.read("aws/within").await.expect(200);
    }
}

#[tokio::test]
async fn a_ttl_is_refused_over_the_bound_and_never_clamped() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({"maxTtl": 900})).await;
    vault
        .create_dynamic(
            "aws/reader",
            "aws:base",
            json!({"providerType": "assumeRole", "roleArn": ROLE}),
        )
        .await
        .expect(201);
    vault
        .update("aws/base", json!({"attributes": {"maxTtl": 899}}))
        .await
        .expect(200);
    vault
        .read("aws/reader")
        .await
        .refused(400, "attributes.ttl: must be at most 899 seconds");
}
