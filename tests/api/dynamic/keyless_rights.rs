//! Who may let a base mint with the function's identity: whoever has `assign` on it, whatever the change is.

use http::Method;
use mayfly::access::policy::{Effect, Rule};
use mayfly_tests::{
    Answer, Vault,
    vault::{ROLE, assume_role, base, dynamic, rule},
};
use serde_json::{Value, json};

use crate::{
    cloud::with,
    keyless::{keyed, keyless, lending},
};

const IDENTITY: &str = "config:function-identity";

/// Somebody who may do everything with secrets, and `more`.
async fn may(vault: &Vault, more: Vec<Rule>) {
    let mut rules = vec![rule(Effect::Allow, "roles:keeper", "secrets:<.*>", "<.*>")];
    rules.extend(more);
    vault.set_rules(rules).await;
}

fn may_assign() -> Vec<Rule> {
    vec![rule(Effect::Allow, "roles:keeper", IDENTITY, "assign")]
}

struct Keeper<'a> {
    vault: &'a Vault,
    token: String,
}

impl<'a> Keeper<'a> {
    async fn of(vault: &'a Vault) -> Self {
        let token = vault.make_role("keeper").await;
        may(vault, Vec::new()).await;
        Self { vault, token }
    }

    async fn ask(&self, method: Method, target: &str, body: Option<&Value>) -> Answer {
        let target = format!("/v1/secrets/{target}");
        self.vault.ask_as(&self.token, method, &target, body).await
    }
}

fn roles() -> Value {
    json!({ "allowedRoleArns": [ROLE] })
}

#[tokio::test]
async fn creating_needs_assign_on_the_identity() {
    let (vault, _) = lending(&[ROLE]).await;
    let keeper = Keeper::of(&vault).await;
    let body = keyless(&roles());
    let create = async || keeper.ask(Method::POST, "aws/base", Some(&body)).await;
    create().await.expect(403);
    for (resource, action) in [
        (IDENTITY, "read"),
        (IDENTITY, "create"),
        ("config", "assign"),
    ] {
        may(
            &vault,
            vec![rule(Effect::Allow, "roles:keeper", resource, action)],
        )
        .await;
        create().await.expect(403);
    }
    let mut denied = may_assign();
    denied.push(rule(Effect::Deny, "roles:keeper", IDENTITY, "assign"));
    may(&vault, denied).await;
    create().await.expect(403);
    vault.read("aws/base").await.expect(404);

    may(&vault, may_assign()).await;
    create().await.expect(201);
}

#[tokio::test]
async fn the_refusal_says_nothing_of_what_the_deployment_allows() {
    let lent = lending(&[ROLE]).await.0;
    for vault in [lent, Vault::start().await] {
        let keeper = Keeper::of(&vault).await;
        for bounds in [
            roles(),
            json!({}),
            json!({"allowedRoleArns": ["arn:aws:iam::123456789012:role/x"]}),
        ] {
            let body = keyless(&bounds);
            keeper
                .ask(Method::POST, "aws/base", Some(&body))
                .await
                .expect(403);
        }
    }
}

#[tokio::test]
async fn every_change_that_leaves_such_a_base_needs_it() {
    let (vault, _) = lending(&[ROLE]).await;
    let keeper = Keeper::of(&vault).await;
    vault
        .create("aws/base", keyless(&roles()))
        .await
        .expect(201);
    for change in [
        json!({"description": "x"}),
        json!({"attributes": {"maxTtl": 900}}),
        json!({"attributes": {"allowedRoleArns": [ROLE], "note": "x"}}),
        json!({"data": {"region": "eu-west-1"}}),
        with(keyless(&roles()), &json!({"overwrite": true})),
    ] {
        may(&vault, Vec::new()).await;
        let answer = keeper.ask(Method::PUT, "aws/base", Some(&change)).await;
        answer.expect(403);
        may(&vault, may_assign()).await;
        let answer = keeper.ask(Method::PUT, "aws/base", Some(&change)).await;
        answer.expect(200);
    }
    // To give it a key of its own, or to delete it, needs nothing more than ever.
    may(&vault, Vec::new()).await;
    let own = keyed(&roles());
    keeper
        .ask(Method::PUT, "aws/base", Some(&own))
        .await
        .expect(200);
    let back = with(keyless(&roles()), &json!({"overwrite": true}));
    vault.update("aws/base", back).await.expect(200);
    keeper
        .ask(Method::DELETE, "aws/base", None)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_word_in_a_plain_secret_counts_once_it_becomes_a_base() {
    let (vault, _) = lending(&[ROLE]).await;
    let keeper = Keeper::of(&vault).await;
    let plain = json!({"data": {"credentialSource": "function"}, "attributes": roles()});
    keeper
        .ask(Method::POST, "plain", Some(&plain))
        .await
        .expect(201);
    let typed = json!({"attributes": with(roles(), &json!({"type": "aws"}))});
    keeper
        .ask(Method::PUT, "plain", Some(&typed))
        .await
        .expect(403);
    may(&vault, may_assign()).await;
    keeper
        .ask(Method::PUT, "plain", Some(&typed))
        .await
        .expect(200);
}

#[tokio::test]
async fn rolling_back_to_it_needs_it_and_the_deployments_consent() {
    let (vault, access) = lending(&[ROLE]).await;
    vault
        .create("aws/base", keyless(&roles()))
        .await
        .expect(201);
    vault.update("aws/base", keyed(&roles())).await.expect(200);
    let keeper = Keeper::of(&vault).await;
    let roll_back = async |version: u64| {
        let target = format!("aws/base/rollback/{version}");
        keeper.ask(Method::PUT, &target, None).await
    };
    roll_back(0).await.expect(403);
    roll_back(1).await.expect(200);

    let nobody = vault.another().with_function_identity(&access, &[]);
    let refused = nobody.put("aws/base/rollback/0").await;
    refused.refused(
        400,
        "data.credentialSource: this deployment lends its identity to nobody",
    );

    may(&vault, may_assign()).await;
    roll_back(0).await.expect(200);
    let data = vault.read("aws/base").await.expect(200).json()["data"].clone();
    assert_eq!(data, json!({"credentialSource": "function"}));
}

#[tokio::test]
async fn restoring_it_needs_it_and_the_deployments_consent() {
    let (vault, access) = lending(&[ROLE]).await;
    vault
        .create("aws/base", keyless(&roles()))
        .await
        .expect(201);
    vault.delete("aws/base").await.expect(200);
    let keeper = Keeper::of(&vault).await;
    let restore = async || keeper.ask(Method::PUT, "aws/base/restore", None).await;
    restore().await.expect(403);

    let less = vault
        .another()
        .with_function_identity(&access, &["arn:aws:iam::123456789012:role/x"]);
    let refused = less.put("aws/base/restore").await;
    refused.refused(400, "attributes.allowedRoleArns[0]: ");

    may(&vault, may_assign()).await;
    restore().await.expect(200);
    vault.read("aws/base").await.expect(200);
}

#[tokio::test]
async fn linking_and_reading_need_no_right_on_the_identity() {
    let (vault, _) = lending(&[ROLE]).await;
    vault
        .create("aws/base", keyless(&roles()))
        .await
        .expect(201);
    let keeper = Keeper::of(&vault).await;
    let body = dynamic("aws:base", assume_role());
    keeper
        .ask(Method::POST, "aws/reader", Some(&body))
        .await
        .expect(201);
    keeper
        .ask(Method::GET, "aws/reader", None)
        .await
        .expect(200);
    // Nor does a base with a key of its own.
    let body = base(json!({}));
    keeper
        .ask(Method::POST, "aws/own", Some(&body))
        .await
        .expect(201);
}
