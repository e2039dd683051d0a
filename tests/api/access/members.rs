//! Members: added, removed, listed; a few or ten thousand.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use mayfly::store::schema::{Head, MAX_GROUPS, MemberOf, User, new_stamp};
use mayfly_tests::{
    Answer, Vault,
    vault::{START, plain},
    wire::Trouble,
};
use serde_json::{Value, json};

use crate::{
    groups::{ask, make},
    policies::{create as create_policy, entry},
    roles, users,
};

pub(crate) async fn add(vault: &Vault, group: &str, names: Value) -> Answer {
    let target = format!("/v1/groups/{group}/members");
    let body = json!({ "memberNames": names });
    vault.ask(Method::POST, &target, Some(&body)).await
}

pub(crate) async fn remove(vault: &Vault, group: &str, names: Value) -> Answer {
    let target = format!("/v1/groups/{group}/members");
    let body = json!({ "memberNames": names });
    vault.ask(Method::DELETE, &target, Some(&body)).await
}

pub(crate) async fn members(vault: &Vault, group: &str) -> Vec<String> {
    let read = ask(vault, Method::GET, group).await.expect(200).json();
    let names = read["members"].as_array().cloned().unwrap_or_default();
    assert_eq!(read["total"], names.len());
    names
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

async fn groups_of(vault: &Vault, name: &str) -> Value {
    let target = format!("/v1/users/{name}/groups");
    vault
        .ask(Method::GET, &target, None)
        .await
        .expect(200)
        .json()
}

/// Puts users into the table that cannot sign in, and that no list shows: an index costs the embedded table its time.
fn put_users(vault: &Vault, names: &[String]) {
    for name in names {
        let body = User {
            display_name: String::new(),
            stamp: new_stamp(),
            password: None,
            member_of: MemberOf::default(),
        };
        let mut user = Head::new(name, body, "system", START);
        user.indexed = None;
        let item = mayfly::store::table::encode(&user).unwrap();
        vault.put_item(&dynamo_json(&item));
    }
}

fn dynamo_json(item: &mayfly::store::table::Item) -> Value {
    let value = |value: &aws_sdk_dynamodb::types::AttributeValue| match (value.as_s(), value.as_n())
    {
        (Ok(text), _) => json!({ "S": text }),
        (_, Ok(number)) => json!({ "N": number }),
        _ => panic!("neither a text nor a number"),
    };
    item.iter()
        .map(|(name, one)| (name.clone(), value(one)))
        .collect()
}

#[tokio::test]
async fn who_cannot_be_added_is_told_and_the_others_are() {
    let vault = Vault::start().await;
    for name in ["bob", "alice", "gone"] {
        users::make(&vault, name).await.expect(201);
    }
    roles::make(&vault, "gone").await.expect(201);
    for target in ["/v1/users/gone", "/v1/roles/gone"] {
        vault.ask(Method::DELETE, target, None).await.expect(200);
    }
    make(&vault, "west", json!(["alice"])).await.expect(201);
    let names = json!([
        "nobody",
        "Bob",
        "gone",
        "users:bob",
        "roles:gone",
        "alice",
        "groups:west",
        "a/b",
        ""
    ]);
    let answer = add(&vault, "west", names).await.expect(200).json();
    assert_eq!(
        answer["addedMemberNames"],
        json!(["alice", "bob"]),
        "a member already is no error"
    );
    let errors = answer["errors"].as_object().unwrap();
    let told: Vec<&str> = errors.keys().map(String::as_str).collect();
    assert_eq!(
        told,
        ["", "a/b", "gone", "groups:west", "nobody", "roles:gone"]
    );
    assert_eq!(
        errors["nobody"],
        json!(["unable to find item with specified identifier"])
    );
    assert_eq!(
        errors["gone"],
        json!(["user marked for deletion and will be removed in about 72 hours"])
    );
    assert_eq!(
        errors["roles:gone"],
        json!(["role marked for deletion and will be removed in about 72 hours"])
    );
    assert_eq!(members(&vault, "west").await, ["alice", "bob"]);

    let only_errors = make(&vault, "east", json!(["nobody"]))
        .await
        .expect(201)
        .json();
    assert_eq!(only_errors["addedMemberNames"], json!([]));
    assert!(only_errors["errors"]["nobody"].is_array());
}

#[tokio::test]
async fn removing_is_done_whoever_was_a_member() {
    let vault = Vault::start().await;
    for name in ["bob", "alice"] {
        users::make(&vault, name).await.expect(201);
    }
    make(&vault, "west", json!(["bob", "alice"]))
        .await
        .expect(201);
    make(&vault, "east", json!(["bob"])).await.expect(201);
    let names = json!(["nobody", "BOB", "users:bob", "roles:admin", "groups:x"]);
    for _ in 0..2 {
        let answer = remove(&vault, "west", names.clone()).await.expect(204);
        assert!(answer.body.is_empty());
        assert_eq!(members(&vault, "west").await, ["alice"]);
    }
    assert_eq!(members(&vault, "east").await, ["bob"]);
    assert_eq!(groups_of(&vault, "bob").await["total"], 1);
}

#[tokio::test]
async fn requests_about_members_are_checked() {
    let vault = Vault::start().await;
    make(&vault, "west", Value::Null).await.expect(201);
    for names in [Value::Null, json!([]), json!("bob"), json!([7]), json!({})] {
        add(&vault, "west", names.clone())
            .await
            .refused(400, "memberNames");
        remove(&vault, "west", names)
            .await
            .refused(400, "memberNames");
    }
    let many: Vec<String> = (0..10_001).map(|n| format!("u{n}")).collect();
    add(&vault, "west", json!(many))
        .await
        .refused(400, "at most 10000");
    add(&vault, "missing", json!(["bob"]))
        .await
        .refused(404, "unable to find");
    remove(&vault, "missing", json!(["bob"]))
        .await
        .refused(404, "unable to find");
    for names in [Value::Null, json!([]), json!("west"), json!(["a:b"])] {
        let body = json!({ "groupNames": names });
        let answer = vault
            .ask(Method::POST, "/v1/users/bob/groups", Some(&body))
            .await;
        answer.refused(400, "groupNames");
    }
}

#[tokio::test]
async fn a_user_sees_and_joins_groups() {
    let vault = Vault::start().await;
    let bob = users::make_signed_in(&vault, "Bob").await;
    assert_eq!(
        groups_of(&vault, "bob").await,
        json!({"name": "Bob", "total": 0, "groups": []})
    );
    for name in ["West", "east", "gone"] {
        make(&vault, name, Value::Null).await.expect(201);
    }
    ask(&vault, Method::DELETE, "gone").await.expect(200);
    vault.clock.advance(Duration::from_secs(5));
    let body = json!({"groupNames": ["WEST", "east", "East", "missing", "gone"]});
    let answer = vault
        .ask(Method::POST, "/v1/users/bob/groups", Some(&body))
        .await;
    assert_eq!(
        answer.expect(200).json(),
        json!({"errors": {
            "missing": ["unable to find item with specified identifier"],
            "gone": ["group marked for deletion and will be removed in about 72 hours"],
        }})
    );
    let one = |name: &str| json!({"groupName": name, "created": "2026-01-01T00:00:05Z", "createdBy": "roles:admin"});
    let expected = json!({"name": "Bob", "total": 2, "groups": [one("east"), one("West")]});
    assert_eq!(groups_of(&vault, "BOB").await, expected);
    let own = vault
        .ask_as(&bob, Method::GET, "/v1/users/bob/groups", None)
        .await;
    assert_eq!(own.expect(200).json(), expected, "one's own need no right");
    let body = json!({"groupNames": ["west"]});
    let answer = vault
        .ask(Method::POST, "/v1/users/bob/groups", Some(&body))
        .await;
    assert_eq!(answer.expect(200).json(), json!({"errors": {}}));
    let answer = vault
        .ask(Method::POST, "/v1/users/nobody/groups", Some(&body))
        .await;
    answer.refused(404, "unable to find");
}

#[tokio::test]
async fn there_is_a_most_number_of_groups() {
    let vault = Vault::start().await;
    users::make(&vault, "bob").await.expect(201);
    users::make(&vault, "alice").await.expect(201);
    for n in 0..MAX_GROUPS {
        make(&vault, &format!("g{n}"), json!(["bob"]))
            .await
            .expect(201);
    }
    let answer = make(&vault, "more", json!(["bob", "alice"]))
        .await
        .expect(201)
        .json();
    assert_eq!(answer["addedMemberNames"], json!(["alice"]));
    assert_eq!(
        answer["errors"]["bob"],
        json!(["the user is in 64 groups, which is the most"])
    );
    let again = add(&vault, "g0", json!(["bob"])).await.expect(200).json();
    assert_eq!(
        again["addedMemberNames"],
        json!(["bob"]),
        "a member already"
    );
    assert_eq!(groups_of(&vault, "bob").await["total"], 64);
    ask(&vault, Method::DELETE, "g0?force=true")
        .await
        .expect(204);
    let answer = add(&vault, "more", json!(["bob"])).await.expect(200).json();
    assert_eq!(answer["errors"], json!({}));
    vault
        .ask(Method::DELETE, "/v1/users/bob?force=true", None)
        .await
        .expect(204);
    assert_eq!(members(&vault, "more").await, ["alice"]);
    assert!(members(&vault, "g1").await.is_empty());
}

#[tokio::test]
async fn no_membership_is_without_a_record_of_who_added_it() {
    let vault = Vault::start().await;
    for name in ["bob", "eve"] {
        users::make(&vault, name).await.expect(201);
    }
    let eve = users::signed_in(&vault, "eve").await;
    make(&vault, "west", Value::Null).await.expect(201);
    let allow = entry(
        "allow",
        "users:eve",
        json!({"resources": ["groups:west"], "actions": ["update"]}),
    );
    create_policy(&vault, "groups:west", &[allow])
        .await
        .expect(201);
    let body = json!({"memberNames": ["bob", "roles:admin", "nobody"]});
    let target = "/v1/groups/west/members";
    let answer = vault.ask_as(&eve, Method::POST, target, Some(&body)).await;
    answer.expect(200);
    let answer = vault
        .ask_as(&eve, Method::DELETE, target, Some(&body))
        .await;
    answer.expect(204);
    let records = vault.audit();
    let records = records
        .iter()
        .filter(|record| record["path"] == "groups:west:members");
    let mut shown: Vec<Value> = records
        .map(|record| {
            json!([
                record["principal"],
                record["action"],
                record["status"],
                record["message"]
            ])
        })
        .collect();
    shown.sort_by_key(ToString::to_string);
    assert_eq!(
        shown,
        [
            json!([
                "users:eve",
                "DELETE",
                204,
                "removed 2: users:bob, roles:admin"
            ]),
            json!(["users:eve", "POST", 200, "added 2: users:bob, roles:admin"]),
        ]
    );
    vault
        .ask_as(&eve, Method::DELETE, target, Some(&body))
        .await
        .expect(204);
    let last = vault
        .audit()
        .into_iter()
        .filter(|record| record["message"] == "ok");
    assert!(last.count() > 0, "what changed nothing leaves a record too");
}

#[tokio::test]
async fn many_writers_at_once_are_all_heard() {
    let vault = Vault::start().await;
    let names: Vec<String> = (0..12).map(|n| format!("u{n:02}")).collect();
    put_users(&vault, &names);
    for name in ["west", "east"] {
        make(&vault, name, Value::Null).await.expect(201);
    }
    let display = |name: &String| {
        let target = format!("/v1/users/{name}");
        let vault = &vault;
        async move {
            vault
                .ask(Method::PUT, &target, Some(&json!({"displayName": "x"})))
                .await
        }
    };
    let joins = names
        .iter()
        .flat_map(|name| [("west", name), ("east", name)]);
    let (joined, changed) = tokio::join!(
        join_all(joins.map(|(group, name)| add(&vault, group, json!([name, "u00"])))),
        join_all(names.iter().map(display)),
    );
    for answer in joined.into_iter().chain(changed) {
        answer.expect(200);
    }
    for group in ["west", "east"] {
        assert_eq!(members(&vault, group).await, names);
    }
    let user = vault.ask(Method::GET, "/v1/users/u05", None).await.json();
    assert_eq!(user["displayName"], "x");
    assert_eq!(
        user["groups"],
        json!(["east", "west"]),
        "no write undid another"
    );
}

#[tokio::test]
async fn adding_and_deleting_at_once_leaves_nothing_behind() {
    for _ in 0..8 {
        let vault = Vault::start().await;
        let names: Vec<String> = (0..200).map(|n| format!("u{n:03}")).collect();
        put_users(&vault, &names);
        make(&vault, "west", Value::Null).await.expect(201);
        let (added, deleted) = tokio::join!(
            add(&vault, "west", json!(names)),
            ask(&vault, Method::DELETE, "west?force=true"),
        );
        deleted.expect(204);
        assert!([200, 404].contains(&added.status), "{}", added.text());
        assert!(vault.items_of("GROUP#").is_empty());
        let users = vault.items_of("USER#");
        assert!(users.iter().all(|user| plain(user).get("groups").is_none()));
    }
}

#[tokio::test]
async fn troubles_on_the_way_do_no_harm() {
    let vault = Vault::start().await;
    let names: Vec<String> = (0..120).map(|n| format!("u{n:03}")).collect();
    put_users(&vault, &names);
    make(&vault, "west", Value::Null).await.expect(201);
    for trouble in [
        Trouble::Conflict,
        Trouble::LostAnswer,
        Trouble::Throttled,
        Trouble::Unreachable,
    ] {
        for _ in 0..3 {
            vault.wire.next("TransactWriteItems", trouble);
        }
        let answer = add(&vault, "west", json!(names)).await.expect(200).json();
        assert_eq!(answer["addedMemberNames"].as_array().unwrap().len(), 120);
        assert_eq!(members(&vault, "west").await, names);
        for _ in 0..3 {
            vault.wire.next("TransactWriteItems", trouble);
        }
        remove(&vault, "west", json!(names)).await.expect(204);
        assert!(members(&vault, "west").await.is_empty());
    }
    for _ in 0..20 {
        vault.wire.next("TransactWriteItems", Trouble::AccessDenied);
    }
    add(&vault, "west", json!(names)).await.expect(500);
}

#[tokio::test]
async fn a_group_that_was_made_says_whom_it_could_not_add() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let names: Vec<String> = (0..60).map(|n| format!("u{n:03}")).collect();
    put_users(&vault, &names);
    let (made, ()) = tokio::join!(make(&vault, "west", json!(names)), async {
        while vault.items_of("GROUP#west").is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            vault.wire.next("TransactWriteItems", Trouble::Unreachable);
        }
    });
    let answer = made.expect(201).json();
    let errors = answer["errors"].as_object().unwrap();
    let added = answer["addedMemberNames"].as_array().unwrap();
    assert_eq!(added.len() + errors.len(), 60);
    assert!(
        errors
            .values()
            .all(|why| why.to_string().contains("not added"))
    );
    assert!(!errors.is_empty());
}

#[tokio::test]
async fn ten_thousand_members_come_and_go() {
    let vault = Vault::start().await;
    let names: Vec<String> = (0..9_999).map(|n| format!("u{n:05}")).collect();
    put_users(&vault, &names);
    let last = users::make_signed_in(&vault, "zoe").await;
    vault.create("team/a", json!({})).await.expect(201);
    let allow = entry("allow", "groups:all", json!({}));
    create_policy(&vault, "secrets:team", &[allow])
        .await
        .expect(201);
    let mut all = names.clone();
    all.push("zoe".to_owned());
    let status = async || {
        vault
            .ask_as(&last, Method::GET, "/v1/secrets/team/a", None)
            .await
            .status
    };
    assert_eq!(status().await, 403);

    vault.wire.clear();
    let made = make(&vault, "all", json!(all)).await.expect(201).json();
    let transactions = vault.wire.operations();
    let transactions = transactions
        .iter()
        .filter(|operation| *operation == "TransactWriteItems");
    assert!(
        transactions.count() < 300,
        "well within its time at 10 ms each, and at 90"
    );
    assert_eq!(made["addedMemberNames"].as_array().unwrap().len(), 10_000);
    assert_eq!(made["errors"], json!({}));
    assert_eq!(status().await, 200);
    assert_eq!(members(&vault, "all").await, all);

    let (stay, go) = all.split_at(5_000);
    remove(&vault, "all", json!(go)).await.expect(204);
    assert_eq!(status().await, 403);
    assert_eq!(members(&vault, "all").await, stay);
    ask(&vault, Method::DELETE, "all?force=true")
        .await
        .expect(204);
    assert!(vault.items_of("GROUP#").is_empty());
    assert!(vault.items_of("TASK#").is_empty(), "nothing is left to do");
}
