//! Service principals: made, upserted, listed, put into the recycle bin; and what they own.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::permission::check_owner;
use super::{Key, applications, odata};
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::replica::Replica;
use crate::sandbox::azure::state::{ServicePrincipal, Tenant};
use crate::sandbox::azure::{Scene, new_id};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    app_id: Option<String>,
    display_name: Option<String>,
}

/// `POST /servicePrincipals`.
pub(super) fn create(scene: &mut Scene<'_>) -> Result<Answer, Refusal> {
    let wanted: Wanted = scene.request.json()?;
    let app_id = wanted.app_id.unwrap_or_default().to_lowercase();
    if scene.tenant()?.principal_of(&app_id).is_some() {
        return Err(Refusal::new(
            axum::http::StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            format!(
                "The service principal cannot be created, updated, or restored because the service principal name {app_id} is already in use."
            ),
        ));
    }
    make(scene, &app_id)
}

/// `PATCH /servicePrincipals(appId='…')` with `Prefer: create-if-missing`.
pub(super) fn upsert(scene: &mut Scene<'_>, app_id: &str) -> Result<Answer, Refusal> {
    let found = scene.tenant()?.principal_of(app_id);
    match found.map(|principal| principal.id.clone()) {
        Some(id) => change(scene, &id),
        None => make(scene, app_id),
    }
}

pub(super) fn update(scene: &mut Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let id = written_to(scene, key)?.id.clone();
    change(scene, &id)
}

pub(super) fn list(scene: &Scene<'_>) -> Result<Answer, Refusal> {
    let mut items: Vec<Value> = scene
        .tenant()?
        .service_principals
        .values()
        .filter(|principal| scene.shows(Replica::GraphReads, principal.made))
        .map(view)
        .collect();
    odata::filter(scene, &mut items, &["id", "appId", "displayName"])?;
    Ok(odata::page(scene, items))
}

pub(super) fn get(scene: &Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let principal = read(scene, key)?;
    Ok(Answer::ok(odata::select(scene, view(principal))))
}

pub(super) fn delete(scene: &mut Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let principal = written_to(scene, key)?;
    check_owner(scene.caller, &principal.owners)?;
    let (id, now) = (principal.id.clone(), scene.now);
    scene.tenant_mut()?.delete_principal(&id, now);
    Ok(Answer::no_content())
}

/// The applications, and unless only those are asked for the service principals, that one owns.
pub(super) fn owned(
    scene: &Scene<'_>,
    key: &Key,
    applications_only: bool,
) -> Result<Answer, Refusal> {
    let tenant = scene.tenant()?;
    let owner = &read(scene, key)?.id;
    let mut items: Vec<Value> = tenant
        .applications
        .values()
        .filter(|app| app.owners.contains(owner))
        .filter(|app| scene.shows(Replica::GraphReads, app.made))
        .map(|app| {
            let mut item = applications::view(scene, app);
            item["@odata.type"] = json!("#microsoft.graph.application");
            item
        })
        .collect();
    if !applications_only {
        let principals = tenant
            .service_principals
            .values()
            .filter(|principal| principal.owners.contains(owner))
            .filter(|principal| scene.shows(Replica::GraphReads, principal.made))
            .map(view_typed);
        items.extend(principals);
    }
    Ok(odata::page(scene, items))
}

/// The service principal of a key, as far as writes see it.
pub(super) fn written_to<'a>(
    scene: &'a Scene<'_>,
    key: &Key,
) -> Result<&'a ServicePrincipal, Refusal> {
    find(scene.tenant()?, key)
        .filter(|principal| scene.shows(Replica::GraphWrites, principal.made))
        .ok_or_else(|| Refusal::not_found(key.text()))
}

/// The service principal of a key, as far as reads see it.
pub(super) fn read<'a>(scene: &'a Scene<'_>, key: &Key) -> Result<&'a ServicePrincipal, Refusal> {
    find(scene.tenant()?, key)
        .filter(|principal| scene.shows(Replica::GraphReads, principal.made))
        .ok_or_else(|| Refusal::not_found(key.text()))
}

/// A service principal as Graph shows it.
pub(super) fn view(principal: &ServicePrincipal) -> Value {
    let roles: Vec<Value> = principal
        .app_roles
        .iter()
        .map(|role| {
            json!({
                "id": role.id,
                "value": role.value,
                "displayName": role.value,
                "allowedMemberTypes": ["Application"],
                "isEnabled": true,
            })
        })
        .collect();
    json!({
        "id": principal.id,
        "appId": principal.app_id,
        "displayName": principal.display_name,
        "servicePrincipalType": "Application",
        "servicePrincipalNames": principal.names,
        "accountEnabled": true,
        "appRoles": roles,
        "deletedDateTime": null,
    })
}

/// The same, among objects of other types.
pub(super) fn view_typed(principal: &ServicePrincipal) -> Value {
    let mut item = view(principal);
    item["@odata.type"] = json!("#microsoft.graph.servicePrincipal");
    item
}

fn find<'a>(tenant: &'a Tenant, key: &Key) -> Option<&'a ServicePrincipal> {
    match key {
        Key::Id(id) => tenant.service_principals.get(id),
        Key::AppId(app_id) => tenant.principal_of(app_id),
        Key::UniqueName(_) => None,
    }
}

fn make(scene: &mut Scene<'_>, app_id: &str) -> Result<Answer, Refusal> {
    let app = scene
        .tenant()?
        .application_by_app_id(app_id)
        .filter(|app| scene.shows(Replica::GraphWrites, app.made))
        .ok_or_else(|| {
            Refusal::bad_request(format!(
                "The appId '{app_id}' of the service principal does not reference a valid application object."
            ))
        })?;
    check_owner(scene.caller, &app.owners)?;
    scene.check_quota()?;
    let caller = scene.caller.principal_id.clone();
    let principal = ServicePrincipal {
        id: new_id(),
        app_id: app.app_id.clone(),
        display_name: app.display_name.clone(),
        app_roles: Vec::new(),
        names: Vec::new(),
        owners: BTreeSet::from([caller.clone()]),
        created_by: Some(caller),
        made: scene.now,
    };
    let body = view(&principal);
    scene
        .tenant_mut()?
        .service_principals
        .insert(principal.id.clone(), principal);
    Ok(Answer::created(body))
}

fn change(scene: &mut Scene<'_>, id: &str) -> Result<Answer, Refusal> {
    let wanted: Wanted = scene.request.json()?;
    let caller = scene.caller;
    let principal = scene
        .tenant_mut()?
        .service_principals
        .get_mut(id)
        .ok_or_else(|| Refusal::not_found(id))?;
    check_owner(caller, &principal.owners)?;
    if let Some(name) = wanted.display_name {
        principal.display_name = name;
    }
    Ok(Answer::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::azure::fixture::World;

    #[tokio::test]
    async fn upsert_makes_then_changes() {
        // Microsoft Learn, "Upsert servicePrincipal".
        let world = World::new();
        let app = world.make_app("a").await;
        let app_id = app["appId"].as_str().unwrap();
        let made = world.upsert_principal(app_id).await;
        assert_eq!((made.status, &made.json["appId"]), (201, &json!(app_id)));
        assert_eq!(world.upsert_principal(app_id).await.status, 204);
        let key = format!("/v1.0/servicePrincipals(appId='{app_id}')");
        let found = world.graph("GET", &key, None).await;
        assert_eq!(found.json["id"], made.json["id"]);
        let filter = format!("/v1.0/servicePrincipals?$filter=appId%20eq%20%27{app_id}%27");
        let found = world.graph("GET", &filter, None).await;
        assert_eq!(found.json["value"][0]["id"], made.json["id"]);
    }

    #[tokio::test]
    async fn without_prefer_a_missing_one_is_not_made() {
        // The same page: without the header the request is an update.
        let world = World::new();
        let app = world.make_app("a").await;
        let key = format!(
            "/v1.0/servicePrincipals(appId='{}')",
            app["appId"].as_str().unwrap()
        );
        let reply = world.graph("PATCH", &key, Some(json!({}))).await;
        assert_eq!(reply.status, 404);
    }

    #[tokio::test]
    async fn post_makes_one_for_each_application() {
        // "Create servicePrincipal"; the refusal's text is the one that hashicorp/vault's known issue on dynamic roles quotes.
        let world = World::new();
        let app = world.make_app("a").await;
        let post = async |app_id| {
            let body = json!({"appId": app_id});
            world
                .graph("POST", "/v1.0/servicePrincipals", Some(body))
                .await
        };
        assert_eq!(post(app["appId"].clone()).await.status, 201);
        let again = post(app["appId"].clone()).await;
        assert_eq!(again.status, 409);
        assert!(again.message().contains("is already in use"));
        let unknown = post(json!("00000000-0000-0000-0000-00000000dead")).await;
        assert_eq!(
            (unknown.status, unknown.code()),
            (400, "Request_BadRequest")
        );
        assert!(
            unknown
                .message()
                .contains("does not reference a valid application object")
        );
    }

    #[tokio::test]
    async fn a_principal_owns_what_it_made() {
        // "List ownedObjects" of a service principal.
        let world = World::new();
        let app = world.make_app("a").await;
        world.upsert_principal(app["appId"].as_str().unwrap()).await;
        let base = &world.base.service_principal_id;
        let all = format!("/v1.0/servicePrincipals/{base}/ownedObjects");
        let all = world.graph("GET", &all, None).await;
        assert_eq!(all.json["value"].as_array().unwrap().len(), 2);
        let cast =
            format!("/v1.0/servicePrincipals/{base}/ownedObjects/microsoft.graph.application");
        let apps = world.graph("GET", &cast, None).await;
        assert_eq!(apps.json["value"].as_array().unwrap().len(), 1);
        assert_eq!(apps.json["value"][0]["id"], app["id"]);
    }
}
