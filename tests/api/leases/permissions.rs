//! What the base must be allowed: with just that each kind works, and without any one of it nothing is made.

use mayfly_tests::{
    Vault,
    azure::{Kind, PERMISSIONS, RBAC_ROLE, SCOPE, SUBSCRIPTION},
    vault::dynamic,
};
use serde_json::{Value, json};

use crate::scene::Scene;

const OWNED_BY: &str = "Application.ReadWrite.OwnedBy";
const WRITE_ALL: &str = "Application.ReadWrite.All";
const READ_ALL: &str = "Application.Read.All";
const ASSIGN: &str = "AppRoleAssignment.ReadWrite.All";

/// What it must be allowed at the scope to give and take a role.
const ACTIONS: [&str; 5] = [
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleAssignments/delete",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.Authorization/permissions/read",
];

/// The documented permissions of a kind: of Graph, and at the scope.
fn documented(kind: Kind) -> (Vec<&'static str>, Vec<&'static str>) {
    match kind {
        Kind::Existing => (vec![OWNED_BY], vec![]),
        Kind::Rbac => (vec![OWNED_BY, READ_ALL], ACTIONS.to_vec()),
        Kind::AppRole => (vec![OWNED_BY, READ_ALL, ASSIGN], vec![]),
    }
}

/// A scene whose base has these rights and no others; those in Azure at the scope itself, not above it.
async fn scene_with(permissions: &[&str], actions: &[&str]) -> Scene {
    let mut scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    let base = &scene.tenant.base.service_principal_id;
    for permission in PERMISSIONS {
        azure.revoke(base, permission).unwrap();
    }
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    azure.unassign(&subscription, RBAC_ROLE, base).unwrap();
    for permission in permissions {
        azure.grant(base, permission).unwrap();
    }
    if !actions.is_empty() {
        let role = azure.add_role_definition(SCOPE, "mayfly", actions);
        azure.assign_role(SCOPE, &role.unwrap(), base).unwrap();
    }
    scene.seed = scene.cloud();
    scene
}

async fn works(scene: &Scene, kind: Kind) {
    let found = scene.check(kind.path()).await;
    assert_eq!(found["ok"], true, "{kind:?}: {found}");
    scene.is_untouched();
    scene.mint(kind).await;
    let swept = scene.sweep().await;
    assert_eq!(swept.assigned, u64::from(kind == Kind::Rbac), "{kind:?}");
    scene.ends_clean().await;
}

/// Reading is refused, checking says the same, and nothing is made.
async fn lacks(scene: &Scene, kind: Kind, name: &str) {
    let refused = scene.vault.read(kind.path()).await;
    let text = refused.message();
    assert!(
        text.contains(name) && text.contains("nothing was made"),
        "{kind:?} without {name}: {text}"
    );
    refused.expect(400);
    let found = scene.check(kind.path()).await;
    assert_eq!(found["ok"], false, "{found}");
    let missing = found["missing"].as_array().unwrap();
    let named = |one: &&Value| one.as_str().unwrap().contains(name);
    assert!(missing.iter().any(|one| named(&one)), "{kind:?} {found}");
    assert!(missing.len() == 1, "{kind:?} without {name}: {found}");
    scene.is_untouched();
}

#[tokio::test]
async fn each_kind_works_with_the_documented_permissions_alone() {
    for kind in Kind::ALL {
        let (permissions, actions) = documented(kind);
        works(&scene_with(&permissions, &actions).await, kind).await;
    }
}

#[tokio::test]
async fn each_kind_works_with_the_wider_permissions_too() {
    for (kind, permissions, actions) in [
        (Kind::Existing, vec![WRITE_ALL], vec![]),
        (Kind::Rbac, vec![WRITE_ALL], ACTIONS.to_vec()),
        (Kind::Rbac, vec![OWNED_BY, "Directory.Read.All"], vec!["*"]),
        (
            Kind::AppRole,
            vec![WRITE_ALL, "Directory.Read.All", ASSIGN],
            vec![],
        ),
    ] {
        let mut scene = scene_with(&permissions, &actions).await;
        let azure = scene.vault.sandbox.azure();
        let (base, target) = (&scene.tenant.base, &scene.tenant.target);
        if kind == Kind::Existing {
            azure
                .remove_owner(&target.object_id, &base.service_principal_id)
                .unwrap();
            scene.seed = scene.cloud();
        }
        works(&scene, kind).await;
    }
}

#[tokio::test]
async fn without_any_one_permission_of_graph_nothing_is_made_and_it_is_named() {
    for kind in Kind::ALL {
        let (permissions, actions) = documented(kind);
        for missing in &permissions {
            let mut rest = permissions.clone();
            rest.retain(|permission| permission != missing);
            lacks(&scene_with(&rest, &actions).await, kind, missing).await;
        }
    }
}

#[tokio::test]
async fn without_any_one_action_at_the_scope_nothing_is_made_and_it_is_named() {
    let (permissions, actions) = documented(Kind::Rbac);
    for missing in &actions {
        let mut rest = actions.clone();
        rest.retain(|action| action != missing);
        let scene = scene_with(&permissions, &rest).await;
        lacks(&scene, Kind::Rbac, &format!("{missing} at {SCOPE}")).await;
    }
}

#[tokio::test]
async fn a_role_given_by_its_id_is_looked_up_where_it_is_given() {
    let (permissions, actions) = documented(Kind::Rbac);
    let scene = scene_with(&permissions, &actions).await;
    let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let full = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{reader}"
    );
    for (path, id) in [("azure/short", reader), ("azure/full", full.as_str())] {
        let attributes = json!({"roleId": id, "scope": SCOPE});
        let body = dynamic("azure:base", attributes);
        scene.vault.create(path, body).await.expect(201);
        assert_eq!(scene.check(path).await["ok"], true, "{path}");
        let data = scene.vault.read(path).await.expect(200).json()["data"].clone();
        assert_eq!(data["roleId"], full);
        assert_eq!(data["roleName"], "Reader");
    }
    assert_eq!(scene.sweep().await.assigned, 2);
    scene.ends_clean().await;
}

#[tokio::test]
async fn whoever_does_not_own_the_application_is_told_and_leaves_nothing() {
    let mut scene = scene_with(&[OWNED_BY], &[]).await;
    let azure = scene.vault.sandbox.azure();
    let (base, target) = (&scene.tenant.base, &scene.tenant.target);
    azure
        .remove_owner(&target.object_id, &base.service_principal_id)
        .unwrap();
    scene.seed = scene.cloud();
    let found = scene.check(Kind::Existing.path()).await;
    assert!(found["missing"].to_string().contains("owner"), "{found}");
    scene.is_untouched();

    let refused = scene.vault.read(Kind::Existing.path()).await;
    refused.refused(400, "it must be an owner of it");
    assert_eq!(scene.cloud(), scene.seed);
    scene.ends_clean().await;
    assert_eq!(scene.leases()[0]["state"], "revoked");
}

#[tokio::test]
async fn what_is_granted_after_a_token_was_kept_works_at_once() {
    let (permissions, actions) = documented(Kind::Rbac);
    let scene = scene_with(&permissions[1..], &[]).await;
    let azure = scene.vault.sandbox.azure();
    let base = &scene.tenant.base.service_principal_id;
    scene.vault.read(Kind::Rbac.path()).await.expect(400);
    azure.grant(base, OWNED_BY).unwrap();
    let role = azure.add_role_definition(SCOPE, "mayfly", &actions);
    azure.assign_role(SCOPE, &role.unwrap(), base).unwrap();
    scene.mint(Kind::Rbac).await;
}

#[tokio::test]
async fn a_base_without_any_right_is_told_all_that_can_be_told() {
    let scene = scene_with(&[], &[]).await;
    for (kind, names) in [
        (Kind::Existing, vec![OWNED_BY]),
        (Kind::Rbac, vec![OWNED_BY, READ_ALL, ACTIONS[3], ACTIONS[4]]),
        (Kind::AppRole, vec![OWNED_BY, READ_ALL, ASSIGN]),
    ] {
        let vault: &Vault = &scene.vault;
        let text = vault.read(kind.path()).await.expect(400).message();
        let missing = scene.check(kind.path()).await["missing"].to_string();
        for name in names {
            assert!(text.contains(name), "{kind:?}: {text}");
            assert!(missing.contains(name), "{kind:?}: {missing}");
        }
    }
    scene.is_untouched();
}
