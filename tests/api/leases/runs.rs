//! Runs of the worker: whatever becomes of the events that wake it, and of its neighbours, nothing is lost.

use std::time::Duration;

use mayfly::{clock::Clock, store::schema::LeaseRecord};
use mayfly_tests::{Vault, azure::Kind, events, privileges::Deployed, vault::plain};
use serde_json::{Value, json};

use crate::scene::{Scene, sweep};

/// Mints each kind a few times, in one process.
async fn ten_leases(scene: &Scene) {
    for number in 0..10 {
        scene.mint(Kind::ALL[number % 3]).await;
    }
}

/// The events that the table's stream has for the tasks that are in it.
fn stream(vault: &Vault) -> Vec<String> {
    let tasks = vault.items_of("TASK#task_").into_iter();
    tasks
        .map(|task| task["pk"]["S"].as_str().unwrap().to_owned())
        .collect()
}

async fn hand_over(vault: &Vault, keys: &[String]) -> Value {
    let records: Vec<Value> = (1..)
        .zip(keys)
        .map(|(n, pk)| events::inserted(n, pk))
        .collect();
    let until = vault.clock.now() + Duration::from_secs(55);
    let batch = events::batch(&records);
    let answered = vault.work(batch, until).await;
    answered.unwrap()
}

fn assigned(scene: &Scene) -> usize {
    let leases = scene.leases().into_iter();
    leases
        .filter(|lease| lease["assignment"]["state"] == "SUCCESS")
        .count()
}

#[tokio::test]
async fn an_event_gives_the_role_at_once_and_duplicates_change_nothing() {
    let scene = Scene::start().await;
    ten_leases(&scene).await;
    let mut keys = stream(&scene.vault);
    assert_eq!(keys.len(), 3, "one for each role that is given later");
    keys.extend(keys.clone());
    keys.reverse();
    let answer = hand_over(&scene.vault, &keys).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(assigned(&scene), 3);
    let given = scene.cloud()["roleAssignments"].as_array().unwrap().len();
    assert_eq!(given, 4, "three beside the base's own");
    assert_eq!(
        hand_over(&scene.vault, &keys).await["batchItemFailures"],
        json!([])
    );
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn without_any_event_the_schedule_does_all() {
    let scene = Scene::start().await;
    ten_leases(&scene).await;
    scene.sweep().await;
    assert_eq!(assigned(&scene), 3);
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn one_that_cannot_be_read_and_one_of_a_later_release_are_left_and_their_neighbours_done() {
    let scene = Scene::start().await;
    ten_leases(&scene).await;
    let items = scene.vault.items_of("LEASE#");
    let mut unreadable = items[0].clone();
    unreadable["state"] = json!({"S": "confused"});
    let mut newer = items[1].clone();
    newer["format"] = json!({"N": "2"});
    newer["state"] = json!({"S": "a state nobody knows yet"});
    scene.vault.put_item(&unreadable);
    scene.vault.put_item(&newer);
    scene.vault.clock.advance(Duration::from_hours(1));
    let swept = scene.sweep().await;
    assert_eq!((swept.newer, swept.unreadable, swept.swept), (1, 1, 8));
    for _ in 0..4 {
        scene.vault.clock.advance(Duration::from_mins(11));
        scene.sweep().await;
    }
    let leases = scene.vault.items_of("LEASE#");
    assert!(leases.contains(&unreadable) && leases.contains(&newer));
    let over = leases
        .iter()
        .filter(|lease| plain(lease)["state"] == "revoked");
    assert_eq!(over.count(), 8);
}

#[tokio::test]
async fn a_lease_of_the_first_format_is_read() {
    let stored = json!({
        "pk": "LEASE#3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f", "sk": "HEAD", "format": 1,
        "id": "3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f", "rev": 4,
        "secret": "azure:reader", "secretId": "11111111-1111-4111-8111-111111111111",
        "base": "azure:base", "baseId": "22222222-2222-4222-8222-222222222222",
        "identity": {
            "tenantId": "7a1c3f58-0b5e-4f7e-9a55-0f6d2b8c4e11",
            "clientId": "33333333-3333-4333-8333-333333333333",
            "subscriptionId": "2f6c1b9e-53c4-4d0a-8a7e-6f1d90b3a722",
            "environment": "AzurePublicCloud",
        },
        "principal": "roles:admin", "principalId": "44444444-4444-4444-8444-444444444444",
        "issuance": "01KDVJ8QG0000000000000000", "what": {
            "kind": "rbac", "scope": "/subscriptions/x", "roleId": "/x/y", "roleName": "Reader",
        },
        "appObjectId": "55555555-5555-4555-8555-555555555555", "keyId": "k",
        "assignment": {"state": "SUCCESS", "error": ""}, "pruned": true,
        "state": "active", "created": 1_767_225_600_000_i64, "mintUntil": 1_767_225_625_000_i64,
        "ends": 1_767_226_500_000_i64, "due": 1_767_226_500_000_i64, "claimedUntil": 0, "attempts": 0,
        "duePk": "LEASE#1", "dueSk": "001767226500000#3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f",
        "browsePk": "LEASE#1", "browseSk": "azure:reader#3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f",
        "createdPk": "LEASE#1", "createdSk": "roles:admin#001767225600000#3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f",
        "linksPk": "LEASE#1", "linksSk": "azure:base#3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f",
    });
    let lease: LeaseRecord = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&lease).unwrap(), stored);
}

#[tokio::test]
async fn two_runs_at_once_never_work_on_the_same_lease() {
    let scene = Scene::start().await;
    ten_leases(&scene).await;
    scene.vault.clock.advance(Duration::from_hours(1));
    scene
        .vault
        .sandbox
        .azure()
        .set_latency(Duration::from_millis(10));
    let (one, two) = (scene.vault.another(), scene.vault.another());
    let (first, second) = tokio::join!(sweep(&one), sweep(&two));
    assert_eq!(first.failed + second.failed, 0);
    assert_eq!(first.swept + second.swept, 10, "{first:?} {second:?}");
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn with_little_time_left_nothing_is_begun_and_nothing_lost() {
    let scene = Scene::start().await;
    ten_leases(&scene).await;
    scene.vault.clock.advance(Duration::from_hours(1));
    let before = scene.leases();
    let soon = scene.vault.clock.now() + Duration::from_secs(3);
    let swept =
        mayfly::leases::worker::sweep(scene.vault.function(Deployed::LeaseWorker), soon).await;
    assert_eq!(swept.unwrap(), mayfly::leases::worker::Swept::default());
    assert_eq!(scene.leases(), before);
    // As long as calls take, a run ends in time and the next one goes on.
    scene
        .vault
        .sandbox
        .azure()
        .set_latency(Duration::from_secs(1));
    for _ in 0..60 {
        scene.vault.clock.advance(Duration::from_mins(1));
        scene.sweep().await;
    }
    assert_eq!(scene.unfinished(), Vec::<Value>::new());
    assert_eq!(scene.cloud(), scene.seed);
}
