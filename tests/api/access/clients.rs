//! Client credentials: made, listed, limited, deleted and brought back.

use futures_util::future::join_all;
use http::Method;
use mayfly::access::policy::{Effect, Rule};
use mayfly_tests::{Answer, Vault, vault::rule, wire::Trouble};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const CLIENTS: &str = "/v1/clients";

/// A vault with the role `app`, and the token of a client of it.
pub(crate) async fn with_role() -> (Vault, String) {
    let vault = Vault::start().await;
    let token = vault.make_role("app").await;
    (vault, token)
}

/// The same where waiting for the weather would move the clock.
pub(crate) async fn with_role_in_calm() -> Vault {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault.make_role("app").await;
    vault
}

pub(crate) async fn post(vault: &Vault, body: Value) -> Answer {
    vault.ask(Method::POST, CLIENTS, Some(&body)).await
}

/// A new client of the role `app`, with `more`.
pub(crate) async fn make(vault: &Vault, more: Value) -> Value {
    let mut body = json!({"role": "app"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    post(vault, body).await.expect(201).json()
}

/// Asks for one client, with what is behind its id.
pub(crate) async fn about(vault: &Vault, method: Method, client: &Value, rest: &str) -> Answer {
    let id = client["clientId"].as_str().unwrap();
    let target = format!("{CLIENTS}/{id}{rest}");
    vault.ask(method, &target, None).await
}

pub(crate) async fn sign_in(vault: &Vault, client: &Value) -> Answer {
    let text = |key: &str| client[key].as_str().unwrap();
    vault.sign_in(text("clientId"), text("clientSecret")).await
}

pub(crate) async fn token_of(vault: &Vault, client: &Value) -> String {
    let grant = sign_in(vault, client).await.expect(200).json();
    grant["accessToken"].as_str().unwrap().to_owned()
}

/// What somebody with `token` gets for a secret that the role `app` has no right on.
pub(crate) async fn status(vault: &Vault, token: &str) -> u16 {
    let answer = vault.ask_as(token, Method::GET, "/v1/secrets/x", None);
    answer.await.status
}

async fn list(vault: &Vault, query: &str) -> Value {
    let target = format!("{CLIENTS}?{query}");
    let answer = vault.ask(Method::GET, &target, None).await;
    answer.expect(200).json()
}

async fn role(vault: &Vault, method: Method, rest: &str) -> Answer {
    let target = format!("/v1/roles/{rest}");
    vault.ask(method, &target, None).await
}

#[tokio::test]
async fn a_client_signs_in_with_the_secret_that_is_shown_once() {
    let (vault, _) = with_role().await;
    let made = make(&vault, json!({"description": "ci"})).await;
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    assert_eq!(text("id").len(), 36);
    assert_eq!(text("clientId").len(), 36);
    assert_ne!(text("id"), text("clientId"));
    assert_eq!(text("clientSecret").len(), 43);
    for (key, value) in [
        ("role", json!("app")),
        ("description", json!("ci")),
        ("usesLimit", json!(0)),
        ("usedCount", json!(0)),
        ("TTL", json!(0)),
        ("url", json!(false)),
        ("urlTTL", json!(0)),
        ("status", json!("active")),
        ("created", json!("2026-01-01T00:00:00Z")),
        ("createdBy", json!("roles:admin")),
        ("lastModified", json!("2026-01-01T00:00:00Z")),
        ("lastModifiedBy", json!("roles:admin")),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    for absent in ["expiredAt", "urlPath", "urlExpires"] {
        assert!(made.get(absent).is_none(), "{absent}");
    }
    assert_eq!(status(&vault, &token_of(&vault, &made).await).await, 403);

    let mut hidden = made.clone();
    hidden.as_object_mut().unwrap().remove("clientSecret");
    let read = about(&vault, Method::GET, &made, "").await;
    assert_eq!(read.expect(200).json(), hidden);
    let listed = list(&vault, "role=app").await;
    assert!(listed["data"].as_array().unwrap().contains(&hidden));
    let another = vault.another();
    let read = about(&another, Method::GET, &made, "").await;
    assert_eq!(read.expect(200).json(), hidden);
    sign_in(&another, &made).await.expect(200);
}

#[tokio::test]
async fn what_the_clients_of_the_vault_send_is_understood() {
    let (vault, _) = with_role().await;
    let go = json!({
        "id": "", "Created": "0001-01-01T00:00:00Z", "CreatedBy": "", "clientId": "", "clientSecret": "", "Role": "APP",
    });
    let target = format!("{CLIENTS}/");
    let made = vault.ask(Method::POST, &target, Some(&go)).await;
    let made = made.expect(201).json();
    assert_eq!(made["role"], "app");
    sign_in(&vault, &made).await.expect(200);
    let cli = json!({"role": "app", "ttl": 60, "usesLimit": 3, "description": null, "url": null});
    let made = post(&vault, cli).await.expect(201).json();
    assert_eq!((&made["TTL"], &made["usesLimit"]), (&json!(60), &json!(3)));
    assert_eq!(made["expiredAt"], "2026-01-01T00:01:00Z");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_named() {
    let (vault, _) = with_role().await;
    let before = vault.items_of("CLIENT#").len();
    let long = "x".repeat(1025);
    for (more, field) in [
        (json!({"role": null}), "role"),
        (json!({"role": ""}), "role"),
        (json!({"role": 7}), "role"),
        (json!({"role": "azure:app"}), "role"),
        (json!({"role": "a#"}), "role"),
        (json!({"ttl": -1}), "ttl"),
        (json!({"ttl": "60"}), "ttl"),
        (json!({"ttl": 1.5}), "ttl"),
        (json!({"ttl": 315_360_001}), "ttl"),
        (json!({"urlTTL": 315_360_001, "url": true}), "urlTTL"),
        (json!({"urlTTL": 1}), "urlTTL"),
        (json!({"usesLimit": 1_000_000_001}), "usesLimit"),
        (json!({"usesLimit": -1}), "usesLimit"),
        (json!({"description": long}), "description"),
        (json!({"url": "yes"}), "url"),
    ] {
        let mut body = json!({"role": "app"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let part = format!("{field}: ");
        post(&vault, body).await.refused(400, &part);
    }
    post(&vault, json!({})).await.refused(400, "role: ");
    let twice = br#"{"role":"app","Role":"admin"}"#.to_vec();
    let sent = [("authorization", vault.token.as_str())];
    let answer = vault.send(Method::POST, CLIENTS, &sent, twice).await;
    answer.refused(400, "body: ");
    assert_eq!(vault.items_of("CLIENT#").len(), before);
    make(
        &vault,
        json!({"ttl": 315_360_000, "usesLimit": 1_000_000_000}),
    )
    .await;
}

#[tokio::test]
async fn a_role_that_is_not_there_is_a_400_that_names_it() {
    let (vault, _) = with_role().await;
    let unknown = post(&vault, json!({"role": "nobody"})).await;
    unknown.refused(400, "role: must be the name of a role");
    role(&vault, Method::DELETE, "app").await.expect(200);
    let deleted = post(&vault, json!({"role": "app"})).await;
    deleted.refused(400, "role: must not be marked for deletion");
    role(&vault, Method::PUT, "app/restore").await.expect(200);
    make(&vault, json!({})).await;
}

#[tokio::test]
async fn without_a_right_nothing_is_told() {
    let (vault, token) = with_role().await;
    let made = make(&vault, json!({})).await;
    vault.make_role("gone").await;
    role(&vault, Method::DELETE, "gone").await.expect(200);
    let id = made["clientId"].as_str().unwrap();
    for role in ["app", "admin", "gone", "nobody"] {
        let body = json!({"role": role});
        let answer = vault.ask_as(&token, Method::POST, CLIENTS, Some(&body));
        answer.await.refused(403, "Invalid permissions");
        let target = format!("{CLIENTS}?role={role}");
        let answer = vault.ask_as(&token, Method::GET, &target, None);
        answer.await.refused(403, "Invalid permissions");
    }
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let long = "x".repeat(5000);
    for name in [id, unknown, "x", &long] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::DELETE, "?force=true"),
            (Method::PUT, "/restore"),
        ] {
            let target = format!("{CLIENTS}/{name}{rest}");
            let answer = vault.ask_as(&token, method, &target, None).await;
            answer.refused(403, "Invalid permissions");
        }
    }
    let target = format!("{CLIENTS}/{id}");
    let nobody = vault.send(Method::GET, &target, &[], Vec::new()).await;
    nobody.refused(401, "unable to authenticate");
}

/// What the role `app` may do: `resource action`, each a pattern; a deny begins with an exclamation mark.
fn rights(all: &[&str]) -> Vec<Rule> {
    let one = |right: &&str| {
        let (effect, right) = match right.strip_prefix('!') {
            Some(right) => (Effect::Deny, right),
            None => (Effect::Allow, *right),
        };
        let (resource, action) = right.split_once(' ').unwrap();
        rule(effect, "roles:app", resource, action)
    };
    all.iter().map(one).collect()
}

#[tokio::test]
async fn making_a_client_takes_the_right_to_assign_its_role() {
    let (vault, token) = with_role().await;
    vault.make_role("app-two").await;
    let pattern = ["clients create", "roles:app-<.*> assign"];
    let own = ["clients create", "roles:app assign"];
    let cases: [(&[&str], &str, u16); 17] = [
        (&["clients create"], "admin", 403),
        (&["clients create"], "app", 403),
        (&["roles:admin assign"], "admin", 403),
        (&own, "app", 201),
        (&own, "APP", 201),
        (&own, "admin", 403),
        (&own, "app-two", 403),
        (&pattern, "app-two", 201),
        (&pattern, "app", 403),
        (&pattern, "admin", 403),
        (&["clients create", "roles assign"], "admin", 403),
        (
            &[
                "clients create",
                "roles:admin <create|read|update|list|delete>",
            ],
            "admin",
            403,
        ),
        (&["clients create", "clients:<.*> <.*>"], "admin", 403),
        (&["clients:<.*> create", "roles:app assign"], "app", 403),
        (&["clients <read|update>", "roles:app assign"], "app", 403),
        (
            &["clients create", "roles:<.*> assign", "!roles:admin assign"],
            "Admin",
            403,
        ),
        (
            &["clients create", "roles:<.*> assign", "!clients create"],
            "app",
            403,
        ),
    ];
    for (rules, role, expected) in cases {
        vault.set_rules(rights(rules)).await;
        for url in [false, true] {
            let body = json!({"role": role, "url": url});
            let answer = vault.ask_as(&token, Method::POST, CLIENTS, Some(&body));
            assert_eq!(answer.await.status, expected, "{rules:?} {role} {url}");
        }
    }
    let mut made_for_admin = vault.items_of("CLIENT#");
    made_for_admin.retain(|item| item["role"]["S"] == "admin");
    assert_eq!(made_for_admin.len(), 1, "the first one alone");
}

#[tokio::test]
async fn clients_are_listed_by_role() {
    let (vault, _) = with_role().await;
    for name in ["app2", "app-x", "a"] {
        vault.make_role(name).await;
    }
    for _ in 0..6 {
        make(&vault, json!({})).await;
    }
    for query in ["", "?role=", "?limit=5", "?role=a:b", "?role=a%23b"] {
        let target = format!("{CLIENTS}{query}");
        let answer = vault.ask(Method::GET, &target, None).await;
        answer.refused(400, if query.contains("%23") { "" } else { "role: " });
    }
    let all = list(&vault, "role=App").await;
    assert_eq!((&all["length"], &all["total"]), (&json!(7), &json!(7)));
    assert_eq!((&all["limit"], &all["cursor"]), (&json!(25), &json!("")));
    let data = all["data"].as_array().unwrap();
    assert!(data.iter().all(|client| client["role"] == "app"));
    assert!(
        data.iter()
            .all(|client| client.get("clientSecret").is_none())
    );

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&vault, &format!("role=app&limit=3&cursor={cursor}")).await;
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
        let other = format!("{CLIENTS}?role=app2&limit=3&cursor={cursor}");
        vault.ask(Method::GET, &other, None).await.expect(400);
    }
    assert_eq!(seen.len(), 7);
    assert!(data.iter().all(|client| seen.contains(client)));
    assert_eq!(list(&vault, "role=nobody").await["data"], json!([]));
    let deleted = about(&vault, Method::DELETE, &data[0], "").await;
    deleted.expect(200);
    assert_eq!(list(&vault, "role=app").await["length"], 6);
}

#[tokio::test]
async fn an_id_counts_in_any_spelling_and_what_is_none_is_not_found() {
    let (vault, _) = with_role().await;
    let made = make(&vault, json!({})).await;
    let id = made["clientId"].as_str().unwrap();
    for spelling in [id.to_uppercase(), id.replace('-', "")] {
        let target = format!("{CLIENTS}/{spelling}");
        let read = vault.ask(Method::GET, &target, None).await;
        assert_eq!(read.expect(200).json()["clientId"], id);
    }
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let (long, item_id) = ("é".repeat(3000), made["id"].as_str().unwrap());
    for name in [unknown, item_id, "bootstrap", "x", "x y", "app#", &long] {
        let name = name.replace('#', "");
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::DELETE, "?force=true"),
            (Method::PUT, "/restore"),
        ] {
            // This one is the address of something else.
            if name == "bootstrap" && method == Method::PUT {
                continue;
            }
            let target = format!("{CLIENTS}/{name}{rest}");
            let answer = vault.ask(method, &target, None).await;
            answer.refused(404, "unable to find item with specified identifier");
        }
    }
}

#[tokio::test]
async fn a_deleted_client_is_out_at_the_very_next_request() {
    let (vault, _) = with_role().await;
    let made = make(&vault, json!({})).await;
    let token = token_of(&vault, &made).await;
    let another = vault.another();
    assert_eq!(status(&another, &token).await, 403);
    for _ in 0..2 {
        let deleted = about(&vault, Method::DELETE, &made, "").await.expect(200);
        assert_eq!(
            deleted.message(),
            "client marked for deletion and will be removed in about 72 hours"
        );
        assert_eq!(status(&another, &token).await, 401);
        sign_in(&another, &made).await.expect(401);
    }
    let read = about(&vault, Method::GET, &made, "").await;
    read.refused(404, "client marked for deletion");
    let restored = about(&vault, Method::PUT, &made, "/restore").await;
    assert_eq!(restored.expect(200).text(), "");
    let again = about(&vault, Method::GET, &made, "/restore").await;
    again.refused(400, "the client is not marked for deletion");
    assert_eq!(status(&another, &token).await, 401, "void for good");
    let fresh = token_of(&another, &made).await;
    assert_eq!(status(&vault, &fresh).await, 403);

    let forced = about(&vault, Method::DELETE, &made, "?force=true").await;
    assert_eq!(forced.expect(204).text(), "");
    assert_eq!(status(&another, &fresh).await, 401);
    sign_in(&vault, &made).await.expect(401);
    about(&vault, Method::GET, &made, "").await.expect(404);
    let gone = about(&vault, Method::PUT, &made, "/restore").await;
    gone.expect(404);
}

#[tokio::test]
async fn an_expired_client_is_out_at_that_very_moment() {
    let vault = with_role_in_calm().await;
    let made = make(&vault, json!({"ttl": 60})).await;
    assert_eq!(made["expiredAt"], "2026-01-01T00:01:00Z");
    let token = token_of(&vault, &made).await;
    vault.clock.advance(Duration::from_millis(59_999));
    sign_in(&vault, &made).await.expect(200);
    assert_eq!(status(&vault, &token).await, 403);
    vault.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&vault, &token).await, 401);
    sign_in(&vault, &made).await.expect(401);
    let read = about(&vault, Method::GET, &made, "").await.expect(200);
    assert_eq!(read.json()["status"], "expired");
    about(&vault, Method::DELETE, &made, "").await.expect(200);
    let restored = about(&vault, Method::PUT, &made, "/restore").await;
    restored.expect(200);
    sign_in(&vault, &made).await.expect(401);
}

#[tokio::test]
async fn a_limit_of_uses_holds_and_is_counted() {
    let (vault, _) = with_role().await;
    let made = make(&vault, json!({"usesLimit": 2})).await;
    let read = async || {
        let read = about(&vault, Method::GET, &made, "")
            .await
            .expect(200)
            .json();
        (read["usedCount"].as_u64().unwrap(), read["status"].clone())
    };
    let token = token_of(&vault, &made).await;
    assert_eq!(read().await, (1, json!("active")));
    sign_in(&vault, &made).await.expect(200);
    assert_eq!(read().await, (2, json!("used up")));
    sign_in(&vault, &made).await.expect(401);
    assert_eq!(read().await, (2, json!("used up")));
    assert_eq!(status(&vault, &token).await, 403, "it ends by itself");
}

#[tokio::test]
async fn a_client_counts_only_with_the_very_role_it_was_made_for() {
    let (vault, _) = with_role().await;
    let (kept, deleted) = (make(&vault, json!({})).await, make(&vault, json!({})).await);
    let token = token_of(&vault, &kept).await;
    about(&vault, Method::DELETE, &deleted, "")
        .await
        .expect(200);
    role(&vault, Method::DELETE, "app").await.expect(200);
    assert_eq!(status(&vault, &token).await, 401);
    sign_in(&vault, &kept).await.expect(401);
    let restored = about(&vault, Method::PUT, &deleted, "/restore").await;
    restored.refused(400, "the role of this client is gone");
    role(&vault, Method::PUT, "app/restore").await.expect(200);
    sign_in(&vault, &kept).await.expect(200);

    // As it was before what belongs to the role was removed with it.
    let id = kept["clientId"].as_str().unwrap();
    let item = vault.items_of(&format!("CLIENT#{id}")).remove(0);
    let forced = role(&vault, Method::DELETE, "app?force=true").await;
    forced.expect(204);
    about(&vault, Method::GET, &kept, "").await.expect(404);
    let body = json!({"name": "app"});
    let made = vault.ask(Method::POST, "/v1/roles", Some(&body)).await;
    made.expect(201);
    vault.put_item(&item);
    assert_eq!(status(&vault, &token).await, 401);
    sign_in(&vault, &kept).await.expect(401);
    let restored = about(&vault, Method::PUT, &deleted, "/restore").await;
    restored.refused(400, "the role of this client is gone");
}

#[tokio::test]
async fn no_client_is_made_for_a_role_that_goes_away_at_the_same_moment() {
    let vault = with_role_in_calm().await;
    let mut refused = 0;
    for delay in 0..4 {
        let name = format!("role{delay}");
        vault.make_role(&name).await;
        // The more often the four are held up, the later they are than the removal.
        for _ in 0..4 * delay {
            vault.wire.next("TransactWriteItems", Trouble::Conflict);
        }
        let makers = (0..4).map(|_| post(&vault, json!({"role": name.clone()})));
        let rest = format!("{name}?force=true");
        let removed = role(&vault, Method::DELETE, &rest);
        let (made, removed) = tokio::join!(join_all(makers), removed);
        removed.expect(204);
        for answer in made {
            if answer.status == 201 {
                sign_in(&vault, &answer.json()).await.expect(401);
            } else {
                answer.refused(400, "role: ");
                refused += 1;
            }
        }
        let body = json!({ "name": name });
        let again = vault.ask(Method::POST, "/v1/roles", Some(&body)).await;
        again.expect(201);
        let left = list(&vault, &format!("role={name}")).await;
        assert_eq!(left["data"], json!([]), "{name}");
    }
    assert!(refused > 0, "no removal was in time");
}

#[tokio::test]
async fn making_a_client_is_one_transaction_with_its_record() {
    let vault = with_role_in_calm().await;
    vault.wire.clear();
    let made = make(&vault, json!({})).await;
    assert_eq!(
        vault.wire.operations(),
        ["BatchGetItem", "TransactWriteItems"]
    );
    let mut records = vault.audit().into_iter();
    let record = records.find(|record| record["path"] == "clients").unwrap();
    let id = made["clientId"].as_str().unwrap();
    assert_eq!(
        (&record["path"], &record["status"]),
        (&json!("clients"), &json!(201))
    );
    assert_eq!(record["message"], format!("created {id} for roles:app"));

    let before = vault.items_of("CLIENT#").len();
    vault.wire.next("TransactWriteItems", Trouble::LostAnswer);
    let made = make(&vault, json!({})).await;
    sign_in(&vault, &made).await.expect(200);
    assert_eq!(vault.items_of("CLIENT#").len(), before + 1, "made once");
    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);
    let failed = post(&vault, json!({"role": "app"})).await;
    assert!(failed.status >= 500, "{}", failed.text());
    assert_eq!(vault.items_of("CLIENT#").len(), before + 1);
}
