//! Leases as Lambda runs them: minted by one function, finished by another, whichever process dies on the way.

use std::time::Duration;

use mayfly::clock::{Clock, SystemClock};
use mayfly_local::embedded::TABLE;
use mayfly_tests::{
    azure::{Kind, Tenant},
    deployment::Deployment,
    events::{Sent, Shape, batch, inserted, scheduled},
    vault::{dynamic, plain},
};
use serde_json::{Value, json};

/// A deployment with a tenant, a base and a dynamic secret of each kind; answers a token.
async fn deployed() -> (Deployment, String) {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    let tenant = Tenant::seed_in(&vault.sandbox, SystemClock.now());
    let mut bodies = vec![("azure/base", tenant.base(&json!({})))];
    for kind in Kind::ALL {
        let mut attributes = tenant.attributes(kind);
        attributes["ttl"] = json!(60);
        bodies.push((kind.path(), dynamic("azure:base", attributes)));
    }
    for (path, body) in bodies {
        ask(&vault, &token, "POST", path, Some(&body)).await;
    }
    (vault, token)
}

async fn ask(
    vault: &Deployment,
    token: &str,
    method: &'static str,
    path: &str,
    body: Option<&Value>,
) -> Value {
    let mut sent = Sent::new(method, format!("/v1/secrets/{path}")).header("authorization", token);
    if let Some(body) = body {
        sent = sent.json(body);
    }
    let answer = vault.send(Shape::HttpApi, &sent).await.unwrap();
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()
}

fn leases(vault: &Deployment) -> Vec<Value> {
    let scan = json!({
        "TableName": TABLE,
        "FilterExpression": "begins_with(pk, :lease)",
        "ExpressionAttributeValues": {":lease": {"S": "LEASE#"}},
    });
    let scan = serde_json::from_value(scan).unwrap();
    let found = serde_json::to_value(vault.database.scan(scan).unwrap()).unwrap();
    found["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(plain)
        .collect()
}

/// Lets a lease be due then, claimed by nobody.
fn make_due(vault: &Deployment, lease: &Value, due: i64) {
    let key = json!({"pk": {"S": lease["pk"]}, "sk": {"S": lease["sk"]}});
    let update = json!({
        "TableName": TABLE,
        "Key": key,
        "UpdateExpression": "SET dueSk = :sort, due = :due, claimedUntil = :none",
        "ExpressionAttributeValues": {
            ":sort": {"S": format!("{due:015}#{}", lease["id"].as_str().unwrap())},
            ":due": {"N": due.to_string()},
            ":none": {"N": "0"},
        },
    });
    let update = serde_json::from_value(update).unwrap();
    vault.database.update_item(update).unwrap();
}

#[tokio::test]
async fn every_kind_is_minted_and_the_stream_gives_the_role() {
    let (vault, token) = deployed().await;
    for kind in Kind::ALL {
        let data = ask(&vault, &token, "GET", kind.path(), None).await["data"].clone();
        assert!(data["clientSecret"].is_string(), "{kind:?}");
    }
    let waiting = leases(&vault)
        .into_iter()
        .find(|lease| lease["assignment"]["state"] == "PENDING")
        .unwrap();
    let key = format!("TASK#task_{}", waiting["id"].as_str().unwrap());
    let event = batch(&[inserted(1, &key)]);
    let answer = vault.lease_worker.invoke(event).await.unwrap().answer();
    assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
    let given = leases(&vault)
        .into_iter()
        .find(|lease| lease["id"] == waiting["id"])
        .unwrap();
    assert_eq!(given["assignment"]["state"], "SUCCESS");
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_of_a_call_is_followed_by_the_next() {
    let (vault, token) = deployed().await;
    ask(&vault, &token, "GET", Kind::Existing.path(), None).await;
    let lease = leases(&vault).remove(0);
    make_due(&vault, &lease, 1);
    let revoke = Sent::new(
        "POST",
        format!("/v1/leases/{}/revoke", lease["id"].as_str().unwrap()),
    )
    .header("authorization", &token);
    let revoked = vault.send(Shape::HttpApi, &revoke).await.unwrap();
    assert_eq!(revoked.expect(200).json()["state"], "revoking");

    vault.sandbox.azure().set_latency(Duration::from_secs(20));
    let running = vault.lease_worker.invoke(scheduled());
    tokio::select! {
        answer = running => panic!("it was to be killed: {answer:?}"),
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    vault.lease_worker.stop().await.unwrap();
    let left = leases(&vault).remove(0);
    assert_eq!(left["state"], "revoking");
    assert!(left["claimedUntil"].as_i64().unwrap() > 0, "{left}");

    vault.sandbox.azure().set_latency(Duration::ZERO);
    // The claim of the dead is not waited for: it would take a minute.
    make_due(&vault, &left, 1);
    let next = vault.another("lease-worker").unwrap();
    let swept = next.invoke(scheduled()).await.unwrap().answer().unwrap();
    assert_eq!(swept["leases"]["swept"], 1, "{swept}");
    let applications = vault.sandbox.azure().snapshot()["applications"].clone();
    assert!(
        !applications.to_string().contains("mayfly-"),
        "{applications}"
    );
}
