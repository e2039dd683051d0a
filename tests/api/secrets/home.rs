//! `/v1/home/{principal}/{path}`: a principal's own secrets, with the same shapes as the vault's.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Answer, Vault, vault::rule};
use serde_json::{Value, json};

/// The role `bob`, signed in, and its home.
pub(crate) struct Bob {
    pub(crate) vault: Vault,
    pub(crate) token: String,
}

impl Bob {
    pub(crate) async fn start() -> Self {
        let vault = Vault::start().await;
        let token = vault.make_role("bob").await;
        Self { vault, token }
    }

    /// A request as bob, about `/v1/{target}`.
    pub(crate) async fn ask(&self, method: Method, target: &str, body: Option<Value>) -> Answer {
        let target = format!("/v1/{target}");
        self.vault
            .ask_as(&self.token, method, &target, body.as_ref())
            .await
    }

    pub(crate) async fn get(&self, rest: &str) -> Answer {
        self.ask(Method::GET, &format!("home/roles:bob{rest}"), None)
            .await
    }

    pub(crate) async fn post(&self, rest: &str, body: Value) -> Answer {
        self.ask(Method::POST, &format!("home/roles:bob{rest}"), Some(body))
            .await
    }

    pub(crate) async fn put(&self, rest: &str, body: Value) -> Answer {
        self.ask(Method::PUT, &format!("home/roles:bob{rest}"), Some(body))
            .await
    }

    pub(crate) async fn delete(&self, rest: &str) -> Answer {
        self.ask(Method::DELETE, &format!("home/roles:bob{rest}"), None)
            .await
    }
}

#[tokio::test]
async fn a_secret_in_a_home_lives_as_any_other() {
    let bob = Bob::start().await;
    let before = bob.vault.items_of("HOME");
    let body = json!({"data": {"a": 1}, "description": "mine", "attributes": {"tag": "x"}});
    let made = bob.post("/db/mongo", body).await.expect(201).json();
    assert_eq!(made["path"], "roles:bob:db:mongo");
    assert_eq!(made["createdBy"], "roles:bob");
    assert_eq!(made["version"], "0");
    bob.post("/db/mongo", json!({}))
        .await
        .refused(400, "already exists");

    for rest in [
        "/db/mongo",
        "//db/mongo",
        "/db:mongo/",
        "/db/mongo?edit=true",
    ] {
        assert_eq!(bob.get(rest).await.expect(200).json(), made, "{rest}");
    }
    let described = bob.get("/db/mongo::description").await.expect(200).json();
    assert_eq!(described["id"], made["id"]);
    assert!(described.get("data").is_none());

    let merged = bob.put("/db/mongo", json!({"data": {"b": 2}})).await;
    let merged = merged.expect(200).json();
    assert_eq!(merged["data"], json!({"a": 1, "b": 2}));
    assert_eq!(merged["path"], "roles:bob:db:mongo");
    let back = bob.put("/db/mongo/rollback/0", Value::Null).await;
    let back = back.expect(200).json();
    assert_eq!(
        (&back["version"], &back["data"]),
        (&json!("2"), &json!({"a": 1}))
    );
    let versions = bob.get("/db/mongo/version/9").await.expect(200).json();
    let data = |n: usize| &versions["data"][n]["data"];
    assert_eq!(
        [data(0), data(1), data(2)],
        [&json!({"a": 1}), &json!({"a": 1, "b": 2}), &json!({"a": 1})]
    );

    let done = bob.delete("/db/mongo").await.expect(200);
    assert!(done.message().contains("marked for deletion"));
    bob.get("/db/mongo").await.refused(404, "will be removed");
    bob.put("/db/mongo", json!({}))
        .await
        .refused(404, "will be removed");
    let restored = bob.put("/db/mongo/restore", Value::Null).await.expect(200);
    assert!(restored.body.is_empty());
    assert_eq!(bob.get("/db/mongo").await.expect(200).json(), back);

    bob.delete("/db/mongo?force=true").await.expect(204);
    bob.get("/db/mongo")
        .await
        .refused(404, "unable to find item");
    assert_eq!(bob.vault.items_of("HOME"), before);
    assert!(bob.vault.items_of("TASK#").is_empty());
}

#[tokio::test]
async fn an_id_names_a_secret_in_its_home() {
    let bob = Bob::start().await;
    let made = bob.post("/a", json!({"data": {"n": 1}})).await;
    let made = made.expect(201).json();
    let id = made["id"].as_str().unwrap();

    for (by_id, restore) in [
        (format!("/{id}"), format!("/{id}/restore")),
        (format!("/x?id={id}"), format!("/x/restore?id={id}")),
    ] {
        assert_eq!(bob.get(&by_id).await.json()["path"], "roles:bob:a");
        let changed = bob.put(&by_id, json!({"data": {"m": 2}})).await;
        assert_eq!(changed.expect(200).json()["id"], made["id"]);
        bob.delete(&by_id).await.expect(200);
        bob.put(&restore, Value::Null).await.expect(200);
    }
    let back = bob.put(&format!("/{id}/rollback/0"), Value::Null).await;
    assert_eq!(back.expect(200).json()["version"], "3");
    let versions = bob.get(&format!("/{id}/version/9")).await;
    assert_eq!(versions.json()["data"].as_array().map(Vec::len), Some(4));
    bob.delete(&format!("/{id}?force=true")).await.expect(204);

    // Whose home it is may know that nothing is there.
    for unknown in [id, "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21", "missing"] {
        let answer = bob.get(&format!("/{unknown}")).await;
        answer.refused(404, "unable to find item");
    }
}

#[tokio::test]
async fn ones_own_home_is_open_whatever_the_rules_say() {
    let bob = Bob::start().await;
    let rules = vec![
        rule(Effect::Deny, "<.*>", "home:<.*>", "<.*>"),
        rule(Effect::Deny, "roles:bob", "<.*>", "<.*>"),
    ];
    bob.vault.set_rules(rules).await;

    bob.post("/a", json!({"data": {"n": 1}})).await.expect(201);
    bob.put("/a", json!({"data": {"n": 2}})).await.expect(200);
    for rest in ["/a", "/a::description", "/a/version/1", "", "::listpaths"] {
        bob.get(rest).await.expect(200);
    }
    bob.put("/a/rollback/0", Value::Null).await.expect(200);
    bob.delete("/a").await.expect(200);
    bob.put("/a/restore", Value::Null).await.expect(200);
    let shouted = bob.ask(Method::GET, "home/Roles:BOB/a", None).await;
    assert_eq!(shouted.expect(200).json()["path"], "roles:bob:a");

    let mine = json!({"data": {"n": 3}});
    let own = |method| bob.vault.ask(method, "/v1/home/roles:admin/a", Some(&mine));
    own(Method::POST).await.expect(201);
    own(Method::GET).await.expect(200);
}

#[tokio::test]
async fn a_home_is_found_by_any_name_that_a_principal_may_have() {
    let vault = Vault::start().await;
    for (name, written) in [
        ("west admins", "roles:west%20admins"),
        ("bob.smith+x@example.com", "roles:Bob.Smith+x@example.com"),
        ("a_b-c", "roles%3Aa_b-c"),
        ("azure:bob", "roles:azure:bob"),
    ] {
        let token = vault.make_role(name).await;
        let target = format!("/v1/home/{written}/a");
        let body = json!({});
        let made = vault.ask_as(&token, Method::POST, &target, Some(&body));
        let made = made.await.expect(201).json();
        assert_eq!(made["path"], format!("roles:{name}:a"));
        let read = vault.ask_as(&token, Method::GET, &target, None).await;
        assert_eq!(read.expect(200).json(), made);
    }
}

#[tokio::test]
async fn reading_ones_own_home_is_one_read_and_one_record() {
    let bob = Bob::start().await;
    bob.vault.wire.bad_weather(0);
    let made = bob.post("/a", json!({"data": {"n": 1}})).await;
    let id = format!("/{}", made.expect(201).json()["id"].as_str().unwrap());
    bob.get(&id).await.expect(200);
    for rest in ["/a", "/a::description", "/missing", &id] {
        bob.vault.wire.clear();
        bob.get(rest).await;
        let mut calls = bob.vault.wire.operations();
        calls.sort();
        assert_eq!(calls, ["BatchGetItem", "PutItem"], "{rest}");
        assert_eq!(bob.vault.wire.depth(), 2, "{rest}");
        let path = format!("home:roles:bob{rest}").replace('/', ":");
        let records = bob.vault.audit();
        assert!(
            records
                .iter()
                .any(|record| record["path"] == path && record["principal"] == "roles:bob")
        );
    }
    bob.vault.wire.clear();
    bob.put("/a", json!({"data": {"n": 2}})).await.expect(200);
    let calls = bob.vault.wire.operations();
    assert_eq!(calls, ["BatchGetItem", "TransactWriteItems"]);
}
