//! `GET /v1/secrets/{path}::check`: what stands in the way is told, and nothing is made.

use std::time::Duration;

use http::Method;
use mayfly::{access::policy::Effect, clock::Clock};
use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    azure::{BASE_SECRET, Kind, PERMISSIONS, SCOPE, SUBSCRIPTION, TENANT},
    vault::{assume_role, dynamic, rule},
};
use serde_json::{Value, json};

use crate::scene::Scene;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

/// Makes a dynamic secret at `azure/other` and checks it.
async fn checked(scene: &Scene, attributes: Value) -> Value {
    let body = dynamic("azure:base", attributes);
    scene.vault.create("azure/other", body).await.expect(201);
    scene.check("azure/other").await
}

/// Checks that just this is the matter.
#[track_caller]
fn is_told(found: &Value, part: &str) {
    assert_eq!(found["ok"], false, "{found}");
    assert_eq!(found["missing"], json!([]), "{found}");
    let problems = found["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{found}");
    let text = problems[0].as_str().unwrap();
    assert!(text.contains(part), "{text:?} does not hold {part:?}");
}

#[tokio::test]
async fn a_good_secret_of_each_kind_is_told_to_be_good_and_nothing_is_made() {
    let scene = Scene::start().await;
    let mut permissions = PERMISSIONS.to_vec();
    permissions.sort_unstable();
    for kind in Kind::ALL {
        let found = scene.check(kind.path()).await;
        assert_eq!(
            found,
            json!({
                "ok": true,
                "provider": "azure",
                "identity": {
                    "tenantId": TENANT,
                    "clientId": scene.tenant.base.app_id,
                    "subscriptionId": SUBSCRIPTION,
                },
                "ttl": 900,
                "granted": permissions,
                "clientSecretExpires": "2027-01-01T00:00:00Z",
                "missing": [],
                "problems": [],
            })
        );
    }
    scene.is_untouched();
}

#[tokio::test]
async fn a_base_and_a_secret_of_tokens_are_checked_too() {
    let scene = Scene::start().await;
    let scopes = json!({"providerType": "token", "scopes": ["https://storage.azure.com/.default"]});
    for found in [
        scene.check("azure/base").await,
        checked(&scene, scopes).await,
    ] {
        assert_eq!(found["ok"], true, "{found}");
        assert_eq!(found["identity"]["clientId"], scene.tenant.base.app_id);
        assert_eq!(found["ttl"], Value::Null);
    }
    scene.is_untouched();
}

#[tokio::test]
async fn aws_is_checked_too() {
    let scene = Scene::start().await;
    let vault = &scene.vault;
    vault.create_base("aws/base", json!({})).await;
    let made = vault.create_dynamic("aws/reader", "aws:base", assume_role());
    made.await.expect(201);
    for (path, ttl) in [("aws/base", Value::Null), ("aws/reader", json!(900))] {
        let found = scene.check(path).await;
        assert_eq!(found["ok"], true, "{found}");
        assert_eq!(found["provider"], "aws");
        let arn = &found["identity"]["arn"];
        assert_eq!(arn, "arn:aws:iam::123456789012:user/base");
        assert_eq!(found["ttl"], ttl);
    }
    let data =
        json!({"accessKey": "AKIASANDBOXUNKNOWN01", "secretKey": "s", "region": "us-east-1"});
    let change = json!({ "data": data });
    vault.update("aws/base", change).await.expect(200);
    for path in ["aws/base", "aws/reader"] {
        is_told(&scene.check(path).await, "InvalidClientTokenId");
    }
}

#[tokio::test]
async fn only_who_may_update_the_secret_may_check_it() {
    let scene = Scene::start().await;
    let vault = &scene.vault;
    let token = vault.make_role("owner").await;
    let target = "/v1/secrets/azure/existing::check";
    let may = |path: &str, actions: &str| vec![rule(Effect::Allow, "roles:owner", path, actions)];
    for (rules, status) in [
        (vec![], 403),
        (
            may("secrets:azure:<.*>", "<read|list|create|delete|assign>"),
            403,
        ),
        (may("secrets:azure:base", "update"), 403),
        (may("secrets:azure:existing", "update"), 200),
    ] {
        vault.set_rules(rules).await;
        let answer = vault.ask_as(&token, Method::GET, target, None).await;
        answer.expect(status);
    }
    let missing = "/v1/secrets/azure/none::check";
    let answer = vault.ask_as(&token, Method::GET, missing, None).await;
    answer.expect(403);
    vault.read("azure/none::check").await.expect(404);
}

#[tokio::test]
async fn a_role_that_is_none_or_several_is_told() {
    let scene = Scene::start().await;
    let rbac = |name: &str| json!({"roleName": name, "scope": SCOPE});
    is_told(
        &checked(&scene, rbac("Nobody's Role")).await,
        "attributes.roleName: is no role at this scope",
    );
    let azure = scene.vault.sandbox.azure();
    for _ in 0..2 {
        azure
            .add_role_definition(SCOPE, "Twin", &["*/read"])
            .unwrap();
    }
    let change = json!({"attributes": {"roleName": "Twin"}});
    scene.vault.update("azure/other", change).await.expect(200);
    let found = scene.check("azure/other").await;
    is_told(
        &found,
        "attributes.roleName: is ambiguous: 2 roles have this name",
    );
    let read = scene.vault.read("azure/other").await;
    read.refused(400, "attributes.roleName: is ambiguous");
    let change = json!({"attributes": {"roleName": null, "roleId": NOBODY}});
    scene.vault.update("azure/other", change).await.expect(200);
    let found = scene.check("azure/other").await;
    is_told(
        &found,
        "attributes.roleId: is no role definition at this scope",
    );
    scene.is_untouched();
}

#[tokio::test]
async fn a_scope_that_is_gone_is_told() {
    let scene = Scene::start().await;
    scene.vault.sandbox.azure().remove_scope(SCOPE).unwrap();
    let found = scene.check(Kind::Rbac.path()).await;
    is_told(&found, "attributes.scope: does not exist");
}

#[tokio::test]
async fn an_application_that_is_not_there_or_another_one_is_told() {
    let scene = Scene::start().await;
    let target = &scene.tenant.target;
    let found = checked(
        &scene,
        json!({"appId": NOBODY, "appObjectId": target.object_id}),
    )
    .await;
    is_told(&found, "attributes.appId: is not the client id");
    for wrong in [NOBODY, target.app_id.as_str()] {
        let change = json!({"attributes": {"appId": target.app_id, "appObjectId": wrong}});
        scene.vault.update("azure/other", change).await.expect(200);
        let found = scene.check("azure/other").await;
        is_told(
            &found,
            "attributes.appObjectId: is no application of this tenant",
        );
    }
    scene.is_untouched();
}

#[tokio::test]
async fn a_resource_or_application_role_that_is_not_there_is_told() {
    let scene = Scene::start().await;
    let graph = |resource: &str, role: &str| json!({"msApiType": "msgraph", "resourceId": resource, "appRoleId": role});
    let resource = &scene.tenant.resource;
    let role = &resource.app_roles["Data.Read"];
    let found = checked(&scene, graph(&resource.object_id, role)).await;
    is_told(&found, "attributes.resourceId: is no service principal");
    let other = graph(&resource.service_principal_id, NOBODY);
    let change = json!({ "attributes": other });
    scene.vault.update("azure/other", change).await.expect(200);
    let found = scene.check("azure/other").await;
    is_told(&found, "attributes.appRoleId: is no application role");
    scene.is_untouched();
}

#[tokio::test]
async fn a_base_that_cannot_sign_in_is_a_finding_and_no_error() {
    for (data, says) in [
        (json!({"clientSecret": "sandbox~wrong"}), "AADSTS7000215"),
        (json!({"clientId": NOBODY}), "AADSTS700016"),
        (json!({"tenantId": NOBODY}), "AADSTS90002"),
    ] {
        let scene = Scene::start().await;
        let change = json!({ "data": data });
        scene.vault.update("azure/base", change).await.expect(200);
        for path in ["azure/base", "azure/existing", "azure/rbac", "azure/graph"] {
            let found = scene.check(path).await;
            is_told(&found, says);
            assert!(!found.to_string().contains("sandbox~"), "{found}");
        }
        scene.is_untouched();
    }
}

#[tokio::test]
async fn an_expired_client_secret_is_told() {
    let mut scene = Scene::start().await;
    scene.vault.wait(Duration::from_hours(24 * 366)).await;
    for path in ["azure/base", "azure/existing"] {
        is_told(
            &scene.check(path).await,
            "data.clientSecret: of the base has expired",
        );
    }
}

#[tokio::test]
async fn the_end_that_the_base_tells_counts_and_is_told_when_it_is_over() {
    let mut scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    for permission in PERMISSIONS {
        let base = &scene.tenant.base.service_principal_id;
        azure.revoke(base, permission).unwrap();
    }
    let ends = |found: Value| found["clientSecretExpires"].clone();
    assert_eq!(ends(scene.check("azure/base").await), Value::Null);
    let known = json!({"attributes": {"clientSecretExpires": "2026-01-02T00:00:00Z"}});
    scene.vault.update("azure/base", known).await.expect(200);
    let told = ends(scene.check("azure/base").await);
    assert_eq!(told, "2026-01-02T00:00:00Z");
    scene.vault.wait(Duration::from_hours(24)).await;
    for path in ["azure/base", "azure/existing"] {
        let found = scene.check(path).await;
        is_told(
            &found,
            "attributes.clientSecretExpires: of the base was 2026-01-02T00:00:00Z",
        );
    }
}

#[tokio::test]
async fn a_plain_secret_has_nothing_to_check() {
    let scene = Scene::start().await;
    let body = json!({"data": {"clientSecret": BASE_SECRET}});
    scene.vault.create("plain", body.clone()).await.expect(201);
    scene
        .vault
        .read("plain::check")
        .await
        .refused(400, "nothing to check");
    for path in ["azure/other::check", "azure:other::check"] {
        let made = scene.vault.create(path, body.clone()).await;
        made.refused(400, "path: must not end in ::check");
    }
}

#[tokio::test]
async fn a_check_is_on_the_record_and_leaves_no_lease() {
    let scene = Scene::start().await;
    let answer = scene.vault.read("azure/rbac::check").await.expect(200);
    assert!(!answer.headers.contains_key("mayfly-lease-id"));
    let audit = scene.vault.audit();
    let record = audit
        .iter()
        .find(|record| record["path"] == "secrets:azure:rbac::check")
        .unwrap();
    assert_eq!(record["status"], 200);
    assert_eq!(record["principal"], "roles:admin");
}

#[tokio::test]
async fn a_slow_cloud_does_not_make_a_check_outlast_its_function() {
    let scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    azure.set_retry_after("4");
    for action in ["Token", "ListPermissions", "GetApplication"] {
        let faults = scene.vault.sandbox.faults();
        faults.always(action, Fault::Throttle);
    }
    let started = scene.vault.clock.now();
    scene.vault.read("azure/rbac::check").await.expect(429);
    let took = scene.vault.clock.now() - started;
    assert!(took <= Duration::from_secs(25), "{took}");
}
