//! Branch keys: unwrapped once, renewed beside requests, and only for the purposes of a function.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::config::SharedHttpClient;
use mayfly::{
    clients,
    clock::SystemClock,
    config::{AwsAccess, Endpoints},
    domain::sensitive::Sensitive,
    seal::{Binding, KeyWrapper, Keyrings, Purpose, Sealer},
};
use mayfly_local::sandbox::{Fault, Sandbox, SandboxUser};
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, ACCOUNT, SECRET_KEY, assume_role},
    wire::InProcess,
};
use serde_json::json;
use uuid::Uuid;

use crate::watched::{Mood, Watched};

async fn watched() -> (Vault, Arc<Watched>) {
    let keys = Watched::new();
    let vault = Vault::start_with(keys.clone()).await;
    vault
        .create("plain", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    // From now on the function that reads is warm as well.
    vault.read("plain").await.expect(200);
    (vault, keys)
}

#[tokio::test]
async fn warm_reads_unwrap_nothing() {
    let (vault, keys) = watched().await;
    let before = keys.unwraps();
    for _ in 0..900 {
        vault.read("plain").await.expect(200);
    }
    for _ in 0..100 {
        vault.read("aws/reader").await.expect(200);
    }
    assert_eq!(keys.unwraps(), before);
}

#[tokio::test]
async fn a_cold_process_unwraps_each_key_it_needs_once() {
    let (vault, keys) = watched().await;
    let (other, before) = (vault.another(), keys.unwraps());
    for _ in 0..5 {
        other.read("aws/reader").await.expect(200);
    }
    assert_eq!(keys.unwraps() - before, 1, "the secret key alone");
}

#[tokio::test]
async fn keys_are_renewed_between_ten_and_fifteen_minutes() {
    let (vault, keys) = watched().await;
    let before = keys.unwraps();
    vault.clock.advance(Duration::from_secs(10 * 60 - 1));
    for _ in 0..10 {
        vault.read("plain").await.expect(200);
    }
    assert_eq!(keys.unwraps(), before, "not before ten minutes");
    vault.clock.advance(Duration::from_secs(5 * 60 + 1));
    for _ in 0..10 {
        vault.read("plain").await.expect(200);
    }
    assert_eq!(
        keys.unwraps() - before,
        1,
        "the one purpose of the function that reads, once"
    );
}

#[tokio::test]
async fn no_request_waits_for_a_renewal() {
    let (vault, keys) = watched().await;
    keys.is_now(Mood::Hangs);
    vault.clock.advance(Duration::from_mins(15));
    let before = keys.unwraps();
    let reads = async {
        for _ in 0..10 {
            vault.read("plain").await.expect(200);
            vault.read("aws/reader").await.expect(200);
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, reads).await.unwrap();
    assert!(keys.unwraps() > before, "a renewal is under way");
}

#[tokio::test]
async fn a_refused_renewal_stops_the_process() {
    let (vault, keys) = watched().await;
    keys.is_now(Mood::Refuses);
    vault.clock.advance(Duration::from_mins(15));
    for _ in 0..5 {
        vault.read("missing").await;
        vault.put("missing").await;
    }
    for read in ["plain", "aws/reader"] {
        vault
            .read(read)
            .await
            .refused(500, "internal error (request ");
    }
    vault
        .create("new", json!({"data": {"a": 1}}))
        .await
        .refused(500, "internal error");
    keys.is_now(Mood::Works);
    vault.read("plain").await.expect(200);
}

#[tokio::test]
async fn a_renewal_without_an_answer_keeps_what_is_held() {
    let (vault, keys) = watched().await;
    keys.is_now(Mood::Away);
    vault.clock.advance(Duration::from_mins(15));
    for _ in 0..10 {
        vault.read("plain").await.expect(200);
    }
    let tried = keys.unwraps();
    keys.is_now(Mood::Works);
    vault.clock.advance(Duration::from_secs(59));
    for _ in 0..10 {
        vault.read("plain").await.expect(200);
    }
    assert_eq!(keys.unwraps(), tried, "not tried again at once");
    vault.clock.advance(Duration::from_secs(1));
    for _ in 0..10 {
        vault.read("plain").await.expect(200);
    }
    assert_eq!(keys.unwraps() - tried, 1, "but after a minute");
}

#[tokio::test]
async fn a_cold_process_without_its_keys_answers_503_or_500() {
    let (vault, keys) = watched().await;
    keys.is_now(Mood::Away);
    let answer = vault.another().read("plain").await;
    answer.refused(503, "KMS is unavailable; try again (request ");
    keys.is_now(Mood::Refuses);
    let answer = vault.another().read("plain").await;
    assert!(!answer.text().contains("disabled"), "{}", answer.text());
    answer.refused(500, "internal error (request ");
}

#[tokio::test]
async fn purposes_that_a_function_may_not_use_are_refused() {
    let (vault, keys) = watched().await;
    let wrapper: Arc<dyn KeyWrapper> = keys.clone();
    let table = vault.app.table.clone();
    let rings = Keyrings::new(table, wrapper, vault.clock.clone(), vec![Purpose::Secret]);
    let sealer = Sealer::new(Arc::new(rings));
    let before = keys.unwraps();
    let binding = Binding {
        entity: "TEST",
        name: "x",
        id: Uuid::nil(),
        version: 0,
        about: &[],
    };
    let text = Sensitive::new("x".to_owned());
    for purpose in [Purpose::TokenSigning, Purpose::Verifier] {
        let word = purpose.word();
        for refused in [
            sealer.seal(purpose, &binding, &text).await.map(drop),
            sealer.hash(purpose, "x", b"x").await.map(drop),
            sealer.rotate(purpose).await.map(drop),
        ] {
            let says = refused.unwrap_err().to_string();
            assert!(says.contains(&format!("may not use {word} keys")), "{says}");
        }
    }
    assert_eq!(keys.unwraps(), before);
    let kept = sealer.seal(Purpose::Secret, &binding, &text).await.unwrap();
    sealer.open(Purpose::Secret, &binding, &kept).await.unwrap();
}

#[tokio::test]
async fn kms_is_called_once_for_each_purpose_of_a_function_and_its_refusal_stops_the_vault() {
    let cloud = Sandbox::in_memory(Arc::new(SystemClock));
    let user = SandboxUser::new("vault", ACCOUNT, ACCESS_KEY, SECRET_KEY.to_owned());
    cloud.add_user(user).unwrap();
    cloud.add_key("vault-key").unwrap();
    let access = AwsAccess {
        region: "us-east-1".to_owned(),
        access_key: Sensitive::new(ACCESS_KEY.to_owned()),
        secret_key: Sensitive::new(SECRET_KEY.to_owned()),
        session_token: None,
    };
    let http = SharedHttpClient::new(InProcess(cloud.router()));
    let kms = clients::kms(http, &access, &Endpoints::default(), "vault-key");
    let decrypts = || {
        let calls = cloud.calls();
        calls.iter().filter(|call| call.action == "Decrypt").count()
    };

    let vault = Vault::start_with(Arc::new(kms)).await;
    vault.create("plain", json!({})).await.expect(201);
    vault.read("plain").await.expect(200);
    // Two purposes of `token`, one of each of the others; the worker has not needed its second yet.
    assert_eq!(decrypts(), 6);
    for _ in 0..50 {
        vault.read("plain").await.expect(200);
    }
    assert_eq!(decrypts(), 6);

    let refusal = Fault::Refuse {
        code: "DisabledException".to_owned(),
        message: "the key is disabled".to_owned(),
    };
    cloud.faults().always("Decrypt", refusal);
    vault.clock.advance(Duration::from_mins(15));
    for _ in 0..10 {
        vault.read("missing").await;
    }
    let answer = vault.read("plain").await;
    assert!(!answer.text().contains("Disabled"), "{}", answer.text());
    answer.refused(500, "internal error (request ");
    cloud.faults().clear();
    vault.read("plain").await.expect(200);
}
