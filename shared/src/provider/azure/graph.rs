//! Microsoft Graph: applications, their principals and client secrets, and the recycle bin.

use std::collections::BTreeSet;

use azure_core::http::Method;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    clock::wire_seconds,
    domain::sensitive::Sensitive,
    provider::azure::{
        error::{Failure, Service},
        session::{Answer, Call, Session, by_key, optional, path, quoted},
    },
};

/// The properties of an application that are read.
const DETAIL: &str = "$select=id,appId,displayName,signInAudience,passwordCredentials,tags";
/// Makes what is not there, instead of refusing to change it.
const CREATE: (&str, &str) = ("prefer", "create-if-missing");

/// What a new application is to be.
#[derive(Debug, Clone)]
pub struct NewApplication {
    /// Its key: an application that has it already is the same one.
    pub unique_name: String,
    /// Its name.
    pub display_name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its notes.
    pub notes: String,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its object id.
    pub id: String,
    /// Its client id.
    pub app_id: String,
}

/// An application with what matters of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationDetail {
    /// Its object id.
    pub id: String,
    /// Its client id.
    pub app_id: String,
    /// Its name; empty if it has none.
    #[serde(default, deserialize_with = "text")]
    pub display_name: String,
    /// Who may sign in with it.
    #[serde(default)]
    pub sign_in_audience: Option<String>,
    /// Its client secrets, without their values.
    #[serde(default, rename = "passwordCredentials")]
    pub passwords: Vec<PasswordEntry>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A client secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordEntry {
    /// Its id.
    pub key_id: String,
    /// Its name; empty if it has none.
    #[serde(default, deserialize_with = "text")]
    pub display_name: String,
    /// When it ends.
    #[serde(default, rename = "endDateTime", deserialize_with = "time")]
    pub ends: Option<OffsetDateTime>,
}

/// A client secret, shown once.
#[derive(Debug, Deserialize)]
pub struct NewPassword {
    /// Its id.
    #[serde(rename = "keyId")]
    pub key_id: String,
    /// Its value.
    #[serde(rename = "secretText", deserialize_with = "sensitive")]
    pub secret: Sensitive,
}

/// A service principal with what matters of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipalDetail {
    /// Its object id.
    pub id: String,
    /// Its application's client id.
    pub app_id: String,
    /// The roles that others can be given of it.
    #[serde(default)]
    pub app_roles: Vec<AppRole>,
}

/// A role that an application offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppRole {
    /// Its id.
    pub id: String,
    /// What stands in tokens; empty if nothing does.
    #[serde(default, deserialize_with = "text")]
    pub value: String,
}

/// A role that a principal was given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRoleAssignment {
    /// Its id.
    pub id: String,
    /// Whose role.
    pub resource_id: String,
    /// Which role.
    pub app_role_id: String,
}

/// What lies in the recycle bin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedItem {
    /// Its object id, as before.
    pub id: String,
    /// Its name; empty if it has none.
    #[serde(default, deserialize_with = "text")]
    pub display_name: String,
    /// Its application's client id.
    #[serde(default)]
    pub app_id: Option<String>,
}

/// An object of which only the id matters.
#[derive(Deserialize)]
struct Object {
    id: String,
}

impl Session<'_> {
    /// The application roles that the base has at Graph, as its own token says; none if the token cannot be read.
    pub async fn graph_roles(&self, until: OffsetDateTime) -> Result<BTreeSet<String>, Failure> {
        let (token, _) = self.token(Service::Graph, until).await?;
        Ok(token.roles())
    }

    /// The same; `None` if the token cannot be read, so that the roles are not known.
    pub async fn known_graph_roles(
        &self,
        until: OffsetDateTime,
    ) -> Result<Option<BTreeSet<String>>, Failure> {
        let (token, _) = self.token(Service::Graph, until).await?;
        Ok(token.known_roles())
    }

    /// Makes the application, or finds it made.
    pub async fn upsert_application(
        &self,
        new: &NewApplication,
        until: OffsetDateTime,
    ) -> Result<Application, Failure> {
        let body = json!({
            "displayName": new.display_name,
            "signInAudience": "AzureADMyOrg",
            "tags": new.tags,
            "notes": new.notes,
        });
        let key = by_key("uniqueName", &new.unique_name);
        let call = self
            .graph(
                Method::Patch,
                "PATCH applications",
                &format!("/applications{key}"),
            )
            .header(CREATE.0, CREATE.1)
            .body(body);
        let answer = self.send(call, until).await?;
        if answer.status() == 201 {
            return answer.json();
        }
        self.application_with_key(&key, until).await
    }

    /// The application with that key.
    pub async fn application_by_unique_name(
        &self,
        unique_name: &str,
        until: OffsetDateTime,
    ) -> Result<Option<Application>, Failure> {
        let key = by_key("uniqueName", unique_name);
        optional(self.application_with_key(&key, until).await)
    }

    async fn application_with_key(
        &self,
        key: &str,
        until: OffsetDateTime,
    ) -> Result<Application, Failure> {
        self.get(
            "GET applications",
            &format!("/applications{key}?$select=id,appId"),
            until,
        )
        .await?
        .json()
    }

    /// The application with that object id.
    pub async fn application(
        &self,
        id: &str,
        until: OffsetDateTime,
    ) -> Result<Option<ApplicationDetail>, Failure> {
        let path = format!("{}?{DETAIL}", path(&["applications", id]));
        self.find("GET applications", &path, until).await
    }

    /// The application with that client id.
    pub async fn application_by_app_id(
        &self,
        app_id: &str,
        until: OffsetDateTime,
    ) -> Result<Option<ApplicationDetail>, Failure> {
        let path = format!("/applications{}?{DETAIL}", by_key("appId", app_id));
        self.find("GET applications", &path, until).await
    }

    /// Whether the base's own principal is among the application's owners.
    pub async fn is_owner_of(
        &self,
        app_object_id: &str,
        until: OffsetDateTime,
    ) -> Result<bool, Failure> {
        let client_id = self.credential.client_id.as_str();
        let Some(own) = self.service_principal_by_app_id(client_id, until).await? else {
            return Ok(false);
        };
        let path = format!(
            "{}?$select=id",
            path(&["applications", app_object_id, "owners"])
        );
        let owners: Vec<Object> = self
            .list(self.graph(Method::Get, "GET owners", &path), until)
            .await?;
        Ok(owners.iter().any(|owner| owner.id == own))
    }

    /// The applications that the base's own principal owns.
    pub async fn owned_applications(
        &self,
        until: OffsetDateTime,
    ) -> Result<Vec<ApplicationDetail>, Failure> {
        let key = by_key("appId", &self.credential.client_id);
        let path =
            format!("/servicePrincipals{key}/ownedObjects/microsoft.graph.application?{DETAIL}");
        self.list(self.graph(Method::Get, "GET ownedObjects", &path), until)
            .await
    }

    /// Deletes the application, and with it its principal; both go to the recycle bin.
    pub async fn delete_application(&self, id: &str, until: OffsetDateTime) -> Result<(), Failure> {
        self.delete("DELETE applications", &path(&["applications", id]), until)
            .await
    }

    /// Adds a client secret. Its value is in this answer and nowhere else.
    pub async fn add_password(
        &self,
        app_object_id: &str,
        display_name: &str,
        ends: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<NewPassword, Failure> {
        let path = path(&["applications", app_object_id, "addPassword"]);
        let call =
            self.graph(Method::Post, "addPassword", &path)
                .body(json!({"passwordCredential": {
                    "displayName": display_name,
                    "endDateTime": wire_seconds(ends),
                }}));
        self.send(call, until).await?.json()
    }

    /// Removes a client secret.
    pub async fn remove_password(
        &self,
        app_object_id: &str,
        key_id: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let path = path(&["applications", app_object_id, "removePassword"]);
        let call = self
            .graph(Method::Post, "removePassword", &path)
            .body(json!({ "keyId": key_id }));
        self.send(call, until).await.map(|_| ())
    }

    /// Makes the application's service principal, or finds it made; its object id.
    pub async fn upsert_service_principal(
        &self,
        app_id: &str,
        until: OffsetDateTime,
    ) -> Result<String, Failure> {
        let key = by_key("appId", app_id);
        let call = self
            .graph(
                Method::Patch,
                "PATCH servicePrincipals",
                &format!("/servicePrincipals{key}"),
            )
            .header(CREATE.0, CREATE.1)
            // What it is anyway: without any property the request would be none.
            .body(json!({"accountEnabled": true}));
        let answer = self.send(call, until).await?;
        if answer.status() == 201 {
            return answer.json().map(|made: Object| made.id);
        }
        self.principal_with_key(&key, until).await
    }

    /// The object id of the application's service principal.
    pub async fn service_principal_by_app_id(
        &self,
        app_id: &str,
        until: OffsetDateTime,
    ) -> Result<Option<String>, Failure> {
        optional(
            self.principal_with_key(&by_key("appId", app_id), until)
                .await,
        )
    }

    async fn principal_with_key(
        &self,
        key: &str,
        until: OffsetDateTime,
    ) -> Result<String, Failure> {
        let path = format!("/servicePrincipals{key}?$select=id");
        let found: Object = self
            .get("GET servicePrincipals", &path, until)
            .await?
            .json()?;
        Ok(found.id)
    }

    /// The service principal with that object id.
    pub async fn service_principal(
        &self,
        id: &str,
        until: OffsetDateTime,
    ) -> Result<Option<ServicePrincipalDetail>, Failure> {
        let path = format!(
            "{}?$select=id,appId,appRoles",
            path(&["servicePrincipals", id])
        );
        self.find("GET servicePrincipals", &path, until).await
    }

    /// Deletes the service principal; it goes to the recycle bin.
    pub async fn delete_service_principal(
        &self,
        id: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let path = path(&["servicePrincipals", id]);
        self.delete("DELETE servicePrincipals", &path, until).await
    }

    /// Gives `principal_id` a role of `resource_id`; the assignment's id.
    pub async fn assign_app_role(
        &self,
        resource_id: &str,
        principal_id: &str,
        app_role_id: &str,
        until: OffsetDateTime,
    ) -> Result<String, Failure> {
        let path = path(&["servicePrincipals", resource_id, "appRoleAssignedTo"]);
        let call = self
            .graph(Method::Post, "POST appRoleAssignedTo", &path)
            .body(json!({
                "principalId": principal_id,
                "resourceId": resource_id,
                "appRoleId": app_role_id,
            }));
        let made: Object = self.send(call, until).await?.json()?;
        Ok(made.id)
    }

    /// The roles that a principal was given.
    pub async fn app_role_assignments(
        &self,
        principal_id: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<AppRoleAssignment>, Failure> {
        let path = path(&["servicePrincipals", principal_id, "appRoleAssignments"]);
        self.list(
            self.graph(Method::Get, "GET appRoleAssignments", &path),
            until,
        )
        .await
    }

    /// Takes a role away.
    pub async fn remove_app_role_assignment(
        &self,
        principal_id: &str,
        id: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let path = path(&["servicePrincipals", principal_id, "appRoleAssignments", id]);
        self.delete("DELETE appRoleAssignments", &path, until).await
    }

    /// The applications of that name in the recycle bin.
    pub async fn deleted_applications(
        &self,
        display_name: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<DeletedItem>, Failure> {
        self.deleted("application", display_name, until).await
    }

    /// The service principals of that name in the recycle bin.
    pub async fn deleted_service_principals(
        &self,
        display_name: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<DeletedItem>, Failure> {
        self.deleted("servicePrincipal", display_name, until).await
    }

    async fn deleted(
        &self,
        kind: &str,
        display_name: &str,
        until: OffsetDateTime,
    ) -> Result<Vec<DeletedItem>, Failure> {
        let path = format!(
            "/directory/deletedItems/microsoft.graph.{kind}\
             ?$filter=displayName%20eq%20{}&$select=id,displayName,appId",
            quoted(display_name)
        );
        self.list(self.graph(Method::Get, "GET deletedItems", &path), until)
            .await
    }

    /// Removes from the recycle bin, for good.
    pub async fn purge(&self, id: &str, until: OffsetDateTime) -> Result<(), Failure> {
        let path = path(&["directory", "deletedItems", id]);
        self.delete("DELETE deletedItems", &path, until).await
    }

    fn graph(&self, method: Method, action: &'static str, path: &str) -> Call {
        self.call(Service::Graph, method, action, &format!("/v1.0{path}"))
    }

    async fn get(
        &self,
        action: &'static str,
        path: &str,
        until: OffsetDateTime,
    ) -> Result<Answer, Failure> {
        self.send(self.graph(Method::Get, action, path), until)
            .await
    }

    async fn find<T: serde::de::DeserializeOwned>(
        &self,
        action: &'static str,
        path: &str,
        until: OffsetDateTime,
    ) -> Result<Option<T>, Failure> {
        optional(self.get(action, path, until).await)?
            .map(|answer| answer.json())
            .transpose()
    }

    async fn delete(
        &self,
        action: &'static str,
        path: &str,
        until: OffsetDateTime,
    ) -> Result<(), Failure> {
        let call = self.graph(Method::Delete, action, path);
        self.send(call, until).await.map(|_| ())
    }
}

/// What is null is empty.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn sensitive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sensitive, D::Error> {
    String::deserialize(deserializer).map(Sensitive::new)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()))
}
