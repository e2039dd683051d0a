//! Guessing passwords: counted before they are looked at, by name and by source.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use mayfly_tests::{
    Vault,
    vault::{SOURCE, plain},
    wire::Trouble,
};

use crate::people::{
    RIGHT, bobs_refresh_token, login, login_from, make_user, refresh, refused, text, vault_with_bob,
};

const WRONG: &str = "wrong horse";

async fn fail(vault: &Vault, name: &str, times: u32) {
    for _ in 0..times {
        refused(&login(vault, name, WRONG).await);
    }
}

fn wait(vault: &Vault, seconds: u64) {
    vault.clock.advance(Duration::from_secs(seconds));
}

/// What the counters say, in ascending order.
fn tries(vault: &Vault) -> Vec<i64> {
    let items = vault.items_of("LOCK#");
    let mut tries: Vec<i64> = items
        .iter()
        .map(|item| plain(item)["tries"].as_i64().unwrap())
        .collect();
    tries.sort_unstable();
    tries
}

/// How many tries were not let through by these processes: each was taken back where it had been counted.
fn turned_away(processes: &[Vault]) -> usize {
    let calls = processes.iter().flat_map(|process| process.wire.calls());
    let taken_back = calls.filter(|call| call.body.contains("taken back"));
    taken_back
        .map(|call| call.body)
        .collect::<HashSet<_>>()
        .len()
}

#[tokio::test]
async fn five_failures_lock_a_name_for_30_seconds() {
    let vault = vault_with_bob().await;
    fail(&vault, "bob", 4).await;
    login(&vault, "bob", RIGHT).await.expect(200);
    fail(&vault, "bob", 5).await;
    refused(&login(&vault, "bob", RIGHT).await);
    wait(&vault, 28);
    refused(&login(&vault, "BOB", RIGHT).await);
    wait(&vault, 3);
    login(&vault, "bob", RIGHT).await.expect(200);
    fail(&vault, "bob", 4).await;
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn each_further_failure_locks_for_twice_as_long_up_to_15_minutes() {
    let vault = vault_with_bob().await;
    fail(&vault, "bob", 5).await;
    for seconds in [30, 60, 120, 240, 480, 900, 900, 900] {
        wait(&vault, seconds - 5);
        refused(&login(&vault, "bob", RIGHT).await);
        wait(&vault, 6);
        fail(&vault, "bob", 1).await;
    }
    refused(&login(&vault, "bob", RIGHT).await);
    wait(&vault, 901);
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn trying_while_it_is_locked_does_not_prolong_the_lock() {
    let vault = vault_with_bob().await;
    fail(&vault, "bob", 5).await;
    for _ in 0..9 {
        wait(&vault, 3);
        fail(&vault, "bob", 2).await;
    }
    wait(&vault, 4);
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn failures_are_forgotten_after_15_minutes() {
    let vault = vault_with_bob().await;
    for _ in 0..3 {
        fail(&vault, "bob", 4).await;
        wait(&vault, 901);
    }
    login(&vault, "bob", RIGHT).await.expect(200);
    fail(&vault, "bob", 5).await;
    wait(&vault, 30 + 901);
    fail(&vault, "bob", 4).await;
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn a_name_is_locked_whether_or_not_it_is_anybodys() {
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    for name in ["bob", "nobody", "hunter2 is no name!"] {
        let mut operations = Vec::new();
        for _ in 0..6 {
            vault.wire.clear();
            wait(&vault, 1);
            fail(&vault, name, 1).await;
            let mut made = vault.wire.operations();
            made.sort();
            operations.push(made);
        }
        let (last, first) = operations.split_last().unwrap();
        let failed = ["BatchGetItem", "PutItem", "UpdateItem", "UpdateItem"];
        assert!(
            first.iter().all(|made| *made == failed),
            "{name}: {first:?}"
        );
        assert_eq!(last.len(), 5, "the source gets its try back: {last:?}");
    }
    let table = serde_json::to_string(&vault.items()).unwrap();
    assert!(!table.contains("hunter2"), "a password typed for a name");
}

#[tokio::test]
async fn fifty_failures_over_all_names_lock_a_source() {
    let vault = vault_with_bob().await;
    for n in 0..50 {
        fail(&vault, &format!("user{n}"), 1).await;
    }
    refused(&login(&vault, "bob", RIGHT).await);
    login_from(&vault, "192.0.2.8", "bob", RIGHT)
        .await
        .expect(200);
    for _ in 0..6 {
        refused(&login(&vault, "bob", WRONG).await);
    }
    login_from(&vault, "192.0.2.8", "bob", RIGHT)
        .await
        .expect(200); // what a locked source tries does not count for the name
    wait(&vault, 31);
    for _ in 0..3 {
        login(&vault, "bob", RIGHT).await.expect(200); // nor do successes lock it again
    }
    fail(&vault, "eve", 1).await;
    wait(&vault, 58);
    refused(&login(&vault, "bob", RIGHT).await);
}

#[tokio::test]
async fn successes_do_not_count_for_a_source_and_do_not_wipe_its_failures() {
    let vault = vault_with_bob().await;
    for n in 0..49 {
        fail(&vault, &format!("user{n}"), 1).await;
    }
    for _ in 0..3 {
        login(&vault, "bob", RIGHT).await.expect(200);
    }
    fail(&vault, "eve", 1).await;
    refused(&login(&vault, "bob", RIGHT).await);
}

#[tokio::test]
async fn one_ipv6_network_is_one_source() {
    let vault = vault_with_bob().await;
    for n in 0..50 {
        let source = format!("2001:db8:0:7::{n:x}");
        refused(&login_from(&vault, &source, &format!("user{n}"), WRONG).await);
    }
    refused(&login_from(&vault, "2001:db8:0:7:ffff::1", "bob", RIGHT).await);
    login_from(&vault, "2001:db8:0:8::1", "bob", RIGHT)
        .await
        .expect(200);
    login_from(&vault, "not an address", "bob", RIGHT)
        .await
        .expect(200);
}

#[tokio::test]
async fn guesses_made_side_by_side_do_not_outrun_the_counter() {
    let vault = vault_with_bob().await;
    let processes = [
        vault.another(),
        vault.another(),
        vault.another(),
        vault.another(),
    ];
    for process in &processes {
        process.wire.bad_weather(0);
    }
    let guesses = (0..40).map(|n| login(&processes[n % 4], "bob", WRONG));
    for answer in join_all(guesses).await {
        refused(&answer);
    }
    assert_eq!(turned_away(&processes), 35, "five were looked at");
    assert_eq!(tries(&vault).first(), Some(&5));
    refused(&login(&vault, "bob", RIGHT).await);
    wait(&vault, 31);
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn after_a_lock_one_guess_is_let_through() {
    let vault = vault_with_bob().await;
    let processes = [vault.another(), vault.another()];
    for process in &processes {
        process.wire.bad_weather(0);
    }
    fail(&vault, "bob", 5).await;
    wait(&vault, 31);
    let guesses = (0..10).map(|n| login(&processes[n % 2], "bob", WRONG));
    for answer in join_all(guesses).await {
        refused(&answer);
    }
    assert_eq!(turned_away(&processes), 9);
}

#[tokio::test]
async fn a_try_is_counted_once_however_often_it_is_sent() {
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    for count in 1..=4 {
        vault.wire.next("UpdateItem", Trouble::LostAnswer);
        vault.wire.next("UpdateItem", Trouble::LostAnswer);
        fail(&vault, "bob", 1).await;
        assert_eq!(tries(&vault), [count, count]);
    }
    for _ in 0..3 {
        vault.wire.next("UpdateItem", Trouble::LostAnswer);
    }
    login(&vault, "bob", RIGHT).await.expect(200);
    assert_eq!(
        tries(&vault),
        [4],
        "the fifth was let through and taken back"
    );
}

#[tokio::test]
async fn strangers_cannot_lock_a_machine_out() {
    let vault = vault_with_bob().await;
    for n in 0..50 {
        fail(&vault, &format!("user{n}"), 1).await;
    }
    let client = vault.client_id.clone();
    for _ in 0..10 {
        refused(&vault.sign_in(&client, WRONG).await);
        refused(&login(&vault, &client, WRONG).await);
    }
    vault
        .sign_in(&client, &vault.client_secret)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_locked_source_cannot_refresh_but_keeps_its_token() {
    let vault = vault_with_bob().await;
    let token = bobs_refresh_token(&vault).await;
    for n in 0..50 {
        fail(&vault, &format!("user{n}"), 1).await;
    }
    refused(&refresh(&vault, &token).await);
    wait(&vault, 31);
    let next = text(&refresh(&vault, &token).await.expect(200), "refreshToken");
    refresh(&vault, &next).await.expect(200);
}

#[tokio::test]
async fn counters_say_when_they_can_be_swept_away() {
    let vault = vault_with_bob().await;
    make_user(&vault, "eve", RIGHT).await;
    fail(&vault, "bob", 1).await;
    login_from(&vault, SOURCE, "eve", RIGHT).await.expect(200);
    let now = mayfly::clock::Clock::now(&*vault.clock).unix_timestamp();
    for item in vault.items_of("LOCK#") {
        let expires = plain(&item)["expires"].as_i64().unwrap();
        assert!(
            (now + 1800..now + 1820).contains(&expires),
            "{expires} {now}"
        );
    }
}
