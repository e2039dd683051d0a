//! Users: made, changed, deleted and brought back; what they hold in their hands ends with what it rests on.

use std::collections::HashSet;

use futures_util::future::join_all;
use http::Method;
use mayfly_tests::{Answer, Vault, vault::plain};
use serde_json::{Value, json};

use crate::{
    people::{login, refresh, refused, text},
    policies::{create as create_policy, entry},
};

pub(crate) const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "staple, staple, staple";

/// Makes a user as the admin.
pub(crate) async fn make(vault: &Vault, name: &str) -> Answer {
    let body = json!({"userName": name, "password": PASSWORD});
    vault.ask(Method::POST, "/v1/users", Some(&body)).await
}

/// Makes a user and signs it in; answers its token.
pub(crate) async fn make_signed_in(vault: &Vault, name: &str) -> String {
    make(vault, name).await.expect(201);
    signed_in(vault, name).await
}

pub(crate) async fn signed_in(vault: &Vault, name: &str) -> String {
    let answer = login(vault, name, PASSWORD).await.expect(200);
    text(&answer, "accessToken")
}

/// Asks about one user as the admin.
async fn ask(vault: &Vault, method: Method, rest: &str, body: Option<Value>) -> Answer {
    let target = format!("/v1/users/{rest}");
    vault.ask(method, &target, body.as_ref()).await
}

/// What `token` gets for its own groups: 200 as long as it counts.
async fn status(vault: &Vault, token: &str, name: &str) -> u16 {
    let target = format!("/v1/users/{name}/groups");
    let answer = vault.ask_as(token, Method::GET, &target, None).await;
    answer.status
}

async fn change_password(vault: &Vault, token: &str, name: &str, old: &str, new: &str) -> Answer {
    let target = format!("/v1/users/{name}/password");
    let body = json!({"currentPassword": old, "newPassword": new});
    vault
        .ask_as(token, Method::POST, &target, Some(&body))
        .await
}

#[tokio::test]
async fn a_user_is_answered_as_clients_read_it() {
    let vault = Vault::start().await;
    let body = json!({"userName": "Bob", "password": PASSWORD, "displayName": "Bob B.", "provider": "", "externalId": ""});
    let made = vault.ask(Method::POST, "/v1/users/", Some(&body)).await;
    let made = made.expect(201).json();
    assert_eq!(made["id"].as_str().unwrap().len(), 36);
    let mut expected = json!({
        "userName": "Bob", "displayName": "Bob B.", "provider": "", "externalId": "", "groups": null,
        "created": "2026-01-01T00:00:00Z", "createdBy": "roles:admin",
        "lastModified": "2026-01-01T00:00:00Z", "lastModifiedBy": "roles:admin", "version": "0",
    });
    expected["id"] = made["id"].clone();
    assert_eq!(made, expected);
    let read = ask(&vault, Method::GET, "Bob", None).await.expect(200);
    assert_eq!(read.json(), made);

    make(&vault, "alice").await.expect(201);
    let alice = ask(&vault, Method::GET, "alice", None).await.json();
    assert_eq!(alice["displayName"], "");
}

#[tokio::test]
async fn a_name_in_another_case_is_the_same_user() {
    let vault = Vault::start().await;
    make(&vault, "Bob Smith").await.expect(201);
    make(&vault, "bob smith")
        .await
        .refused(400, "a security principal with this name already exists");
    let read = ask(&vault, Method::GET, "BOB%20SMITH", None).await;
    assert_eq!(read.expect(200).json()["userName"], "Bob Smith");
    signed_in(&vault, "bOB sMITH").await;
}

#[tokio::test]
async fn what_cannot_be_a_user_is_refused_by_field() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    for (body, problem) in [
        (
            json!({"userName": "bob", "password": PASSWORD}),
            "a security principal with this name already exists",
        ),
        (json!({"userName": "eve"}), "password"),
        (json!({"userName": "eve", "password": ""}), "password"),
        (json!({"userName": "eve", "password": "short"}), "password"),
        (
            json!({"userName": "eve", "password": 12_345_678}),
            "password",
        ),
        (json!({"password": PASSWORD}), "userName"),
        (json!({"userName": "a:b", "password": PASSWORD}), "userName"),
        (
            json!({"userName": "eve", "password": PASSWORD, "externalId": "x"}),
            "provider is required",
        ),
        (
            json!({"userName": "eve", "externalId": "x"}),
            "provider is required",
        ),
        (
            json!({"userName": "eve", "provider": "aws-dev", "externalId": "x"}),
            "unable to find authentication provider",
        ),
        (
            json!({"userName": "eve", "password": PASSWORD, "displayName": "x".repeat(257)}),
            "displayName",
        ),
    ] {
        let answer = vault.ask(Method::POST, "/v1/users", Some(&body)).await;
        answer.refused(400, problem);
    }
    let answer = vault.ask(Method::POST, "/v1/users", None).await;
    answer.refused(400, "body");
    assert_eq!(vault.items_of("USER#").len(), 1);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    let body = json!({"displayname": "Robert"});
    let answer = ask(&vault, Method::PUT, "bob", Some(body))
        .await
        .expect(200);
    assert_eq!(answer.json()["displayName"], "Robert");
    assert_eq!(answer.json()["version"], "1");
    signed_in(&vault, "bob").await;
    let body = json!({"displayname": "", "password": ""});
    let answer = ask(&vault, Method::PUT, "bob", Some(body))
        .await
        .expect(200);
    assert_eq!(answer.json()["displayName"], "");
    signed_in(&vault, "bob").await;
    let versions = ask(&vault, Method::GET, "bob/version/9", None).await;
    let versions = versions.expect(200).json()["data"].clone();
    let shown = |n: usize| {
        (
            versions[n]["version"].clone(),
            versions[n]["displayName"].clone(),
        )
    };
    assert_eq!(shown(0), (json!("2"), json!("")));
    assert_eq!(shown(1), (json!("1"), json!("Robert")));
    assert_eq!(shown(2), (json!("0"), json!("")));
    let earlier = vault.items_of("USER#bob");
    let earlier = earlier
        .iter()
        .map(plain)
        .filter(|item| item["sk"] != "HEAD");
    let earlier: Vec<Value> = earlier.collect();
    assert_eq!(earlier.len(), 2);
    assert!(earlier.iter().all(|item| item.get("password").is_none()));
    for (body, problem) in [
        (json!({"password": "short"}), "password"),
        (json!({"displayName": 7}), "displayName"),
    ] {
        ask(&vault, Method::PUT, "bob", Some(body))
            .await
            .refused(400, problem);
    }
    ask(&vault, Method::PUT, "nobody", Some(json!({})))
        .await
        .refused(404, "unable to find");
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began_at_the_next_request() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    let grant = login(&vault, "bob", PASSWORD).await.expect(200);
    let token = text(&grant, "accessToken");
    let other_process = vault.another();
    assert_eq!(status(&other_process, &token, "bob").await, 200);
    let body = json!({"password": OTHER});
    ask(&vault, Method::PUT, "bob", Some(body))
        .await
        .expect(200);
    assert_eq!(status(&other_process, &token, "bob").await, 401);
    refused(&refresh(&vault, &text(&grant, "refreshToken")).await);
    refused(&login(&vault, "bob", PASSWORD).await);
    login(&vault, "bob", OTHER).await.expect(200);
}

#[tokio::test]
async fn users_change_their_own_password_and_nobody_elses() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    make(&vault, "eve").await.expect(201);
    let grant = login(&vault, "bob", PASSWORD).await.expect(200);
    let bob = text(&grant, "accessToken");
    let eve = signed_in(&vault, "eve").await;
    for (token, name) in [
        (&vault.token, "bob"),
        (&eve, "bob"),
        (&eve, "nobody"),
        (&vault.token, "nobody"),
    ] {
        change_password(&vault, token, name, PASSWORD, OTHER)
            .await
            .refused(403, "Invalid permissions");
    }
    change_password(&vault, &bob, "bob", PASSWORD, "short")
        .await
        .refused(400, "newPassword");
    for body in [
        json!({"newPassword": OTHER}),
        json!({"currentPassword": PASSWORD}),
    ] {
        let target = "/v1/users/bob/password";
        let answer = vault.ask_as(&bob, Method::POST, target, Some(&body)).await;
        answer.refused(400, "must be given");
    }
    refused(&change_password(&vault, &bob, "bob", OTHER, OTHER).await);
    assert_eq!(status(&vault, &bob, "bob").await, 200);

    let answer = change_password(&vault, &bob, "BOB", PASSWORD, OTHER)
        .await
        .expect(200);
    assert!(
        answer.message().contains("password changed"),
        "{}",
        answer.text()
    );
    assert_eq!(status(&vault, &bob, "bob").await, 401);
    refused(&refresh(&vault, &text(&grant, "refreshToken")).await);
    refused(&login(&vault, "bob", PASSWORD).await);
    login(&vault, "bob", OTHER).await.expect(200);
    let read = ask(&vault, Method::GET, "bob", None).await.json();
    assert_eq!(read["lastModifiedBy"], "users:bob");
}

#[tokio::test]
async fn a_wrong_current_password_counts_for_the_lock_and_is_recorded() {
    let vault = Vault::start().await;
    let bob = make_signed_in(&vault, "bob").await;
    for _ in 0..5 {
        refused(&change_password(&vault, &bob, "bob", OTHER, OTHER).await);
    }
    refused(&change_password(&vault, &bob, "bob", PASSWORD, OTHER).await);
    refused(&login(&vault, "bob", PASSWORD).await);
    let records = vault.audit();
    let failed = records
        .iter()
        .filter(|record| record["path"] == "users:bob:password");
    let failed: Vec<&Value> = failed.collect();
    assert_eq!(failed.len(), 6);
    assert!(
        failed
            .iter()
            .all(|record| record["status"] == 401 && record["principal"] == "users:bob")
    );
    vault.clock.advance(std::time::Duration::from_secs(31));
    change_password(&vault, &bob, "bob", PASSWORD, OTHER)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_deleted_user_is_out_and_a_restored_one_signs_in_again() {
    let vault = Vault::start().await;
    let token = make_signed_in(&vault, "bob").await;
    let text = "user marked for deletion and will be removed in about 72 hours";
    for _ in 0..2 {
        let answer = ask(&vault, Method::DELETE, "bob?force=false", None).await;
        assert_eq!(answer.expect(200).message(), text);
    }
    assert_eq!(status(&vault, &token, "bob").await, 401);
    refused(&login(&vault, "bob", PASSWORD).await);
    ask(&vault, Method::GET, "bob", None)
        .await
        .refused(404, text);
    ask(&vault, Method::PUT, "bob", Some(json!({})))
        .await
        .refused(404, text);
    make(&vault, "bob").await.refused(400, text);
    let found = vault.ask(Method::GET, "/v1/users", None).await.json();
    assert_eq!((&found["data"], &found["total"]), (&json!([]), &json!(0)));

    for method in [Method::PUT, Method::GET] {
        let answer = ask(&vault, method, "bob/restore", None).await.expect(200);
        assert!(answer.body.is_empty());
        assert_eq!(
            status(&vault, &token, "bob").await,
            401,
            "what ended stays ended"
        );
        signed_in(&vault, "bob").await;
        ask(&vault, Method::DELETE, "bob", None).await.expect(200);
    }
    ask(&vault, Method::PUT, "bob/restore", None)
        .await
        .expect(200);
    ask(&vault, Method::PUT, "bob/restore", None)
        .await
        .refused(400, "not marked");
}

#[tokio::test]
async fn a_user_made_again_under_its_name_is_another_one() {
    let vault = Vault::start().await;
    let token = make_signed_in(&vault, "bob").await;
    let body = json!({"displayName": "the first"});
    ask(&vault, Method::PUT, "bob", Some(body))
        .await
        .expect(200);
    let answer = ask(&vault, Method::DELETE, "bob?force=true", None)
        .await
        .expect(204);
    assert!(answer.body.is_empty());
    assert_eq!(vault.items_of("USER#").len(), 0);
    assert_eq!(status(&vault, &token, "bob").await, 401);
    ask(&vault, Method::DELETE, "bob?force=true", None)
        .await
        .refused(404, "unable to find item with specified identifier");
    make(&vault, "bob").await.expect(201);
    assert_eq!(status(&vault, &token, "bob").await, 401);
    let versions = ask(&vault, Method::GET, "bob/version/9", None).await.json();
    assert_eq!(versions["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn after_72_hours_a_deleted_user_makes_room_and_is_swept_away() {
    let mut vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    make(&vault, "eve").await.expect(201);
    for name in ["bob", "eve"] {
        ask(&vault, Method::DELETE, name, None).await.expect(200);
    }
    vault.wait(std::time::Duration::from_hours(72)).await;
    ask(&vault, Method::PUT, "bob/restore", None)
        .await
        .refused(404, "unable to find");
    make(&vault, "bob").await.expect(201);
    signed_in(&vault, "bob").await;
    vault.purge().await;
    let left: Vec<Value> = vault.items_of("USER#").iter().map(plain).collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["name"], "bob");
    assert!(vault.items_of("PURGE#").is_empty() && vault.items_of("TASK#").is_empty());
}

/// Every way to ask about a user.
fn requests(name: &str) -> Vec<(Method, String, Option<Value>)> {
    let target = |tail: &str| format!("/v1/users/{name}{tail}");
    vec![
        (Method::GET, target(""), None),
        (Method::GET, target("/version/1"), None),
        (Method::GET, target("/groups"), None),
        (Method::PUT, target(""), Some(json!({"displayName": "x"}))),
        (Method::PUT, target(""), Some(json!({"password": OTHER}))),
        (Method::PUT, target("/restore"), None),
        (Method::GET, target("/restore"), None),
        (Method::DELETE, target(""), None),
        (Method::DELETE, target("?force=true"), None),
        (
            Method::POST,
            target("/groups"),
            Some(json!({"groupNames": ["west"]})),
        ),
        (
            Method::POST,
            target("/groups"),
            Some(json!({"groupNames": ["missing"]})),
        ),
        (
            Method::POST,
            target("/password"),
            Some(json!({"currentPassword": PASSWORD, "newPassword": OTHER})),
        ),
    ]
}

#[tokio::test]
async fn without_a_grant_everything_is_403_whether_or_not_it_exists() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    make(&vault, "gone").await.expect(201);
    ask(&vault, Method::DELETE, "gone", None).await.expect(200);
    let group = json!({"groupName": "west"});
    vault
        .ask(Method::POST, "/v1/groups", Some(&group))
        .await
        .expect(201);
    let nobody = vault.make_role("nobody").await;
    let eve = make_signed_in(&vault, "eve").await;
    let before = vault.items_of("USER#");
    let mut answers = HashSet::new();
    for token in [&nobody, &eve] {
        for (method, target, body) in ["bob", "gone", "missing"].into_iter().flat_map(requests) {
            let answer = vault.ask_as(token, method, &target, body.as_ref()).await;
            answers.insert(answer.text());
            answer.refused(403, "Invalid permissions");
        }
        for name in ["bob", "gone", "new"] {
            let body = json!({"userName": name, "password": PASSWORD});
            let answer = vault.ask_as(token, Method::POST, "/v1/users", Some(&body));
            answer.await.refused(403, "Invalid permissions");
        }
        let answer = vault.ask_as(token, Method::GET, "/v1/users", None);
        answer.await.refused(403, "Invalid permissions");
    }
    assert_eq!(answers.len(), 1, "all refusals read the same");
    assert_eq!(vault.items_of("USER#"), before);
}

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let vault = Vault::start().await;
    for (method, target, body) in requests("bob") {
        let answer = vault.ask_as("", method, &target, body.as_ref()).await;
        answer.refused(401, "unable to authenticate");
    }
}

#[tokio::test]
async fn a_policy_delegates_exactly_the_users_it_names() {
    let vault = Vault::start().await;
    for name in ["bob", "alice"] {
        make(&vault, name).await.expect(201);
    }
    let desk = vault.make_role("desk").await;
    let allow = entry(
        "allow",
        "roles:desk",
        json!({"resources": ["users:bob"], "actions": ["<read|update>"]}),
    );
    create_policy(&vault, "users:bob", &[allow])
        .await
        .expect(201);
    let ask = |method: Method, rest: &'static str, body: Option<Value>| {
        let (vault, desk) = (&vault, &desk);
        async move {
            let target = format!("/v1/users/{rest}");
            vault
                .ask_as(desk, method, &target, body.as_ref())
                .await
                .status
        }
    };
    let name = Some(json!({"displayName": "x"}));
    assert_eq!(ask(Method::GET, "BOB", None).await, 200);
    assert_eq!(ask(Method::GET, "bob/groups", None).await, 200);
    assert_eq!(ask(Method::PUT, "Bob", name.clone()).await, 200);
    assert_eq!(ask(Method::DELETE, "bob", None).await, 403);
    assert_eq!(ask(Method::GET, "alice", None).await, 403);
    assert_eq!(ask(Method::PUT, "alice", name).await, 403);
    assert_eq!(
        ask(Method::GET, "", None).await,
        403,
        "the list is another right"
    );
}

#[tokio::test]
async fn all_writers_at_once_are_heard() {
    let vault = Vault::start().await;
    make(&vault, "bob").await.expect(201);
    let writes = (0..16).map(|n| {
        ask(
            &vault,
            Method::PUT,
            "bob",
            Some(json!({"displayName": format!("Bob {n}")})),
        )
    });
    for answer in join_all(writes).await {
        answer.expect(200);
    }
    let read = ask(&vault, Method::GET, "bob", None).await.json();
    assert_eq!(read["version"], "16");
    let made = join_all((0..8).map(|_| make(&vault, "eve"))).await;
    let made = made.into_iter().filter(|answer| answer.status == 201);
    assert_eq!(made.count(), 1, "one name, one user");
}

#[tokio::test]
async fn passwords_stand_nowhere() {
    let vault = Vault::start().await;
    let bob = make_signed_in(&vault, "bob").await;
    change_password(&vault, &bob, "bob", PASSWORD, OTHER)
        .await
        .expect(200);
    let body = json!({"password": PASSWORD});
    let mut answers = vec![ask(&vault, Method::PUT, "bob", Some(body)).await];
    for rest in ["bob", "bob/version/5"] {
        answers.push(ask(&vault, Method::GET, rest, None).await);
    }
    answers.push(vault.ask(Method::GET, "/v1/users", None).await);
    for answer in answers {
        let shown = answer.expect(200).text();
        for word in ["correct", "staple", "verifier", "salt", "stamp", "argon"] {
            assert!(!shown.contains(word), "{shown}");
        }
    }
    let stored = serde_json::to_string(&vault.items()).unwrap();
    assert!(!stored.contains("horse") && !stored.contains("staple"));
}
