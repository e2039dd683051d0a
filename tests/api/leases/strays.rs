//! Strays: what a table that was restored to an earlier point in time has forgotten.

use std::time::Duration;

use mayfly::{
    clock::Clock,
    leases::strays,
    provider::azure::{Credential, NewApplication},
};
use mayfly_tests::{azure::Kind, privileges::Deployed};

use crate::scene::Scene;

async fn reconcile(scene: &Scene, delete: bool) -> strays::Report {
    let until = scene.vault.clock.now() + Duration::from_mins(10);
    let report =
        strays::reconcile(scene.vault.function(Deployed::LeaseWorker), delete, until).await;
    report.unwrap()
}

#[tokio::test]
async fn what_a_restored_table_forgot_is_reported_and_deleted_only_when_told_to() {
    let scene = Scene::start().await;
    for kind in Kind::ALL {
        scene.mint(kind).await;
    }
    scene.sweep().await;
    assert!(
        reconcile(&scene, true).await.strays.is_empty(),
        "all have their leases"
    );
    for prefix in ["LEASE#", "TASK#task_"] {
        for item in scene.vault.items_of(prefix) {
            scene.vault.delete_item(&item);
        }
    }
    let before = scene.cloud();

    let report = reconcile(&scene, false).await;
    assert_eq!(
        (report.bases, report.strays.len(), report.deleted),
        (1, 3, 0)
    );
    let passwords = report
        .strays
        .iter()
        .filter(|stray| stray.password.is_some());
    assert_eq!(passwords.count(), 1, "of the application that is not ours");
    assert_eq!(scene.cloud(), before);

    let report = reconcile(&scene, true).await;
    assert_eq!(report.deleted, 3);
    assert_eq!(
        scene.cloud(),
        scene.seed,
        "role assignments and the bin included"
    );
    assert!(reconcile(&scene, false).await.strays.is_empty());
}

#[tokio::test]
async fn what_others_made_is_no_stray() {
    let scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    let other = azure
        .add_application(
            mayfly_tests::azure::TENANT,
            "dsv-3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f",
        )
        .unwrap();
    azure
        .add_owner(&other.object_id, &scene.tenant.base.service_principal_id)
        .unwrap();
    let before = scene.cloud();
    let report = reconcile(&scene, true).await;
    assert!(
        report.strays.is_empty(),
        "it does not carry this vault's mark"
    );
    assert_eq!(scene.cloud(), before);
}

#[tokio::test]
async fn what_another_vault_made_with_the_same_base_is_left_alone() {
    let scene = Scene::start().await;
    let data = scene.tenant.base_data().to_string();
    let credential = Credential::from_data(&serde_json::from_str(&data).unwrap()).unwrap();
    let azure = &scene.observer().app.providers.azure;
    let session = azure.session(&credential, uuid::Uuid::nil(), 0);
    let until = scene.vault.clock.now() + Duration::from_mins(1);
    let new = NewApplication {
        unique_name: "dsv-3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f".to_owned(),
        display_name: "dsv-3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f".to_owned(),
        tags: vec!["mayfly:11111111-2222-4333-8444-555555555555".to_owned()],
        notes: String::new(),
    };
    let made = session.upsert_application(&new, until).await.unwrap();
    let name = "mayfly-3f0d6c2e-95ab-4c1d-8f6e-0a1b2c3d4e5f-1";
    let ends = scene.vault.clock.now() + Duration::from_hours(1);
    session
        .add_password(&made.id, name, ends, until)
        .await
        .unwrap();
    let before = scene.cloud();
    assert!(reconcile(&scene, true).await.strays.is_empty());
    assert_eq!(scene.cloud(), before);
}
