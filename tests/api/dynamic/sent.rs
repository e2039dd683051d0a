//! What an `AssumeRole` call says, and where it goes.

use http::Method;
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, ACCOUNT, POLICY, ROLE, SECRET_KEY, assume_role, role},
};
use serde_json::json;

use crate::cloud::{identity, only_mint, vault_with_reader, with};

#[tokio::test]
async fn the_call_goes_to_the_bases_own_region() {
    for (region, host, partition) in [
        ("us-east-1", "sts.us-east-1.amazonaws.com", "aws"),
        ("eu-west-1", "sts.eu-west-1.amazonaws.com", "aws"),
        ("ap-southeast-7", "sts.ap-southeast-7.amazonaws.com", "aws"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "aws-cn"),
        (
            "us-gov-west-1",
            "sts.us-gov-west-1.amazonaws.com",
            "aws-us-gov",
        ),
        (
            "eusc-de-east-1",
            "sts.eusc-de-east-1.amazonaws.eu",
            "aws-eusc",
        ),
    ] {
        let vault = Vault::start().await;
        let arn = format!("arn:{partition}:iam::{ACCOUNT}:role/reader");
        let mut trusting = role(&arn);
        trusting.trusted_users = vec![format!("arn:{partition}:iam::{ACCOUNT}:user/base")];
        vault.sandbox.add_role(trusting).unwrap();
        let data = json!({"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, "region": region});
        let base = json!({"data": data, "attributes": {"type": "aws"}});
        vault.create("aws/base", base).await.expect(201);
        let attributes = with(assume_role(), &json!({ "roleArn": arn }));
        vault
            .create_dynamic("aws/reader", "aws:base", attributes)
            .await
            .expect(201);

        let answer = vault.read("aws/reader").await.expect(200).json();

        assert_eq!(only_mint(&vault).host, host);
        let who = identity(&vault, &answer["data"], region).await.unwrap();
        assert!(who.starts_with(&format!("arn:{partition}:sts::")), "{who}");
    }
}

#[tokio::test]
async fn the_session_name_leads_to_the_caller_and_the_audit_record() {
    let vault = vault_with_reader().await;
    let before = vault.audit().len();
    vault.read("aws/reader").await.expect(200);

    let sent = only_mint(&vault);
    let (caller, issuance) = sent.field("RoleSessionName").split_once('.').unwrap();
    assert_eq!(caller, "roles-admin");
    assert_eq!(issuance.len(), 26);
    let records = vault.audit();
    assert_eq!(records.len(), before + 1);
    let record = records
        .iter()
        .find(|record| record["issuance"] == issuance)
        .unwrap();
    assert_eq!(record["principal"], "roles:admin");
    assert_eq!(record["path"], "secrets:aws:reader");
    assert_eq!(record["status"], 200);
    assert_eq!(record["message"], "issuing");
}

#[tokio::test]
async fn a_long_callers_session_name_still_fits() {
    let vault = vault_with_reader().await;
    let name = format!("a/b c~{}", "x".repeat(200));
    let token = vault.make_role(&name).await;
    let allow = mayfly::access::policy::Effect::Allow;
    let rule = mayfly_tests::vault::rule(allow, &format!("roles:{name}"), "<.*>", "<.*>");
    vault.set_rules(vec![rule]).await;
    vault.wire.clear();
    vault
        .ask_as(&token, Method::GET, "/v1/secrets/aws/reader", None)
        .await
        .expect(200);

    let sent = only_mint(&vault);
    let session = sent.field("RoleSessionName");
    assert!(session.starts_with("roles-a-b-c-xxx"), "{session}");
    assert_eq!(session.len(), 34 + 1 + 26);
}

#[tokio::test]
async fn what_the_attributes_ask_for_is_sent() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let second = format!("arn:aws:iam::{ACCOUNT}:policy/team/Cut");
    let attributes = json!({
        "ttl": 7200, "externalId": "partner/7", "sourceIdentity": true,
        "sessionTags": {"team": "blue", "Größe": ""},
        "policyArn": POLICY, "policyArns": [POLICY, second],
        "policy": {"Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]},
    });
    vault
        .create_dynamic("aws/reader", "aws:base", with(assume_role(), &attributes))
        .await
        .expect(201);

    let answer = vault.read("aws/reader").await.expect(200).json();

    assert_eq!(answer["data"]["ttl"], 7200);
    assert_eq!(answer["data"]["expiration"], "2026-01-01T02:00:00Z");
    let sent = only_mint(&vault);
    for (field, value) in [
        ("RoleArn", ROLE),
        ("DurationSeconds", "7200"),
        ("ExternalId", "partner/7"),
        ("SourceIdentity", "roles-admin"),
        ("Tags.member.1.Key", "Größe"),
        ("Tags.member.1.Value", ""),
        ("Tags.member.2.Key", "team"),
        ("Tags.member.2.Value", "blue"),
        ("PolicyArns.member.1.arn", POLICY),
        ("PolicyArns.member.2.arn", &second),
        ("PolicyArns.member.3.arn", ""),
    ] {
        assert_eq!(sent.field(field), value, "{field}");
    }
    let policy: serde_json::Value = serde_json::from_str(sent.field("Policy")).unwrap();
    assert_eq!(policy, attributes["policy"]);
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_sent() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let plain = json!({"providerType": "assumeRole", "roleArn": ROLE, "sourceIdentity": false});
    vault
        .create_dynamic("aws/reader", "aws:base", plain)
        .await
        .expect(201);

    let answer = vault.read("aws/reader").await.expect(200).json();

    assert_eq!(answer["data"]["ttl"], 900, "as DSV: 15 minutes");
    let sent = only_mint(&vault);
    assert_eq!(sent.field("DurationSeconds"), "900");
    for field in [
        "ExternalId",
        "SourceIdentity",
        "Tags.member.1.Key",
        "Policy",
        "PolicyArns.member.1.arn",
    ] {
        assert_eq!(sent.field(field), "", "{field}");
    }
}

#[tokio::test]
async fn the_bases_external_id_wins() {
    let vault = Vault::start().await;
    vault
        .create_base("aws/base", json!({"externalId": "the-owners"}))
        .await;
    let mut strict = role(ROLE);
    strict.external_id = Some("the-owners".to_owned());
    vault.sandbox.add_role(strict).unwrap();
    for own in [json!({}), json!({"externalId": "the-readers"})] {
        vault
            .create_dynamic("aws/reader", "aws:base", with(assume_role(), &own))
            .await
            .expect(201);
        vault.wire.clear();
        vault.read("aws/reader").await.expect(200);
        assert_eq!(only_mint(&vault).field("ExternalId"), "the-owners");
        vault.delete("aws/reader?force=true").await.expect(204);
    }
}
