//! Microsoft Graph: what can be asked for under `/v1.0`, and who may.

mod app_roles;
mod applications;
mod deleted;
mod odata;
mod passwords;
mod permission;
mod service_principals;

use axum::http::Method;

use super::Scene;
use super::answer::Answer;
use super::refusal::Refusal;
use super::state::Tenant;

pub(super) use applications::SINGLE_TENANT;
pub(super) use passwords::PasswordsRead;

/// How an object is named in a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `applications/{id}`
    Id(String),
    /// `applications(appId='{appId}')`
    AppId(String),
    /// `applications(uniqueName='{uniqueName}')`
    UniqueName(String),
}

/// The two kinds of objects in the recycle bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Application,
    ServicePrincipal,
}

/// What can be asked of Graph.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation {
    CreateApplication,
    /// By unique name, made if missing.
    UpsertApplication(String),
    UpdateApplication(Key),
    ListApplications,
    GetApplication(Key),
    DeleteApplication(Key),
    ListOwners(Key),
    AddPassword(Key),
    RemovePassword(Key),
    CreateServicePrincipal,
    /// By app id, made if missing.
    UpsertServicePrincipal(String),
    UpdateServicePrincipal(Key),
    ListServicePrincipals,
    GetServicePrincipal(Key),
    DeleteServicePrincipal(Key),
    /// Whether only applications are asked for.
    ListOwnedObjects(Key, bool),
    AssignAppRole(Key),
    ListAppRoleAssignments(Key),
    ListAppRoleAssignedTo(Key),
    RemoveAppRoleAssignment(Key, String),
    ListDeletedItems(Kind),
    GetDeletedItem(String),
    PurgeDeletedItem(String),
}

impl Operation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::CreateApplication => "CreateApplication",
            Self::UpsertApplication(_) => "UpsertApplication",
            Self::UpdateApplication(_) => "UpdateApplication",
            Self::ListApplications => "ListApplications",
            Self::GetApplication(_) => "GetApplication",
            Self::DeleteApplication(_) => "DeleteApplication",
            Self::ListOwners(_) => "ListOwners",
            Self::AddPassword(_) => "AddPassword",
            Self::RemovePassword(_) => "RemovePassword",
            Self::CreateServicePrincipal => "CreateServicePrincipal",
            Self::UpsertServicePrincipal(_) => "UpsertServicePrincipal",
            Self::UpdateServicePrincipal(_) => "UpdateServicePrincipal",
            Self::ListServicePrincipals => "ListServicePrincipals",
            Self::GetServicePrincipal(_) => "GetServicePrincipal",
            Self::DeleteServicePrincipal(_) => "DeleteServicePrincipal",
            Self::ListOwnedObjects(..) => "ListOwnedObjects",
            Self::AssignAppRole(_) => "AssignAppRole",
            Self::ListAppRoleAssignments(_) => "ListAppRoleAssignments",
            Self::ListAppRoleAssignedTo(_) => "ListAppRoleAssignedTo",
            Self::RemoveAppRoleAssignment(..) => "RemoveAppRoleAssignment",
            Self::ListDeletedItems(_) => "ListDeletedItems",
            Self::GetDeletedItem(_) => "GetDeletedItem",
            Self::PurgeDeletedItem(_) => "PurgeDeletedItem",
        }
    }

    /// Whether the directory may be another one afterwards.
    pub(super) fn writes(&self) -> bool {
        !self.name().starts_with("Get") && !self.name().starts_with("List")
    }
}

/// Reads a method and the path below `/v1.0`; none if Graph has nothing there.
pub(super) fn parse(method: &Method, path: &[String], creates: bool) -> Option<Operation> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (first, rest) = path.split_first()?;
    if first.eq_ignore_ascii_case("directory") {
        return deleted::parse(method, rest);
    }
    let (collection, key) = odata::segment(first)?;
    let (key, rest) = match (key, rest) {
        (Some(key), rest) => (Some(key), rest),
        (None, [id, rest @ ..]) => (Some(Key::Id(id.to_lowercase())), rest),
        (None, []) => (None, rest),
    };
    match collection.to_lowercase().as_str() {
        "applications" => application(method, key, rest, creates),
        "serviceprincipals" => service_principal(method, key, rest, creates),
        _ => None,
    }
}

fn application(
    method: &Method,
    key: Option<Key>,
    rest: &[&str],
    creates: bool,
) -> Option<Operation> {
    let operation = match (method.as_str(), key, rest) {
        ("GET", None, []) => Operation::ListApplications,
        ("POST", None, []) => Operation::CreateApplication,
        ("GET", Some(key), []) => Operation::GetApplication(key),
        ("PATCH", Some(Key::UniqueName(name)), []) if creates => Operation::UpsertApplication(name),
        ("PATCH", Some(key), []) => Operation::UpdateApplication(key),
        ("DELETE", Some(key), []) => Operation::DeleteApplication(key),
        ("GET", Some(key), ["owners"]) => Operation::ListOwners(key),
        ("POST", Some(key), ["addPassword"]) => Operation::AddPassword(key),
        ("POST", Some(key), ["removePassword"]) => Operation::RemovePassword(key),
        _ => return None,
    };
    Some(operation)
}

fn service_principal(
    method: &Method,
    key: Option<Key>,
    rest: &[&str],
    creates: bool,
) -> Option<Operation> {
    let operation = match (method.as_str(), key, rest) {
        ("GET", None, []) => Operation::ListServicePrincipals,
        ("POST", None, []) => Operation::CreateServicePrincipal,
        ("GET", Some(key), []) => Operation::GetServicePrincipal(key),
        ("PATCH", Some(Key::AppId(id)), []) if creates => Operation::UpsertServicePrincipal(id),
        ("PATCH", Some(key), []) => Operation::UpdateServicePrincipal(key),
        ("DELETE", Some(key), []) => Operation::DeleteServicePrincipal(key),
        ("GET", Some(key), ["ownedObjects"]) => Operation::ListOwnedObjects(key, false),
        ("GET", Some(key), ["ownedObjects", cast]) if odata::is_cast(cast, "application") => {
            Operation::ListOwnedObjects(key, true)
        }
        ("POST", Some(key), ["appRoleAssignedTo" | "appRoleAssignments"]) => {
            Operation::AssignAppRole(key)
        }
        ("GET", Some(key), ["appRoleAssignments"]) => Operation::ListAppRoleAssignments(key),
        ("GET", Some(key), ["appRoleAssignedTo"]) => Operation::ListAppRoleAssignedTo(key),
        ("DELETE", Some(key), ["appRoleAssignedTo" | "appRoleAssignments", id]) => {
            Operation::RemoveAppRoleAssignment(key, (*id).to_owned())
        }
        _ => return None,
    };
    Some(operation)
}

/// The passwords that a change of them starts from; none if it is no such change.
pub(super) fn read_passwords(tenant: &Tenant, operation: &Operation) -> Option<PasswordsRead> {
    match operation {
        Operation::AddPassword(key) | Operation::RemovePassword(key) => {
            applications::find(tenant, key).map(PasswordsRead::of)
        }
        _ => None,
    }
}

/// Does what is asked for, if the caller's permissions are among those the operation needs.
pub(super) fn perform(
    scene: &mut Scene<'_>,
    operation: &Operation,
    read: Option<PasswordsRead>,
) -> Result<Answer, Refusal> {
    permission::check(scene.caller, operation)?;
    match operation {
        Operation::CreateApplication => applications::create(scene),
        Operation::UpsertApplication(name) => applications::upsert(scene, name),
        Operation::UpdateApplication(key) => applications::update(scene, key),
        Operation::ListApplications => applications::list(scene),
        Operation::GetApplication(key) => applications::get(scene, key),
        Operation::DeleteApplication(key) => applications::delete(scene, key),
        Operation::ListOwners(key) => applications::owners(scene, key),
        Operation::AddPassword(key) => passwords::add(scene, key, read),
        Operation::RemovePassword(key) => passwords::remove(scene, key, read),
        Operation::CreateServicePrincipal => service_principals::create(scene),
        Operation::UpsertServicePrincipal(id) => service_principals::upsert(scene, id),
        Operation::UpdateServicePrincipal(key) => service_principals::update(scene, key),
        Operation::ListServicePrincipals => service_principals::list(scene),
        Operation::GetServicePrincipal(key) => service_principals::get(scene, key),
        Operation::DeleteServicePrincipal(key) => service_principals::delete(scene, key),
        Operation::ListOwnedObjects(key, cast) => service_principals::owned(scene, key, *cast),
        Operation::AssignAppRole(key) => app_roles::assign(scene, key),
        Operation::ListAppRoleAssignments(key) => app_roles::list_of_principal(scene, key),
        Operation::ListAppRoleAssignedTo(key) => app_roles::list_of_resource(scene, key),
        Operation::RemoveAppRoleAssignment(key, id) => app_roles::remove(scene, key, id),
        Operation::ListDeletedItems(kind) => deleted::list(scene, *kind),
        Operation::GetDeletedItem(id) => deleted::get(scene, id),
        Operation::PurgeDeletedItem(id) => deleted::purge(scene, id),
    }
}

impl Scene<'_> {
    /// The caller's tenant. A token was given by it, and a tenant never goes.
    fn tenant(&self) -> Result<&Tenant, Refusal> {
        self.directory
            .tenants
            .get(&self.caller.tenant)
            .ok_or_else(Refusal::denied)
    }

    fn tenant_mut(&mut self) -> Result<&mut Tenant, Refusal> {
        self.directory
            .tenants
            .get_mut(&self.caller.tenant)
            .ok_or_else(Refusal::denied)
    }

    /// Refuses one more object than the caller may make.
    fn check_quota(&self) -> Result<(), Refusal> {
        let made = self.tenant()?.made_by(&self.caller.principal_id);
        if self
            .settings
            .limits
            .objects
            .is_some_and(|limit| made >= limit)
        {
            return Err(Refusal::new(
                axum::http::StatusCode::FORBIDDEN,
                "Directory_QuotaExceeded",
                "The directory object quota limit for the Principal has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota.",
            ));
        }
        Ok(())
    }
}
