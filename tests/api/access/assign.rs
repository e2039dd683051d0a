//! Who may only assign a base links only what a bound lists.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Answer, Vault,
    vault::{POLICY, ROLE, assume_role, dynamic, rule},
};
use serde_json::{Value, json};

const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/other";

/// A vault with a base at `aws:base`, and the token of a role that may write under `app` and has `right` on the base.
async fn delegated(bounds: Value, right: Option<&str>) -> (Vault, String) {
    let vault = Vault::start().await;
    vault.create_base("aws/base", bounds).await;
    let token = vault.make_role("app").await;
    let mut rules = vec![rule(Effect::Allow, "roles:app", "secrets:app:<.*>", "<.*>")];
    rules.extend(right.map(|right| rule(Effect::Allow, "roles:app", "secrets:aws:base", right)));
    vault.set_rules(rules).await;
    (vault, token)
}

async fn create(vault: &Vault, token: &str, attributes: Value) -> Answer {
    let body = dynamic("aws:base", attributes);
    vault
        .ask_as(token, Method::POST, "/v1/secrets/app/reader", Some(&body))
        .await
}

async fn read(vault: &Vault, token: &str) -> Answer {
    vault
        .ask_as(token, Method::GET, "/v1/secrets/app/reader", None)
        .await
}

fn with(mut value: Value, more: &Value) -> Value {
    for (key, one) in more.as_object().unwrap() {
        value[key] = one.clone();
    }
    value
}

#[tokio::test]
async fn without_a_right_on_the_base_nothing_is_linked() {
    let (vault, token) = delegated(json!({}), None).await;
    for linked in ["aws:base", "aws:missing"] {
        let body = dynamic(linked, assume_role());
        vault
            .ask_as(&token, Method::POST, "/v1/secrets/app/reader", Some(&body))
            .await
            .refused(403, "Invalid permissions");
    }
    for right in ["update", "list", "delete", "create"] {
        let (vault, token) = delegated(json!({}), Some(right)).await;
        create(&vault, &token, assume_role()).await.expect(403);
    }
}

#[tokio::test]
async fn whoever_may_read_the_base_links_anything() {
    let (vault, token) = delegated(json!({}), Some("read")).await;
    create(&vault, &token, assume_role()).await.expect(201);
    read(&vault, &token).await.expect(200);
}

#[tokio::test]
async fn whoever_may_only_assign_links_what_a_bound_lists() {
    let tagged = |tags: Value| with(assume_role(), &json!({"sessionTags": tags}));
    let federate = json!({"providerType": "federate", "policyArn": POLICY});
    let allow = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let roles = json!({"allowedRoleArns": [ROLE]});
    let tags = with(
        roles.clone(),
        &json!({"allowedSessionTags": {"team": ["blue"]}}),
    );
    for (bounds, attributes, refusal) in [
        (json!({}), assume_role(), Some("roleArn")),
        (
            json!({"allowedRoleArns": []}),
            assume_role(),
            Some("roleArn"),
        ),
        (
            json!({"allowedRoleArns": [OTHER_ROLE]}),
            assume_role(),
            Some("roleArn"),
        ),
        (roles.clone(), assume_role(), None),
        (
            roles.clone(),
            tagged(json!({"team": "blue"})),
            Some("sessionTags"),
        ),
        (tags.clone(), tagged(json!({"team": "blue"})), None),
        (tags, tagged(json!({"team": "red"})), Some("sessionTags")),
        (json!({}), federate.clone(), Some("policyArn")),
        (json!({"allowedPolicyArns": [POLICY]}), federate, None),
        (
            json!({}),
            json!({"providerType": "federate", "policy": allow}),
            Some("policyArn"),
        ),
    ] {
        let case = format!("{bounds} {attributes}");
        let (vault, token) = delegated(bounds, Some("assign")).await;
        let answer = create(&vault, &token, attributes).await;
        if let Some(field) = refusal {
            answer.refused(400, &format!("attributes.{field}: "));
        } else {
            assert_eq!(answer.status, 201, "{case}: {}", answer.text());
            read(&vault, &token).await.expect(200);
        }
        let base = vault
            .ask_as(&token, Method::GET, "/v1/secrets/aws/base", None)
            .await;
        base.refused(403, "Invalid permissions");
    }
}

#[tokio::test]
async fn a_bound_that_goes_away_lists_nothing_more() {
    let (vault, token) = delegated(json!({"allowedRoleArns": [ROLE]}), Some("assign")).await;
    create(&vault, &token, assume_role()).await.expect(201);
    read(&vault, &token).await.expect(200);
    let lifted = json!({"attributes": {"allowedRoleArns": null}});
    vault.update("aws/base", lifted).await.expect(200);
    read(&vault, &token).await.refused(
        400,
        "attributes.roleArn: must be in the base's allowedRoleArns",
    );
}

#[tokio::test]
async fn every_change_asks_for_the_right_again() {
    let (vault, token) = delegated(json!({"allowedRoleArns": [ROLE]}), Some("assign")).await;
    create(&vault, &token, assume_role()).await.expect(201);
    let ask = |method: Method, tail: &str, body: Option<Value>| {
        let target = format!("/v1/secrets/app/reader{tail}");
        let (vault, token) = (&vault, &token);
        async move { vault.ask_as(token, method, &target, body.as_ref()).await }
    };
    let change = || Some(json!({"description": "x"}));
    ask(Method::PUT, "", change()).await.expect(200);
    let only_own = rule(Effect::Allow, "roles:app", "secrets:app:<.*>", "<.*>");
    vault.set_rules(vec![only_own]).await;

    ask(Method::PUT, "", change())
        .await
        .refused(403, "Invalid permissions");
    ask(Method::PUT, "/rollback/0", None).await.expect(403);
    ask(Method::GET, "", None).await.expect(200);
    ask(Method::DELETE, "", None).await.expect(200);
    ask(Method::PUT, "/restore", None).await.expect(403);
    vault.put("app/reader/restore").await.expect(200);
}

#[tokio::test]
async fn the_right_of_whoever_changed_it_last_counts() {
    let (vault, token) = delegated(json!({"allowedRoleArns": [ROLE]}), Some("assign")).await;
    create(&vault, &token, assume_role()).await.expect(201);
    // The admin may read the base, so the link is the admin's from now on.
    let change = json!({"description": "by the admin"});
    vault.update("app/reader", change).await.expect(200);
    let lifted = json!({"attributes": {"allowedRoleArns": null}});
    vault.update("aws/base", lifted).await.expect(200);
    read(&vault, &token).await.expect(200);
    let again = json!({"description": "by the app"});
    vault
        .ask_as(&token, Method::PUT, "/v1/secrets/app/reader", Some(&again))
        .await
        .refused(400, "attributes.roleArn: ");
}
