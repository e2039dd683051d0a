//! What the vault does on its own: removes what was deleted, and renews its keys.

use std::time::Duration;

use http::Method;
use mayfly_tests::vault::base;
use serde_json::json;

use crate::{
    leases::wake,
    scenario::{KEPT, Scenario},
};

pub(crate) async fn play(scenario: &mut Scenario) {
    things_to_remove(scenario).await;
    scenario.vault.wait(KEPT).await;
    scenario.sweep().await;
    half_removed(scenario).await;
    keys(scenario).await;
}

/// Everything that can be deleted, with all that belongs to it, is.
async fn things_to_remove(scenario: &Scenario) {
    let user = scenario.make_user("max").await;
    scenario.post("roles", json!({"name": "old"})).await;
    scenario.put("roles/old", json!({"description": "x"})).await;
    scenario.put("users/max", json!({"displayName": "x"})).await;
    let client = scenario
        .post("clients", json!({"role": "old"}))
        .await
        .json();
    let client = client["clientId"].as_str().unwrap();
    scenario.post("clients", json!({"role": "old"})).await;
    let members = json!({"groupName": "old", "members": ["max", "roles:old", "roles:app", "eve"]});
    scenario.post("groups", members).await;
    let entry = json!({"subjects": ["roles:app"], "effect": "allow", "actions": ["read"], "resources": ["secrets:old"]});
    let document = json!({"permissionDocument": [entry]}).to_string();
    let policy = json!({"path": "secrets:old", "policy": document, "serialization": "json"});
    scenario.post("config/policies", policy.clone()).await;
    scenario.put("config/policies/secrets:old", policy).await;
    for path in ["left", "gone"] {
        let target = format!("/v1/home/users:max/{path}");
        let body = json!({"data": {"n": 1}});
        let vault = &scenario.vault;
        vault
            .ask_as(&user, Method::POST, &target, Some(&body))
            .await
            .expect(201);
        vault
            .ask_as(&user, Method::PUT, &target, Some(&body))
            .await
            .expect(200);
    }
    let gone = "/v1/home/users:max/gone";
    scenario
        .vault
        .ask_as(&user, Method::DELETE, gone, None)
        .await
        .expect(200);
    scenario.post("secrets/old", base(json!({}))).await;
    scenario
        .put("secrets/old", json!({"description": "x"}))
        .await;
    for target in [
        "secrets/old",
        "groups/old",
        &format!("clients/{client}"),
        "roles/old",
        "users/max",
        "config/policies/secrets:old",
    ] {
        scenario.delete(target).await;
    }
}

/// What a request began to remove is finished: by the stream, or with the next sweep.
async fn half_removed(scenario: &Scenario) {
    wake(scenario).await;
    scenario.sweep().await;
}

/// Old keys are replaced, and what is sealed moves to the new ones.
async fn keys(scenario: &mut Scenario) {
    for place in ["secrets", "home/roles:admin"] {
        for path in ["kept", "ends"] {
            scenario
                .post(&format!("{place}/moved-{path}"), json!({"data": {"n": 1}}))
                .await;
        }
        scenario.delete(&format!("{place}/moved-ends")).await;
    }
    scenario.vault.wait(Duration::from_hours(91 * 24)).await;
    scenario
        .post("secrets/late", json!({"data": {"n": 1}}))
        .await;
    scenario.delete("secrets/late").await;
    scenario.sweep().await;
    scenario.work(json!({"mayfly": "rotate"})).await;
    for _ in 0..3 {
        scenario.vault.wait(Duration::from_mins(21)).await;
        scenario.sweep().await;
    }
    scenario.vault.wait(Duration::from_hours(31 * 24)).await;
    scenario.sweep().await;
}
