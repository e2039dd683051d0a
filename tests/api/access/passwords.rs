//! What is stored of a password, and when it counts.

use argon2::{Algorithm, Argon2, Params, Version};
use mayfly::{seal::Purpose, store::schema::PasswordRecord};
use mayfly_tests::{Vault, privileges::Deployed};

use crate::people::{RIGHT, login, make_user, refused, stored, vault_with_bob};

/// What a release that asked for less work stored.
async fn made_cheaply(vault: &Vault, user_id: uuid::Uuid, password: &str) -> PasswordRecord {
    let params = Params::new(64, 1, 1, Some(32)).unwrap();
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &[7; 16], &mut hash)
        .unwrap();
    let message = [hash.as_slice(), user_id.as_bytes()].concat();
    let hash = vault
        .app
        .sealer
        .hash(Purpose::Verifier, "password", &message)
        .await
        .unwrap();
    PasswordRecord {
        salt: vec![7; 16],
        verifier: hash.hash,
        verifier_key: hash.key,
        cost: "argon2id m=64,t=1,p=1".to_owned(),
    }
}

#[tokio::test]
async fn a_password_signs_in_and_another_does_not() {
    let vault = vault_with_bob().await;
    login(&vault, "bob", RIGHT).await.expect(200);
    let longer = format!("{RIGHT} ");
    let huge = "x".repeat(100_000);
    for wrong in ["x", "correct horse batter", &longer, &huge] {
        refused(&login(&vault, "bob", wrong).await);
    }
    login(&vault, "BOB", RIGHT).await.expect(200);
}

#[tokio::test]
async fn nothing_in_the_table_tells_two_equal_passwords() {
    let vault = Vault::start().await;
    let bob = make_user(&vault, "bob", RIGHT).await.body.password.unwrap();
    let eve = make_user(&vault, "eve", RIGHT).await.body.password.unwrap();
    assert_ne!(bob.salt, eve.salt);
    assert_ne!(bob.verifier, eve.verifier);
    let table = serde_json::to_string(&vault.items()).unwrap();
    assert!(!table.contains(RIGHT));
}

#[tokio::test]
async fn a_record_copied_to_another_user_does_not_count_there() {
    let vault = vault_with_bob().await;
    let mut eve = make_user(&vault, "eve", "quite another one").await;
    login(&vault, "eve", "quite another one").await.expect(200);
    eve.body.password = stored(&vault, "bob").await.body.password;
    vault.app.table.put(&eve).await.unwrap();
    refused(&login(&vault, "eve", RIGHT).await);
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn a_user_without_a_password_a_deleted_one_and_no_user_are_refused_alike() {
    let vault = vault_with_bob().await;
    let mut bob = stored(&vault, "bob").await;
    bob.deleted_at = Some(1);
    vault.app.table.put(&bob).await.unwrap();
    refused(&login(&vault, "bob", RIGHT).await);
    bob.deleted_at = None;
    bob.body.password = None;
    vault.app.table.put(&bob).await.unwrap();
    refused(&login(&vault, "bob", RIGHT).await);
    let long = "x".repeat(5000);
    for nobody in ["nobody", "users:bob", "bob#x", " ", "b\u{f6}b", &long] {
        refused(&login(&vault, nobody, RIGHT).await);
    }
}

#[tokio::test]
async fn a_password_that_was_hashed_more_cheaply_is_hashed_anew_when_it_signs_in() {
    let vault = vault_with_bob().await;
    let mut bob = stored(&vault, "bob").await;
    bob.body.password = Some(made_cheaply(&vault, bob.id, RIGHT).await);
    vault.app.table.put(&bob).await.unwrap();

    refused(&login(&vault, "bob", "wrong").await);
    let unchanged = stored(&vault, "bob").await;
    assert_eq!(unchanged.rev, bob.rev);

    login(&vault, "bob", RIGHT).await.expect(200);
    let renewed = stored(&vault, "bob").await;
    assert_eq!(renewed.rev, bob.rev + 1);
    assert_eq!(renewed.body.stamp, bob.body.stamp, "tokens stay good");
    let password = renewed.body.password.unwrap();
    assert_eq!(password.cost, "argon2id m=19456,t=2,p=1");
    assert_ne!(password.salt, [7; 16]);
    login(&vault, "bob", RIGHT).await.expect(200);
    assert_eq!(stored(&vault, "bob").await.rev, renewed.rev);
}

#[tokio::test]
async fn a_password_under_an_older_branch_key_is_hashed_anew_too() {
    let vault = vault_with_bob().await;
    let token = vault.function(Deployed::Token);
    token.sealer.rotate(Purpose::Verifier).await.unwrap();
    let older = stored(&vault, "bob").await.body.password.unwrap();
    login(&vault, "bob", RIGHT).await.expect(200);
    let newer = stored(&vault, "bob").await.body.password.unwrap();
    assert!(newer.verifier_key > older.verifier_key);
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn a_cost_that_this_release_does_not_know_is_nobodys_sign_in() {
    let vault = vault_with_bob().await;
    let mut bob = stored(&vault, "bob").await;
    let mut password = bob.body.password.unwrap();
    password.cost = "argon2id m=4194304,t=900,p=1".to_owned();
    bob.body.password = Some(password);
    vault.app.table.put(&bob).await.unwrap();
    login(&vault, "bob", RIGHT).await.expect(500);
}
