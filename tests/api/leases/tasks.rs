//! `GET /v1/task/status/{id}`: how far the giving of a role is, for whoever may know.

use std::time::Duration;

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_local::sandbox::{Fault, Limits};
use mayfly_tests::{Answer, azure::Kind, vault::rule};
use serde_json::{Value, json};

use crate::scene::Scene;

fn refusing(code: &str) -> Fault {
    Fault::Refuse {
        code: code.to_owned(),
        message: "what the cloud says".to_owned(),
    }
}

async fn ask(scene: &Scene, token: &str, task: &str) -> Answer {
    let target = format!("/v1/task/status/{task}");
    scene.vault.ask_as(token, Method::GET, &target, None).await
}

async fn status(scene: &Scene, data: &Value) -> Value {
    let task = data["roleAssignmentTaskId"].as_str().unwrap();
    ask(scene, &scene.vault.token, task)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn whoever_was_issued_it_or_may_read_its_secret_sees_it_and_nobody_else() {
    let scene = Scene::start().await;
    let vault = &scene.vault;
    let may = |role: &str, resource: &str, action: &str| {
        rule(Effect::Allow, &format!("roles:{role}"), resource, action)
    };
    let issuer = vault.make_role("issuer").await;
    let reader = vault.make_role("reader").await;
    let other = vault.make_role("other").await;
    vault
        .set_rules(vec![may("issuer", "secrets:azure:rbac", "read")])
        .await;
    let target = "/v1/secrets/azure/rbac";
    let data = vault
        .ask_as(&issuer, Method::GET, target, None)
        .await
        .expect(200);
    let task = data.json()["data"]["roleAssignmentTaskId"].clone();
    let task = task.as_str().unwrap();

    vault
        .set_rules(vec![
            may("reader", "secrets:azure:rbac", "read"),
            may("other", "secrets:azure:rbac", "<list|update|delete|assign>"),
            may("other", "secrets:azure:existing", "read"),
            may("other", "leases<.*>", "<.*>"),
            may("other", "task<.*>", "<.*>"),
        ])
        .await;
    for token in [&issuer, &reader, &vault.token] {
        let seen = ask(&scene, token, task).await.expect(200).json();
        assert_eq!(seen["state"], "PENDING");
    }
    let unknown = ask(&scene, &other, "task_11111111-2222-4333-8444-555555555555").await;
    let refused = ask(&scene, &other, task).await;
    assert_eq!((refused.status, &refused.body), (404, &unknown.body));
    let names = |answer: &Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&refused), names(&unknown));
}

#[tokio::test]
async fn what_names_no_task_is_not_found() {
    let scene = Scene::start().await;
    let data = scene.mint(Kind::Rbac).await;
    let task = data["roleAssignmentTaskId"].as_str().unwrap();
    let id = task.strip_prefix("task_").unwrap();
    scene.mint(Kind::Existing).await;
    let leases = scene.leases();
    let plain = leases
        .iter()
        .find(|lease| lease["secret"] == "azure:existing");
    let plain = plain.unwrap()["id"].as_str().unwrap();
    for wrong in [
        id,
        &task.to_uppercase(),
        &format!("task_{}", id.to_uppercase()),
        &format!("task_{}", id.replace('-', "")),
        &format!("task_{{{id}}}")
            .replace('{', "%7B")
            .replace('}', "%7D"),
        &format!("task_{plain}"),
        "task_",
        "x",
    ] {
        let answer = ask(&scene, &scene.vault.token, wrong).await;
        answer.refused(404, "unable to find item");
    }
}

#[tokio::test]
async fn a_principal_that_resource_manager_does_not_see_yet_is_tried_again_until_it_does() {
    let scene = Scene::start().await;
    let data = scene.mint(Kind::Rbac).await;
    assert_eq!(status(&scene, &data).await["state"], "PENDING");
    let faults = scene.vault.sandbox.faults();
    faults.next("AssignRole", 2, refusing("PrincipalNotFound"));
    for _ in 0..2 {
        assert_eq!(scene.sweep().await.failed, 1);
        let retry = status(&scene, &data).await;
        assert_eq!(
            (&retry["state"], &retry["error"]),
            (&json!("RETRY"), &json!(""))
        );
        assert_eq!(scene.sweep().await.due, 0, "not at once");
        scene.go_to_next();
    }
    assert_eq!(scene.sweep().await.assigned, 1);
    assert_eq!(status(&scene, &data).await["state"], "SUCCESS");
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_final_refusal_is_told_with_code_and_text_and_takes_everything_back() {
    let scene = Scene::start().await;
    let limits = Limits {
        role_assignments: 1,
        ..Limits::default()
    };
    scene.vault.sandbox.azure().set_limits(limits);
    let data = scene.mint(Kind::Rbac).await;
    scene.sweep().await;
    let failed = status(&scene, &data).await;
    assert_eq!(failed["state"], "FAILURE");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("RoleAssignmentLimitExceeded: "), "{error}");
    assert_eq!(scene.leases()[0]["state"], "revoking");
    scene.ends_clean().await;
    assert_eq!(status(&scene, &data).await["state"], "FAILURE");
}

#[tokio::test]
async fn each_final_refusal_ends_the_task() {
    for code in [
        "RoleAssignmentLimitExceeded",
        "AuthorizationFailed",
        "ScopeLocked",
        "InvalidPrincipalId",
    ] {
        let scene = Scene::start().await;
        let data = scene.mint(Kind::Rbac).await;
        scene
            .vault
            .sandbox
            .faults()
            .next("AssignRole", 1, refusing(code));
        scene.sweep().await;
        let failed = status(&scene, &data).await;
        assert_eq!(failed["state"], "FAILURE", "{code}");
        let error = failed["error"].as_str().unwrap();
        let words = format!("{code}: what the cloud says");
        assert!(error.contains(&words), "{error}");
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn revoking_by_hand_ends_the_task_and_no_role_is_given() {
    let scene = Scene::start().await;
    let answer = scene.vault.read(Kind::Rbac.path()).await.expect(200);
    let data = answer.json()["data"].clone();
    let id = answer.headers["mayfly-lease-id"].to_str().unwrap();
    let revoked = scene
        .post(&format!("/v1/leases/{id}/revoke"), json!({}))
        .await;
    revoked.expect(200);
    let failed = status(&scene, &data).await;
    assert_eq!(failed["state"], "FAILURE");
    assert_eq!(failed["error"], "the lease was revoked");
    assert_eq!(scene.sweep().await.assigned, 0);
    let calls = scene.vault.wire.operations();
    assert!(
        !calls.contains(&"PUT roleAssignments".to_owned()),
        "{calls:?}"
    );
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_task_that_did_not_succeed_in_its_leases_time_fails() {
    let scene = Scene::start().await;
    let data = scene.mint(Kind::Rbac).await;
    let faults = scene.vault.sandbox.faults();
    faults.always("AssignRole", refusing("PrincipalNotFound"));
    scene.sweep().await;
    assert_eq!(status(&scene, &data).await["state"], "RETRY");
    scene.settle().await;
    let failed = status(&scene, &data).await;
    assert_eq!(failed["state"], "FAILURE");
    assert_eq!(failed["error"], "the lease has ended");
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn an_application_role_that_takes_long_is_given_by_the_worker() {
    let scene = Scene::start().await;
    let faults = scene.vault.sandbox.faults();
    faults.always("AssignAppRole", refusing("Request_ResourceNotFound"));
    let data = scene.mint(Kind::AppRole).await;
    assert_eq!(data["roleAssignmentStatus"], "created");
    assert_eq!(status(&scene, &data).await["state"], "PENDING");
    scene.sweep().await;
    assert_eq!(status(&scene, &data).await["state"], "RETRY");
    faults.clear();
    scene.go_to_next();
    assert_eq!(scene.sweep().await.assigned, 1);
    assert_eq!(status(&scene, &data).await["state"], "SUCCESS");
    let scope = format!("{}/.default", scene.tenant.resource.app_id);
    assert_eq!(scene.sign_in(&data, &scope).await.unwrap(), ["Data.Read"]);
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_task_is_kept_for_a_day_after_the_end_and_then_gone() {
    let mut scene = Scene::start().await;
    let data = scene.mint(Kind::Rbac).await;
    scene.settle().await;
    scene
        .vault
        .wait(Duration::from_hours(24) - Duration::from_mins(1))
        .await;
    scene.sweep().await;
    assert_eq!(status(&scene, &data).await["state"], "SUCCESS");
    scene.vault.wait(Duration::from_mins(1)).await;
    scene.sweep().await;
    let task = data["roleAssignmentTaskId"].as_str().unwrap();
    ask(&scene, &scene.vault.token, task).await.expect(404);
    assert!(scene.leases().is_empty());
    assert!(scene.vault.items_of("TASK#").is_empty());
}

#[tokio::test]
async fn a_bulk_revocation_is_told_to_whoever_asked_for_it_and_forgotten_after_a_day() {
    let mut scene = Scene::start().await;
    let other = scene.vault.make_role("other").await;
    let body = json!({"base": "azure:base"});
    let answer = scene
        .post("/v1/leases/revoke", body)
        .await
        .expect(202)
        .json();
    let task = answer["taskId"].as_str().unwrap();
    ask(&scene, &other, task).await.expect(404);
    scene.housekeep().await;
    let done = ask(&scene, &scene.vault.token, task)
        .await
        .expect(200)
        .json();
    assert_eq!(done["state"], "SUCCESS");
    assert_eq!(done["results"], json!([{"type": "int64", "value": 0}]));
    scene
        .vault
        .wait(Duration::from_hours(24) - Duration::from_mins(1))
        .await;
    scene.housekeep().await;
    ask(&scene, &scene.vault.token, task).await.expect(200);
    scene.vault.wait(Duration::from_mins(1)).await;
    scene.housekeep().await;
    ask(&scene, &scene.vault.token, task).await.expect(404);
}
