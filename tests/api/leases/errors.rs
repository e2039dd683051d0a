//! What the reader sees, and what is left, when the cloud does not do its part.

use std::time::Duration;

use mayfly::clock::Clock;
use mayfly_local::sandbox::{Fault, Limits};
use mayfly_tests::{
    Vault,
    azure::{Kind, SCOPE, Tenant},
    vault::dynamic,
};
use serde_json::{Value, json};

use crate::scene::{GRAPH, Scene};

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

fn refusing(code: &str) -> Fault {
    Fault::Refuse {
        code: code.to_owned(),
        message: "what the cloud says".to_owned(),
    }
}

/// How often the vault has made this call.
fn count(scene: &Scene, operation: &str) -> usize {
    let calls = scene.vault.wire.operations();
    calls.iter().filter(|call| *call == operation).count()
}

/// The names of our passwords of the application with this object id.
fn passwords(scene: &Scene, object_id: &Value) -> Vec<String> {
    let mut names = all_passwords(scene, object_id);
    names.retain(|name| name.starts_with("mayfly-"));
    names
}

fn all_passwords(scene: &Scene, object_id: &Value) -> Vec<String> {
    let cloud = scene.cloud();
    let apps = cloud["applications"].as_array().unwrap();
    let app = apps.iter().find(|app| app["id"] == *object_id).unwrap();
    let names = app["passwords"].as_array().unwrap().iter();
    let mut names: Vec<String> = names
        .map(|password| password["displayName"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_wrong_client_secret_of_the_base_says_so_and_makes_nothing() {
    let scene = Scene::start().await;
    let wrong = json!({"data": {"clientSecret": "sandbox~another~secret"}});
    scene.vault.update("azure/base", wrong).await.expect(200);
    for kind in Kind::ALL {
        let refused = scene.vault.read(kind.path()).await;
        assert!(!refused.text().contains("sandbox~"), "{}", refused.text());
        refused.refused(400, "AADSTS7000215: the base's client secret is wrong");
    }
    scene.is_untouched();
}

#[tokio::test]
async fn an_expired_client_secret_of_the_base_says_so_and_makes_nothing() {
    let mut scene = Scene::start().await;
    scene.vault.wait(Duration::from_hours(24 * 366)).await;
    for kind in Kind::ALL {
        let refused = scene.vault.read(kind.path()).await;
        refused.refused(400, "data.clientSecret: of the base has expired");
    }
    scene.is_untouched();
    let known = json!({"attributes": {"clientSecretExpires": "2027-01-01T00:00:00Z"}});
    let refused = scene.vault.update("azure/base", known).await;
    refused.refused(400, "of the base was 2027-01-01T00:00:00Z");
}

#[tokio::test]
async fn an_end_that_the_base_tells_is_believed() {
    let mut scene = Scene::start().await;
    let known = json!({"attributes": {"clientSecretExpires": "2026-01-01T12:00:00Z"}});
    scene.vault.update("azure/base", known).await.expect(200);
    scene.mint(Kind::Existing).await;
    scene.settle().await;
    scene.vault.wait(Duration::from_hours(12)).await;
    scene.vault.wire.clear();
    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(
        400,
        "attributes.clientSecretExpires: of the base was 2026-01-01T12:00:00Z",
    );
    assert_eq!(count(&scene, "POST token"), 0, "Entra is not asked");
}

#[tokio::test]
async fn throttling_that_lasts_is_a_429_that_says_when_to_come_back() {
    for (kind, action) in [
        (Kind::Existing, "AddPassword"),
        (Kind::Existing, "Token"),
        (Kind::Rbac, "ListPermissions"),
        (Kind::Rbac, "ListRoleDefinitions"),
        (Kind::Rbac, "UpsertApplication"),
        (Kind::Rbac, "UpsertServicePrincipal"),
        (Kind::AppRole, "GetServicePrincipal"),
        (Kind::AppRole, "AddPassword"),
    ] {
        let scene = Scene::start().await;
        let faults = scene.vault.sandbox.faults();
        faults.always(action, Fault::Throttle);
        let refused = scene.vault.read(kind.path()).await;
        let seconds = refused.headers["retry-after"].to_str().unwrap();
        assert!(seconds.parse::<u32>().unwrap() > 0);
        refused.refused(429, "is throttling; try again");
        faults.clear();
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn a_moment_of_throttling_is_waited_out() {
    for (kind, action) in [
        (Kind::Existing, "AddPassword"),
        (Kind::Existing, "Token"),
        (Kind::Rbac, "ListPermissions"),
        (Kind::Rbac, "UpsertApplication"),
        (Kind::Rbac, "UpsertServicePrincipal"),
        (Kind::AppRole, "AssignAppRole"),
    ] {
        let scene = Scene::start().await;
        scene
            .vault
            .sandbox
            .faults()
            .next(action, 3, Fault::Throttle);
        let before = scene.vault.clock.now();
        let data = scene.mint(kind).await;
        assert!(
            scene.vault.clock.now() - before >= Duration::from_secs(3),
            "{action}"
        );
        assert!(data.get("roleAssignmentStatus").is_none() || kind == Kind::Rbac);
        assert!(scene.sign_in(&data, GRAPH).await.is_ok());
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_left_to_the_reader() {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0); // waiting would move the clock
    scene.vault.sandbox.azure().set_retry_after("37.2");
    scene
        .vault
        .sandbox
        .faults()
        .always("AddPassword", Fault::Throttle);
    let before = scene.vault.clock.now();
    let refused = scene.vault.read(Kind::Existing.path()).await.expect(429);
    assert_eq!(refused.headers["retry-after"], "38");
    assert_eq!(scene.vault.clock.now(), before, "nobody waited");
    assert_eq!(count(&scene, "POST addPassword"), 1);
}

#[tokio::test]
async fn a_full_quota_is_told_with_what_to_do_about_it() {
    for objects in [0, 1] {
        let scene = Scene::start().await;
        let limits = Limits {
            objects: Some(objects),
            ..Limits::default()
        };
        scene.vault.sandbox.azure().set_limits(limits);
        for kind in [Kind::Rbac, Kind::AppRole] {
            let refused = scene.vault.read(kind.path()).await;
            refused.refused(400, "Directory_QuotaExceeded: deleted objects count until");
            scene.ends_clean().await;
        }
    }
}

#[tokio::test]
async fn an_application_that_takes_no_more_passwords_says_so() {
    let scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    let target = &scene.tenant.target.object_id;
    let others = all_passwords(&scene, &json!(target)).len();
    azure
        .set_audience(target, "AzureADandPersonalMicrosoftAccount")
        .unwrap();
    for _ in others..2 {
        scene.mint(Kind::Existing).await;
    }
    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(400, "maximum of 2 passwords");
    azure.set_audience(target, "AzureADMyOrg").unwrap();
    azure.set_limits(Limits {
        passwords: 2,
        ..Limits::default()
    });
    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(400, "Directory_ResourceSizeExceeded");
    scene.settle().await;
    let names = passwords(&scene, &json!(target));
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test]
async fn a_refusal_right_after_our_own_create_is_no_last_word() {
    for (kind, action) in [
        (Kind::Rbac, "UpsertServicePrincipal"),
        (Kind::Rbac, "AddPassword"),
        (Kind::AppRole, "UpsertServicePrincipal"),
        (Kind::AppRole, "AddPassword"),
        (Kind::AppRole, "AssignAppRole"),
    ] {
        for code in ["Authorization_RequestDenied", "Request_ResourceNotFound"] {
            let scene = Scene::start().await;
            scene.vault.sandbox.faults().next(action, 2, refusing(code));
            let data = scene.mint(kind).await;
            assert!(
                scene.sign_in(&data, GRAPH).await.is_ok(),
                "{kind:?} {action} {code}"
            );
            scene.ends_clean().await;
        }
    }
}

#[tokio::test]
async fn a_refusal_about_what_was_there_before_is_final() {
    for (code, says) in [
        ("Authorization_RequestDenied", "it must be an owner of it"),
        (
            "Request_ResourceNotFound",
            "attributes.appObjectId: is no application",
        ),
        (
            "CredentialInvalidLifetimeAsPerAppPolicy",
            "app management policy forbids it",
        ),
        (
            "Request_BadRequest",
            "Request_BadRequest: what the cloud says",
        ),
    ] {
        let scene = Scene::start().await;
        scene
            .vault
            .sandbox
            .faults()
            .next("AddPassword", 1, refusing(code));
        let refused = scene.vault.read(Kind::Existing.path()).await;
        refused.refused(400, says);
        assert_eq!(count(&scene, "POST addPassword"), 1, "{code}");
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn an_application_that_is_gone_says_so() {
    let mut scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    azure
        .delete_application(&scene.tenant.target.object_id)
        .unwrap();
    scene.seed = scene.cloud();
    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(
        400,
        "attributes.appObjectId: is no application of this tenant",
    );
    scene.ends_clean().await;
}

#[tokio::test]
async fn an_application_that_goes_with_its_leases_ends_them() {
    let mut scene = Scene::start().await;
    scene.mint(Kind::Existing).await;
    let azure = scene.vault.sandbox.azure();
    azure
        .delete_application(&scene.tenant.target.object_id)
        .unwrap();
    scene.seed = scene.cloud();
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_resource_a_role_or_a_scope_that_is_unknown_is_named_and_nothing_is_made() {
    let scene = Scene::start().await;
    let resource = &scene.tenant.resource;
    let role = resource.app_roles["Data.Read"].clone();
    let principal = resource.service_principal_id.clone();
    let gone = format!("{SCOPE}-of-old");
    scene.vault.sandbox.azure().remove_scope(&gone).unwrap();
    for (n, attributes, says) in [
        (
            1,
            json!({"msApiType": "msgraph", "resourceId": NOBODY, "appRoleId": role}),
            "attributes.resourceId: is no service principal",
        ),
        (
            2,
            json!({"msApiType": "msgraph", "resourceId": principal, "appRoleId": NOBODY}),
            "attributes.appRoleId: is no application role",
        ),
        (
            3,
            json!({"roleName": "Reader", "scope": gone}),
            "attributes.scope: does not exist",
        ),
        (
            4,
            json!({"roleName": "reader of tea leaves", "scope": SCOPE}),
            "attributes.roleName: is no role",
        ),
        (
            5,
            json!({"roleId": NOBODY, "scope": SCOPE}),
            "attributes.roleId: is no role definition",
        ),
    ] {
        let path = format!("azure/wrong{n}");
        let body = dynamic("azure:base", attributes);
        scene.vault.create(&path, body).await.expect(201);
        scene.vault.read(&path).await.refused(400, says);
    }
    scene.is_untouched();
}

#[tokio::test]
async fn a_scope_that_goes_with_its_leases_ends_them() {
    let mut scene = Scene::start().await;
    scene.mint(Kind::Rbac).await;
    scene.sweep().await;
    scene.vault.sandbox.azure().remove_scope(SCOPE).unwrap();
    scene.ends_clean().await;
    scene.vault.wait(Duration::ZERO).await;
    let refused = scene.vault.read(Kind::Rbac.path()).await;
    refused.refused(400, "attributes.scope: does not exist");
}

#[tokio::test]
async fn the_bases_own_application_is_refused_at_the_write_and_at_the_read() {
    let scene = Scene::start().await;
    let (base, target) = (&scene.tenant.base, &scene.tenant.target);
    for app_id in [base.app_id.clone(), base.app_id.to_uppercase()] {
        let own = json!({"appId": app_id, "appObjectId": base.object_id});
        let made = scene
            .vault
            .create("azure/own", dynamic("azure:base", own))
            .await;
        made.refused(
            400,
            "attributes.appId: must not be the base's own application",
        );
    }
    let change = json!({"data": {"clientId": target.app_id}});
    scene.vault.update("azure/base", change).await.expect(200);
    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(
        400,
        "attributes.appId: must not be the base's own application",
    );
    scene.is_untouched();
}

#[tokio::test]
async fn a_base_that_cannot_be_is_not_written() {
    let vault = Vault::start().await;
    let tenant = Tenant::seed(&vault);
    for (field, value) in [
        ("environment", json!("AzureMoonCloud")),
        ("tenantId", Value::Null),
        ("clientId", json!("mayfly base")),
        ("subscriptionId", json!("")),
        ("clientSecret", Value::Null),
    ] {
        let mut data = tenant.base_data();
        data[field] = value;
        let body = json!({"data": data, "attributes": {"type": "azure"}});
        let refused = vault.create("azure/base", body).await;
        assert!(!refused.text().contains("Moon"), "{}", refused.text());
        refused.refused(400, &format!("data.{field}: "));
    }
    for (bound, value) in [
        ("maxTtl", json!("long")),
        ("allowedScopes", json!("all")),
        ("allowedRoleIds", json!(["Reader"])),
        ("allowedAppObjectIds", json!([7])),
        ("allowedAppRoleIds", json!({})),
        ("allowedTokenScopes", json!(["https://storage.azure.com"])),
        ("clientSecretExpires", json!("soon")),
    ] {
        let refused = tenant.create_base(&vault, json!({ bound: value })).await;
        refused.refused(400, &format!("attributes.{bound}: "));
    }
}

/// Attributes that say too little, or too much, and what is said about them.
fn unclear(tenant: &Tenant) -> Vec<(Value, &'static str)> {
    let (app, resource) = (&tenant.target, &tenant.resource);
    let role = &resource.app_roles["Data.Read"];
    vec![
        (json!({}), "attributes.scope: is required"),
        (
            json!({"roleName": "Reader"}),
            "attributes.scope: is required",
        ),
        (json!({"scope": SCOPE}), "attributes.roleName: is required"),
        (
            json!({"scope": "data", "roleName": "Reader"}),
            "attributes.scope: ",
        ),
        (
            json!({"scope": format!("/subscriptions/{NOBODY}"), "roleName": "Reader"}),
            "attributes.scope: must lie in the base's subscription",
        ),
        (
            json!({"appId": app.app_id}),
            "attributes.appObjectId: is required",
        ),
        (
            json!({"appObjectId": app.object_id}),
            "attributes.appId: is required",
        ),
        (
            json!({"appId": "reports", "appObjectId": app.object_id}),
            "attributes.appId: ",
        ),
        (
            json!({"appId": app.app_id, "appObjectId": app.object_id, "scope": SCOPE}),
            "attributes.scope: goes not with",
        ),
        (
            json!({"msApiType": "msgraph"}),
            "attributes.resourceId: is required",
        ),
        (
            json!({"msApiType": "msgraph", "resourceId": resource.service_principal_id}),
            "attributes.appRoleId: is required",
        ),
        (
            json!({"msApiType": "adgraph", "resourceId": NOBODY, "appRoleId": role}),
            "attributes.msApiType: must be msgraph",
        ),
        (
            json!({"providerType": "assumeRole"}),
            "attributes.providerType: must be token",
        ),
        (
            json!({"providerType": "token"}),
            "attributes.scopes: is required",
        ),
        (
            json!({"scope": SCOPE, "roleName": "Reader", "readiness": "yes"}),
            "attributes.readiness: must be none or token",
        ),
    ]
}

#[tokio::test]
async fn what_is_missing_or_does_not_go_together_is_named_at_the_write() {
    let scene = Scene::start().await;
    for (attributes, field) in unclear(&scene.tenant) {
        let body = dynamic("azure:base", attributes.clone());
        let refused = scene.vault.create("azure/wrong", body).await;
        assert_eq!(refused.status, 400, "{attributes}");
        refused.refused(400, field);
    }
    scene.is_untouched();
}

#[tokio::test]
async fn after_a_lost_answer_the_next_password_is_answered_and_the_unknown_one_removed() {
    for kind in Kind::ALL {
        let scene = Scene::start().await;
        let lost = Fault::FailAfterSuccess;
        scene.vault.sandbox.faults().next("AddPassword", 2, lost);
        let data = scene.mint(kind).await;
        let lease = scene.leases().remove(0);
        let (id, app) = (lease["id"].as_str().unwrap(), lease["appObjectId"].clone());
        let named = |n: usize| format!("mayfly-{id}-{n}");
        assert_eq!(passwords(&scene, &app), [named(1), named(2), named(3)]);
        assert!(scene.sign_in(&data, GRAPH).await.is_ok());

        scene.vault.clock.advance(Duration::from_secs(599));
        scene.sweep().await;
        assert_eq!(passwords(&scene, &app).len(), 3, "{kind:?}: too early");
        scene.vault.clock.advance(Duration::from_secs(1));
        scene.sweep().await;
        assert_eq!(passwords(&scene, &app), [named(3)], "{kind:?}");
        assert!(scene.sign_in(&data, GRAPH).await.is_ok());
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn four_lost_answers_in_a_row_are_a_503_and_leave_nothing() {
    for kind in Kind::ALL {
        let scene = Scene::start().await;
        let faults = scene.vault.sandbox.faults();
        faults.always("AddPassword", Fault::FailAfterSuccess);
        let refused = scene.vault.read(kind.path()).await;
        assert!(refused.headers.contains_key("retry-after"));
        refused.refused(503, "Microsoft Graph is unavailable; try again");
        assert_eq!(count(&scene, "POST addPassword"), 4);
        faults.clear();
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn any_other_lost_answer_is_asked_for_again() {
    for (kind, action) in [
        (Kind::Rbac, "UpsertApplication"),
        (Kind::Rbac, "UpsertServicePrincipal"),
        (Kind::Rbac, "ListPermissions"),
        (Kind::Rbac, "ListRoleDefinitions"),
        (Kind::Rbac, "AssignRole"),
        (Kind::AppRole, "GetServicePrincipal"),
        (Kind::AppRole, "AssignAppRole"),
        (Kind::Existing, "Token"),
    ] {
        let scene = Scene::start().await;
        let faults = scene.vault.sandbox.faults();
        faults.next(action, 1, Fault::FailAfterSuccess);
        let data = scene.mint(kind).await;
        assert!(scene.sign_in(&data, GRAPH).await.is_ok(), "{action}");
        if kind == Kind::Rbac {
            for _ in 0..2 {
                scene.sweep().await;
                scene.go_to_next();
            }
            let given = scene.leases()[0]["assignment"]["state"].clone();
            assert_eq!(given, "SUCCESS", "{action}");
        }
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn a_request_that_arrives_late_is_found_and_taken_back() {
    for (kind, action) in [
        (Kind::Existing, "AddPassword"),
        (Kind::Rbac, "UpsertApplication"),
        (Kind::Rbac, "AddPassword"),
        (Kind::AppRole, "UpsertServicePrincipal"),
        (Kind::AppRole, "AssignAppRole"),
    ] {
        let scene = Scene::start().await;
        let late = Fault::Late(Duration::from_secs(90));
        scene.vault.sandbox.faults().next(action, 1, late);
        scene.mint(kind).await;
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn a_broken_entra_is_a_503_and_makes_nothing() {
    let scene = Scene::start().await;
    scene
        .vault
        .sandbox
        .faults()
        .always("Token", Fault::FailAfterSuccess);
    for kind in Kind::ALL {
        let refused = scene.vault.read(kind.path()).await;
        assert!(refused.headers.contains_key("retry-after"));
        refused.refused(503, "Microsoft Entra is unavailable; try again");
    }
    scene.is_untouched();
}

#[tokio::test]
async fn a_real_outcome_follows_the_record_of_an_issue_that_failed() {
    let scene = Scene::start().await;
    let faults = scene.vault.sandbox.faults();
    faults.next("AddPassword", 1, refusing("Request_BadRequest"));
    scene.vault.read(Kind::Existing.path()).await.expect(400);
    let audit = scene.vault.audit();
    let of_read: Vec<_> = audit
        .iter()
        .filter(|record| record["path"] == "secrets:azure:existing" && record["status"] != 201)
        .collect();
    assert_eq!(of_read.len(), 1, "{of_read:#?}");
    assert_eq!(of_read[0]["status"], 400);
    let message = of_read[0]["message"].as_str().unwrap();
    assert!(message.contains("Request_BadRequest"), "{message}");
}
