//! Every call to Graph and Resource Manager that taking back and minting are made of, against the sandbox.

use std::time::Duration;

use mayfly::{
    clock::Clock,
    provider::azure::{Class, Credential, NewApplication, Session},
};
use mayfly_local::sandbox::Limits;
use mayfly_tests::{
    Vault,
    azure::{RBAC_ROLE, SCOPE, Tenant},
};
use uuid::Uuid;

async fn vault() -> (Vault, Tenant, Credential) {
    let vault = Vault::start().await;
    let tenant = Tenant::seed(&vault);
    let data = serde_json::from_str(&tenant.base_data().to_string()).unwrap();
    let credential = Credential::from_data(&data).unwrap();
    (vault, tenant, credential)
}

fn session<'a>(vault: &'a Vault, credential: &'a Credential) -> Session<'a> {
    let base = Uuid::from_u128(1);
    vault.app.providers.azure.session(credential, base, 1)
}

fn new() -> NewApplication {
    NewApplication {
        unique_name: "dsv-1".to_owned(),
        display_name: "dsv-1".to_owned(),
        tags: vec!["mayfly:v".to_owned()],
        notes: "a note".to_owned(),
    }
}

#[tokio::test]
async fn an_application_lives_from_upsert_to_purge() {
    let (vault, _, credential) = vault().await;
    let session = session(&vault, &credential);
    let until = vault.clock.now() + Duration::from_hours(1);

    let made = session.upsert_application(&new(), until).await.unwrap();
    let again = session.upsert_application(&new(), until).await.unwrap();
    assert_eq!(made, again);
    let found = session.application_by_unique_name("dsv-1", until).await;
    assert_eq!(found.unwrap(), Some(made.clone()));
    let principal = session
        .upsert_service_principal(&made.app_id, until)
        .await
        .unwrap();
    let again = session
        .upsert_service_principal(&made.app_id, until)
        .await
        .unwrap();
    assert_eq!(principal, again);

    session
        .delete_service_principal(&principal, until)
        .await
        .unwrap();
    session.delete_application(&made.id, until).await.unwrap();
    assert!(
        session
            .application(&made.id, until)
            .await
            .unwrap()
            .is_none()
    );
    let bin = session.deleted_applications("dsv-1", until).await.unwrap();
    assert_eq!(bin[0].id, made.id);
    let bin = session
        .deleted_service_principals("dsv-1", until)
        .await
        .unwrap();
    assert_eq!(bin[0].id, principal);
    for id in [&made.id, &principal] {
        session.purge(id, until).await.unwrap();
        let gone = session.purge(id, until).await.unwrap_err();
        assert_eq!(gone.class, Class::NotThere);
    }
    assert!(
        session
            .deleted_applications("dsv-1", until)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_client_secret_is_added_found_and_removed() {
    let (vault, _, credential) = vault().await;
    let session = session(&vault, &credential);
    let until = vault.clock.now() + Duration::from_hours(1);
    let made = session.upsert_application(&new(), until).await.unwrap();

    let ends = vault.clock.now() + Duration::from_mins(15);
    let password = session
        .add_password(&made.id, "mayfly-1-1", ends, until)
        .await
        .unwrap();
    let detail = session.application(&made.id, until).await.unwrap().unwrap();
    assert_eq!(detail.tags, ["mayfly:v"]);
    assert_eq!(detail.passwords[0].key_id, password.key_id);
    assert_eq!(detail.passwords[0].display_name, "mayfly-1-1");
    assert_eq!(detail.passwords[0].ends, Some(ends));
    assert!(session.is_owner_of(&made.id, until).await.unwrap());
    let owned = session.owned_applications(until).await.unwrap();
    assert!(owned.iter().any(|one| one.id == made.id));
    session
        .remove_password(&made.id, &password.key_id, until)
        .await
        .unwrap();
    let gone = session
        .remove_password(&made.id, &password.key_id, until)
        .await;
    assert_eq!(gone.unwrap_err().class, Class::NotThere);
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let (vault, tenant, credential) = vault().await;
    vault.sandbox.azure().set_limits(Limits {
        page: 1,
        ..Limits::default()
    });
    let session = session(&vault, &credential);
    let until = vault.clock.now() + Duration::from_hours(1);
    let made = session.upsert_application(&new(), until).await.unwrap();
    let owned = session.owned_applications(until).await.unwrap();
    for id in [made.id, tenant.target.object_id] {
        assert!(owned.iter().any(|one| one.id == id));
    }
}

#[tokio::test]
async fn an_application_role_is_given_and_taken() {
    let (vault, tenant, credential) = vault().await;
    let session = session(&vault, &credential);
    let until = vault.clock.now() + Duration::from_hours(1);
    let made = session.upsert_application(&new(), until).await.unwrap();
    let principal = session
        .upsert_service_principal(&made.app_id, until)
        .await
        .unwrap();

    let roles = session.graph_roles(until).await.unwrap();
    assert!(roles.contains("AppRoleAssignment.ReadWrite.All"));
    let resource = tenant.resource.service_principal_id.as_str();
    let offered = session
        .service_principal(resource, until)
        .await
        .unwrap()
        .unwrap();
    let role = offered
        .app_roles
        .iter()
        .find(|role| role.value == "Data.Read")
        .unwrap();
    let id = session
        .assign_app_role(resource, &principal, &role.id, until)
        .await
        .unwrap();
    let twice = session
        .assign_app_role(resource, &principal, &role.id, until)
        .await;
    assert_eq!(twice.unwrap_err().class, Class::Exists);
    let given = session
        .app_role_assignments(&principal, until)
        .await
        .unwrap();
    assert_eq!(
        (given[0].id.as_str(), given[0].app_role_id.as_str()),
        (id.as_str(), role.id.as_str())
    );
    session
        .remove_app_role_assignment(&principal, &id, until)
        .await
        .unwrap();
    assert!(
        session
            .app_role_assignments(&principal, until)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_role_in_azure_is_given_and_taken() {
    let (vault, _, credential) = vault().await;
    let session = session(&vault, &credential);
    let until = vault.clock.now() + Duration::from_hours(1);
    let made = session.upsert_application(&new(), until).await.unwrap();
    let principal = session
        .upsert_service_principal(&made.app_id, until)
        .await
        .unwrap();

    let permissions = session.permissions(SCOPE, until).await.unwrap();
    assert!(permissions.allows("Microsoft.Authorization/roleAssignments/write"));
    assert!(!permissions.allows("Microsoft.Compute/virtualMachines/write"));
    let roles = session.roles_named(SCOPE, "Reader", until).await.unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!(
        session.role(&roles[0].id, until).await.unwrap().as_ref(),
        roles.first()
    );
    let other = session.roles_named(SCOPE, RBAC_ROLE, until).await.unwrap();

    let guid = Uuid::from_u128(7).to_string();
    assert!(
        session
            .role_assignment(SCOPE, &guid, until)
            .await
            .unwrap()
            .is_none()
    );
    // Resource Manager may not see the principal yet.
    vault.clock.advance(Duration::from_mins(10));
    let until = vault.clock.now() + Duration::from_hours(1);
    session
        .assign_role(SCOPE, &guid, &roles[0].id, &principal, until)
        .await
        .unwrap();
    let found = session
        .role_assignment(SCOPE, &guid, until)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.principal_id, principal);
    let changed = session
        .assign_role(SCOPE, &guid, &other[0].id, &principal, until)
        .await;
    assert_eq!(changed.unwrap_err().class, Class::Mismatch);
    for _ in 0..2 {
        session
            .remove_role_assignment(SCOPE, &guid, until)
            .await
            .unwrap();
    }
}
