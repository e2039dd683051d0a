//! What is minted under leases, and taken back.

use std::time::Duration;

use http::Method;
use mayfly::{clock::Clock, leases::strays};
use mayfly_tests::{
    azure::{Kind, furnish},
    events::{batch, inserted},
    privileges::Deployed,
};
use serde_json::{Value, json};

use crate::scenario::Scenario;

pub(crate) async fn play(scenario: &mut Scenario) {
    furnish(&scenario.vault).await;
    for kind in Kind::ALL {
        scenario.get(&format!("secrets/{}", kind.path())).await;
        scenario
            .get(&format!("secrets/{}::check", kind.path()))
            .await;
    }
    wake(scenario).await;
    let all = scenario.get("leases").await;
    for query in [
        "secret=azure:rbac",
        "base=azure:base",
        "principal=roles:admin",
        "prefix=azure",
        "limit=1",
    ] {
        scenario.get(&format!("leases?{query}")).await;
    }
    let leases = all["data"].as_array().unwrap();
    for lease in leases {
        let id = lease["id"].as_str().unwrap();
        let status = format!("task/status/task_{id}");
        scenario.ask(Method::GET, &status, Value::Null).await;
    }
    let first = leases[0]["id"].as_str().unwrap();
    scenario
        .post(&format!("leases/{first}/revoke"), Value::Null)
        .await;
    for body in [
        json!({"prefix": "azure"}),
        json!({"base": "azure:base"}),
        json!({"principal": "roles:admin"}),
    ] {
        let task = scenario.post("leases/revoke", body).await.json();
        let id = task["taskId"].as_str().unwrap();
        scenario.get(&format!("task/status/{id}")).await;
    }
    wake(scenario).await;
    scenario.sweep().await;
    for kind in [Kind::Existing, Kind::Rbac] {
        scenario.get(&format!("secrets/{}", kind.path())).await;
    }
    // What cannot be minted is revoked at once.
    let held = scenario.ask(Method::DELETE, "secrets/azure/base", Value::Null);
    held.await.expect(400);
    for kind in Kind::ALL {
        let target = format!("secrets/{}?revoke=true", kind.path());
        scenario.delete(&target).await;
    }
    settle(scenario).await;
    let until = scenario.vault.clock.now() + Duration::from_mins(1);
    let worker = scenario.vault.function(Deployed::LeaseWorker);
    strays::reconcile(worker, true, until).await.unwrap();
    scenario.work(json!({"mayfly": "reconcile"})).await;
}

/// Hands the worker what the table's stream would.
pub(crate) async fn wake(scenario: &Scenario) {
    let tasks = scenario.vault.items_of("TASK#");
    let keys = tasks.iter().map(|task| task["pk"]["S"].as_str().unwrap());
    let records: Vec<Value> = (0..).zip(keys).map(|(n, key)| inserted(n, key)).collect();
    scenario.work(batch(&records)).await;
}

/// Lets the leases end, and be forgotten.
async fn settle(scenario: &mut Scenario) {
    for _ in 0..20 {
        scenario.vault.wait(Duration::from_mins(15)).await;
        scenario.sweep().await;
    }
    scenario.vault.wait(Duration::from_hours(25)).await;
    scenario.sweep().await;
    scenario.vault.wait(Duration::from_hours(8 * 24)).await;
    scenario.sweep().await;
    assert!(scenario.vault.items_of("LEASE#").is_empty());
}
