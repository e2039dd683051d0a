//! How many leases, how long, and what a base may not become while it has any.

use std::time::Duration;

use mayfly::clock::Clock;
use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    Vault,
    azure::{Kind, Tenant},
    vault::{base, dynamic},
};
use serde_json::{Value, json};

use crate::scene::Scene;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";
/// 30 days.
const LONGEST: u32 = 30 * 24 * 60 * 60;

/// A scene whose secret of `kind` has these attributes too.
async fn scene_of(kind: Kind, more: Value) -> Scene {
    let scene = Scene::start().await;
    let change = json!({ "attributes": more });
    scene.vault.update(kind.path(), change).await.expect(200);
    scene
}

#[tokio::test]
async fn one_lease_more_than_allowed_is_a_429_until_some_are_over() {
    for kind in Kind::ALL {
        let scene = scene_of(kind, json!({"maxLeases": 2})).await;
        for _ in 0..2 {
            scene.mint(kind).await;
        }
        let before = scene.cloud();
        let refused = scene.vault.read(kind.path()).await.expect(429);
        assert_eq!(refused.headers["retry-after"], "60");
        refused.refused(
            429,
            "this secret has 2 unfinished leases, which is its maxLeases",
        );
        assert_eq!(scene.cloud(), before);
        assert_eq!(scene.leases().len(), 2);
        scene.settle().await;
        assert_eq!(scene.cloud(), scene.seed);
        scene.mint(kind).await;
    }
}

#[tokio::test]
async fn a_secret_has_its_own_count_of_leases() {
    let scene = scene_of(Kind::Existing, json!({"maxLeases": 1})).await;
    scene.mint(Kind::Existing).await;
    scene.vault.read(Kind::Existing.path()).await.expect(429);
    let attributes = scene.tenant.attributes(Kind::Existing);
    let twin = dynamic("azure:base", attributes);
    scene.vault.create("azure/twin", twin).await.expect(201);
    scene.vault.read("azure/twin").await.expect(200);
}

#[tokio::test]
async fn a_failed_mint_counts_until_it_is_over() {
    let scene = scene_of(Kind::Rbac, json!({"maxLeases": 1})).await;
    let faults = scene.vault.sandbox.faults();
    let refusal = Fault::Refuse {
        code: "Request_BadRequest".to_owned(),
        message: "no".to_owned(),
    };
    faults.next("UpsertServicePrincipal", 1, refusal);
    scene.vault.read(Kind::Rbac.path()).await.expect(400);
    scene.vault.read(Kind::Rbac.path()).await.expect(429);
    scene.ends_clean().await;
    scene.mint(Kind::Rbac).await;
}

#[tokio::test]
async fn a_ttl_has_bounds() {
    let scene = Scene::start().await;
    let tenant = &scene.tenant;
    for kind in Kind::ALL {
        let change = |ttl: Value| json!({"attributes": {"ttl": ttl}});
        for (ttl, says) in [
            (json!(59), "attributes.ttl: must be at least 60 seconds"),
            (json!(0), "attributes.ttl"),
            (
                json!(LONGEST + 1),
                "attributes.ttl: must be at most 2592000 seconds",
            ),
            (json!("900"), "attributes.ttl"),
            (json!(60.5), "attributes.ttl"),
        ] {
            let refused = scene.vault.update(kind.path(), change(ttl)).await;
            refused.refused(400, says);
        }
        for ttl in [60, LONGEST] {
            let changed = scene.vault.update(kind.path(), change(json!(ttl))).await;
            changed.expect(200);
            let data = scene.mint(kind).await;
            if kind != Kind::AppRole {
                assert_eq!(data["ttl"], ttl);
            }
        }
        let mut attributes = tenant.attributes(kind);
        attributes["ttl"] = Value::Null;
        let path = format!("default/{}", kind.path());
        let body = dynamic("azure:base", attributes);
        scene.vault.create(&path, body).await.expect(201);
        let data = scene.vault.read(&path).await.expect(200).json()["data"].clone();
        assert_eq!(data["expiration"], "2026-01-01T00:15:00Z");
    }
}

#[tokio::test]
async fn a_base_bounds_the_ttl_at_the_write_and_at_the_read() {
    let vault = Vault::start().await;
    let tenant = Tenant::seed(&vault);
    tenant
        .create_base(&vault, json!({"maxTtl": 600}))
        .await
        .expect(201);
    let says = "attributes.ttl: must be at most 600 seconds, the base's maxTtl";
    for ttl in [json!(601), json!(null)] {
        let refused = tenant.create(&vault, Kind::Existing, json!({ "ttl": ttl }));
        refused.await.refused(400, says);
    }
    let made = tenant.create(&vault, Kind::Existing, json!({"ttl": 600}));
    made.await.expect(201);
    vault.read(Kind::Existing.path()).await.expect(200);
    let tighter = json!({"attributes": {"maxTtl": 599}});
    vault.update("azure/base", tighter).await.expect(200);
    let refused = vault.read(Kind::Existing.path()).await;
    refused.refused(400, "attributes.ttl: must be at most 599 seconds");
    assert_eq!(vault.items_of("LEASE#").len(), 1);
}

#[tokio::test]
async fn a_token_takes_no_ttl() {
    let scene = Scene::start().await;
    let body = json!({
        "providerType": "token", "scopes": ["https://vault.azure.net/.default"], "ttl": 900,
    });
    let made = scene
        .vault
        .create("azure/token", dynamic("azure:base", body))
        .await;
    made.refused(400, "attributes.ttl: goes not with providerType token");
}

#[tokio::test]
async fn max_leases_is_a_number_within_reason() {
    let scene = Scene::start().await;
    for bad in [json!(0), json!(10_001), json!(-1), json!("5"), json!(1.5)] {
        let change = json!({"attributes": {"maxLeases": bad}});
        let refused = scene.vault.update(Kind::Rbac.path(), change).await;
        refused.refused(
            400,
            "attributes.maxLeases: must be a whole number from 1 to 10000",
        );
    }
}

/// A scene with one unfinished lease and nothing linked to its base any more.
async fn leased_and_unlinked() -> Scene {
    let scene = Scene::start().await;
    scene.mint(Kind::Existing).await;
    for kind in Kind::ALL {
        scene.vault.delete(kind.path()).await.expect(200);
    }
    scene
}

const GUARDED: &str = "this base secret has unfinished leases (1)";

#[tokio::test]
async fn a_base_with_unfinished_leases_stays_until_they_are_over() {
    for target in [
        "azure/base",
        "azure/base?force=true",
        "azure/base?revoke=true",
    ] {
        let scene = leased_and_unlinked().await;
        scene.vault.delete(target).await.refused(400, GUARDED);
        scene.ends_clean().await;
        let deleted = scene.vault.delete(target).await;
        assert!(deleted.status < 300, "{}", deleted.text());
    }
}

#[tokio::test]
async fn who_a_base_is_does_not_change_while_it_has_unfinished_leases() {
    let scene = leased_and_unlinked().await;
    let mut aws = base(json!({}));
    aws["overwrite"] = json!(true);
    let changes = [
        json!({"data": {"tenantId": NOBODY}}),
        json!({"data": {"clientId": NOBODY}}),
        json!({"data": {"subscriptionId": NOBODY}}),
        json!({"data": {"environment": "AzureChinaCloud"}}),
        json!({"attributes": {"type": null}}),
        json!({"attributes": {"type": "note"}}),
        aws,
    ];
    for change in &changes {
        let refused = scene.vault.update("azure/base", change.clone()).await;
        refused.refused(400, GUARDED);
    }
    scene.ends_clean().await;
    let other = changes[1].clone();
    scene.vault.update("azure/base", other).await.expect(200);
}

#[tokio::test]
async fn what_does_not_change_who_a_base_is_may_change() {
    let scene = leased_and_unlinked().await;
    for change in [
        json!({"attributes": {"maxTtl": 900, "clientSecretExpires": "2027-01-01T00:00:00Z"}}),
        json!({"data": {"environment": "azurepubliccloud"}}),
        json!({"data": {"clientId": scene.tenant.base.app_id.to_uppercase()}}),
        json!({"data": {"note": "mine"}, "description": "mine"}),
    ] {
        let changed = scene.vault.update("azure/base", change.clone()).await;
        assert_eq!(changed.status, 200, "{change}: {}", changed.text());
    }
    scene.ends_clean().await;
}

#[tokio::test]
async fn a_roll_back_to_another_identity_waits_too() {
    let vault = Vault::start().await;
    let tenant = Tenant::seed(&vault);
    tenant.create_base(&vault, json!({})).await.expect(201);
    let other = json!({"data": {"clientId": NOBODY}});
    vault.update("azure/base", other).await.expect(200);
    vault.put("azure/base/rollback/0").await.expect(200);
    let made = tenant.create(&vault, Kind::Existing, json!({}));
    made.await.expect(201);
    let scene = Scene::of(vault, tenant);
    scene.mint(Kind::Existing).await;
    let refused = scene.vault.put("azure/base/rollback/1").await;
    refused.refused(400, GUARDED);
    scene.vault.put("azure/base/rollback/0").await.expect(200);
    scene.ends_clean().await;
    scene.vault.put("azure/base/rollback/1").await.expect(200);
}

#[tokio::test]
async fn the_worker_takes_back_with_the_newest_client_secret() {
    for kind in Kind::ALL {
        let mut scene = Scene::start().await;
        scene.mint(kind).await;
        let azure = scene.vault.sandbox.azure();
        let base = &scene.tenant.base.object_id;
        let secret = "sandbox~newer~base~secret";
        let ends = scene.vault.clock.now() + Duration::from_hours(24);
        azure.add_password(base, "newer", secret, ends).unwrap();
        let change = json!({"data": {"clientSecret": secret}});
        scene.vault.update("azure/base", change).await.expect(200);
        let key = azure.snapshot()["applications"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|app| app["passwords"].as_array().unwrap().clone())
            .find(|password| password["displayName"] == "base")
            .unwrap()["keyId"]
            .clone();
        azure.remove_password(base, key.as_str().unwrap()).unwrap();
        // A process without any token signs in with what the base holds now.
        scene.vault = scene.vault.another();
        scene.settle().await;
        let left = scene.cloud().to_string();
        assert!(
            !left.contains("mayfly-") && !left.contains("dsv-"),
            "{left}"
        );
        let failed = scene.leases()[0]["attempts"].clone();
        assert_eq!(failed, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_base_may_go_while_secrets_that_only_had_leases_are_there() {
    let scene = Scene::start().await;
    scene.mint(Kind::Rbac).await;
    scene.ends_clean().await;
    let linked = scene.vault.delete("azure/base").await;
    linked.refused(400, "dynamic secrets are linked to this secret (3)");
    for kind in Kind::ALL {
        let target = format!("{}?force=true", kind.path());
        scene.vault.delete(&target).await.expect(204);
    }
    scene
        .vault
        .delete("azure/base?force=true")
        .await
        .expect(204);
    let counts = scene.vault.items_of("LEASES#");
    assert!(counts.len() <= 3, "{counts:?}");
}
