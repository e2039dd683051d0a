//! Homes as they lie in the table: nothing moves between them, and everything in them ends.

use std::time::Duration;

use http::Method;
use mayfly::{
    audit::Trail,
    change::Attempt,
    clock::Clock,
    domain::{
        location::{Home, Place},
        principal::Principal,
        secret::{Change, Content},
    },
    seal::Purpose,
    secrets::{purge, reseal::reseal_all, write},
};
use mayfly_tests::{Vault, privileges::Deployed, vault::plain};
use serde_json::{Value, json};

use crate::{home::Bob, home_isolation::stored};

#[tokio::test]
async fn a_moved_item_does_not_open() {
    let bob = Bob::start().await;
    bob.post("/a", json!({"data": {"word": "planted"}}))
        .await
        .expect(201);
    bob.vault
        .create("a", json!({"data": {"word": "planted"}}))
        .await
        .expect(201);
    let head = |prefix: &str| bob.vault.items_of(prefix).remove(0);
    let (mine, secret) = (head("HOME#"), head("SECRET#a"));
    let admin = head("ROLE#admin")["id"].clone();
    let here = mine["home"]["M"]["id"]["S"].as_str().unwrap();
    let home = |owner: &str, id: &Value| json!({"M": {"owner": {"S": owner}, "id": id}});
    let theirs = format!("HOME#{}#b", admin["S"].as_str().unwrap());

    let moves = [
        (&mine, "SECRET#b", Value::Null, "secrets/b"),
        (
            &mine,
            &theirs,
            home("roles:admin", &admin),
            "home/roles:admin/b",
        ),
        (&mine, &theirs, mine["home"].clone(), "home/roles:admin/b"),
        (
            &secret,
            &theirs,
            home("roles:admin", &admin),
            "home/roles:admin/b",
        ),
        (&secret, &theirs, Value::Null, "home/roles:admin/b"),
    ];
    for (item, pk, place, target) in moves {
        for path in ["a", "b"] {
            bob.vault.put_item(&moved(item, pk, path, &place));
            let answer = bob
                .vault
                .ask(Method::GET, &format!("/v1/{target}"), None)
                .await;
            assert_eq!(answer.status, 500, "{pk} {path} {place}: {}", answer.text());
            assert!(!answer.text().contains("planted"));
        }
    }

    let renamed = home("roles:eve", &json!({ "S": here }));
    bob.vault
        .put_item(&moved(&mine, &format!("HOME#{here}#a"), "a", &renamed));
    bob.get("/a").await.refused(500, "internal error");
}

/// `item` under another key, saying to be at `path` in `home`.
fn moved(item: &Value, pk: &str, path: &str, home: &Value) -> Value {
    let mut moved = item.as_object().cloned().unwrap_or_default();
    moved.insert("pk".to_owned(), json!({ "S": pk }));
    moved.insert("path".to_owned(), json!({ "S": path }));
    moved.insert("home".to_owned(), home.clone());
    moved.retain(|_, value| !value.is_null());
    Value::Object(moved)
}

#[tokio::test]
async fn a_secret_in_a_home_ends_after_72_hours() {
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0); // waiting out a bad answer moves this clock
    let before = stored(&vault);
    let body = json!({"data": {"n": 1}});
    let target = "/v1/home/roles:admin/a";
    vault
        .ask(Method::POST, target, Some(&body))
        .await
        .expect(201);
    vault
        .ask(Method::PUT, target, Some(&body))
        .await
        .expect(200);
    vault.ask(Method::DELETE, target, None).await.expect(200);
    let marked = stored(&vault);

    vault.wait(Duration::from_millis(72 * 3_600_000 - 1)).await;
    assert_eq!(vault.purge().await.done, 0);
    assert_eq!(stored(&vault), marked);
    vault.wait(Duration::from_millis(1)).await;
    vault
        .ask(Method::GET, target, None)
        .await
        .refused(404, "unable to find item");
    assert_eq!(vault.purge().await.done, 1);
    assert_eq!(stored(&vault), before);
}

#[tokio::test]
async fn a_home_ends_with_its_owner() {
    let bob = Bob::start().await;
    let before = stored(&bob.vault);
    for n in 0..30 {
        bob.post(&format!("/a/{n}"), json!({})).await.expect(201);
    }
    bob.put("/a/1", json!({"data": {"n": 1}})).await.expect(200);
    bob.vault.create("kept", json!({})).await.expect(201);
    let home: Home =
        serde_json::from_value(plain(&bob.vault.items_of("HOME#")[0])["home"].clone()).unwrap();

    for _ in 0..2 {
        let until = bob.vault.clock.now() + std::time::Duration::from_mins(1);
        let worker = bob.vault.function(Deployed::LeaseWorker);
        let all = purge::remove_home(worker, home.clone(), until).await;
        assert!(all.unwrap());
    }

    bob.vault.read("kept").await.expect(200);
    bob.vault.delete("kept?force=true").await.expect(204);
    assert_eq!(stored(&bob.vault), before);
}

#[tokio::test]
async fn nothing_is_made_in_the_home_of_someone_who_went_meanwhile() {
    let bob = Bob::start().await;
    let before = stored(&bob.vault);
    let trail = Trail::new(String::new(), "POST", String::new(), String::new());
    let content = Content::created(Change::default());
    let path = "a".parse().unwrap();
    for owner in [Principal::role("bob"), Principal::role("nobody")] {
        let id = uuid::Uuid::new_v4();
        let at = Place::Home(Home {
            owner: owner.clone(),
            id,
        })
        .at(&path);
        let made = write::create(&bob.vault.app, &trail, &at, &content, None, &owner).await;
        assert!(matches!(made, Ok(Attempt::Lost)));
    }
    assert_eq!(stored(&bob.vault), before);
}

#[tokio::test]
async fn secrets_in_homes_move_to_a_new_branch_key() {
    let bob = Bob::start().await;
    bob.post("/a", json!({"data": {"n": 1}})).await.expect(201);
    bob.put("/a", json!({"data": {"n": 2}})).await.expect(200);
    bob.post("/gone", json!({"data": {"n": 3}}))
        .await
        .expect(201);
    bob.delete("/gone").await.expect(200);
    let sealer = &bob.vault.app.sealer;
    sealer.rotate(Purpose::Secret).await.unwrap();

    let moved = reseal_all(&bob.vault.app).await.unwrap();

    assert_eq!((moved.moved, moved.missed), (3, 0));
    assert_eq!(reseal_all(&bob.vault.app).await.unwrap().moved, 0);
    assert_eq!(
        bob.get("/a").await.expect(200).json()["data"],
        json!({"n": 2})
    );
    bob.put("/gone/restore", Value::Null).await.expect(200);
}
