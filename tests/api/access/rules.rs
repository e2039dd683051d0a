//! Rules count at the very next request, and come before existence.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Vault,
    vault::{assume_role, rule},
};
use serde_json::{Value, json};

async fn filled() -> Vault {
    let vault = Vault::start().await;
    for path in ["team/a", "team/b", "other"] {
        let body = json!({"data": {"x": 1}});
        vault.create(path, body).await.expect(201);
    }
    vault.create("team/gone", json!({})).await.expect(201);
    vault.delete("team/gone").await.expect(200);
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault
}

/// Every way to touch a secret.
fn requests(name: &str) -> Vec<(Method, String, Option<Value>)> {
    let target = |tail: &str| format!("/v1/secrets/{name}{tail}");
    let body = Some(json!({"description": "x"}));
    vec![
        (Method::GET, target(""), None),
        (Method::GET, target("?edit=true"), None),
        (Method::GET, target("::description"), None),
        (Method::GET, target("/version/1"), None),
        (Method::PUT, target(""), body),
        (Method::PUT, target("/rollback/0"), None),
        (Method::PUT, target("/restore"), None),
        (Method::DELETE, target(""), None),
        (Method::DELETE, target("?force=true"), None),
    ]
}

#[tokio::test]
async fn without_a_grant_everything_is_403_whether_or_not_it_exists() {
    let vault = filled().await;
    let token = vault.make_role("nobody").await;
    let id = vault.read("other").await.json()["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let missing = uuid::Uuid::new_v4().to_string();
    let before = vault.items_of("SECRET");
    let mut answers = std::collections::HashSet::new();
    for name in [
        "team/a",
        "team/gone",
        "missing",
        "aws/base",
        "aws/reader",
        &id,
        &missing,
    ] {
        for (method, target, body) in requests(name) {
            let answer = vault.ask_as(&token, method, &target, body.as_ref()).await;
            answers.insert(answer.text());
            answer.refused(403, "Invalid permissions");
        }
    }
    for path in ["team/a", "new"] {
        let target = format!("/v1/secrets/{path}");
        vault
            .ask_as(&token, Method::POST, &target, Some(&json!({})))
            .await
            .refused(403, "Invalid permissions");
    }
    for target in [
        "/v1/secrets",
        "/v1/secrets?searchTerm=a",
        "/v1/secrets/t::listpaths",
    ] {
        let answer = vault.ask_as(&token, Method::GET, target, None);
        answer.await.refused(403, "Invalid permissions");
    }
    assert_eq!(answers.len(), 1, "all refusals read the same");
    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn with_a_grant_what_is_missing_is_404() {
    let vault = filled().await;
    let token = vault.make_role("team").await;
    let allow = rule(Effect::Allow, "roles:team", "secrets:team:<.*>", "read");
    vault.set_rules(vec![allow]).await;
    for (path, status) in [
        ("team/a", 200),
        ("team/missing", 404),
        ("team/gone", 404),
        ("team", 403),
        ("teams/a", 403),
        ("other", 403),
    ] {
        let target = format!("/v1/secrets/{path}");
        vault
            .ask_as(&token, Method::GET, &target, None)
            .await
            .expect(status);
    }
    let target = "/v1/secrets/team/a";
    vault
        .ask_as(
            &token,
            Method::PUT,
            target,
            Some(&json!({"description": "x"})),
        )
        .await
        .expect(403);
    vault
        .ask_as(&token, Method::DELETE, target, None)
        .await
        .expect(403);
}

#[tokio::test]
async fn a_right_by_path_holds_by_id_too() {
    let vault = filled().await;
    let token = vault.make_role("team").await;
    let allow = rule(Effect::Allow, "roles:team", "secrets:team:<.*>", "read");
    vault.set_rules(vec![allow]).await;
    for (path, status) in [("team/a", 200), ("other", 403)] {
        let id = vault.read(path).await.json()["id"].clone();
        let id = id.as_str().unwrap();
        for target in [
            format!("/v1/secrets/{id}"),
            format!("/v1/secrets/x?id={id}"),
        ] {
            vault
                .ask_as(&token, Method::GET, &target, None)
                .await
                .expect(status);
        }
    }
}

#[tokio::test]
async fn a_change_of_rules_counts_at_the_next_request_of_every_warm_process() {
    let vault = filled().await;
    let token = vault.make_role("team").await;
    let processes = [vault.another(), vault.another()];
    let read = async |process: &Vault| {
        let answer = process.ask_as(&token, Method::GET, "/v1/secrets/team/a", None);
        answer.await.status
    };
    let allow = || rule(Effect::Allow, "roles:team", "secrets:<.*>", "<.*>");
    let deny = || rule(Effect::Deny, "<.*>", "secrets:team:a", "read");
    for (rules, status) in [
        (vec![], 403),
        (vec![allow()], 200),
        (vec![allow(), deny()], 403),
        (vec![deny(), allow()], 403),
        (vec![allow()], 200),
        (vec![], 403),
    ] {
        vault.set_rules(rules).await;
        for process in &processes {
            assert_eq!(read(process).await, status);
            process.wire.clear();
            assert_eq!(read(process).await, status);
            let operations = process.wire.operations();
            assert_eq!(operations, ["BatchGetItem", "PutItem"], "loaded once");
        }
    }
}

#[tokio::test]
async fn a_deny_wins_over_the_admins_allow() {
    let vault = filled().await;
    let deny = rule(
        Effect::Deny,
        "roles:admin",
        "secrets:team:<.*>",
        "<read|delete>",
    );
    vault.set_rules(vec![deny]).await;
    let odd = rule(Effect::Deny, "roles:admin", "secrets:team:<.*>", "read");
    vault.read("team/a").await.expect(403);
    vault.set_rules(vec![odd]).await;
    vault.read("team/a").await.expect(403);
    vault.read("other").await.expect(200);
    vault
        .update("team/a", json!({"description": "x"}))
        .await
        .expect(200);
}

#[tokio::test]
async fn the_reader_of_a_dynamic_secret_needs_nothing_on_its_base() {
    let vault = filled().await;
    let token = vault.make_role("app").await;
    let allow = rule(Effect::Allow, "roles:app", "secrets:aws:reader", "read");
    vault.set_rules(vec![allow]).await;
    let read = |path: &str| {
        let target = format!("/v1/secrets/{path}");
        let (vault, token) = (&vault, &token);
        async move { vault.ask_as(token, Method::GET, &target, None).await }
    };
    let answer = read("aws/reader").await.expect(200).json();
    assert!(answer["data"]["accessKey"].is_string());
    read("aws/base").await.refused(403, "Invalid permissions");
    read("aws/base?edit=true").await.expect(403);
}

#[tokio::test]
async fn without_an_epoch_nobody_gets_in() {
    let vault = filled().await;
    for item in vault.items_of("EPOCH#") {
        vault.delete_item(&item);
    }
    vault
        .read("other")
        .await
        .refused(401, "unable to authenticate");
}

#[tokio::test]
async fn a_withdrawn_signing_key_ends_its_tokens() {
    let vault = filled().await;
    let (mut snapshot, epoch) = vault.app.rules.read().await.unwrap();
    let (_, public) = mayfly::access::token::generate(0).unwrap();
    snapshot.keys = vec![public];
    let table = &vault.app.table;
    let writes = snapshot.writes(table, Some(&epoch)).unwrap();
    table.transact(uuid::Uuid::new_v4(), writes).await.unwrap();
    vault
        .read("other")
        .await
        .refused(401, "unable to authenticate");
    vault
        .read("other")
        .await
        .refused(401, "unable to authenticate");
}
