//! Policies: made, changed, brought back, and counting at the very next request.

use std::fmt::Write;

use http::Method;
use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

pub(crate) const POLICIES: &str = "/v1/config/policies";

/// An allow for one subject: `read` on everything under the policy's path.
#[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
pub(crate) fn entry(effect: &str, subject: &str, more: Value) -> Value {
    let mut entry = json!({"subjects": [subject], "effect": effect, "actions": ["read"]});
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

/// What the DSV command line sends.
pub(crate) fn body(path: &str, entries: &[Value]) -> Value {
    let document = json!({ "permissionDocument": entries }).to_string();
    json!({"path": path, "policy": document, "serialization": "json"})
}

pub(crate) async fn create(vault: &Vault, path: &str, entries: &[Value]) -> Answer {
    let body = body(path, entries);
    vault.ask(Method::POST, POLICIES, Some(&body)).await
}

pub(crate) async fn update(vault: &Vault, path: &str, entries: &[Value]) -> Answer {
    let target = format!("{POLICIES}/{path}");
    vault
        .ask(Method::PUT, &target, Some(&body("", entries)))
        .await
}

async fn look(vault: &Vault, rest: &str) -> Answer {
    let target = format!("{POLICIES}/{rest}");
    vault.ask(Method::GET, &target, None).await
}

async fn put(vault: &Vault, rest: &str) -> Answer {
    let target = format!("{POLICIES}/{rest}");
    vault.ask(Method::PUT, &target, None).await
}

async fn remove(vault: &Vault, rest: &str) -> Answer {
    let target = format!("{POLICIES}/{rest}");
    vault.ask(Method::DELETE, &target, None).await
}

/// What `token` gets when it reads the secret.
pub(crate) async fn status(vault: &Vault, token: &str, path: &str) -> u16 {
    let target = format!("/v1/secrets/{path}");
    let answer = vault.ask_as(token, Method::GET, &target, None).await;
    answer.status
}

#[tokio::test]
async fn a_policy_answers_its_document_with_all_defaults() {
    let vault = Vault::start().await;
    let sent =
        json!({"subjects": ["users:Bob", "groups:West Admins"], "actions": ["Read", "LIST"]});
    let made = create(&vault, "secrets/servers:us-west", &[sent])
        .await
        .expect(201)
        .json();
    assert_eq!(made["path"], "secrets:servers:us-west");
    assert_eq!(made["version"], "0");
    assert_eq!(made["createdBy"], "roles:admin");
    assert_eq!(made["created"], "2026-01-01T00:00:00Z");
    assert_eq!(made["id"].as_str().unwrap().len(), 36);
    let entry = &made["permissionDocument"][0];
    assert_eq!(entry["id"].as_str().unwrap().len(), 20);
    assert_eq!(
        entry["subjects"],
        json!(["users:bob", "groups:west admins"])
    );
    assert_eq!(entry["effect"], "allow");
    assert_eq!(entry["actions"], json!(["read", "list"]));
    assert_eq!(entry["resources"], json!(["secrets:servers:us-west:<.*>"]));
    assert_eq!(entry["conditions"], json!({}));
    assert_eq!(entry["meta"], Value::Null);
    for path in ["secrets:servers:us-west", "secrets/servers/us-west/"] {
        assert_eq!(look(&vault, path).await.expect(200).json(), made, "{path}");
    }
}

#[tokio::test]
async fn a_document_may_be_yaml() {
    let vault = Vault::start().await;
    let yaml = "permissionDocument:\n- subjects: ['roles:a']\n  actions: ['*']\n  effect: deny\n";
    let body = json!({"path": "secrets:a", "policy": yaml, "serialization": "yaml"});
    let made = vault
        .ask(Method::POST, POLICIES, Some(&body))
        .await
        .expect(201)
        .json();
    assert_eq!(made["permissionDocument"][0]["actions"], json!(["<.*>"]));
    assert_eq!(made["permissionDocument"][0]["effect"], "deny");
    let mut doubling = "a0: &a0 [x, x]\n".to_owned();
    let mut ninefold = doubling.clone();
    for n in 1..40 {
        let before = n - 1;
        writeln!(doubling, "a{n}: &a{n} [*a{before}, *a{before}]").unwrap();
        let nine = vec![format!("*a{before}"); 9].join(", ");
        writeln!(ninefold, "a{n}: &a{n} [{nine}]").unwrap();
    }
    for text in [doubling, ninefold] {
        let body = json!({"path": "secrets:b", "policy": text, "serialization": "yaml"});
        vault
            .ask(Method::POST, POLICIES, Some(&body))
            .await
            .refused(400, "policy");
    }
}

#[tokio::test]
async fn a_policy_cannot_reach_outside_its_path() {
    let vault = Vault::start().await;
    for resource in [
        "secrets:ab",
        "secrets:b:<.*>",
        "secrets:<.*>",
        "secrets:a<.*>",
        "secrets:<a|b>:x",
        "<.*>",
        "<secrets:a:.*|.*>",
        "config:policies:secrets:b",
        "config:policies:secrets:a<.*>",
        "config:policies:<.*>",
        "config",
        "users:bob",
    ] {
        let sent = [entry(
            "allow",
            "roles:a",
            json!({ "resources": [resource] }),
        )];
        let answer = create(&vault, "secrets:a", &sent).await;
        answer.refused(400, "policy.permissionDocument[0].resources[0]");
    }
    for resource in [
        "secrets:a",
        "secrets:a:<.*>",
        "secrets:a:b:<x|y>",
        "config:policies:secrets:a:<.*>",
        "config:policies:secrets:a",
    ] {
        let sent = [entry(
            "allow",
            "roles:a",
            json!({ "resources": [resource] }),
        )];
        create(&vault, "secrets:a", &sent).await.expect(201);
        remove(&vault, "secrets:a?force=true").await.expect(204);
    }
    assert_eq!(vault.items_of("POLICY#").len(), 0);
}

#[tokio::test]
async fn patterns_that_are_slow_broken_or_close_their_group_early_are_refused() {
    let vault = Vault::start().await;
    for pattern in [
        "secrets:a:<(a{1000}){1000}>",
        "secrets:a:<x)|(.*>",
        "secrets:a:<x",
        "secrets:a:x>",
        "secrets:a:<(?=x)>",
        r"secrets:a:<(x)\1>",
        "secrets:a:<[>",
    ] {
        let sent = [entry("allow", "roles:a", json!({ "resources": [pattern] }))];
        let answer = create(&vault, "secrets:a", &sent).await;
        answer.refused(400, "policy.permissionDocument[0].resources[0]");
    }
    for (field, value) in [
        ("subjects", json!([])),
        ("subjects", json!(["bob"])),
        ("subjects", json!(["users:<("])),
        ("actions", json!([])),
        ("actions", json!(["fly"])),
        ("effect", json!("perhaps")),
        (
            "conditions",
            json!({"remoteIP": {"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/99"}}}),
        ),
        ("conditions", json!({"remoteIP": {"type": "MoonCondition"}})),
    ] {
        let sent = [entry("allow", "roles:a", json!({ field: value }))];
        let answer = create(&vault, "secrets:a", &sent).await;
        answer.refused(400, &format!("policy.permissionDocument[0].{field}"));
    }
    assert_eq!(vault.items_of("POLICY#").len(), 0);
}

#[tokio::test]
async fn a_policy_counts_at_the_next_request_of_every_process() {
    let vault = Vault::start().await;
    let other = vault.another();
    vault.create("team/a", json!({})).await.expect(201);
    let token = vault.make_role("machine").await;
    let seen = async |expected: u16, when: &str| {
        for process in [&vault, &other] {
            assert_eq!(status(process, &token, "team/a").await, expected, "{when}");
        }
    };
    let allow = [entry("allow", "roles:machine", json!({}))];
    let deny = [entry("deny", "roles:<.*>", json!({}))];
    seen(403, "no policy").await;
    create(&vault, "secrets:team", &allow).await.expect(201);
    seen(200, "created").await;
    create(
        &vault,
        "secrets:team:a",
        &[entry(
            "deny",
            "roles:machine",
            json!({"resources": ["secrets:team:a"]}),
        )],
    )
    .await
    .expect(201);
    seen(403, "denied by a second policy").await;
    remove(&vault, "secrets:team:a").await.expect(200);
    seen(200, "the deny was deleted").await;
    put(&vault, "secrets:team:a/restore").await.expect(200);
    seen(403, "and restored").await;
    remove(&vault, "secrets:team:a?force=true")
        .await
        .expect(204);
    seen(200, "and removed").await;
    update(&vault, "secrets/team", &deny).await.expect(200);
    seen(403, "updated by a slash path").await;
    let back = put(&vault, "secrets:team/rollback/0")
        .await
        .expect(200)
        .json();
    assert_eq!(back["version"], "2");
    seen(200, "rolled back").await;
    remove(&vault, "secrets:team").await.expect(200);
    seen(403, "deleted").await;
}

#[tokio::test]
async fn versions_are_kept_and_answered_newest_first() {
    let vault = Vault::start().await;
    for (n, actions) in ["read", "list", "update"].into_iter().enumerate() {
        let sent = [entry("allow", "roles:a", json!({"actions": [actions]}))];
        match n {
            0 => create(&vault, "secrets:a", &sent).await.expect(201),
            _ => update(&vault, "secrets:a", &sent).await.expect(200),
        };
    }
    let answer = look(&vault, "secrets:a/version/1").await.expect(200).json();
    let versions: Vec<&str> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["2", "1"]);
    put(&vault, "secrets:a/rollback/7")
        .await
        .refused(404, "unable to find");
    look(&vault, "secrets:missing")
        .await
        .refused(404, "unable to find");
    create(&vault, "secrets:a", &[entry("allow", "roles:a", json!({}))])
        .await
        .refused(400, "already exists");
    remove(&vault, "secrets:a").await.expect(200);
    for answer in [
        look(&vault, "secrets:a").await,
        update(&vault, "secrets:a", &[entry("allow", "roles:a", json!({}))]).await,
    ] {
        answer.refused(
            404,
            "policy marked for deletion and will be removed in about 72 hours",
        );
    }
    create(&vault, "secrets:a", &[entry("allow", "roles:a", json!({}))])
        .await
        .refused(400, "policy marked for deletion");
}

#[tokio::test]
async fn policies_are_searched_a_page_at_a_time() {
    let vault = Vault::start().await;
    for n in 0..5 {
        let path = format!("secrets:team{n}");
        create(&vault, &path, &[entry("allow", "roles:a", json!({}))])
            .await
            .expect(201);
        vault.clock.advance(std::time::Duration::from_secs(1));
    }
    let search = async |query: &str| {
        let target = format!("{POLICIES}?{query}");
        vault
            .ask(Method::GET, &target, None)
            .await
            .expect(200)
            .json()
    };
    let paths = |answer: &Value| -> Vec<String> {
        let data = answer["data"].as_array().unwrap();
        data.iter()
            .map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = search("limit=2&searchTerm=&cursor=&sort=").await;
    assert_eq!(paths(&first), ["secrets:team4", "secrets:team3"]);
    let cursor = first["cursor"].as_str().unwrap();
    let second = search(&format!("limit=2&cursor={cursor}")).await;
    assert_eq!(paths(&second), ["secrets:team2", "secrets:team1"]);
    assert_eq!(paths(&search("searchTerm=team3").await), ["secrets:team3"]);
    assert_eq!(
        paths(&search("sortedBy=created&sort=asc&limit=1").await),
        ["secrets:team0"]
    );
    assert_eq!(search("searchTerm=nothing").await["data"], json!([]));
    let other = format!("{POLICIES}?limit=3&searchTerm=x&cursor={cursor}");
    vault
        .ask(Method::GET, &other, None)
        .await
        .refused(400, "cursor");
}

#[tokio::test]
async fn who_may_write_policies_below_a_path_may_do_just_that() {
    let vault = Vault::start().await;
    let token = vault.make_role("lead").await;
    let delegated = entry(
        "allow",
        "roles:lead",
        json!({"resources": ["config:policies:secrets:team:<.*>"], "actions": ["create", "read"]}),
    );
    create(&vault, "secrets:team", &[delegated])
        .await
        .expect(201);
    let make = async |path: &str| {
        let sent = body(path, &[entry("allow", "roles:lead", json!({}))]);
        vault
            .ask_as(&token, Method::POST, POLICIES, Some(&sent))
            .await
    };
    make("secrets:team:x").await.expect(201);
    make("secrets:team")
        .await
        .refused(403, "Invalid permissions");
    make("secrets:teams")
        .await
        .refused(403, "Invalid permissions");
    make("config:policies:secrets")
        .await
        .refused(403, "Invalid permissions");
    let target = format!("{POLICIES}/secrets:team:x");
    let changed = body("", &[entry("allow", "roles:lead", json!({}))]);
    vault
        .ask_as(&token, Method::PUT, &target, Some(&changed))
        .await
        .refused(403, "Invalid permissions");
    vault
        .ask_as(&token, Method::GET, &target, None)
        .await
        .expect(200);
    vault
        .ask_as(&token, Method::GET, POLICIES, None)
        .await
        .refused(403, "Invalid permissions");
}

#[tokio::test]
async fn the_source_address_is_the_gateways_and_no_header() {
    let vault = Vault::start().await;
    vault.create("team/a", json!({})).await.expect(201);
    let token = vault.make_role("machine").await;
    let from = |cidr: &str| {
        let condition = json!({"remoteIP": {"type": "CIDRCondition", "options": {"cidr": cidr}}});
        [entry(
            "allow",
            "roles:machine",
            json!({ "conditions": condition }),
        )]
    };
    create(&vault, "secrets:team", &from("192.0.2.0/24"))
        .await
        .expect(201);
    assert_eq!(status(&vault, &token, "team/a").await, 200);
    update(&vault, "secrets:team", &from("198.51.100.0/24"))
        .await
        .expect(200);
    assert_eq!(status(&vault, &token, "team/a").await, 403);
    for header in [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "x-amzn-source-ip",
    ] {
        let headers = [("authorization", token.as_str()), (header, "198.51.100.1")];
        let answer = vault
            .send(Method::GET, "/v1/secrets/team/a", &headers, Vec::new())
            .await;
        answer.refused(403, "Invalid permissions");
    }
    update(&vault, "secrets:team", &from("0.0.0.0/0"))
        .await
        .expect(200);
    let invoked = vault
        .invoke(Some("roles:machine"), json!({"path": "team/a"}))
        .await;
    assert!(
        matches!(invoked, Err(mayfly::error::Error::Forbidden)),
        "a direct invocation has no address"
    );
}

#[tokio::test]
async fn a_thousand_policies_and_no_more() {
    let vault = Vault::start().await;
    let (mut snapshot, epoch) = vault.app.rules.read().await.unwrap();
    for n in 0..999 {
        snapshot
            .policies
            .insert(format!("secrets:p{n}"), Vec::new());
    }
    let writes = snapshot.writes(&vault.app.table, Some(&epoch)).unwrap();
    vault
        .app
        .table
        .transact(uuid::Uuid::new_v4(), writes)
        .await
        .unwrap();
    let sent = [entry("allow", "roles:a", json!({}))];
    create(&vault, "secrets:last", &sent).await.expect(201);
    create(&vault, "secrets:beyond", &sent)
        .await
        .refused(400, "at most 1000 policies");
    update(&vault, "secrets:last", &sent).await.expect(200);
    remove(&vault, "secrets:last").await.expect(200);
    create(&vault, "secrets:beyond", &sent).await.expect(201);
    put(&vault, "secrets:last/restore")
        .await
        .refused(400, "at most 1000 policies");
}

#[tokio::test]
async fn writers_at_the_same_moment_lose_nothing() {
    let vault = Vault::start().await;
    let others: Vec<Vault> = (0..4).map(|_| vault.another()).collect();
    let sent = [entry("allow", "roles:a", json!({}))];
    let writes = others.iter().enumerate().map(|(n, process)| {
        let path = format!("secrets:p{n}");
        let sent = sent.clone();
        async move { create(process, &path, &sent).await.expect(201) }
    });
    futures_util::future::join_all(writes).await;
    let (snapshot, _) = vault.app.rules.read().await.unwrap();
    assert_eq!(snapshot.policies.len(), 4);
    let update = others
        .iter()
        .map(|process| update(process, "secrets:p0", &sent));
    for answer in futures_util::future::join_all(update).await {
        answer.expect(200);
    }
    let head = look(&vault, "secrets:p0").await.json();
    assert_eq!(head["version"], "4", "each update is a version of its own");
}
