//! Applications: made, upserted, changed, listed, put into the recycle bin.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::odata;
use super::permission::check_owner;
use super::{Key, service_principals};
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;
use crate::sandbox::azure::replica::Replica;
use crate::sandbox::azure::state::{Application, Password, Tenant};
use crate::sandbox::azure::{Scene, new_id, written};

/// The audience of an application that is told none.
pub(crate) const SINGLE_TENANT: &str = "AzureADMyOrg";

/// The writable properties that the sandbox keeps; others are accepted and forgotten.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    display_name: Option<String>,
    unique_name: Option<String>,
    sign_in_audience: Option<String>,
    tags: Option<Vec<String>>,
    notes: Option<String>,
    password_credentials: Option<Value>,
}

/// `POST /applications`.
pub(super) fn create(scene: &mut Scene<'_>) -> Result<Answer, Refusal> {
    let wanted = wanted(scene)?;
    let name = wanted.unique_name.clone();
    make(scene, wanted, name)
}

/// `PATCH /applications(uniqueName='…')` with `Prefer: create-if-missing`.
pub(super) fn upsert(scene: &mut Scene<'_>, name: &str) -> Result<Answer, Refusal> {
    let found = scene.tenant()?.application_named(name);
    if let Some(id) = found.map(|app| app.id.clone()) {
        return change(scene, &id);
    }
    let wanted = wanted(scene)?;
    make(scene, wanted, Some(name.to_owned()))
}

/// `PATCH` of an application that must be there.
pub(super) fn update(scene: &mut Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let id = written_to(scene, key)?.id.clone();
    change(scene, &id)
}

pub(super) fn list(scene: &Scene<'_>) -> Result<Answer, Refusal> {
    let mut items: Vec<Value> = scene
        .tenant()?
        .applications
        .values()
        .filter(|app| scene.shows(Replica::GraphReads, app.made))
        .map(|app| view(scene, app))
        .collect();
    odata::filter(
        scene,
        &mut items,
        &["id", "appId", "displayName", "uniqueName"],
    )?;
    Ok(odata::page(scene, items))
}

pub(super) fn get(scene: &Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let app = read(scene, key)?;
    Ok(Answer::ok(odata::select(scene, view(scene, app))))
}

/// `DELETE`: into the recycle bin, with the service principal.
pub(super) fn delete(scene: &mut Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let app = written_to(scene, key)?;
    check_owner(scene.caller, &app.owners)?;
    let (id, now) = (app.id.clone(), scene.now);
    scene.tenant_mut()?.delete_application(&id, now);
    Ok(Answer::no_content())
}

pub(super) fn owners(scene: &Scene<'_>, key: &Key) -> Result<Answer, Refusal> {
    let tenant = scene.tenant()?;
    let app = read(scene, key)?;
    let items = app
        .owners
        .iter()
        .filter_map(|owner| tenant.service_principals.get(owner))
        .map(service_principals::view_typed)
        .collect();
    Ok(odata::page(scene, items))
}

/// The application of a key, whoever sees it.
pub(super) fn find<'a>(tenant: &'a Tenant, key: &Key) -> Option<&'a Application> {
    match key {
        Key::Id(id) => tenant.applications.get(id),
        Key::AppId(app_id) => tenant.application_by_app_id(app_id),
        Key::UniqueName(name) => tenant.application_named(name),
    }
}

/// The application of a key, as far as writes see it.
pub(super) fn written_to<'a>(scene: &'a Scene<'_>, key: &Key) -> Result<&'a Application, Refusal> {
    find(scene.tenant()?, key)
        .filter(|app| scene.shows(Replica::GraphWrites, app.made))
        .ok_or_else(|| Refusal::not_found(key.text()))
}

/// An application as Graph shows it.
pub(super) fn view(scene: &Scene<'_>, app: &Application) -> Value {
    let passwords: Vec<Value> = app
        .passwords
        .iter()
        .filter(|password| scene.shows(Replica::GraphReads, password.made))
        .map(view_password)
        .collect();
    json!({
        "id": app.id,
        "appId": app.app_id,
        "uniqueName": app.unique_name,
        "displayName": app.display_name,
        "signInAudience": app.audience,
        "tags": app.tags,
        "notes": app.notes,
        "createdDateTime": written(app.made),
        "deletedDateTime": null,
        "passwordCredentials": passwords,
    })
}

/// A password as Graph lists it: without its secret.
pub(super) fn view_password(password: &Password) -> Value {
    json!({
        "customKeyIdentifier": null,
        "keyId": password.key_id,
        "displayName": password.display_name,
        "startDateTime": written(password.starts),
        "endDateTime": written(password.ends),
        "hint": password.secret.expose().chars().take(3).collect::<String>(),
        "secretText": null,
    })
}

impl Key {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Id(text) | Self::AppId(text) | Self::UniqueName(text) => text,
        }
    }
}

fn read<'a>(scene: &'a Scene<'_>, key: &Key) -> Result<&'a Application, Refusal> {
    find(scene.tenant()?, key)
        .filter(|app| scene.shows(Replica::GraphReads, app.made))
        .ok_or_else(|| Refusal::not_found(key.text()))
}

fn wanted(scene: &Scene<'_>) -> Result<Wanted, Refusal> {
    let wanted: Wanted = scene.request.json()?;
    if wanted.password_credentials.is_some() {
        return Err(Refusal::bad_request(
            "Setting passwordCredentials is not supported. Use addPassword and removePassword.",
        ));
    }
    Ok(wanted)
}

fn make(
    scene: &mut Scene<'_>,
    wanted: Wanted,
    unique_name: Option<String>,
) -> Result<Answer, Refusal> {
    let display_name = wanted
        .display_name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Refusal::bad_request(
                "A value is required for property 'displayName' of resource 'Application'.",
            )
        })?;
    let taken = |name: &String| {
        scene
            .tenant()
            .map(|of| of.application_named(name).is_some())
    };
    if unique_name.as_ref().map(taken).transpose()? == Some(true) {
        return Err(Refusal::bad_request(
            "Another object with the same value for property uniqueName already exists.",
        ));
    }
    scene.check_quota()?;
    let caller = scene.caller.principal_id.clone();
    let app = Application {
        id: new_id(),
        app_id: new_id(),
        unique_name,
        display_name,
        audience: wanted
            .sign_in_audience
            .unwrap_or_else(|| SINGLE_TENANT.to_owned()),
        tags: wanted.tags.unwrap_or_default(),
        notes: wanted.notes,
        passwords: Vec::new(),
        revision: 0,
        owners: BTreeSet::from([caller.clone()]),
        created_by: Some(caller),
        made: scene.now,
    };
    let body = view(scene, &app);
    scene.tenant_mut()?.applications.insert(app.id.clone(), app);
    Ok(Answer::created(body))
}

fn change(scene: &mut Scene<'_>, id: &str) -> Result<Answer, Refusal> {
    let wanted = wanted(scene)?;
    let caller = scene.caller;
    let app = scene
        .tenant_mut()?
        .applications
        .get_mut(id)
        .ok_or_else(|| Refusal::not_found(id))?;
    check_owner(caller, &app.owners)?;
    if let Some(name) = wanted.display_name {
        app.display_name = name;
    }
    if let Some(audience) = wanted.sign_in_audience {
        app.audience = audience;
    }
    if let Some(tags) = wanted.tags {
        app.tags = tags;
    }
    if let Some(notes) = wanted.notes {
        app.notes = Some(notes);
    }
    Ok(Answer::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::Limits;
    use crate::sandbox::azure::fixture::World;

    const NAMED: &str = "/v1.0/applications(uniqueName='lease-1')";

    #[tokio::test]
    async fn upsert_makes_then_changes() {
        // Microsoft Learn, "Upsert application".
        let world = World::new();
        let body = json!({"displayName": "a", "tags": ["mayfly:1"]});
        let made = world.upsert(NAMED, body.clone()).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.json["uniqueName"], "lease-1");
        let again = world.upsert(NAMED, json!({"displayName": "b"})).await;
        assert_eq!((again.status, again.body.as_str()), (204, ""));
        let found = world.graph("GET", NAMED, None).await;
        assert_eq!(found.json["id"], made.json["id"]);
        assert_eq!(found.json["displayName"], "b");
        assert_eq!(found.json["tags"], json!(["mayfly:1"]));
    }

    #[tokio::test]
    async fn without_prefer_a_missing_one_is_not_made() {
        // The same page: without the header the request is an update, and a missing object a 404.
        let world = World::new();
        let body = json!({"displayName": "a"});
        let refused = world.graph("PATCH", NAMED, Some(body.clone())).await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "Request_ResourceNotFound")
        );
        world.upsert(NAMED, body.clone()).await;
        assert_eq!(world.graph("PATCH", NAMED, Some(body)).await.status, 204);
    }

    #[tokio::test]
    async fn upsert_never_finds_one_in_the_bin() {
        // "Delete application": a deleted one is in another container, from where it can be restored.
        let world = World::new();
        let body = json!({"displayName": "a"});
        let first = world.upsert(NAMED, body.clone()).await;
        assert_eq!(world.graph("DELETE", NAMED, None).await.status, 204);
        assert_eq!(world.graph("GET", NAMED, None).await.status, 404);
        let second = world.upsert(NAMED, body).await;
        assert_eq!(second.status, 201);
        assert_ne!(second.json["id"], first.json["id"]);
    }

    #[tokio::test]
    async fn display_names_repeat_and_unique_names_do_not() {
        // "application resource type": uniqueName is an alternate key, displayName is not.
        let world = World::new();
        let post = async |body| world.graph("POST", "/v1.0/applications", Some(body)).await;
        let first = post(json!({"displayName": "a", "uniqueName": "u"})).await;
        let second = post(json!({"displayName": "a"})).await;
        assert_eq!((first.status, second.status), (201, 201));
        assert_ne!(first.json["appId"], second.json["appId"]);
        assert_eq!(
            post(json!({"displayName": "b", "uniqueName": "u"}))
                .await
                .status,
            400
        );
        assert_eq!(post(json!({"tags": []})).await.status, 400);
    }

    #[tokio::test]
    async fn passwords_are_not_set_by_patch() {
        // "Upsert application": using PATCH to set passwordCredential is not supported.
        let world = World::new();
        let body = json!({"displayName": "a", "passwordCredentials": []});
        assert_eq!(world.upsert(NAMED, body).await.status, 400);
    }

    #[tokio::test]
    async fn every_key_finds_it_and_its_maker_owns_it() {
        // "Get application", "List owners": the app that made it with OwnedBy is its owner.
        let world = World::new();
        let app = world.make_app("a").await;
        let (id, app_id) = (app["id"].as_str().unwrap(), app["appId"].as_str().unwrap());
        for path in [
            format!("/v1.0/applications/{id}"),
            format!("/v1.0/applications(appId='{app_id}')"),
            format!("/v1.0/applications(appId=%27{app_id}%27)"),
        ] {
            assert_eq!(world.graph("GET", &path, None).await.json["id"], id);
        }
        let owners = format!("/v1.0/applications/{id}/owners");
        let owners = world.graph("GET", &owners, None).await;
        assert_eq!(
            owners.json["value"][0]["id"],
            world.base.service_principal_id.as_str()
        );
    }

    #[tokio::test]
    async fn deleted_objects_count_for_the_quota_until_they_are_purged() {
        // Microsoft Learn, "Microsoft Entra service limits and restrictions": deleted objects count; the text as in
        // vdesabou/kafka-docker-playground#17.
        let world = World::new();
        world.azure.set_limits(Limits {
            objects: Some(1),
            ..Limits::default()
        });
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let body = json!({"displayName": "b"});
        let second = || world.graph("POST", "/v1.0/applications", Some(body.clone()));
        let refused = second().await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "Directory_QuotaExceeded")
        );
        world
            .graph("DELETE", &format!("/v1.0/applications/{id}"), None)
            .await;
        assert_eq!(second().await.status, 403);
        let bin = format!("/v1.0/directory/deletedItems/{id}");
        assert_eq!(world.graph("DELETE", &bin, None).await.status, 204);
        assert_eq!(second().await.status, 201);
    }
}
