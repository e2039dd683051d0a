//! Grants: users with a password, machines with a limit.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use http::Method;
use mayfly::{
    access::{client, policy::Effect},
    domain::sensitive::Sensitive,
    store::schema::{ClientRecord, Key, RoleRecord},
};
use mayfly_tests::{
    Vault,
    vault::{SOURCE, START, plain, rule},
};
use serde_json::{Value, json};

use crate::people::{RIGHT, grant_from, login, refused, stored, text, vault_with_bob};

/// A client of the admin's role, changed before it is stored.
async fn make_client(vault: &Vault, change: impl FnOnce(&mut ClientRecord)) -> (String, String) {
    let role: RoleRecord = vault
        .app
        .table
        .get(&Key::role("admin"))
        .await
        .unwrap()
        .unwrap();
    let (mut client, secret) = client::generate(&vault.app, &role, "system").await.unwrap();
    change(&mut client);
    vault.app.table.put(&client).await.unwrap();
    (client.name, shown(&secret))
}

#[expect(clippy::disallowed_methods, reason = "a test signs in with it")]
fn shown(secret: &Sensitive) -> String {
    secret.expose().to_owned()
}

async fn client(vault: &Vault, id: &str) -> ClientRecord {
    vault
        .app
        .table
        .get(&Key::client(id))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_user_signs_in_with_a_password() {
    let vault = vault_with_bob().await;
    let answer = login(&vault, "Bob", RIGHT).await.expect(200);
    let grant = answer.json();
    assert_eq!(grant["expiresIn"], 3000);
    assert_eq!(grant["tokenType"], "bearer");
    assert_ne!(grant["refreshToken"], "");
    let token = text(&answer, "accessToken");
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let bob = stored(&vault, "bob").await;
    assert_eq!(claims["sub"], "users:bob");
    assert_eq!(claims["cid"], "");
    assert_eq!(claims["pid"], bob.id.to_string());

    vault
        .set_rules(vec![rule(
            Effect::Allow,
            "users:bob",
            "secrets:<.*>",
            "<.*>",
        )])
        .await;
    vault
        .ask_as(&token, Method::GET, "/v1/secrets/x", None)
        .await
        .expect(404);
    let record = vault
        .audit()
        .into_iter()
        .find(|record| record["path"] == "token" && record["principal"] == "users:bob");
    let record = record.unwrap();
    assert_eq!(record["message"], "login succeeded");
    assert_eq!(record["status"], 200);
}

#[tokio::test]
async fn a_changed_stamp_voids_a_users_token() {
    let vault = vault_with_bob().await;
    let token = text(
        &login(&vault, "bob", RIGHT).await.expect(200),
        "accessToken",
    );
    let mut bob = stored(&vault, "bob").await;
    bob.body.stamp = "another".to_owned();
    vault.app.table.put(&bob).await.unwrap();
    refused(
        &vault
            .ask_as(&token, Method::GET, "/v1/secrets/x", None)
            .await,
    );
}

#[tokio::test]
async fn json_and_forms_sign_users_in() {
    let vault = vault_with_bob().await;
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let form = "grant_type=password&username=bob&password=correct+horse%20battery&provider=";
    let padded = json!({
        "Grant_Type": "password", "USERNAME": "bob", "password": RIGHT, "provider": "",
        "client_id": "", "client_secret": "", "refresh_token": "",
    });
    let null =
        json!({"grant_type": "password", "username": "bob", "password": RIGHT, "provider": null});
    for (headers, body) in [
        (vec![form_type], form.to_owned()),
        (vec![("authorization", "")], padded.to_string()),
        (vec![], null.to_string()),
    ] {
        let body = body.into_bytes();
        let answer = vault.send(Method::POST, "/v1/token", &headers, body).await;
        let token = text(&answer.expect(200), "refreshToken");
        let body = format!("grant_type=refresh_token&refresh_token={token}").into_bytes();
        vault
            .send(Method::POST, "/v1/token", &[form_type], body)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_password_grant_takes_two_round_trips() {
    let vault = vault_with_bob().await;
    vault.wire.bad_weather(0);
    for _ in 0..2 {
        vault.wire.clear();
        login(&vault, "bob", RIGHT).await.expect(200);
        let mut operations = vault.wire.operations();
        operations.sort();
        let expected = [
            "BatchGetItem",
            "DeleteItem",
            "TransactWriteItems",
            "UpdateItem",
            "UpdateItem",
            "UpdateItem",
        ];
        assert_eq!(operations, expected);
        assert_eq!(vault.wire.depth(), 2);
    }
}

#[tokio::test]
async fn nobody_else_vouches_for_users_yet() {
    let vault = vault_with_bob().await;
    let body = json!({"grant_type": "password", "username": "bob", "password": RIGHT, "provider": "thy-one"});
    refused(&grant_from(&vault, SOURCE, &body).await);
    let mut records = vault.audit();
    records.retain(|record| record["status"] == 401);
    let record = records.remove(0);
    assert_eq!(
        record["message"],
        "unable to find provider with specified name."
    );
    assert_eq!(record["principal"], "");
}

#[tokio::test]
async fn other_grants_are_a_400_that_lists_the_supported_ones() {
    let vault = vault_with_bob().await;
    for grant_type in [
        "",
        "PASSWORD",
        "aws_iam",
        "azure",
        "gcp",
        "certificate",
        "oidc",
    ] {
        let body = json!({"grant_type": grant_type, "username": "bob", "password": RIGHT});
        grant_from(&vault, SOURCE, &body).await.refused(
            400,
            "grant_type: must be client_credentials, password or refresh_token",
        );
    }
    for (body, says) in [
        (
            json!({"grant_type": "password", "password": "x"}),
            "username: is required with grant_type password",
        ),
        (
            json!({"grant_type": "password", "username": "bob"}),
            "password: is required with grant_type password",
        ),
        (
            json!({"grant_type": "password", "username": "bob", "password": 7}),
            "password: must be a string",
        ),
        (
            json!({"grant_type": "refresh_token"}),
            "refresh_token: is required with grant_type refresh_token",
        ),
        (
            json!({"grant_type": "refresh_token", "refresh_token": ""}),
            "refresh_token: is required",
        ),
    ] {
        grant_from(&vault, SOURCE, &body).await.refused(400, says);
    }
}

#[tokio::test]
async fn a_password_is_never_recorded_even_in_the_wrong_field() {
    let vault = vault_with_bob().await;
    for (name, password) in [
        ("bob", RIGHT),
        ("bob", "MARK-wrong"),
        ("MARK-name", "MARK-both"),
    ] {
        vault.clock.advance(Duration::from_secs(1));
        login(&vault, name, password).await;
    }
    let records = vault.audit();
    assert_eq!(
        records
            .iter()
            .filter(|record| record["message"] == "login failed")
            .count(),
        2
    );
    let table = serde_json::to_string(&vault.items()).unwrap();
    assert!(!table.contains("MARK") && !table.contains(RIGHT));
}

#[tokio::test]
async fn a_limited_client_signs_in_exactly_so_often() {
    let vault = Vault::start().await;
    let (id, secret) = make_client(&vault, |client| client.body.uses_limit = 7).await;
    let processes = [vault.another(), vault.another(), vault.another()];
    let grants = (0..24).map(|n| processes[n % 3].sign_in(&id, &secret));
    let answers = join_all(grants).await;
    let granted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(granted, 7);
    for refusal in answers.iter().filter(|answer| answer.status != 200) {
        refused(refusal);
    }
    let stored = client(&vault, &id).await;
    assert_eq!((stored.body.used_count, stored.rev), (7, 7));
    let succeeded = |record: &&Value| record["clientId"] == id && record["status"] == 200;
    assert_eq!(vault.audit().iter().filter(succeeded).count(), 7);
    refused(&vault.sign_in(&id, &secret).await);
}

#[tokio::test]
async fn a_wrong_secret_uses_nothing_up() {
    let vault = Vault::start().await;
    let (id, secret) = make_client(&vault, |client| client.body.uses_limit = 1).await;
    refused(&vault.sign_in(&id, "wrong").await);
    let answer = vault.sign_in(&id, &secret).await.expect(200);
    refused(&vault.sign_in(&id, &secret).await);
    vault
        .ask_as(
            &text(&answer, "accessToken"),
            Method::GET,
            "/v1/secrets/x",
            None,
        )
        .await
        .expect(404); // what it got last still counts
}

#[tokio::test]
async fn a_grant_takes_two_calls_with_and_without_a_limit() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    for (limit, second) in [(0, "PutItem"), (5, "TransactWriteItems")] {
        let (id, secret) = make_client(&vault, |client| client.body.uses_limit = limit).await;
        vault.sign_in(&id, &secret).await.expect(200);
        vault.wire.clear();
        vault.sign_in(&id, &secret).await.expect(200);
        assert_eq!(vault.wire.operations(), ["BatchGetItem", second]);
    }
}

#[tokio::test]
async fn a_client_whose_time_is_over_neither_signs_in_nor_keeps_its_token() {
    let vault = Vault::start().await;
    let end = Some(START + 60_000);
    let (id, secret) = make_client(&vault, |client| client.body.expires_at = end).await;
    let token = text(
        &vault.sign_in(&id, &secret).await.expect(200),
        "accessToken",
    );
    vault
        .ask_as(&token, Method::GET, "/v1/secrets/x", None)
        .await
        .expect(404);
    vault.clock.advance(Duration::from_secs(61));
    refused(&vault.sign_in(&id, &secret).await);
    refused(
        &vault
            .ask_as(&token, Method::GET, "/v1/secrets/x", None)
            .await,
    );
}

#[tokio::test]
async fn a_client_that_is_deleted_of_another_role_or_without_a_secret_does_not_sign_in() {
    let vault = Vault::start().await;
    let changes: [fn(&mut ClientRecord); 3] = [
        |client| client.deleted_at = Some(1),
        |client| client.body.role_id = uuid::Uuid::new_v4(),
        |client| client.body.secret = None,
    ];
    for change in changes {
        let (id, secret) = make_client(&vault, change).await;
        refused(&vault.sign_in(&id, &secret).await);
    }
    let (id, secret) = make_client(&vault, |_| ()).await;
    vault.sign_in(&id, &secret).await.expect(200);
    let mut role = vault.items_of("ROLE#admin").remove(0);
    assert_eq!(plain(&role)["name"], "admin");
    role["id"]["S"] = uuid::Uuid::new_v4().to_string().into();
    vault.put_item(&role);
    refused(&vault.sign_in(&id, &secret).await);
}
