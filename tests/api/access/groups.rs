//! Groups: made, read with their members, deleted, brought back, made again.

use std::{collections::HashSet, time::Duration};

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Answer, Vault,
    vault::{plain, rule},
};
use serde_json::{Value, json};

use crate::{
    members::{add, members, remove},
    policies::{create as create_policy, entry},
    roles, users,
};

pub(crate) async fn make(vault: &Vault, name: &str, members: Value) -> Answer {
    let body = json!({"groupName": name, "members": members, "metaData": null});
    vault.ask(Method::POST, "/v1/groups/", Some(&body)).await
}

pub(crate) async fn ask(vault: &Vault, method: Method, rest: &str) -> Answer {
    vault.ask(method, &format!("/v1/groups/{rest}"), None).await
}

/// A vault in which Bob is in the group `west`, whom a policy lets read the secret `team:a`; answers Bob's token.
async fn reading() -> (Vault, String) {
    let vault = Vault::start().await;
    vault.create("team/a", json!({})).await.expect(201);
    let bob = users::make_signed_in(&vault, "bob").await;
    let allow = entry("allow", "groups:West", json!({}));
    create_policy(&vault, "secrets:team", &[allow])
        .await
        .expect(201);
    make(&vault, "West", json!(["bob"])).await.expect(201);
    (vault, bob)
}

async fn status(vault: &Vault, token: &str) -> u16 {
    vault
        .ask_as(token, Method::GET, "/v1/secrets/team/a", None)
        .await
        .status
}

#[tokio::test]
async fn a_group_is_answered_as_clients_read_it() {
    let vault = Vault::start().await;
    users::make(&vault, "Bob").await.expect(201);
    roles::make(&vault, "ops").await.expect(201);
    let names = json!(["Bob", "users:BOB", "Roles:Ops"]);
    let made = make(&vault, "West Admins", names).await.expect(201).json();
    assert_eq!(
        made,
        json!({"addedMemberNames": ["bob", "roles:ops"], "errors": {}})
    );
    let read = ask(&vault, Method::GET, "west%20admins")
        .await
        .expect(200)
        .json();
    let mut expected = json!({
        "groupName": "West Admins", "members": ["roles:ops", "bob"], "metaData": null, "total": 2,
        "created": "2026-01-01T00:00:00Z", "createdBy": "roles:admin",
        "lastModified": "2026-01-01T00:00:00Z", "lastModifiedBy": "roles:admin", "version": "0",
    });
    expected["id"] = read["id"].clone();
    assert_eq!(read["id"].as_str().unwrap().len(), 36);
    assert_eq!(read, expected);

    let list = vault
        .ask(Method::GET, "/v1/groups", None)
        .await
        .expect(200)
        .json();
    assert_eq!(list["total"], 1);
    assert_eq!(list["data"][0]["members"], Value::Null);
    assert!(list["data"][0].get("total").is_none());
    let bob = vault.ask(Method::GET, "/v1/users/bob", None).await.json();
    assert_eq!(bob["groups"], json!(["west admins"]));
    let ops = vault.ask(Method::GET, "/v1/roles/ops", None).await.json();
    assert_eq!(ops["groups"], json!(["west admins"]));

    let empty = make(&vault, "empty", Value::Null).await.expect(201).json();
    assert_eq!(empty, json!({"addedMemberNames": [], "errors": {}}));
    let empty = ask(&vault, Method::GET, "empty").await.json();
    assert_eq!(
        (&empty["members"], &empty["total"]),
        (&Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn what_cannot_be_a_group_is_refused() {
    let vault = Vault::start().await;
    make(&vault, "west", json!([])).await.expect(201);
    make(&vault, "WEST", json!([]))
        .await
        .refused(400, "a group with this name already exists");
    make(&vault, "a:b", json!([]))
        .await
        .refused(400, "groupName");
    make(&vault, "", json!([])).await.refused(400, "groupName");
    make(&vault, "east", json!("bob"))
        .await
        .refused(400, "members");
    make(&vault, "east", json!([7]))
        .await
        .refused(400, "members");
    ask(&vault, Method::GET, "east")
        .await
        .refused(404, "unable to find");
}

#[tokio::test]
async fn a_membership_counts_at_the_next_request() {
    let (vault, bob) = reading().await;
    let warm = vault.another();
    assert_eq!(status(&warm, &bob).await, 200);
    for _ in 0..2 {
        remove(&vault, "west", json!(["users:Bob"]))
            .await
            .expect(204);
        assert_eq!(status(&warm, &bob).await, 403);
        add(&vault, "WEST", json!(["BOB"])).await.expect(200);
        assert_eq!(status(&warm, &bob).await, 200);
    }
}

#[tokio::test]
async fn a_role_is_a_member_like_a_user() {
    let (vault, _) = reading().await;
    let ops = vault.make_role("ops").await;
    assert_eq!(status(&vault, &ops).await, 403);
    add(&vault, "west", json!(["ops"])).await.expect(200);
    assert_eq!(status(&vault, &ops).await, 403, "a bare name is a user");
    let added = add(&vault, "west", json!(["roles:OPS"]))
        .await
        .expect(200)
        .json();
    assert_eq!(
        added,
        json!({"addedMemberNames": ["roles:ops"], "errors": {}})
    );
    assert_eq!(status(&vault, &ops).await, 200);
}

#[tokio::test]
async fn a_deleted_group_counts_no_more_and_a_restored_one_again() {
    let (vault, bob) = reading().await;
    let warm = vault.another();
    let text = "group marked for deletion and will be removed in about 72 hours";
    for _ in 0..2 {
        assert_eq!(
            ask(&vault, Method::DELETE, "west")
                .await
                .expect(200)
                .message(),
            text
        );
        assert_eq!(status(&warm, &bob).await, 403);
    }
    ask(&vault, Method::GET, "west").await.refused(404, text);
    add(&vault, "west", json!(["bob"])).await.refused(404, text);
    remove(&vault, "west", json!(["bob"]))
        .await
        .refused(404, text);
    make(&vault, "west", json!(["bob"]))
        .await
        .refused(400, text);
    let shown = vault.ask(Method::GET, "/v1/users/bob", None).await.json();
    assert_eq!(shown["groups"], Value::Null);
    assert!(
        ask(&vault, Method::PUT, "west/restore")
            .await
            .expect(200)
            .body
            .is_empty()
    );
    assert_eq!(status(&warm, &bob).await, 200);
    assert_eq!(members(&vault, "west").await, ["bob"]);
}

#[tokio::test]
async fn a_group_made_again_under_its_name_has_none_of_the_old_members() {
    let (vault, bob) = reading().await;
    ask(&vault, Method::DELETE, "west?force=true")
        .await
        .expect(204);
    assert_eq!(status(&vault, &bob).await, 403);
    assert!(vault.items_of("GROUP#").is_empty());
    let user = plain(&vault.items_of("USER#bob")[0]);
    assert!(
        user.get("groups").is_none(),
        "it does not fill up what he can be in"
    );
    make(&vault, "west", Value::Null).await.expect(201);
    assert_eq!(status(&vault, &bob).await, 403);
    assert!(members(&vault, "west").await.is_empty());
    add(&vault, "west", json!(["bob"])).await.expect(200);
    assert_eq!(status(&vault, &bob).await, 200);
}

#[tokio::test]
async fn a_crash_after_the_removal_leaves_nothing_that_counts() {
    let (vault, bob) = reading().await;
    users::make(&vault, "alice").await.expect(201);
    add(&vault, "west", json!(["alice"])).await.expect(200);
    let left = vault.items_of("GROUP#west");
    let (user, alice) = (vault.items_of("USER#bob"), vault.items_of("USER#alice"));
    ask(&vault, Method::DELETE, "west?force=true")
        .await
        .expect(204);
    // As if the process had died before it came to the members.
    for item in left
        .iter()
        .filter(|item| item["sk"]["S"] != "HEAD")
        .chain(&user)
        .chain(&alice)
    {
        vault.put_item(item);
    }
    make(&vault, "west", Value::Null).await.expect(201);
    assert_eq!(status(&vault, &bob).await, 403);
    assert!(members(&vault, "west").await.is_empty());
    let groups = vault
        .ask(Method::GET, "/v1/users/bob/groups", None)
        .await
        .json();
    assert_eq!(groups["total"], 0);
    add(&vault, "west", json!(["bob"])).await.expect(200);
    assert_eq!(status(&vault, &bob).await, 200);
    let user = plain(&vault.items_of("USER#bob")[0]);
    assert_eq!(
        user["groups"].as_array().unwrap().len(),
        1,
        "nothing is left of the old one"
    );
    vault
        .ask(Method::DELETE, "/v1/users/bob?force=true", None)
        .await
        .expect(204);
    assert!(members(&vault, "west").await.is_empty());
    vault
        .ask(Method::DELETE, "/v1/users/alice?force=true", None)
        .await
        .expect(204);
}

#[tokio::test]
async fn after_72_hours_a_deleted_group_is_swept_away_with_its_members() {
    let (mut vault, _) = reading().await;
    ask(&vault, Method::DELETE, "west").await.expect(200);
    assert_eq!(vault.purge().await.done, 0);
    vault.wait(Duration::from_hours(72)).await;
    ask(&vault, Method::PUT, "west/restore")
        .await
        .refused(404, "unable to find");
    assert_eq!(vault.purge().await.done, 1);
    assert!(vault.items_of("GROUP#").is_empty());
    assert!(vault.items_of("PURGE#").is_empty() && vault.items_of("TASK#").is_empty());
    assert!(
        plain(&vault.items_of("USER#bob")[0])
            .get("groups")
            .is_none()
    );
}

#[tokio::test]
async fn whoever_is_removed_for_good_leaves_all_groups() {
    let (mut vault, _) = reading().await;
    make(&vault, "east", json!(["bob"])).await.expect(201);
    vault
        .ask(Method::DELETE, "/v1/users/bob", None)
        .await
        .expect(200);
    assert_eq!(members(&vault, "west").await, ["bob"], "he may come back");
    vault
        .ask(Method::PUT, "/v1/users/bob/restore", None)
        .await
        .expect(200);
    let bob = users::signed_in(&vault, "bob").await;
    assert_eq!(status(&vault, &bob).await, 200);
    vault
        .ask(Method::DELETE, "/v1/users/bob?force=true", None)
        .await
        .expect(204);
    assert!(members(&vault, "west").await.is_empty());
    let bob = users::make_signed_in(&vault, "bob").await;
    assert_eq!(status(&vault, &bob).await, 403);

    add(&vault, "west", json!(["bob"])).await.expect(200);
    vault
        .ask(Method::DELETE, "/v1/users/bob", None)
        .await
        .expect(200);
    vault.wait(Duration::from_hours(72)).await;
    vault.purge().await;
    assert!(members(&vault, "west").await.is_empty());
}

/// Every way to ask about a group.
fn requests(name: &str) -> Vec<(Method, String, Option<Value>)> {
    let target = |tail: &str| format!("/v1/groups/{name}{tail}");
    let body = Some(json!({"memberNames": ["bob", "nobody"]}));
    vec![
        (Method::GET, target(""), None),
        (Method::DELETE, target(""), None),
        (Method::DELETE, target("?force=true"), None),
        (Method::PUT, target("/restore"), None),
        (Method::GET, target("/restore"), None),
        (Method::POST, target("/members"), body.clone()),
        (Method::DELETE, target("/members"), body),
        (
            Method::POST,
            "/v1/groups".to_owned(),
            Some(json!({ "groupName": name })),
        ),
        (Method::GET, "/v1/groups".to_owned(), None),
    ]
}

#[tokio::test]
async fn without_a_grant_everything_is_403_whether_or_not_it_exists() {
    let (vault, bob) = reading().await;
    make(&vault, "gone", Value::Null).await.expect(201);
    ask(&vault, Method::DELETE, "gone").await.expect(200);
    let before = (vault.items_of("GROUP#"), vault.items_of("USER#"));
    let mut answers = HashSet::new();
    for (method, target, body) in ["west", "gone", "missing"].into_iter().flat_map(requests) {
        let answer = vault.ask_as(&bob, method, &target, body.as_ref()).await;
        answers.insert(answer.text());
        answer.refused(403, "Invalid permissions");
    }
    assert_eq!(answers.len(), 1, "all refusals read the same");
    assert_eq!((vault.items_of("GROUP#"), vault.items_of("USER#")), before);
    for (method, target, body) in requests("west") {
        let answer = vault.ask_as("", method, &target, body.as_ref()).await;
        answer.refused(401, "unable to authenticate");
    }
}

#[tokio::test]
async fn a_policy_delegates_exactly_the_groups_it_names() {
    let (vault, bob) = reading().await;
    make(&vault, "east", Value::Null).await.expect(201);
    let allow = entry(
        "allow",
        "users:bob",
        json!({"resources": ["groups:east"], "actions": ["update"]}),
    );
    create_policy(&vault, "groups:east", &[allow])
        .await
        .expect(201);
    let body = json!({"memberNames": ["bob"]});
    for (method, target, status) in [
        (Method::POST, "/v1/groups/East/members", 200),
        (Method::DELETE, "/v1/groups/east/members", 204),
        (Method::POST, "/v1/groups/west/members", 403),
        (Method::DELETE, "/v1/groups/west/members", 403),
        (Method::GET, "/v1/groups/east", 403),
        (Method::DELETE, "/v1/groups/east", 403),
        (Method::GET, "/v1/groups", 403),
    ] {
        let answer = vault.ask_as(&bob, method, target, Some(&body)).await;
        assert_eq!(answer.status, status, "{target}");
    }
    for (names, status) in [
        (json!(["East"]), 200),
        (json!(["east", "west"]), 403),
        (json!(["missing"]), 403),
    ] {
        let body = json!({ "groupNames": names });
        let target = "/v1/users/bob/groups";
        let answer = vault.ask_as(&bob, Method::POST, target, Some(&body)).await;
        assert_eq!(answer.status, status, "{body}");
    }
}

#[tokio::test]
async fn no_group_takes_the_last_admin_away() {
    let vault = Vault::start().await;
    let deny = entry(
        "deny",
        "groups:out",
        json!({"resources": ["config:policies:<.*>"], "actions": ["update"]}),
    );
    let deny_all = entry(
        "deny",
        "groups:<.*>",
        json!({"resources": ["config:policies"], "actions": ["update"]}),
    );
    create_policy(&vault, "config:policies", &[deny, deny_all])
        .await
        .expect(201);
    make(&vault, "out", json!(["roles:admin"]))
        .await
        .refused(400, "no admin");
    assert!(vault.items_of("GROUP#").is_empty(), "nothing is half made");
    make(&vault, "out", Value::Null).await.expect(201);
    add(&vault, "out", json!(["roles:admin"]))
        .await
        .refused(400, "no admin");
    users::make(&vault, "bob").await.expect(201);
    add(&vault, "out", json!(["bob"])).await.expect(200);
    assert_eq!(members(&vault, "out").await, ["bob"]);
}

#[tokio::test]
async fn a_group_that_would_take_the_last_admin_away_is_not_restored() {
    let vault = Vault::start().await;
    make(&vault, "out", json!(["roles:admin"]))
        .await
        .expect(201);
    ask(&vault, Method::DELETE, "out").await.expect(200);
    let deny = entry(
        "deny",
        "groups:out",
        json!({"resources": ["<.*>"], "actions": ["<.*>"]}),
    );
    let deny = rule_of(&deny);
    vault.set_rules(vec![deny]).await;
    ask(&vault, Method::PUT, "out/restore")
        .await
        .refused(400, "no admin");
    vault.set_rules(vec![]).await;
    ask(&vault, Method::PUT, "out/restore").await.expect(200);
    vault
        .set_rules(vec![rule(Effect::Allow, "groups:out", "<.*>", "<.*>")])
        .await;
    remove(&vault, "out", json!(["roles:admin"]))
        .await
        .expect(204);
    ask(&vault, Method::DELETE, "out?force=true")
        .await
        .expect(204);
}

fn rule_of(entry: &Value) -> mayfly::access::policy::Rule {
    let text = |field: &str| entry[field][0].as_str().unwrap().to_owned();
    rule(
        Effect::Deny,
        &text("subjects"),
        &text("resources"),
        &text("actions"),
    )
}
