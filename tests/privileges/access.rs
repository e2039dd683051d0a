//! Roles, users, groups, clients, policies and the config, through their whole lives.

use std::time::Duration;

use http::Method;
use mayfly_tests::wire::Trouble;
use serde_json::{Value, json};

use crate::scenario::{ALL_VERSIONS, KEPT, PASSWORD, Scenario};

/// One kind of thing: where it is, what makes one, what changes it.
struct Kind {
    at: &'static str,
    name: &'static str,
    body: Value,
    change: Option<Value>,
}

fn policy(action: &str) -> Value {
    let entry = json!({"subjects": ["roles:app"], "effect": "allow", "actions": [action], "resources": ["secrets:team"]});
    let document = json!({"permissionDocument": [entry]}).to_string();
    json!({"path": "secrets:team", "policy": document, "serialization": "json"})
}

fn kinds() -> [Kind; 4] {
    [
        Kind {
            at: "roles",
            name: "ops",
            body: json!({"name": "ops"}),
            change: Some(json!({"description": "x"})),
        },
        Kind {
            at: "users",
            name: "bob",
            body: json!({"userName": "bob", "password": PASSWORD}),
            change: Some(json!({"displayName": "x"})),
        },
        Kind {
            at: "groups",
            name: "east",
            body: json!({"groupName": "east", "members": ["eve", "roles:app"]}),
            change: None,
        },
        Kind {
            at: "config/policies",
            name: "secrets:team",
            body: policy("read"),
            change: Some(policy("list")),
        },
    ]
}

pub(crate) async fn play(scenario: &mut Scenario) {
    for kind in kinds() {
        whole_life(scenario, &kind).await;
    }
    passwords(scenario).await;
    members(scenario).await;
    clients(scenario).await;
    homes_go_with_their_owners(scenario).await;
    config(scenario).await;
    over_what_is_over(scenario).await;
}

async fn whole_life(scenario: &Scenario, kind: &Kind) {
    let at = format!("{}/{}", kind.at, kind.name);
    scenario.post(kind.at, kind.body.clone()).await;
    scenario.get(&at).await;
    if let Some(change) = &kind.change {
        for _ in 0..ALL_VERSIONS {
            scenario.put(&at, change.clone()).await;
        }
        scenario.get(&format!("{at}/version/5")).await;
    }
    lists(scenario, kind.at).await;
    if kind.at == "config/policies" {
        scenario
            .put(&format!("{at}/rollback/60"), Value::Null)
            .await;
    }
    scenario.delete(&at).await;
    scenario.put(&format!("{at}/restore"), Value::Null).await;
    scenario.delete(&format!("{at}?force=true")).await;
}

async fn lists(scenario: &Scenario, at: &str) {
    for sorted_by in ["name", "created", "lastModified"] {
        scenario
            .get(&format!("{at}?sortedBy={sorted_by}&limit=1"))
            .await;
    }
}

async fn passwords(scenario: &Scenario) {
    let token = scenario.make_user("kim").await;
    for (current, status) in [("wrong", 401..600), (PASSWORD, 200..300)] {
        let body = json!({"currentPassword": current, "newPassword": "another long password"});
        let target = "/v1/users/kim/password";
        let vault = &scenario.vault;
        let answer = vault
            .ask_as(&token, Method::POST, target, Some(&body))
            .await;
        let _ = &status;
        assert!(answer.status < 500, "{}", answer.text());
    }
    scenario
        .put("users/kim", json!({"password": PASSWORD}))
        .await;
}

async fn members(scenario: &Scenario) {
    for group in ["north", "south"] {
        scenario
            .post("groups", json!({"groupName": group, "members": []}))
            .await;
    }
    let names = json!({"memberNames": ["kim", "roles:app", "roles:admin"]});
    // Others are at the group: whether it still lives is looked at again.
    for _ in 0..3 {
        let wire = &scenario.vault.wire;
        wire.next("TransactWriteItems", Trouble::Conflict);
    }
    scenario.post("groups/north/members", names.clone()).await;
    scenario.get("groups/north").await;
    scenario.get("users/kim/groups").await;
    scenario
        .post("users/kim/groups", json!({"groupNames": ["south"]}))
        .await;
    scenario
        .done(Method::DELETE, "groups/north/members", names.clone())
        .await;
    scenario.post("groups/north/members", names).await;
    scenario.delete("groups/north?force=true").await;
    // A user goes with its memberships.
    scenario.delete("users/kim?force=true").await;
}

async fn clients(scenario: &Scenario) {
    let client = scenario
        .post("clients", json!({"role": "app"}))
        .await
        .json();
    let id = client["clientId"].as_str().unwrap();
    scenario.get(&format!("clients/{id}")).await;
    scenario.get("clients?role=app").await;
    scenario.delete(&format!("clients/{id}")).await;
    scenario
        .put(&format!("clients/{id}/restore"), Value::Null)
        .await;
    scenario.delete(&format!("clients/{id}?force=true")).await;
    // A role goes with its clients.
    scenario.post("roles", json!({"name": "temp"})).await;
    scenario.post("clients", json!({"role": "temp"})).await;
    scenario.delete("roles/temp?force=true").await;
}

/// A user that goes for good goes with its home, whatever is in it.
async fn homes_go_with_their_owners(scenario: &Scenario) {
    let token = scenario.make_user("lou").await;
    let vault = &scenario.vault;
    for (path, attributes) in [("a", json!({})), ("b", json!({"type": "aws"}))] {
        let body = mayfly_tests::vault::base(json!({}));
        let mut body = if path == "b" {
            body
        } else {
            json!({"data": {"n": 1}})
        };
        body["attributes"] = attributes;
        let target = format!("/v1/home/users:lou/{path}");
        let made = vault
            .ask_as(&token, Method::POST, &target, Some(&body))
            .await;
        made.expect(201);
        let change = json!({"data": {"n": 2}});
        let changed = vault
            .ask_as(&token, Method::PUT, &target, Some(&change))
            .await;
        assert!(changed.status < 500, "{}", changed.text());
    }
    scenario.delete("users/lou?force=true").await;
}

/// A document as the config is changed by.
fn permissions(entries: &Value) -> Value {
    let text = json!({ "permissionDocument": entries }).to_string();
    json!({"config": text, "serialization": "json"})
}

/// The config, its permissions as they are, changed so often that the first version goes.
async fn config(scenario: &Scenario) {
    let entries = scenario.get("config").await["permissionDocument"].clone();
    for _ in 0..ALL_VERSIONS {
        scenario.put("config", permissions(&entries)).await;
    }
    scenario.get("config/version/5").await;
    scenario.post("config", permissions(&entries)).await;
}

/// What is made where something is over removes that first.
async fn over_what_is_over(scenario: &mut Scenario) {
    for kind in kinds() {
        scenario.post(kind.at, kind.body.clone()).await;
        scenario.delete(&format!("{}/{}", kind.at, kind.name)).await;
    }
    scenario.vault.wait(KEPT).await;
    for kind in kinds() {
        scenario.post(kind.at, kind.body.clone()).await;
        scenario
            .delete(&format!("{}/{}?force=true", kind.at, kind.name))
            .await;
    }
}

/// A user becomes the only admin and changes what only an admin may; then everything that made an admin is lost.
pub(crate) async fn lose_and_recover_the_admin(scenario: &mut Scenario) {
    let token = scenario.make_user("ann").await;
    let mut entries = scenario.get("config").await["permissionDocument"].clone();
    entries[0]["subjects"] = json!(["users:ann"]);
    scenario.put("config", permissions(&entries)).await;
    scenario.vault.token = token;
    scenario.post("config/policies", policy("read")).await;
    scenario
        .post(
            "groups",
            json!({"groupName": "west", "members": ["roles:app"]}),
        )
        .await;
    scenario.delete("roles/admin").await;
    scenario.invoke_token(json!({"recover": true})).await;
    scenario.delete("roles/admin?force=true").await;
    scenario.invoke_token(json!({"recover": true})).await;
    scenario.vault.clock.advance(Duration::from_mins(1));
}
