//! What the reader sees, and what the audit holds, when the cloud or the table does not do its part.

use std::time::Duration;

use mayfly_local::sandbox::{Fault, SandboxUser};
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, ACCOUNT, ROLE, SECRET_KEY, assume_role, role},
    wire::Trouble,
};
use serde_json::json;

use crate::cloud::{identity, mints, outcomes, vault_with_reader};

pub(crate) const PATH: &str = "secrets:aws:reader";

/// A fault that refuses with this code and text.
pub(crate) fn refusing(code: &str, message: &str) -> Fault {
    Fault::Refuse {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// Checks that the records of the reader are its creation, an issuing, and the real outcome.
#[track_caller]
fn assert_recorded(vault: &Vault, status: i64, message: &str) {
    let outcomes = outcomes(vault, PATH);
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert_eq!(outcomes[0], (200, "issuing".to_owned()));
    assert_eq!(outcomes[1], (201, "created".to_owned()));
    assert_eq!(outcomes[2].0, status);
    assert!(outcomes[2].1.contains(message), "{outcomes:?}");
}

#[tokio::test]
async fn throttling_is_a_429_that_says_when_to_come_back() {
    let vault = vault_with_reader().await;
    let faults = vault.sandbox.faults();
    faults.always("AssumeRole", Fault::Throttle);

    let answer = vault.read("aws/reader").await.expect(429);

    let seconds = answer.headers["retry-after"].to_str().unwrap();
    assert!(seconds.parse::<u32>().unwrap() > 0);
    answer.refused(429, "AWS STS is throttling");
    assert_recorded(&vault, 429, "throttling");
    faults.clear();
    vault.read("aws/reader").await.expect(200);
}

#[tokio::test]
async fn a_moment_of_throttling_is_waited_out() {
    let vault = vault_with_reader().await;
    vault
        .sandbox
        .faults()
        .next("AssumeRole", 2, Fault::Throttle);
    vault.read("aws/reader").await.expect(200);
    assert_eq!(mints(&vault).len(), 3);
    assert_eq!(outcomes(&vault, PATH).len(), 2, "one read, one record");
}

#[tokio::test]
async fn a_refusal_is_a_400_with_the_providers_code_and_sentence() {
    let vault = vault_with_reader().await;
    let mut untrusting = role(ROLE);
    untrusting.trusted_users.clear();
    vault.sandbox.add_role(untrusting).unwrap();

    let answer = vault.read("aws/reader").await;

    let denied = "AccessDenied: User: arn:aws:iam::123456789012:user/base is not authorized to \
                  perform: sts:AssumeRole";
    answer.clone().refused(400, denied);
    assert!(
        answer
            .message()
            .starts_with("AssumeRole was refused by AWS STS: "),
        "{}",
        answer.message()
    );
    assert_eq!(mints(&vault).len(), 1, "a refusal is not tried again");
    assert_recorded(&vault, 400, "AccessDenied");
}

#[tokio::test]
async fn final_refusals_keep_their_code() {
    let vault = vault_with_reader().await;
    for code in [
        "ValidationError",
        "PackedPolicyTooLarge",
        "MalformedPolicyDocument",
        "RegionDisabledException",
        "ExpiredToken",
        "SignatureDoesNotMatch",
    ] {
        let fault = refusing(
            code,
            "what\tAWS said\n\nThe Canonical String: token-of-the-base",
        );
        vault.sandbox.faults().next("AssumeRole", 1, fault);
        let answer = vault.read("aws/reader").await;
        assert_eq!(
            answer.message(),
            format!("AssumeRole was refused by AWS STS: {code}: what AWS said"),
            "one line, and only the first: what follows can quote the request"
        );
        answer.expect(400);
    }
}

#[tokio::test]
async fn a_role_that_allows_less_says_so() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let attributes = json!({"providerType": "assumeRole", "roleArn": ROLE, "ttl": 7201});
    vault
        .create_dynamic("aws/reader", "aws:base", attributes)
        .await
        .expect(201);
    vault.read("aws/reader").await.refused(
        400,
        "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration",
    );
}

#[tokio::test]
async fn a_new_key_is_given_a_moment_and_then_refused() {
    let vault = Vault::start().await;
    let data = json!({
        "accessKey": "AKIASANDBOXNOTYET001", "secretKey": "s", "region": "us-east-1",
    });
    let base = json!({"data": data, "attributes": {"type": "aws"}});
    vault.create("aws/base", base).await.expect(201);
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault.wire.clear();

    vault
        .read("aws/reader")
        .await
        .refused(400, "InvalidClientTokenId: The security token");
    assert_eq!(mints(&vault).len(), 4);
    assert_recorded(&vault, 400, "InvalidClientTokenId");

    vault.clock.advance(Duration::from_mins(2));
    vault.wire.clear();
    vault.read("aws/reader").await.expect(400);
    assert_eq!(
        mints(&vault).len(),
        1,
        "an old key that is unknown is wrong"
    );
}

#[tokio::test]
async fn a_new_key_that_becomes_known_meanwhile_mints() {
    let vault = vault_with_reader().await;
    let fault = refusing("InvalidClientTokenId", "not yet");
    vault.sandbox.faults().next("AssumeRole", 2, fault);
    vault.read("aws/reader").await.expect(200);
    assert_eq!(outcomes(&vault, PATH).len(), 2);
}

#[tokio::test]
async fn a_broken_cloud_is_a_503_with_a_fixed_phrase() {
    for fault in [
        refusing("InternalFailure", "stack trace of the provider"),
        refusing("ServiceUnavailable", "stack trace of the provider"),
        Fault::FailAfterSuccess,
    ] {
        let vault = vault_with_reader().await;
        vault.sandbox.faults().always("AssumeRole", fault);

        let answer = vault.read("aws/reader").await;

        let message = answer.message();
        let id = message
            .strip_prefix("AWS STS is unavailable; try again (request ")
            .and_then(|rest| rest.strip_suffix(')'));
        assert_eq!(id.map(str::len), Some(36), "{message}");
        assert!(answer.headers.contains_key("retry-after"));
        answer.expect(503);
        assert_eq!(mints(&vault).len(), 3, "tried again before giving up");
        assert_recorded(&vault, 503, "AWS STS is unavailable");
    }
}

#[tokio::test]
async fn an_unreachable_cloud_is_a_503() {
    let vault = vault_with_reader().await;
    for _ in 0..3 {
        vault.wire.next("AssumeRole", Trouble::Unreachable);
    }
    vault
        .read("aws/reader")
        .await
        .refused(503, "AWS STS is unavailable");
    assert_recorded(&vault, 503, "unavailable");
}

#[tokio::test]
async fn a_failure_after_success_is_tried_again() {
    let vault = vault_with_reader().await;
    let faults = vault.sandbox.faults();
    faults.next("AssumeRole", 1, Fault::FailAfterSuccess);
    let answer = vault.read("aws/reader").await.expect(200).json();
    assert!(identity(&vault, &answer["data"], "us-east-1").await.is_ok());
}

#[tokio::test]
async fn a_slow_cloud_is_waited_for() {
    let vault = vault_with_reader().await;
    let delay = Fault::Delay(Duration::from_millis(300));
    vault.sandbox.faults().next("AssumeRole", 1, delay);
    vault.read("aws/reader").await.expect(200);
    assert_eq!(mints(&vault).len(), 1);
}

#[tokio::test]
async fn a_base_whose_key_was_rotated_mints_at_the_next_read() {
    let vault = vault_with_reader().await;
    vault.read("aws/reader").await.expect(200);
    let fresh = SandboxUser::new(
        "base",
        ACCOUNT,
        "AKIASANDBOXROTATED01",
        SECRET_KEY.to_owned(),
    );
    vault.sandbox.add_user(fresh).unwrap();
    vault
        .another()
        .update(
            "aws/base",
            json!({"data": {"accessKey": "AKIASANDBOXROTATED01"}}),
        )
        .await
        .expect(200);
    vault.read("aws/reader").await.expect(200);
    let keys: Vec<_> = vault
        .sandbox
        .calls()
        .into_iter()
        .filter_map(|call| call.access_key_id)
        .collect();
    assert_eq!(keys, [ACCESS_KEY, "AKIASANDBOXROTATED01"]);
}
