//! New branch keys: what was sealed keeps opening, and moves.

use http::Method;
use mayfly::{seal::Purpose, secrets::reseal::reseal_all};
use mayfly_tests::{Vault, privileges::Deployed, vault::assume_role};
use serde_json::{Value, json};

/// Three versions of one secret, a base, a dynamic secret, and a soft-deleted one: eight sealed items.
async fn filled() -> Vault {
    let vault = Vault::start().await;
    for word in ["zero", "one", "two"] {
        let body = json!({"data": {"word": word}});
        match word {
            "zero" => vault.create("plain", body).await.expect(201),
            _ => vault.update("plain", body).await.expect(200),
        };
    }
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    for word in ["old", "new", "newest"] {
        let body = json!({"data": {"word": word}});
        match word {
            "old" => vault.create("gone", body).await.expect(201),
            _ => vault.update("gone", body).await.expect(200),
        };
    }
    vault.delete("gone").await.expect(200);
    vault
}

const SEALED: usize = 8;

/// The branch key numbers that sealed items say they were made with.
fn numbers(vault: &Vault) -> Vec<u32> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let items = vault.items_of("SECRET#").into_iter();
    items
        .filter_map(|item| item["sealed"]["B"].as_str().map(str::to_owned))
        .map(|text| u32::from(BASE64_STANDARD.decode(text).unwrap()[4]))
        .collect()
}

async fn assert_readable(vault: &Vault) {
    let words = |answer: &Value| -> Vec<Value> {
        let versions = answer["data"].as_array().unwrap();
        let words = versions.iter().map(|one| one["data"]["word"].clone());
        words.collect()
    };
    let answer = vault.read("plain/version/9").await.expect(200).json();
    assert_eq!(words(&answer), ["two", "one", "zero"]);
    vault.read("aws/reader").await.expect(200);
}

async fn assert_restorable(vault: &Vault) {
    vault.put("gone/restore").await.expect(200);
    let answer = vault.read("gone").await.expect(200).json();
    assert_eq!(answer["data"]["word"], "newest");
    vault.put("gone/rollback/0").await.expect(200);
}

#[tokio::test]
async fn old_items_open_before_they_are_moved() {
    let vault = filled().await;
    let other = vault.another();
    assert_readable(&other).await;

    assert_eq!(vault.app.sealer.rotate(Purpose::Secret).await.unwrap(), 2);

    assert_eq!(numbers(&vault), [1; SEALED]);
    for process in [&vault, &other, &vault.another()] {
        assert_readable(process).await;
    }
    assert_restorable(&vault).await;
}

#[tokio::test]
async fn a_warm_process_reads_what_another_sealed_with_a_new_key() {
    let vault = filled().await;
    let other = vault.another();
    assert_readable(&other).await;
    let writer = vault.function(Deployed::Crud);
    writer.sealer.rotate(Purpose::Secret).await.unwrap();
    let body = json!({"data": {"word": "fresh"}});
    vault.create("fresh", body).await.expect(201);
    assert!(numbers(&vault).contains(&2), "the new key is used at once");

    let answer = other.read("fresh").await.expect(200).json();
    assert_eq!(answer["data"]["word"], "fresh");
    other
        .create("fresh2", json!({"data": {"word": "x"}}))
        .await
        .expect(201);
    let fresh = numbers(&vault)
        .iter()
        .filter(|number| **number == 2)
        .count();
    assert_eq!(fresh, 2, "and by the other process from then on");
}

#[tokio::test]
async fn a_move_takes_everything_and_the_next_one_nothing() {
    let vault = filled().await;
    vault.app.sealer.rotate(Purpose::Secret).await.unwrap();

    let first = reseal_all(&vault.app).await.unwrap();
    assert_eq!((first.moved, first.missed), (SEALED, 0));
    assert_eq!(numbers(&vault), [2; SEALED]);
    let second = reseal_all(&vault.app).await.unwrap();
    assert_eq!((second.moved, second.missed), (0, 0));

    // No item needs the old key: it can go.
    let old = vault.items_of("KEYRING#secret").remove(0);
    assert_eq!(old["sk"]["S"], "K#000001");
    vault.delete_item(&old);
    let fresh = vault.another();
    assert_readable(&fresh).await;
    assert_restorable(&fresh).await;
}

#[tokio::test]
async fn many_secrets_are_moved_page_by_page() {
    let vault = Vault::start().await;
    for number in 0..130 {
        let path = format!("many/{number}");
        vault
            .create(&path, json!({"data": {"n": number}}))
            .await
            .expect(201);
    }
    vault.app.sealer.rotate(Purpose::Secret).await.unwrap();
    let done = reseal_all(&vault.app).await.unwrap();
    assert_eq!((done.moved, done.missed), (130, 0));
    assert_eq!(reseal_all(&vault.app).await.unwrap().moved, 0);
}

#[tokio::test]
async fn moving_does_not_change_what_clients_see() {
    let vault = filled().await;
    let before = vault.read("plain").await.expect(200).json();
    let listed = vault.search("searchTerm=plain").await.json();
    vault.app.sealer.rotate(Purpose::Secret).await.unwrap();
    reseal_all(&vault.app).await.unwrap();
    assert_eq!(vault.read("plain").await.expect(200).json(), before);
    assert_eq!(vault.search("searchTerm=plain").await.json(), listed);
}

#[tokio::test]
async fn an_update_during_the_move_is_not_lost() {
    let vault = filled().await;
    vault.app.sealer.rotate(Purpose::Secret).await.unwrap();
    let other = vault.another();
    let change = json!({"data": {"more": true}});
    let (moved, updated) = tokio::join!(reseal_all(&vault.app), other.update("plain", change));
    updated.expect(200);
    moved.unwrap();
    let answer = vault.read("plain").await.expect(200).json();
    assert_eq!(answer["data"], json!({"word": "two", "more": true}));
    reseal_all(&vault.app).await.unwrap();
    assert_eq!(reseal_all(&vault.app).await.unwrap().missed, 0);
    assert!(numbers(&vault).iter().all(|number| *number == 2));
}

#[tokio::test]
async fn clients_and_tokens_outlive_new_keys_of_their_purposes() {
    let vault = filled().await;
    let other = vault.another();
    for purpose in [Purpose::Verifier, Purpose::TokenSigning] {
        assert_eq!(vault.app.sealer.rotate(purpose).await.unwrap(), 2);
        for process in [&vault, &other, &vault.another()] {
            process.read("plain").await.expect(200);
            let answer = process
                .sign_in(&vault.client_id, &vault.client_secret)
                .await
                .expect(200)
                .json();
            let token = answer["accessToken"].as_str().unwrap();
            process
                .ask_as(token, Method::GET, "/v1/secrets/plain", None)
                .await
                .expect(200);
        }
    }
    let token = vault.make_role("newcomer").await;
    other
        .ask_as(&token, Method::GET, "/v1/secrets/plain", None)
        .await
        .expect(403);
}

#[tokio::test]
async fn a_cursor_from_before_the_rotation_still_pages() {
    let vault = filled().await;
    let page = vault.search("limit=1&searchTerm=").await.expect(200).json();
    let cursor = page["cursor"].as_str().unwrap().to_owned();
    vault.app.sealer.rotate(Purpose::Secret).await.unwrap();
    vault
        .search(&format!("limit=1&searchTerm=&cursor={cursor}"))
        .await
        .expect(200);
}
