//! Secrets of the vault and of homes, static and dynamic.

use http::Method;
use mayfly_tests::vault::{assume_role, base, dynamic};
use serde_json::{Value, json};

use crate::scenario::{ALL_VERSIONS, KEPT, Scenario};

pub(crate) async fn play(scenario: &mut Scenario) {
    let home = "home/roles:admin";
    for place in ["secrets", home] {
        whole_life(scenario, place).await;
        by_id(scenario, place).await;
        searches(scenario, place).await;
    }
    links(scenario).await;
    let user = scenario.make_user("eve").await;
    let body = json!({"data": {"n": 1}});
    let target = "/v1/home/users:eve/a";
    let vault = &scenario.vault;
    vault
        .ask_as(&user, Method::POST, target, Some(&body))
        .await
        .expect(201);
    vault
        .ask_as(&user, Method::GET, target, None)
        .await
        .expect(200);
    reads_of_a_machine(scenario).await;
    over_what_is_over(scenario).await;
}

async fn whole_life(scenario: &Scenario, place: &str) {
    let at = |rest: &str| format!("{place}/life{rest}");
    scenario.post(&at(""), json!({"data": {"n": 0}})).await;
    for n in 0..ALL_VERSIONS {
        scenario.put(&at(""), json!({"data": {"n": n}})).await;
    }
    for rest in ["", "?edit=true", "::description", "/version/3"] {
        scenario.get(&at(rest)).await;
    }
    scenario.get(&format!("{place}/::listpaths")).await;
    scenario.put(&at("/rollback/50"), Value::Null).await;
    scenario.delete(&at("")).await;
    scenario
        .ask(Method::GET, &at(""), Value::Null)
        .await
        .expect(404);
    scenario.put(&at("/restore"), Value::Null).await;
    scenario.delete(&at("?force=true")).await;
}

async fn by_id(scenario: &Scenario, place: &str) {
    let made = scenario
        .post(&format!("{place}/named"), json!({"data": {"n": 1}}))
        .await
        .json();
    let id = made["id"].as_str().unwrap();
    scenario.get(&format!("{place}/{id}")).await;
    scenario
        .put(&format!("{place}/{id}"), json!({"data": {"n": 2}}))
        .await;
}

async fn searches(scenario: &Scenario, place: &str) {
    for query in [
        "?limit=1",
        "?searchTerm=na&search.comparison=begins_with",
        "?searchTerm=base&search.links=true",
    ] {
        scenario.get(&format!("{place}{query}")).await;
    }
}

async fn links(scenario: &Scenario) {
    scenario.post("secrets/base", base(json!({}))).await;
    scenario.post("secrets/other", base(json!({}))).await;
    let linked = |to: &str| dynamic(to, assume_role());
    scenario.post("secrets/dynamic", linked("base")).await;
    for rest in ["dynamic", "dynamic::check", "dynamic?edit=true"] {
        scenario.get(&format!("secrets/{rest}")).await;
    }
    scenario
        .put("secrets/base", json!({"description": "x"}))
        .await;
    scenario.put("secrets/dynamic", linked("other")).await;
    scenario.delete("secrets/dynamic").await;
    scenario.put("secrets/dynamic/restore", Value::Null).await;
    let held = scenario.ask(Method::DELETE, "secrets/other?force=true", Value::Null);
    held.await.expect(400);
    scenario
        .delete("secrets/dynamic?force=true&revoke=true")
        .await;
    scenario.delete("secrets/other").await;
    scenario.delete("secrets/base?force=true").await;
}

async fn reads_of_a_machine(scenario: &Scenario) {
    let vault = &scenario.vault;
    for payload in [
        json!({"path": "named"}),
        json!({"path": "named", "version": 0}),
    ] {
        vault.invoke(Some("roles:admin"), payload).await.unwrap();
    }
}

/// What is made where something is over removes that first.
async fn over_what_is_over(scenario: &mut Scenario) {
    for place in ["secrets", "home/roles:admin"] {
        scenario
            .post(&format!("{place}/over"), json!({"data": {}}))
            .await;
        scenario
            .put(&format!("{place}/over"), json!({"data": {"n": 1}}))
            .await;
        scenario.delete(&format!("{place}/over")).await;
    }
    scenario.post("secrets/over-base", base(json!({}))).await;
    scenario.delete("secrets/over-base").await;
    scenario.vault.wait(KEPT).await;
    for place in ["secrets", "home/roles:admin"] {
        scenario
            .post(&format!("{place}/over"), json!({"data": {}}))
            .await;
    }
    scenario
        .post("secrets/over-base", json!({"data": {}}))
        .await;
}
