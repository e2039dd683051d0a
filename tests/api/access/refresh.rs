//! Refresh tokens: rotation, reuse, ends.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use mayfly::{
    seal::Purpose,
    store::schema::{UserRecord, new_stamp},
};
use mayfly_tests::{Answer, Vault, wire::Trouble};
use serde_json::Value;

use crate::people::{
    RIGHT, bobs_refresh_token, login, make_user, refresh, refused, stored, text, vault_with_bob,
};

const REUSED: &str = "refresh token used twice: its family was revoked";

async fn revoke(vault: &Vault, token: &str) -> Answer {
    let target = format!("/v1/revoke/{token}");
    vault.send(Method::POST, &target, &[], Vec::new()).await
}

/// Exchanges a token; answers the next.
async fn next_of(vault: &Vault, token: &str) -> String {
    text(&refresh(vault, token).await.expect(200), "refreshToken")
}

fn records_of(vault: &Vault, message: &str) -> Vec<Value> {
    let mut records = vault.audit();
    records.retain(|record| record["message"] == message);
    records
}

#[tokio::test]
async fn a_token_is_exchanged_for_an_access_token_and_the_next() {
    let vault = vault_with_bob().await;
    let mut token = bobs_refresh_token(&vault).await;
    for _ in 0..5 {
        let answer = refresh(&vault, &token).await.expect(200);
        assert_eq!(answer.json()["expiresIn"], 3000);
        let next = text(&answer, "refreshToken");
        assert_ne!(next, token);
        token = next;
        let access = text(&answer, "accessToken");
        vault
            .ask_as(&access, Method::GET, "/v1/secrets/x", None)
            .await
            .refused(403, "Invalid permissions");
    }
    assert_eq!(vault.items_of("REFRESH#").len(), 1);
    let record = records_of(&vault, "login renewed").remove(0);
    assert_eq!(record["principal"], "users:bob");
    assert_eq!(record["path"], "token");
    assert_eq!(record["status"], 200);
}

#[tokio::test]
async fn an_exchange_makes_one_read_and_one_transaction() {
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    let token = bobs_refresh_token(&vault).await;
    vault.wire.clear();
    refresh(&vault, &token).await.expect(200);
    assert_eq!(
        vault.wire.operations(),
        ["BatchGetItem", "TransactWriteItems"]
    );
}

#[tokio::test]
async fn a_token_shown_twice_ends_its_family_and_no_other() {
    let vault = vault_with_bob().await;
    let first = bobs_refresh_token(&vault).await;
    let other = bobs_refresh_token(&vault).await;
    let second = next_of(&vault, &first).await;
    let third = next_of(&vault, &second).await;
    refused(&refresh(&vault, &first).await);
    for token in [&third, &second, &first] {
        refused(&refresh(&vault, token).await);
    }
    let records = records_of(&vault, REUSED);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], 401);
    assert_eq!(records[0]["principal"], "users:bob");
    next_of(&vault, &other).await;
}

#[tokio::test]
async fn of_two_that_use_a_token_at_once_one_wins_and_the_family_ends() {
    for round in 0..4 {
        let vault = vault_with_bob().await;
        let token = bobs_refresh_token(&vault).await;
        let processes: Vec<Vault> = (0..2 + round).map(|_| vault.another()).collect();
        let answers = join_all(processes.iter().map(|process| refresh(process, &token))).await;
        let won: Vec<&Answer> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .collect();
        assert_eq!(won.len(), 1);
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            refused(lost);
        }
        assert!(vault.items_of("REFRESH#").is_empty());
        refused(&refresh(&vault, &text(won[0], "refreshToken")).await);
        assert_eq!(records_of(&vault, REUSED).len(), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_or_a_conflict_is_no_second_use() {
    use Trouble::{Conflict, LostAnswer, Throttled, Unreachable};
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    let mut token = bobs_refresh_token(&vault).await;
    for troubles in [
        vec![LostAnswer],
        vec![LostAnswer, LostAnswer],
        vec![Unreachable, LostAnswer, Conflict],
        vec![LostAnswer, Conflict],
        vec![LostAnswer, Conflict, Conflict, Conflict],
        vec![Conflict, Conflict, Conflict, Conflict],
        vec![Throttled, LostAnswer],
    ] {
        for trouble in &troubles {
            vault.wire.next("TransactWriteItems", *trouble);
        }
        let answer = refresh(&vault, &token).await;
        assert_eq!(answer.status, 200, "{troubles:?}");
        token = text(&answer, "refreshToken");
    }
    next_of(&vault, &token).await;
    assert!(records_of(&vault, REUSED).is_empty());
}

#[tokio::test]
async fn a_token_counts_for_48_hours_from_the_last_exchange() {
    let vault = vault_with_bob().await;
    let mut token = bobs_refresh_token(&vault).await;
    for _ in 0..4 {
        vault.clock.advance(Duration::from_secs(48 * 3600 - 30));
        token = next_of(&vault, &token).await;
    }
    vault.clock.advance(Duration::from_hours(48));
    refused(&refresh(&vault, &token).await);
    assert!(vault.items_of("REFRESH#").is_empty());
}

#[tokio::test]
async fn it_ends_with_the_stamp_and_with_the_user() {
    for change in ["stamp", "deleted", "made again", "gone"] {
        let vault = vault_with_bob().await;
        let token = bobs_refresh_token(&vault).await;
        let mut bob = stored(&vault, "bob").await;
        match change {
            "stamp" => bob.body.stamp = new_stamp(),
            "deleted" => bob.deleted_at = Some(1),
            "made again" => bob.id = uuid::Uuid::new_v4(),
            _ => {
                vault.delete_item(&vault.items_of("USER#bob")[0]);
            }
        }
        if change != "gone" {
            vault.app.table.put(&bob).await.unwrap();
        }
        refused(&refresh(&vault, &token).await);
        assert!(vault.items_of("REFRESH#").is_empty(), "{change}");
        refused(&refresh(&vault, &token).await);
    }
}

#[tokio::test]
async fn what_we_did_not_make_is_refused_without_asking_the_table() {
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    let token = bobs_refresh_token(&vault).await;
    let other = bobs_refresh_token(&vault).await;
    let parts: Vec<&str> = token.split('.').collect();
    let with = |place: usize, part: &str| {
        let mut parts = parts.clone();
        parts[place] = part;
        parts.join(".")
    };
    let others: Vec<&str> = other.split('.').collect();
    let nobody = uuid::Uuid::new_v4().simple().to_string();
    let made_up = [
        "x".to_owned(),
        ".....".to_owned(),
        format!("{token}x"),
        format!("{token}.x"),
        format!("x.{token}"),
        with(0, others[0]),
        with(0, "nonsense"),
        with(1, "1"),
        with(1, "-1"),
        with(1, "18446744073709551615"),
        with(2, &nobody),
        with(3, "ZXZl"),
        with(4, "0"),
        with(4, "x"),
        with(5, others[5]),
        with(5, ""),
        vault.token.clone(),
    ];
    refused(&refresh(&vault, "x").await); // leaves a record, and so the next ones do not
    vault.wire.clear();
    for made_up in &made_up {
        refused(&refresh(&vault, made_up).await);
    }
    assert_eq!(vault.wire.operations(), [""; 0]);
    for _ in 0..5 {
        refused(&refresh(&vault, &with(4, "77")).await);
    }
    assert_eq!(vault.wire.operations(), ["Query"], "one look a second");
    next_of(&vault, &token).await;
}

#[tokio::test]
async fn a_family_edited_in_the_table_to_fit_another_user_does_not_count() {
    let vault = vault_with_bob().await;
    let eve = make_user(&vault, "eve", RIGHT).await;
    let token = bobs_refresh_token(&vault).await;
    let family = vault.items_of("REFRESH#").remove(0);
    vault.put_item(&moved(&family, &eve));
    refused(&refresh(&vault, &token).await);

    let new_bob = make_user(&vault, "bob", RIGHT).await;
    vault.put_item(&moved(&family, &new_bob));
    refused(&refresh(&vault, &token).await);
}

/// The family as if `user` had signed in.
fn moved(family: &Value, user: &UserRecord) -> Value {
    let mut family = family.clone();
    family["user"]["S"] = user.folded().into();
    family["userId"]["S"] = user.id.to_string().into();
    family["stamp"]["S"] = user.body.stamp.clone().into();
    family
}

#[tokio::test]
async fn a_token_outlives_the_branch_key_it_was_made_with_and_others_hear_of_the_new_one() {
    let vault = vault_with_bob().await;
    let process = vault.another();
    let token = next_of(&process, &bobs_refresh_token(&vault).await).await;
    vault.app.sealer.rotate(Purpose::Verifier).await.unwrap();
    let token = next_of(&vault, &token).await;
    vault.clock.advance(Duration::from_secs(2));
    next_of(&process, &token).await;
}

#[tokio::test]
async fn revoking_ends_a_family_for_whoever_holds_a_token_of_it() {
    let vault = vault_with_bob().await;
    let first = bobs_refresh_token(&vault).await;
    let second = next_of(&vault, &first).await;
    for token in [&first, &second, &first] {
        let answer = revoke(&vault, token).await.expect(204);
        assert!(answer.body.is_empty());
        refused(&refresh(&vault, &second).await);
    }
    assert!(vault.items_of("REFRESH#").is_empty());
    for garbage in ["x", "a.b.c", &format!("{first}x")] {
        refused(&revoke(&vault, garbage).await);
    }
    let records = records_of(&vault, "refresh tokens revoked");
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record["path"], "revoke");
        assert_eq!(record["action"], "POST");
        assert_eq!(record["status"], 204);
        assert_eq!(record["principal"], "users:bob");
    }
    login(&vault, "bob", RIGHT).await.expect(200);
}

#[tokio::test]
async fn no_token_is_ever_written_down() {
    let vault = vault_with_bob().await;
    let first = bobs_refresh_token(&vault).await;
    let second = next_of(&vault, &first).await;
    revoke(&vault, &format!("{second}x")).await.expect(401);
    refused(&refresh(&vault, &first).await);
    revoke(&vault, &second).await.expect(204);
    let table = serde_json::to_string(&vault.items()).unwrap();
    for token in [&first, &second] {
        let hash = token.rsplit('.').next().unwrap();
        assert!(!table.contains(hash));
    }
}
