//! Bases without a key of their own: what is minted with the function's identity, and what is not.

use mayfly::config::AwsAccess;
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, FUNCTION_ROLE, POLICY, ROLE, SECRET_KEY, assume_role, role},
};
use serde_json::{Value, json};

use crate::cloud::{identity, mints, only_mint, with};

pub(crate) const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/other";
const NOBODY: &str = "data.credentialSource: this deployment lends its identity to nobody";

/// A vault that lends the functions' identity for `roles`, and that identity.
pub(crate) async fn lending(roles: &[&str]) -> (Vault, AwsAccess) {
    let vault = Vault::start().await;
    let access = vault.function_access().await;
    (vault.with_function_identity(&access, roles), access)
}

/// The body of a base without a key, with these attributes beside `type`.
pub(crate) fn keyless(attributes: &Value) -> Value {
    json!({
        "data": {"credentialSource": "function"},
        "attributes": with(json!({"type": "aws"}), attributes),
    })
}

/// The body of a base with a key, which takes the place of whatever there is.
pub(crate) fn keyed(attributes: &Value) -> Value {
    json!({
        "data": {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, "region": "us-east-1"},
        "attributes": with(json!({"type": "aws"}), attributes),
        "overwrite": true,
    })
}

/// A vault with a base without a key at `aws:base` and a dynamic secret of it at `aws:reader`.
async fn vault_with_reader() -> (Vault, AwsAccess) {
    let (vault, access) = lending(&[ROLE]).await;
    let base = keyless(&json!({ "allowedRoleArns": [ROLE] }));
    vault.create("aws/base", base).await.expect(201);
    let reader = vault.create_dynamic("aws/reader", "aws:base", assume_role());
    reader.await.expect(201);
    vault.wire.clear();
    (vault, access)
}

#[tokio::test]
async fn a_session_is_minted_with_the_functions_own_identity() {
    let (vault, _) = vault_with_reader().await;
    // It trusts the functions' role alone: no key that a secret holds would do.
    let mut trusting = role(ROLE);
    trusting.trusted_users = vec![FUNCTION_ROLE.to_owned()];
    vault.sandbox.add_role(trusting).unwrap();

    let data = vault.read("aws/reader").await.expect(200).json()["data"].clone();

    let who = identity(&vault, &data, "us-east-1").await.unwrap();
    assert!(who.contains(":assumed-role/reader/roles-admin."), "{who}");
    assert_eq!(data["ttl"], 900);
    let sent = only_mint(&vault);
    assert_eq!(sent.host, "sts.us-east-1.amazonaws.com", "its own region");
    assert_eq!(sent.field("RoleArn"), ROLE);
}

#[tokio::test]
async fn what_the_attributes_ask_for_is_sent_as_with_a_key() {
    let (vault, _) = lending(&[ROLE]).await;
    let base = with(
        keyless(&json!({
            "allowedRoleArns": [ROLE], "externalId": "the-owners", "allowedSessionTags": {"team": ["blue"]},
        })),
        &json!({"data": {"credentialSource": "function", "region": "eu-west-1"}}),
    );
    vault.create("aws/base", base).await.expect(201);
    let asked = json!({
        "ttl": 3600, "externalId": "the-readers", "sourceIdentity": true, "sessionTags": {"team": "blue"},
        "policyArn": POLICY,
    });
    vault
        .create_dynamic("aws/reader", "aws:base", with(assume_role(), &asked))
        .await
        .expect(201);
    let answer = vault.read("aws/reader").await.expect(200).json();
    assert_eq!(answer["data"]["ttl"], 3600);
    let sent = only_mint(&vault);
    assert_eq!(sent.host, "sts.eu-west-1.amazonaws.com");
    for (field, value) in [
        ("DurationSeconds", "3600"),
        ("ExternalId", "the-owners"),
        ("SourceIdentity", "roles-admin"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
        ("PolicyArns.member.1.arn", POLICY),
    ] {
        assert_eq!(sent.field(field), value, "{field}");
    }
    let (caller, issuance) = sent.field("RoleSessionName").split_once('.').unwrap();
    assert_eq!(caller, "roles-admin");
    assert!(
        vault
            .audit()
            .iter()
            .any(|record| record["issuance"] == issuance)
    );
}

#[tokio::test]
async fn a_warm_read_makes_no_more_calls_than_with_a_key() {
    let (vault, _) = vault_with_reader().await;
    vault.wire.bad_weather(0);
    vault.read("aws/reader").await.expect(200);
    vault.wire.clear();
    vault.read("aws/reader").await.expect(200);
    let mut operations = vault.wire.operations();
    operations.sort();
    assert_eq!(operations, ["AssumeRole", "BatchGetItem", "PutItem"]);
    assert_eq!(vault.wire.depth(), 2);

    vault.wire.clear();
    let change = json!({"description": "x"});
    vault.update("aws/base", change).await.expect(200);
    assert_eq!(
        vault.wire.operations(),
        ["BatchGetItem", "TransactWriteItems"]
    );
}

#[tokio::test]
async fn a_deployment_that_lists_no_role_lends_its_identity_to_nobody() {
    let plain = Vault::start().await;
    let (empty, _) = lending(&[]).await;
    for vault in [plain, empty] {
        let base = keyless(&json!({ "allowedRoleArns": [ROLE] }));
        let answer = vault.create("aws/base", base.clone()).await;
        assert!(answer.text().contains("MAYFLY_ASSUMABLE_ROLES"));
        answer.refused(400, NOBODY);
        vault.read("aws/base").await.expect(404);
        vault.create_base("aws/base", json!({})).await;
        let change = with(base, &json!({"overwrite": true}));
        vault.update("aws/base", change).await.refused(400, NOBODY);
    }
}

#[tokio::test]
async fn each_allowed_role_is_literally_one_that_the_deployment_lists() {
    let (vault, _) = lending(&[ROLE, OTHER_ROLE]).await;
    let field = "attributes.allowedRoleArns";
    for (roles, named) in [
        (json!(null), field.to_owned()),
        (json!([]), field.to_owned()),
        (json!("*"), field.to_owned()),
        (json!(["*"]), format!("{field}[0]")),
        (
            json!(["arn:aws:iam::123456789012:role/<.*>"]),
            format!("{field}[0]"),
        ),
        (
            json!([ROLE, "arn:aws:iam::123456789012:role/third"]),
            format!("{field}[1]"),
        ),
    ] {
        let base = keyless(&json!({ "allowedRoleArns": roles }));
        let answer = vault.create("aws/base", base).await;
        answer.refused(400, &format!("{named}: "));
    }
    let base = keyless(&json!({ "allowedRoleArns": [ROLE] }));
    vault.create("aws/base", base).await.expect(201);
    let wider = json!({"attributes": {"allowedRoleArns": [OTHER_ROLE, FUNCTION_ROLE]}});
    vault
        .update("aws/base", wider)
        .await
        .refused(400, &format!("{field}[1]: "));
    let other = with(assume_role(), &json!({ "roleArn": OTHER_ROLE }));
    let refused = vault.create_dynamic("aws/other", "aws:base", other).await;
    refused.refused(
        400,
        "attributes.roleArn: must be in the base's allowedRoleArns",
    );
}

#[tokio::test]
async fn no_other_source_and_no_key_beside_it() {
    let (vault, _) = lending(&[ROLE]).await;
    for (data, field) in [
        (
            json!({"credentialSource": "environment"}),
            "data.credentialSource",
        ),
        (json!({"credentialSource": null}), "data.credentialSource"),
        (json!({"credentialSource": true}), "data.credentialSource"),
        (
            json!({"credentialSource": "function", "accessKey": ACCESS_KEY}),
            "data.accessKey",
        ),
        (
            json!({"credentialSource": "function", "secretKey": SECRET_KEY}),
            "data.secretKey",
        ),
        (
            json!({"credentialSource": "function", "sessionToken": "t"}),
            "data.sessionToken",
        ),
        (
            json!({"credentialSource": "function", "region": "cn-north-1"}),
            "data.region",
        ),
    ] {
        let base = with(
            keyless(&json!({ "allowedRoleArns": [ROLE] })),
            &json!({ "data": data }),
        );
        let answer = vault.create("aws/base", base).await;
        assert!(!answer.text().contains("environment"), "{}", answer.text());
        answer.refused(400, &format!("{field}: "));
    }
    // A merge leaves the key where it was, and says so.
    let roles = json!({ "allowedRoleArns": [ROLE] });
    vault.create_base("aws/base", roles.clone()).await;
    vault.update("aws/base", keyless(&roles)).await.refused(
        400,
        "data.accessKey: must be absent beside credentialSource",
    );
    let whole = with(keyless(&roles), &json!({"overwrite": true}));
    vault.update("aws/base", whole).await.expect(200);
}

#[tokio::test]
async fn what_only_a_key_of_its_own_can_do_is_refused_when_it_is_written_and_when_it_is_read() {
    let federate = json!({"providerType": "federate", "policyArn": POLICY});
    let long = with(assume_role(), &json!({"ttl": 3601}));
    for (attributes, says) in [
        (
            federate,
            "attributes.providerType: federate needs a base with an access key of its own: a role's session, such as \
             the function's, cannot call GetFederationToken",
        ),
        (
            long,
            "attributes.ttl: must be at most 3600 seconds, because the function's own session assumes the role: chained \
             sessions end after an hour at most",
        ),
    ] {
        let (vault, _) = lending(&[ROLE]).await;
        let roles = json!({ "allowedRoleArns": [ROLE] });
        vault
            .create("aws/keyless", keyless(&roles))
            .await
            .expect(201);
        let written = vault.create_dynamic("aws/new", "aws:keyless", attributes.clone());
        written.await.refused(400, says);

        vault.create_base("aws/base", roles.clone()).await;
        let written = vault.create_dynamic("aws/reader", "aws:base", attributes);
        written.await.expect(201);
        vault.read("aws/reader").await.expect(200);
        let whole = with(keyless(&roles), &json!({"overwrite": true}));
        vault.update("aws/base", whole).await.expect(200);
        vault.wire.clear();
        vault.read("aws/reader").await.refused(400, says);
        assert!(mints(&vault).is_empty());
    }
}

#[tokio::test]
async fn a_role_that_the_deployment_lists_no_more_is_not_minted_from_the_next_cold_start_on() {
    let (vault, access) = lending(&[ROLE, OTHER_ROLE]).await;
    let mut other = role(OTHER_ROLE);
    other.trusted_users = vec![FUNCTION_ROLE.to_owned()];
    vault.sandbox.add_role(other).unwrap();
    let base = keyless(&json!({ "allowedRoleArns": [ROLE, OTHER_ROLE] }));
    vault.create("aws/base", base).await.expect(201);
    for (path, arn) in [("aws/reader", ROLE), ("aws/other", OTHER_ROLE)] {
        let attributes = with(assume_role(), &json!({ "roleArn": arn }));
        let made = vault.create_dynamic(path, "aws:base", attributes);
        made.await.expect(201);
        vault.read(path).await.expect(200);
    }

    let colder = vault
        .another()
        .with_function_identity(&access, &[OTHER_ROLE]);
    colder.read("aws/other").await.expect(200);
    colder.wire.clear();
    let answer = colder.read("aws/reader").await;
    answer.refused(
        400,
        "attributes.roleArn: must be one of the roles that this deployment lends",
    );
    let change = json!({"description": "x"});
    let answer = colder.update("aws/base", change).await;
    answer.refused(400, "attributes.allowedRoleArns[0]: ");

    let coldest = vault.another().with_function_identity(&access, &[]);
    coldest.read("aws/other").await.refused(400, NOBODY);
    assert!(mints(&colder).is_empty() && mints(&coldest).is_empty());
}

#[tokio::test]
async fn a_check_says_who_the_function_is_and_what_is_missing() {
    let (vault, access) = vault_with_reader().await;
    for (path, ttl) in [("aws/base", json!(null)), ("aws/reader", json!(900))] {
        let found = vault
            .read(&format!("{path}::check"))
            .await
            .expect(200)
            .json();
        let who = found["identity"]["arn"].as_str().unwrap();
        assert!(who.contains(":assumed-role/mayfly-functions/"), "{who}");
        assert_eq!((&found["ok"], &found["ttl"]), (&json!(true), &ttl));
        assert_eq!(found["missing"], json!([]));
    }
    assert!(mints(&vault).is_empty());

    let other = vault
        .another()
        .with_function_identity(&access, &[OTHER_ROLE]);
    let found = other.read("aws/base::check").await.expect(200).json();
    assert_eq!(found["ok"], false);
    assert!(found["identity"]["arn"].is_string(), "{found}");
    let missing = format!("{ROLE} in MAYFLY_ASSUMABLE_ROLES");
    assert_eq!(found["missing"], json!([missing]));

    let nobody = vault.another();
    for path in ["aws/base::check", "aws/reader::check"] {
        let found = nobody.read(path).await.expect(200).json();
        assert_eq!(found["ok"], false);
        assert_eq!(found["identity"], json!(null));
        let problem = found["problems"][0].as_str().unwrap();
        assert!(problem.starts_with(NOBODY), "{problem}");
    }
    assert!(
        !nobody
            .wire
            .operations()
            .contains(&"GetCallerIdentity".to_owned())
    );
}
