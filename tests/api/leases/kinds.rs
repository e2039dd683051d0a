//! Reading each kind: what is answered, that it works until its end, and that it is gone an hour later.

use std::time::Duration;

use mayfly::clock::{Clock, wire_nanos};
use mayfly_tests::azure::{Kind, SCOPE, SUBSCRIPTION, TENANT};
use serde_json::{Value, json};

use crate::scene::{GRAPH, Scene};

fn keys(data: &Value) -> Vec<&str> {
    data.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn an_existing_application_gets_another_client_secret() {
    let scene = Scene::start().await;
    let answer = scene.vault.read(Kind::Existing.path()).await.expect(200);
    let lease = answer.headers["mayfly-lease-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let data = answer.json()["data"].clone();
    assert_eq!(
        keys(&data),
        [
            "appObjectId",
            "clientId",
            "clientSecret",
            "expiration",
            "role",
            "subscriptionId",
            "tenantId",
            "ttl"
        ]
    );
    assert_eq!(data["clientId"], scene.tenant.target.app_id);
    assert_eq!(data["appObjectId"], scene.tenant.target.object_id);
    assert_eq!(data["tenantId"], TENANT);
    assert_eq!(data["subscriptionId"], SUBSCRIPTION);
    assert_eq!(data["ttl"], 900);
    assert_eq!(data["expiration"], "2026-01-01T00:15:00Z");
    assert_eq!(scene.leases()[0]["id"], json!(lease));
    assert!(scene.sign_in(&data, GRAPH).await.is_ok());

    scene.vault.clock.advance(Duration::from_secs(899));
    assert!(scene.sign_in(&data, GRAPH).await.is_ok());
    scene.vault.clock.advance(Duration::from_secs(1));
    let refused = scene.sign_in(&data, GRAPH).await.unwrap_err();
    assert_eq!(
        refused, "AADSTS7000222",
        "expired, before anybody removed it"
    );
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn a_principal_with_an_azure_role_is_answered_at_once_with_its_task() {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0); // waiting would move the clock
    let now = wire_nanos(scene.vault.clock.now());
    let data = scene.mint(Kind::Rbac).await;
    assert_eq!(
        keys(&data),
        [
            "appObjectId",
            "clientId",
            "clientSecret",
            "expiration",
            "roleAssignmentStatus",
            "roleAssignmentTaskId",
            "roleId",
            "roleName",
            "servicePrincipleId",
            "subscriptionId",
            "tenantId",
            "ttl"
        ]
    );
    assert_eq!(data["roleAssignmentStatus"], "created");
    assert_eq!(data["roleName"], "Reader");
    assert!(scene.sign_in(&data, GRAPH).await.is_ok());
    let task = data["roleAssignmentTaskId"].as_str().unwrap();
    let status = async || {
        let path = format!("/v1/task/status/{task}");
        scene
            .vault
            .ask(http::Method::GET, &path, None)
            .await
            .expect(200)
            .json()
    };
    assert_eq!(status().await["state"], "PENDING");
    assert_eq!(scene.sweep().await.assigned, 1);
    assert_eq!(
        status().await,
        json!({
            "taskName": "azure_role_assignment", "state": "SUCCESS", "results": null, "error": "",
            "createdAt": now,
        })
    );
    let given = scene.cloud()["roleAssignments"].as_array().unwrap().clone();
    let given = given
        .iter()
        .find(|given| given["principalId"] == data["servicePrincipleId"])
        .unwrap();
    assert_eq!(given["scope"], SCOPE);
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn a_principal_with_an_application_role_has_it_in_its_token() {
    let scene = Scene::start().await;
    let data = scene.mint(Kind::AppRole).await;
    assert_eq!(
        keys(&data),
        [
            "clientId",
            "clientSecret",
            "displayName",
            "expiration",
            "servicePrincipalId",
            "subscriptionId",
            "tenantId"
        ]
    );
    assert!(data["displayName"].as_str().unwrap().starts_with("dsv-"));
    let scope = format!("{}/.default", scene.tenant.resource.app_id);
    assert_eq!(scene.sign_in(&data, &scope).await.unwrap(), ["Data.Read"]);
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}
