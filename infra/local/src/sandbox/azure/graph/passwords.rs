//! `addPassword` and `removePassword`: each reads the list, waits as long as the network would, and writes it.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Key;
use super::applications::{view_password, written_to};
use super::permission::check_owner;
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::{Refusal, Service};
use crate::sandbox::azure::settings::Overlap;
use crate::sandbox::azure::state::{Application, Millis, Password};
use crate::sandbox::azure::{Scene, millis, new_id};
use crate::sandbox::random;
use crate::sandbox::secret_text::SecretText;

/// How long a password lives that is given no end: two years.
const LIFE: Millis = 2 * 365 * 24 * 60 * 60 * 1000;

/// The passwords of an application with an audience of personal accounts.
const PERSONAL_LIMIT: usize = 2;

/// The list that a change starts from, and which one it is.
pub(crate) struct PasswordsRead {
    passwords: Vec<Password>,
    revision: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddPassword {
    password_credential: Option<Wanted>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    display_name: Option<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
}

impl PasswordsRead {
    pub(super) fn of(app: &Application) -> Self {
        Self {
            passwords: app.passwords.clone(),
            revision: app.revision,
        }
    }
}

/// `POST …/addPassword`: the one answer that shows the secret.
pub(super) fn add(
    scene: &mut Scene<'_>,
    key: &Key,
    read: Option<PasswordsRead>,
) -> Result<Answer, Refusal> {
    let wanted: AddPassword = scene.request.json()?;
    let wanted = wanted.password_credential.unwrap_or_default();
    let app = written_to(scene, key)?;
    check_owner(scene.caller, &app.owners)?;
    let read = current(scene, app, read)?;
    check_limit(scene, app, read.passwords.len())?;
    let starts = time(wanted.start_date_time.as_deref())?.unwrap_or(scene.now);
    let password = Password {
        key_id: new_id(),
        display_name: wanted.display_name,
        secret: new_secret()?,
        starts,
        ends: time(wanted.end_date_time.as_deref())?.unwrap_or(starts + LIFE),
        made: scene.now,
    };
    let mut body = view_password(&password);
    body["secretText"] = password.secret.expose().into();
    let mut passwords = read.passwords;
    passwords.push(password);
    let id = app.id.clone();
    write(scene, &id, passwords)?;
    Ok(Answer::ok(body))
}

/// `POST …/removePassword`.
pub(super) fn remove(
    scene: &mut Scene<'_>,
    key: &Key,
    read: Option<PasswordsRead>,
) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RemovePassword {
        key_id: String,
    }
    let wanted: RemovePassword = scene.request.json()?;
    let app = written_to(scene, key)?;
    check_owner(scene.caller, &app.owners)?;
    let read = current(scene, app, read)?;
    let mut passwords = read.passwords;
    let before = passwords.len();
    passwords.retain(|password| !password.key_id.eq_ignore_ascii_case(&wanted.key_id));
    if passwords.len() == before {
        return Err(Refusal::bad_request(format!(
            "No password credential found with keyId {}.",
            wanted.key_id
        )));
    }
    let id = app.id.clone();
    write(scene, &id, passwords)?;
    Ok(Answer::no_content())
}

/// The list to start from: the one that was read before the wait, unless that is refused.
fn current(
    scene: &Scene<'_>,
    app: &Application,
    read: Option<PasswordsRead>,
) -> Result<PasswordsRead, Refusal> {
    match read {
        Some(read)
            if read.revision != app.revision && scene.settings.overlap == Overlap::Conflict =>
        {
            Err(Refusal::new(
                StatusCode::CONFLICT,
                "Directory_ConcurrencyViolation",
                "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
            ))
        }
        Some(read) => Ok(read),
        None => Ok(PasswordsRead::of(app)),
    }
}

fn check_limit(scene: &Scene<'_>, app: &Application, count: usize) -> Result<(), Refusal> {
    let personal = matches!(
        app.audience.as_str(),
        "AzureADandPersonalMicrosoftAccount" | "PersonalMicrosoftAccount"
    );
    if personal && count >= PERSONAL_LIMIT {
        return Err(Refusal::bad_request(format!(
            "Not allowed to add {} passwords. You can only add a maximum of 2 passwords.",
            count + 1
        )));
    }
    if count >= scene.settings.limits.passwords {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Directory_ResourceSizeExceeded",
            "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.",
        ));
    }
    Ok(())
}

fn write(scene: &mut Scene<'_>, id: &str, passwords: Vec<Password>) -> Result<(), Refusal> {
    let app = scene
        .tenant_mut()?
        .applications
        .get_mut(id)
        .ok_or_else(|| Refusal::not_found(id))?;
    app.passwords = passwords;
    app.revision += 1;
    Ok(())
}

/// A secret of 40 characters that nobody takes for a real one.
fn new_secret() -> Result<SecretText, Refusal> {
    let bytes: [u8; 24] = random::bytes().map_err(|_| Refusal::internal(Service::Graph))?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    Ok(SecretText::new(format!("sandbox~{text}")))
}

fn time(text: Option<&str>) -> Result<Option<Millis>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| Refusal::bad_request("A date and time is not valid."))?;
    Ok(Some(millis(time)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::sandbox::azure::fixture::World;
    use crate::sandbox::{Limits, Overlap};

    #[tokio::test]
    async fn the_secret_is_shown_once() {
        // Microsoft Learn, "application: addPassword".
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let body = json!({"passwordCredential": {
            "displayName": "mayfly-1", "endDateTime": "2026-02-01T00:00:00Z",
        }});
        let path = format!("/v1.0/applications/{id}/addPassword");
        let added = world.graph("POST", &path, Some(body)).await;
        assert_eq!(added.status, 200);
        let secret = added.json["secretText"].as_str().unwrap();
        assert!(secret.contains("sandbox") && secret.len() == 40);
        assert_eq!(added.json["endDateTime"], "2026-02-01T00:00:00Z");
        let found = world
            .graph("GET", &format!("/v1.0/applications/{id}"), None)
            .await;
        let listed = &found.json["passwordCredentials"][0];
        assert_eq!(listed["keyId"], added.json["keyId"]);
        assert_eq!(listed["displayName"], "mayfly-1");
        assert!(!found.body.contains(secret));
        let default = world.add_password(id, "x").await;
        assert_eq!(default.json["endDateTime"], "2028-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn an_unknown_password_is_a_400() {
        // "application: removePassword"; the text as hashicorp/vault-plugin-secrets-azure's client.go and its tests match it.
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let added = world.add_password(id, "a").await;
        let key_id = added.json["keyId"].as_str().unwrap();
        assert_eq!(world.remove_password(id, key_id).await.status, 204);
        let refused = world.remove_password(id, key_id).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "Request_BadRequest")
        );
        assert!(
            refused
                .message()
                .contains("No password credential found with keyId")
        );
    }

    // Overlapping changes of one application: Microsoft Learn, "application: addPassword" and the answers of maintainers in
    // hashicorp/terraform-provider-azuread#640 and its kin; Directory_ConcurrencyViolation is what Graph answers, as
    // hashicorp/vault-plugin-secrets-azure's api/errors.go handles.

    #[tokio::test]
    async fn overlapping_changes_lose_entries() {
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        world.azure.set_latency(Duration::from_secs(1));
        let token = world.graph_token().await;
        let add = |name| world.add_password_as(&token, id, name);
        let (first, second) = tokio::join!(add("first"), add("second"));
        assert_eq!((first.status, second.status), (200, 200));
        let left = world.passwords(id);
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(add("third").await.status, 200);
        assert_eq!(world.passwords(id).len(), 2);
    }

    #[tokio::test]
    async fn overlapping_changes_conflict() {
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        world.azure.set_latency(Duration::from_secs(1));
        world.azure.set_overlap(Overlap::Conflict);
        let token = world.graph_token().await;
        let add = |name| world.add_password_as(&token, id, name);
        let (first, second) = tokio::join!(add("first"), add("second"));
        let mut codes = [
            (first.status, first.code().to_owned()),
            (second.status, second.code().to_owned()),
        ];
        codes.sort();
        let conflict = (409, "Directory_ConcurrencyViolation".to_owned());
        assert_eq!(codes, [(200, String::new()), conflict]);
        assert_eq!(world.passwords(id).len(), 1);
    }

    #[tokio::test]
    async fn latency_passes_on_the_clock() {
        let world = World::new();
        let token = world.graph_token().await;
        world.azure.set_latency(Duration::from_secs(3));
        let before = world.at(0);
        world
            .send("GET", "/v1.0/applications", Some(&token), None)
            .await;
        assert_eq!(world.at(0) - before, time::Duration::seconds(3));
    }

    #[tokio::test]
    async fn personal_audiences_have_two_passwords_and_others_a_limit_of_size() {
        // MicrosoftDocs/azure-docs#115848 and microsoft/coe-starter-kit#3695 (two); openshift/openshift-azure#1932 (size).
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let path = format!("/v1.0/applications/{id}");
        let personal = json!({"signInAudience": "AzureADandPersonalMicrosoftAccount"});
        world.graph("PATCH", &path, Some(personal)).await;
        world.add_password(id, "1").await;
        assert_eq!(world.add_password(id, "2").await.status, 200);
        let refused = world.add_password(id, "3").await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().contains("a maximum of 2 passwords"));

        let audience = json!({"signInAudience": "AzureADMyOrg"});
        world.graph("PATCH", &path, Some(audience)).await;
        world.azure.set_limits(Limits {
            passwords: 3,
            ..Limits::default()
        });
        assert_eq!(world.add_password(id, "3").await.status, 200);
        let refused = world.add_password(id, "4").await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.code(), "Directory_ResourceSizeExceeded");
    }
}
