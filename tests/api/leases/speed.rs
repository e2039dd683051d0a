//! How many calls a read makes and how many of them wait for one another, and that a slow cloud is waited for no longer
//! than a function may run.

use std::time::Duration;

use mayfly::{
    clock::{Clock, unix_millis},
    store::schema::{AppLockRecord, Key},
};
use mayfly_local::sandbox::{Fault, Lag};
use mayfly_tests::{
    Vault,
    azure::Kind,
    vault::{START, dynamic},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scene::Scene;

/// How long a read may take: its function ends at 30 s.
const LONGEST: Duration = Duration::from_secs(28);

fn operations(vault: &Vault) -> Vec<String> {
    let mut operations = vault.wire.operations();
    operations.sort();
    operations
}

/// Reads what this process has read before: its calls, sorted, and how many had to wait for one another.
async fn warm_read(kind: Kind) -> (Vec<String>, usize) {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0);
    scene.mint(kind).await;
    scene.vault.wire.clear();
    scene.mint(kind).await;
    (operations(&scene.vault), scene.vault.wire.depth())
}

#[tokio::test]
async fn a_client_secret_of_an_existing_application_is_four_calls_deep() {
    let (calls, depth) = warm_read(Kind::Existing).await;
    assert_eq!(
        calls,
        [
            "BatchGetItem",       // the secret, its base, the caller
            "POST addPassword",   //
            "PutItem",            // the record, beside the activation
            "TransactWriteItems", // the intent and the lock
            "TransactWriteItems", // the activation
        ]
    );
    assert_eq!(depth, 4);
}

#[tokio::test]
async fn a_principal_with_an_azure_role_is_nine_calls_deep() {
    let (calls, depth) = warm_read(Kind::Rbac).await;
    assert_eq!(
        calls,
        [
            "BatchGetItem",
            "GET permissions",
            "GET roleDefinitions",
            "PATCH applications",
            "PATCH servicePrincipals",
            "POST addPassword",
            "PutItem",
            "TransactWriteItems", // the intent
            "TransactWriteItems", // the application's ids
            "TransactWriteItems", // the principal's id
            "TransactWriteItems", // the activation
        ]
    );
    assert_eq!(depth, 9);
}

#[tokio::test]
async fn a_principal_with_an_application_role_is_ten_calls_deep() {
    let (calls, depth) = warm_read(Kind::AppRole).await;
    assert_eq!(
        calls,
        [
            "BatchGetItem",
            "GET servicePrincipals",
            "PATCH applications",
            "PATCH servicePrincipals",
            "POST addPassword",
            "POST appRoleAssignedTo",
            "PutItem",
            "TransactWriteItems",
            "TransactWriteItems",
            "TransactWriteItems",
            "TransactWriteItems",
        ]
    );
    assert_eq!(depth, 10);
}

#[tokio::test]
async fn an_access_token_is_two_calls_deep() {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0);
    let token = json!({"providerType": "token", "scopes": ["https://vault.azure.net/.default"]});
    let made = scene
        .vault
        .create("azure/token", dynamic("azure:base", token))
        .await;
    made.expect(201);
    scene.vault.read("azure/token").await.expect(200);
    scene.vault.wire.clear();
    scene.vault.read("azure/token").await.expect(200);
    assert_eq!(
        operations(&scene.vault),
        ["BatchGetItem", "POST token", "PutItem"]
    );
    assert_eq!(scene.vault.wire.depth(), 2);
}

#[tokio::test]
async fn every_kind_is_answered_in_time_by_a_slow_cloud_that_lags() {
    for kind in Kind::ALL {
        let scene = Scene::start().await;
        let azure = scene.vault.sandbox.azure();
        let ten = Duration::from_secs(10);
        azure.set_latency(Duration::from_secs(1));
        azure.set_lag(Lag {
            graph_reads: ten,
            graph_writes: ten,
            sign_in: ten,
            arm: ten,
        });
        let started = scene.vault.clock.now();
        let data = scene.mint(kind).await;
        let took = scene.vault.clock.now() - started;
        assert!(took <= LONGEST, "{kind:?} took {took}");
        if kind == Kind::AppRole {
            assert_eq!(data["roleAssignmentStatus"], "created");
        }
        azure.set_latency(Duration::ZERO);
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn what_cannot_be_made_in_time_is_a_503_and_leaves_nothing() {
    let scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    azure.set_lag(Lag {
        graph_writes: Duration::from_secs(40),
        ..Lag::default()
    });
    for kind in [Kind::Rbac, Kind::AppRole] {
        let started = scene.vault.clock.now();
        let answer = scene.vault.read(kind.path()).await;
        let took = scene.vault.clock.now() - started;
        assert!(took <= LONGEST, "{kind:?} took {took}");
        assert!(
            answer.headers.contains_key("retry-after"),
            "{}",
            answer.text()
        );
        answer.expect(503);
    }
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_password_that_cannot_be_made_in_time_is_a_503_too() {
    for kind in [Kind::Rbac, Kind::AppRole] {
        let scene = Scene::start().await;
        let faults = scene.vault.sandbox.faults();
        let unseen = Fault::Refuse {
            code: "Request_ResourceNotFound".to_owned(),
            message: "not yet".to_owned(),
        };
        faults.always("AddPassword", unseen);
        let answer = scene.vault.read(kind.path()).await;
        assert!(
            answer.headers.contains_key("retry-after"),
            "{}",
            answer.text()
        );
        answer.refused(
            503,
            "just made in Microsoft Entra is unavailable; try again",
        );
        faults.clear();
        scene.ends_clean().await;
    }
}

async fn ready(kind: Kind, readiness: Value, lag: u64) -> (Value, Duration) {
    let scene = Scene::start().await;
    let change = json!({"attributes": {"readiness": readiness}});
    scene.vault.update(kind.path(), change).await.expect(200);
    scene.vault.sandbox.azure().set_lag(Lag {
        sign_in: Duration::from_secs(lag),
        ..Lag::default()
    });
    let started = scene.vault.clock.now();
    let data = scene.mint(kind).await;
    let took = (scene.vault.clock.now() - started).unsigned_abs();
    assert!(took <= LONGEST, "{kind:?} took {took:?}");
    scene.ends_clean().await;
    (data["ready"].clone(), took)
}

#[tokio::test]
async fn who_asks_for_it_is_answered_when_one_can_sign_in_or_that_one_cannot_yet() {
    for kind in Kind::ALL {
        let (told, took) = ready(kind, json!("token"), 0).await;
        assert_eq!(told, true, "{kind:?}");
        assert!(took >= Duration::from_secs(4), "{kind:?}: {took:?}");
        let (told, took) = ready(kind, json!("token"), 8).await;
        assert_eq!(told, true, "{kind:?}");
        assert!(took >= Duration::from_secs(12), "{kind:?}: {took:?}");
        let (told, _) = ready(kind, json!("token"), 60).await;
        assert_eq!(told, false, "{kind:?}");
        for no in [json!("none"), Value::Null] {
            let (told, took) = ready(kind, no, 60).await;
            assert_eq!(told, Value::Null, "{kind:?}");
            assert!(took < Duration::from_secs(1), "{kind:?}: {took:?}");
        }
    }
}

#[tokio::test]
async fn who_waits_until_one_can_sign_in_keeps_nobody_else_waiting() {
    let scene = Scene::start().await;
    let change = json!({"attributes": {"readiness": "token"}});
    let path = Kind::Existing.path();
    scene.vault.update(path, change).await.expect(200);
    scene.mint(Kind::Existing).await; // the base's own token is kept from now on
    scene.vault.sandbox.azure().set_lag(Lag {
        sign_in: Duration::from_secs(8),
        ..Lag::default()
    });
    let (one, two) = tokio::join!(scene.vault.read(path), scene.vault.read(path));
    for answer in [one, two] {
        assert_eq!(answer.expect(200).json()["data"]["ready"], true);
    }
    scene.ends_clean().await;
}

/// Somebody else holds the lock of the existing application for so long.
async fn locked_for(scene: &Scene, span: Duration) {
    let key = Key::app_lock(&scene.tenant.target.object_id);
    let held_until = unix_millis(scene.vault.clock.now() + span);
    let lock = AppLockRecord {
        key,
        id: Uuid::new_v4(),
        held_until,
        expires: held_until / 1000,
    };
    scene.vault.app.table.put(&lock).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_is_held_longer_than_ten_seconds_is_a_429() {
    let scene = Scene::start().await;
    locked_for(&scene, Duration::from_mins(1)).await;
    let started = scene.vault.clock.now();
    let refused = scene.vault.read(Kind::Existing.path()).await;
    let took = scene.vault.clock.now() - started;
    assert!(
        took > Duration::from_secs(9) && took <= Duration::from_secs(10),
        "{took}"
    );
    let seconds = refused.headers["retry-after"].to_str().unwrap();
    assert!(seconds.parse::<u32>().unwrap() > 0);
    refused.refused(429, "others are changing the passwords of this application");
    scene.is_untouched();
}

#[tokio::test]
async fn who_waited_for_a_lock_has_the_whole_ttl() {
    let scene = Scene::start().await;
    locked_for(&scene, Duration::from_secs(7)).await;
    let data = scene.mint(Kind::Existing).await;
    let lease = scene.leases().remove(0);
    let (created, ends) = (
        lease["created"].as_i64().unwrap(),
        lease["ends"].as_i64().unwrap(),
    );
    assert!(created >= START + 7000);
    assert_eq!(ends, (created + 900_000) / 1000 * 1000, "{data}");
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_lock_is_given_back_with_the_answer_whatever_it_is() {
    let scene = Scene::start().await;
    scene.mint(Kind::Existing).await;
    assert!(scene.vault.items_of("APPLOCK#").is_empty());
    let faults = scene.vault.sandbox.faults();
    faults.always("AddPassword", Fault::Throttle);
    scene.vault.read(Kind::Existing.path()).await.expect(429);
    assert!(scene.vault.items_of("APPLOCK#").is_empty());
}
