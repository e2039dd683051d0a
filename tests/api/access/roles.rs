//! Roles: made, changed, deleted, brought back, and listed; lists of all kinds work alike.

use std::time::Duration;

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Answer, Vault, vault::rule};
use serde_json::{Value, json};

pub(crate) async fn make(vault: &Vault, name: &str) -> Answer {
    let body = json!({"name": name, "description": "", "provider": "", "externalId": ""});
    vault.ask(Method::POST, "/v1/roles/", Some(&body)).await
}

async fn ask(vault: &Vault, method: Method, rest: &str, body: Option<Value>) -> Answer {
    let target = format!("/v1/roles/{rest}");
    vault.ask(method, &target, body.as_ref()).await
}

#[tokio::test]
async fn a_role_lives_as_clients_expect() {
    let vault = Vault::start().await;
    let made = make(&vault, "Ops").await.expect(201).json();
    for (field, value) in [
        ("name", json!("Ops")),
        ("description", json!("")),
        ("provider", json!("")),
        ("externalId", json!("")),
        ("groups", Value::Null),
        ("version", json!("0")),
        ("createdBy", json!("roles:admin")),
        ("lastModified", json!("2026-01-01T00:00:00Z")),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    make(&vault, "OPS").await.refused(400, "already exists");
    let body = json!({"description": "runs things"});
    let changed = ask(&vault, Method::PUT, "ops", Some(body))
        .await
        .expect(200);
    assert_eq!(changed.json()["version"], "1");
    let versions = ask(&vault, Method::GET, "ops/version/4", None).await;
    let versions = versions.expect(200).json();
    assert_eq!(versions["data"][0]["description"], "runs things");
    assert_eq!(versions["data"][1]["description"], "");

    let text = "role marked for deletion and will be removed in about 72 hours";
    for _ in 0..2 {
        let answer = ask(&vault, Method::DELETE, "ops", None).await.expect(200);
        assert_eq!(answer.message(), text);
    }
    ask(&vault, Method::GET, "ops", None)
        .await
        .refused(404, text);
    ask(&vault, Method::PUT, "ops/restore", None)
        .await
        .expect(200);
    ask(&vault, Method::GET, "ops", None).await.expect(200);
    let gone = ask(&vault, Method::DELETE, "ops?force=true", None).await;
    assert!(gone.expect(204).body.is_empty());
    ask(&vault, Method::DELETE, "ops", None)
        .await
        .refused(404, "unable to find item with specified identifier");
    assert!(vault.items_of("ROLE#ops").is_empty());
}

#[tokio::test]
async fn the_token_of_a_deleted_role_ends_for_good() {
    let vault = Vault::start().await;
    let token = vault.make_role("ops").await;
    vault
        .set_rules(vec![rule(Effect::Allow, "roles:ops", "roles", "list")])
        .await;
    let list = async || {
        vault
            .ask_as(&token, Method::GET, "/v1/roles", None)
            .await
            .status
    };
    assert_eq!(list().await, 200);
    ask(&vault, Method::DELETE, "ops", None).await.expect(200);
    assert_eq!(list().await, 401);
    ask(&vault, Method::PUT, "ops/restore", None)
        .await
        .expect(200);
    assert_eq!(list().await, 401);
    ask(&vault, Method::DELETE, "ops?force=true", None)
        .await
        .expect(204);
    make(&vault, "ops").await.expect(201);
    assert_eq!(list().await, 401);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let vault = Vault::start().await;
    for rest in ["admin", "admin?force=true", "ADMIN"] {
        ask(&vault, Method::DELETE, rest, None)
            .await
            .refused(400, "no admin");
    }
    make(&vault, "other").await.expect(201);
    ask(&vault, Method::DELETE, "other?force=true", None)
        .await
        .expect(204);
    ask(&vault, Method::GET, "admin", None).await.expect(200);

    let entry =
        |subject: &str| json!({"subjects": [subject], "resources": ["<.*>"], "actions": ["<.*>"]});
    make(&vault, "second").await.expect(201);
    let entries = json!({"permissionDocument": [entry("roles:admin"), entry("roles:second")]});
    let body = json!({"Config": entries.to_string(), "Serialization": "json"});
    vault
        .ask(Method::PUT, "/v1/config", Some(&body))
        .await
        .expect(200);
    ask(&vault, Method::DELETE, "second", None)
        .await
        .expect(200);
    ask(&vault, Method::DELETE, "admin", None)
        .await
        .refused(400, "no admin");
    ask(&vault, Method::PUT, "second/restore", None)
        .await
        .expect(200);
    ask(&vault, Method::DELETE, "admin", None).await.expect(200);
    vault.ask(Method::GET, "/v1/roles", None).await.expect(401);
}

#[tokio::test]
async fn two_admins_cannot_remove_one_another_at_once() {
    let vault = Vault::start().await;
    let entry =
        |subject: &str| json!({"subjects": [subject], "resources": ["<.*>"], "actions": ["<.*>"]});
    let second = vault.make_role("second").await;
    let entries = json!({"permissionDocument": [entry("roles:admin"), entry("roles:second")]});
    let body = json!({"Config": entries.to_string(), "Serialization": "json"});
    vault
        .ask(Method::PUT, "/v1/config", Some(&body))
        .await
        .expect(200);
    let one = vault.ask(Method::DELETE, "/v1/roles/second", None);
    let other = vault.ask_as(&second, Method::DELETE, "/v1/roles/admin", None);
    let (one, other) = tokio::join!(one, other);
    let done = [one.status, other.status]
        .into_iter()
        .filter(|status| *status == 200);
    assert_eq!(done.count(), 1);
}

#[tokio::test]
async fn without_a_grant_everything_is_403_whether_or_not_it_exists() {
    let vault = Vault::start().await;
    make(&vault, "ops").await.expect(201);
    let nobody = vault.make_role("nobody").await;
    for name in ["ops", "missing", "admin"] {
        for (method, tail, body) in [
            (Method::GET, "", None),
            (Method::GET, "/version/1", None),
            (Method::PUT, "", Some(json!({"description": "x"}))),
            (Method::PUT, "/restore", None),
            (Method::GET, "/restore", None),
            (Method::DELETE, "", None),
            (Method::DELETE, "?force=true", None),
        ] {
            let target = format!("/v1/roles/{name}{tail}");
            let answer = vault.ask_as(&nobody, method, &target, body.as_ref()).await;
            answer.refused(403, "Invalid permissions");
        }
        let body = json!({ "name": name });
        let answer = vault
            .ask_as(&nobody, Method::POST, "/v1/roles", Some(&body))
            .await;
        answer.refused(403, "Invalid permissions");
    }
    let answer = vault.ask_as(&nobody, Method::GET, "/v1/roles", None).await;
    answer.refused(403, "Invalid permissions");
}

/// Walks through all pages of a list; answers the names in order and the last page's envelope.
async fn walk(
    vault: &Vault,
    kind: &str,
    name: &str,
    query: &str,
    limit: usize,
) -> (Vec<String>, Value) {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("/v1/{kind}?{query}&limit={limit}&cursor={cursor}");
        let page = vault
            .ask(Method::GET, &target, None)
            .await
            .expect(200)
            .json();
        let data = page["data"].as_array().unwrap();
        assert_eq!(page["length"], data.len());
        assert_eq!(page["limit"], limit);
        names.extend(
            data.iter()
                .map(|item| item[name].as_str().unwrap().to_owned()),
        );
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            return (names, page);
        }
        assert_eq!(page["total"], names.len() + 1);
    }
}

/// The order in which roles, users and groups are made.
const MADE: [&str; 5] = ["m3", "M1", "m5", "m2", "m4"];

/// A vault with one of each kind under each name; two were changed since, groups cannot be.
async fn filled() -> Vault {
    let vault = Vault::start().await;
    for name in MADE {
        vault.clock.advance(Duration::from_secs(1));
        make(&vault, name).await.expect(201);
        let body = json!({"userName": name, "password": "correct horse"});
        vault
            .ask(Method::POST, "/v1/users", Some(&body))
            .await
            .expect(201);
        let body = json!({"groupName": name, "members": null});
        vault
            .ask(Method::POST, "/v1/groups", Some(&body))
            .await
            .expect(201);
    }
    for name in ["m5", "M1"] {
        vault.clock.advance(Duration::from_secs(1));
        for kind in ["roles", "users"] {
            let target = format!("/v1/{kind}/{name}");
            vault
                .ask(Method::PUT, &target, Some(&json!({})))
                .await
                .expect(200);
        }
    }
    vault
}

#[tokio::test]
async fn lists_sort_and_page_by_name_creation_and_change() {
    let vault = filled().await;
    let by_name = ["M1", "m2", "m3", "m4", "m5"];
    let by_change = ["m3", "m2", "m4", "m5", "M1"];
    for (kind, field) in [
        ("roles", "name"),
        ("users", "userName"),
        ("groups", "groupName"),
    ] {
        let changed = if kind == "groups" { MADE } else { by_change };
        for (query, order, turned) in [
            ("sortedBy=name", by_name, false),
            ("sortedBy=name&sort=asc", by_name, false),
            ("sortedBy=name&sort=desc", by_name, true),
            ("sortedBy=created", MADE, true),
            ("sortedBy=created&sort=asc", MADE, false),
            ("sortedBy=lastModified&sort=desc", changed, true),
            ("sortedBy=lastModified&sort=asc", changed, false),
            ("sort=", changed, true),
        ] {
            let mut order: Vec<&str> = order.to_vec();
            if turned {
                order.reverse();
            }
            for limit in [2, 25] {
                let query = format!("searchTerm=M&{query}");
                let (mut names, last) = walk(&vault, kind, field, &query, limit).await;
                names.retain(|name| name != "admin");
                assert_eq!(names, order, "{kind} {query}");
                assert_eq!(last["cursor"], "");
            }
        }
        let (names, last) = walk(&vault, kind, field, "searchTerm=4", 25).await;
        assert_eq!((names, &last["total"]), (vec!["m4".to_owned()], &json!(1)));
        let (names, last) = walk(&vault, kind, field, "searchTerm=nothing", 25).await;
        assert_eq!((names.len(), &last["data"]), (0, &json!([])));
    }
}

#[tokio::test]
async fn a_cursor_is_bound_to_its_query_and_caller() {
    let vault = Vault::start().await;
    for n in 0..3 {
        make(&vault, &format!("r{n}")).await.expect(201);
        let body = json!({"groupName": format!("r{n}")});
        vault
            .ask(Method::POST, "/v1/groups", Some(&body))
            .await
            .expect(201);
    }
    let other = vault.make_role("other").await;
    vault
        .set_rules(vec![rule(
            Effect::Allow,
            "roles:other",
            "<roles|groups>",
            "list",
        )])
        .await;
    let target = |kind: &str, more: &str| format!("/v1/{kind}?limit=1{more}");
    let page = vault
        .ask(Method::GET, &target("roles", ""), None)
        .await
        .json();
    let cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
    vault
        .ask(Method::GET, &target("roles", &cursor), None)
        .await
        .expect(200);
    for (token, kind, more) in [
        (&other, "roles", ""),
        (&vault.token, "groups", ""),
        (&vault.token, "roles", "&searchTerm=r"),
        (&vault.token, "roles", "&sort=asc"),
        (&vault.token, "roles", "&sortedBy=name"),
    ] {
        let target = target(kind, &format!("{cursor}{more}"));
        let answer = vault.ask_as(token, Method::GET, &target, None).await;
        answer.refused(400, "cursor");
    }
    for (query, field) in [
        ("sort=up", "sort"),
        ("sortedBy=size", "sortedBy"),
        ("limit=501", "limit"),
    ] {
        let target = format!("/v1/roles?{query}");
        vault
            .ask(Method::GET, &target, None)
            .await
            .refused(400, field);
    }
}
