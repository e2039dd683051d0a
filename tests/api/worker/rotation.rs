//! Branch keys are replaced when they are old, and everything that is sealed moves to the new one, piece by piece.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use mayfly::seal::Purpose;
use mayfly_tests::Vault;
use serde_json::{Value, json};

use crate::{hurried_sweep, sweep, work};

const DAY: Duration = Duration::from_hours(24);
/// Until every warm process knows a new key.
const ALL_KNOW: Duration = Duration::from_mins(20);
const SECRETS: usize = 12;
/// Enough for some of them.
const HURRY: Duration = Duration::from_millis(250);

/// A vault with two versions of each secret, one of them soft-deleted, whose keys are 90 days old.
async fn old() -> Vault {
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0);
    for n in 0..SECRETS {
        let path = format!("a/{n:02}");
        let body = |n: usize| json!({"data": {"n": n}});
        vault.create(&path, body(n)).await.expect(201);
        vault.update(&path, body(n + 1)).await.expect(200);
    }
    vault.wait(90 * DAY).await;
    vault.delete("a/11").await.expect(200);
    vault
}

/// The branch keys of what is sealed.
fn numbers(vault: &Vault) -> Vec<u8> {
    let sealed = |item: &Value| item["sealed"]["B"].as_str().map(str::to_owned);
    let items = vault.items_of("SECRET#");
    let texts = items.iter().filter_map(sealed);
    texts
        .map(|text| BASE64_STANDARD.decode(text).unwrap()[4])
        .collect()
}

#[tokio::test]
async fn a_branch_key_is_replaced_when_it_is_ninety_days_old() {
    let mut vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    vault.wait(Duration::from_mins(90 * 24 * 60 - 1)).await;
    assert_eq!(sweep(&vault).await["branchKeys"], 0);
    vault.wait(Duration::from_mins(2)).await;
    let other = vault.another();
    let (one, two) = tokio::join!(sweep(&vault), sweep(&other));
    assert_eq!((&one["errors"], &two["errors"]), (&json!(0), &json!(0)));
    assert_eq!(sweep(&vault).await["branchKeys"], 0);
    for purpose in [Purpose::Secret, Purpose::TokenSigning] {
        let keys = vault.items_of(&format!("KEYRING#{}", purpose.word()));
        assert_eq!(keys.len(), 2, "one of two workers added it");
    }
    assert_eq!(vault.items_of("KEYRING#verifier").len(), 1);
}

#[tokio::test]
async fn branch_keys_are_replaced_at_once_when_somebody_says_so() {
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    let rotated = work(&vault, json!({"mayfly": "rotate"})).await.unwrap();
    assert_eq!(rotated, json!({"branchKeys": 2}));
    vault.wait(ALL_KNOW).await;
    assert_eq!(sweep(&vault).await["resealed"]["moved"], 1);
    assert_eq!(vault.read("a").await.expect(200).json()["data"]["n"], 1);
}

#[tokio::test]
async fn everything_moves_to_a_new_key_a_piece_with_every_sweep() {
    let mut vault = old().await;
    assert_eq!(sweep(&vault).await["branchKeys"], 2);
    assert_eq!(
        sweep(&vault).await["resealed"]["moved"],
        0,
        "not all know it yet"
    );
    vault.wait(ALL_KNOW).await;

    let mut moved = Vec::new();
    while numbers(&vault).contains(&1) {
        let swept = hurried_sweep(&vault, HURRY).await;
        assert_eq!(swept["errors"], 0, "{swept}");
        moved.push(swept["resealed"]["moved"].as_u64().unwrap());
        assert!(moved.len() < 60, "{moved:?}");
    }

    assert_eq!(moved.iter().sum::<u64>(), 2 * SECRETS as u64, "{moved:?}");
    assert!(moved.len() > 1, "the time was never up");
    for _ in 0..3 {
        assert_eq!(sweep(&vault).await["resealed"]["moved"], 0);
    }
    vault.wire.clear();
    sweep(&vault).await;
    let looked = |call: &mayfly_tests::wire::Call| call.body.contains("SECRET#a");
    assert!(!vault.wire.calls().iter().any(looked), "it is done");
    vault.put("a/11/restore").await.expect(200);
    let answer = vault.read("a/11").await.expect(200).json();
    assert_eq!(answer["data"]["n"], 12);
}

#[tokio::test]
async fn another_worker_goes_on_where_one_stopped() {
    let mut vault = old().await;
    sweep(&vault).await;
    vault.wait(ALL_KNOW).await;
    let mut moved = Vec::new();
    while numbers(&vault).contains(&1) {
        // Each is a new process: nothing is known but what is stored.
        let worker = vault.another();
        let swept = hurried_sweep(&worker, HURRY).await;
        moved.push(swept["resealed"]["moved"].as_u64().unwrap());
        assert!(moved.len() < 60, "{moved:?}");
    }
    assert_eq!(moved.iter().sum::<u64>(), 2 * SECRETS as u64, "{moved:?}");
    assert!(moved.len() > 1, "the time was never up");
}

#[tokio::test]
async fn what_does_not_open_does_not_stop_the_move() {
    let mut vault = old().await;
    let mut broken = vault.items_of("SECRET#a:03").remove(0);
    broken["attributes"] = json!({"S": "{\"forged\":true}"});
    vault.put_item(&broken);
    let mut unreadable = vault.items_of("SECRET#a:05").remove(0);
    unreadable["version"] = json!({"S": "five"});
    vault.put_item(&unreadable);
    sweep(&vault).await;
    vault.wait(ALL_KNOW).await;

    let swept = sweep(&vault).await;
    assert_eq!(swept["errors"], 0);
    let resealed = json!({"moved": 2 * SECRETS - 2, "missed": 0, "unreadable": 2});
    assert_eq!(swept["resealed"], resealed);
    sweep(&vault).await;
    assert_eq!(
        sweep(&vault).await["resealed"]["unreadable"],
        0,
        "it is done"
    );
    assert!(vault.items_of("SECRET#").contains(&broken));
}
