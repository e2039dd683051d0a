//! Attributes that cannot mint are refused when they are written, by name.

use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, ROLE, SECRET_KEY, assume_role, dynamic},
};
use serde_json::{Value, json};

use crate::cloud::{mints, with};

/// Attributes laid over ones that work, and the field that the refusal names.
fn wrong() -> Vec<(Value, &'static str)> {
    let fields = |count: usize| -> Value {
        let pairs = (0..count).map(|n| (format!("k{n}"), json!("v")));
        Value::Object(pairs.collect())
    };
    let arns: Vec<String> = (0..11)
        .map(|n| format!("arn:aws:iam::aws:policy/P{n}"))
        .collect();
    let role = |arn: &str| (json!({ "roleArn": arn }), "roleArn");
    let one = |name: &str, value: Value| json!({ name: value });
    let mut cases = vec![
        role(""),
        role("reader"),
        role("arn:aws:iam::12345678901:role/reader"),
        role("arn:aws:iam::123456789012:user/reader"),
        role("arn:aws-cn:iam::123456789012:role/reader"),
        role("arn:aws:iam::aws:role/reader"),
        role("arn:aws:iam::123456789012:role/"),
        role("arn:aws:iam::123456789012:role/a b"),
        (one("roleArn", json!(null)), "roleArn"),
        (one("roleArn", json!([ROLE])), "roleArn"),
        (one("policyArn", json!(7)), "policyArn"),
        (one("policyArn", json!("x")), "policyArn"),
        (one("policyArn", json!(ROLE)), "policyArn"),
        (one("policyArns", json!("x")), "policyArns"),
        (one("policyArns", json!([7])), "policyArns"),
        (one("policyArns", json!(arns)), "policyArns"),
        (one("policy", json!("{")), "policy"),
        (one("policy", json!({"Version": "2012-10-17"})), "policy"),
        (one("externalId", json!("x")), "externalId"),
        (one("externalId", json!("a b")), "externalId"),
        (one("externalId", json!(77)), "externalId"),
        (one("externalId", json!("x".repeat(1225))), "externalId"),
        (one("sourceIdentity", json!("somebody")), "sourceIdentity"),
        (one("sessionTags", json!(["a"])), "sessionTags"),
        (one("sessionTags", json!({"a": 7})), "sessionTags"),
        (one("sessionTags", json!({"": "x"})), "sessionTags"),
        (one("sessionTags", json!({"a#": "x"})), "sessionTags"),
        (one("sessionTags", json!({"AWS:x": "x"})), "sessionTags"),
        (
            one("sessionTags", json!({"a": "1", "A": "2"})),
            "sessionTags",
        ),
        (
            one("sessionTags", json!({"a": "v".repeat(257)})),
            "sessionTags",
        ),
        (
            one("sessionTags", json!({"k".repeat(129): ""})),
            "sessionTags",
        ),
        (one("sessionTags", fields(51)), "sessionTags"),
    ];
    cases.extend(wrong_words());
    cases
}

fn wrong_words() -> Vec<(Value, &'static str)> {
    let one = |name: &str, value: Value| json!({ name: value });
    let mut cases = Vec::new();
    for ttl in [
        json!("900"),
        json!(0),
        json!(-900),
        json!(900.5),
        json!(true),
        json!(899),
        json!(43_201),
        json!(99_999_999_999_u64),
    ] {
        cases.push((one("ttl", ttl), "ttl"));
    }
    for kind in [json!(null), json!("assumerole"), json!("sql"), json!(7)] {
        cases.push((one("providerType", kind), "providerType"));
    }
    cases
}

#[tokio::test]
async fn a_dynamic_secret_that_cannot_mint_is_not_made() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let items = vault.items_of("SECRET").len();
    for (attributes, field) in wrong() {
        vault
            .create_dynamic("aws/reader", "aws:base", with(assume_role(), &attributes))
            .await
            .refused(400, &format!("attributes.{field}: "));
    }
    assert_eq!(vault.items_of("SECRET").len(), items, "nothing is stored");
    assert_eq!(mints(&vault).len(), 0);
}

#[tokio::test]
async fn a_dynamic_secret_is_not_changed_into_one_that_cannot_mint() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    let items = vault.items_of("SECRET");
    for (attributes, field) in wrong() {
        let whole = dynamic("aws:base", with(assume_role(), &attributes));
        for change in [
            json!({ "attributes": attributes }),
            with(whole, &json!({"overwrite": true})),
        ] {
            vault
                .update("aws/reader", change)
                .await
                .refused(400, &format!("attributes.{field}: "));
        }
    }
    assert_eq!(vault.items_of("SECRET"), items, "nothing is stored");
    assert_eq!(mints(&vault).len(), 0);
    vault.read("aws/reader").await.expect(200);
}

#[tokio::test]
async fn a_refusal_does_not_echo_the_value() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    for name in ["roleArn", "policyArn", "externalId", "providerType", "ttl"] {
        let attributes = with(assume_role(), &json!({name: "typed by mistake"}));
        let answer = vault
            .create_dynamic("aws/reader", "aws:base", attributes)
            .await
            .expect(400);
        assert!(!answer.text().contains("mistake"), "{}", answer.text());
    }
}

/// Changes of data or attributes that a base cannot have, and the field that the refusal names.
fn wrong_bases() -> Vec<(Value, Value, String)> {
    let data = [
        ("accessKey", json!("")),
        ("accessKey", json!(7)),
        ("secretKey", json!(null)),
        ("region", json!("mars-north-1")),
        ("region", json!("us-east-1.evil.example")),
    ];
    let attributes = [
        ("maxTtl", json!("900")),
        ("allowedRoleArns", json!(ROLE)),
        ("allowedPolicyArns", json!([7])),
        ("allowedSessionTags", json!(["a"])),
        ("allowedSessionTags", json!({"a": "b"})),
        ("externalId", json!("x")),
    ];
    let none = || json!({});
    let data = data.map(|(name, value)| (json!({name: value}), none(), format!("data.{name}")));
    let attributes = attributes
        .map(|(name, value)| (none(), json!({name: value}), format!("attributes.{name}")));
    let temporary = json!({"accessKey": "ASIAEXAMPLE"});
    let temporary = (temporary, none(), "data.sessionToken".to_owned());
    data.into_iter()
        .chain(attributes)
        .chain([temporary])
        .collect()
}

#[tokio::test]
async fn a_base_that_cannot_mint_is_not_made_or_changed_into() {
    let vault = Vault::start().await;
    let good = json!({"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, "region": "us-east-1"});
    let body = |data: &Value, attributes: &Value| {
        let attributes = with(json!({"type": "aws"}), attributes);
        json!({"data": with(good.clone(), data), "attributes": attributes, "overwrite": true})
    };
    let fine = body(&json!({}), &json!({}));
    vault.create("aws/base", fine).await.expect(201);
    for (data, attributes, field) in wrong_bases() {
        let wrong = body(&data, &attributes);
        for answer in [
            vault.create("aws/other", wrong.clone()).await,
            vault.update("aws/base", wrong).await,
        ] {
            assert!(!answer.text().contains("evil"), "{}", answer.text());
            answer.refused(400, &format!("{field}: "));
        }
    }
    vault.read("aws/other").await.expect(404);
    assert_eq!(vault.read("aws/base").await.json()["version"], "0");
}
