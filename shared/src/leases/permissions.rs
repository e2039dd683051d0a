//! What a base secret's principal must be allowed to do, looked at before anything is made.
//!
//! | kind | Microsoft Graph, application permissions | Azure RBAC, at the scope |
//! | --- | --- | --- |
//! | client secret of an existing application | `Application.ReadWrite.OwnedBy` as an owner of it, or `Application.ReadWrite.All` | |
//! | principal with an Azure role | `Application.ReadWrite.OwnedBy` and `Application.Read.All` or `Directory.Read.All`; or `Application.ReadWrite.All` | `roleAssignments` read, write, delete; `roleDefinitions` read; `permissions` read |
//! | principal with an application role | `Application.ReadWrite.OwnedBy` or `….All`, `AppRoleAssignment.ReadWrite.All`, `Application.Read.All` or `Directory.Read.All` | |
//!
//! Taking a principal back looks through the recycle bin, which takes the right to read all applications. From the
//! permission tables of the pages on Microsoft Graph's `application: addPassword`, `Upsert application`, `List
//! deletedItems`, `Grant an appRoleAssignment for a service principal` and Azure's `Azure permissions for Management and
//! governance`.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::{
    app::App,
    error::Error,
    leases::patience::{Patience, insist},
    provider::azure::{Class, Failure, RoleDefinition, RoleRef, Session, What},
};

/// Any one of these Graph permissions is enough.
type AnyOf = &'static [&'static str];

const WRITE_APPLICATIONS: AnyOf = &["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"];
const WRITE_ALL: &str = "Application.ReadWrite.All";
const READ_APPLICATIONS: AnyOf = &["Application.Read.All", "Directory.Read.All"];
const READ_DELETED: AnyOf = &["Application.Read.All", "Directory.Read.All", WRITE_ALL];
const ASSIGN_APP_ROLES: AnyOf = &["AppRoleAssignment.ReadWrite.All"];

/// What giving and taking back an Azure role needs at its scope.
const RBAC: [&str; 3] = [
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleAssignments/delete",
    "Microsoft.Authorization/roleAssignments/read",
];

/// What was resolved on the way.
#[derive(Debug, Default, Clone)]
pub struct Ready {
    /// The Azure role.
    pub role: Option<RoleDefinition>,
    /// The application role.
    pub app_role: Option<GivenRole>,
}

/// An application role as tokens show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRole {
    /// Its word in a token's `roles`.
    pub value: String,
    /// The scope whose tokens show it.
    pub scope: String,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Permissions that are missing, by name.
    pub missing: Vec<String>,
    /// What else stands in the way.
    pub problems: Vec<Error>,
    /// What was resolved.
    pub ready: Ready,
}

/// Refuses what cannot work: the first thing that is missing or wrong, by name.
pub async fn require(
    app: &App,
    session: &Session<'_>,
    what: &What,
    until: OffsetDateTime,
) -> Result<Ready, Error> {
    let survey = survey(app, session, what, until).await?;
    if !survey.missing.is_empty() {
        return Err(Error::Refused(format!(
            "the base secret's principal lacks {}; nothing was made",
            survey.missing.join(", ")
        )));
    }
    match survey.problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(survey.ready),
    }
}

/// As [`survey`], and at what a read leaves to the cloud: whether the application is there, is the one that is meant, and
/// may be changed.
pub async fn survey_whole(
    app: &App,
    session: &Session<'_>,
    what: &What,
    until: OffsetDateTime,
) -> Result<Survey, Error> {
    let mut survey = survey(app, session, what, until).await?;
    if let What::Existing {
        app_id,
        app_object_id,
        ..
    } = what
        && survey.missing.is_empty()
    {
        survey
            .application(app, session, [app_id, app_object_id], until)
            .await?;
    }
    Ok(survey)
}

/// Looks at everything that `what` needs. Fails only if the cloud cannot be asked. What is missing by a token that was
/// kept is asked for again with a new one: it may have been granted since.
pub async fn survey(
    app: &App,
    session: &Session<'_>,
    what: &What,
    until: OffsetDateTime,
) -> Result<Survey, Error> {
    let first = look(app, session, what, until).await?;
    if first.missing.is_empty() {
        return Ok(first);
    }
    session.forget_tokens();
    look(app, session, what, until).await
}

async fn look(
    app: &App,
    session: &Session<'_>,
    what: &What,
    until: OffsetDateTime,
) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    match what {
        What::Existing { .. } => {
            let roles = graph_roles(app, session, until).await?;
            survey.wants(roles.as_ref(), &[WRITE_APPLICATIONS]);
        }
        What::Rbac {
            role,
            scope,
            allowed_role_ids,
        } => {
            let (roles, permissions, resolved) = tokio::join!(
                graph_roles(app, session, until),
                insist(app, until, Patience::Known, || session
                    .permissions(scope, until)),
                resolve(app, session, role, scope, until),
            );
            survey.wants(roles?.as_ref(), &[WRITE_APPLICATIONS, READ_DELETED]);
            match permissions {
                Ok(allowed) => survey.missing.extend(
                    RBAC.iter()
                        .filter(|action| !allowed.allows(action))
                        .map(|action| format!("{action} at {scope}")),
                ),
                Err(failure) => survey.unreadable_scope(failure, scope)?,
            }
            match resolved {
                Ok(found) => survey.takes_role(found, role, allowed_role_ids.as_deref()),
                Err(Unresolved::Problem(problem)) => survey.problems.push(problem),
                Err(Unresolved::Failure(failure)) => survey.unreadable_role(failure, scope)?,
            }
        }
        What::AppRole {
            resource_id,
            app_role_id,
        } => {
            let roles = graph_roles(app, session, until).await?;
            survey.wants(
                roles.as_ref(),
                &[WRITE_APPLICATIONS, READ_APPLICATIONS, ASSIGN_APP_ROLES],
            );
            if survey.missing.is_empty() {
                survey
                    .app_role(app, session, resource_id, app_role_id, until)
                    .await?;
            }
        }
    }
    Ok(survey)
}

impl Survey {
    /// `None` are roles that the token does not tell: then the cloud decides.
    fn wants(&mut self, roles: Option<&BTreeSet<String>>, needs: &[AnyOf]) {
        let Some(roles) = roles else {
            return;
        };
        let missing = needs
            .iter()
            .filter(|any_of| !any_of.iter().any(|one| roles.contains(*one)));
        self.missing.extend(
            missing.map(|any_of| format!("the Microsoft Graph permission {}", any_of.join(" or "))),
        );
    }

    fn takes_role(&mut self, found: RoleDefinition, role: &RoleRef, allowed: Option<&[String]>) {
        // A name is bounded by what it turned out to be.
        let id = found.id.rsplit('/').next().unwrap_or_default();
        let is_listed = |allowed: &[String]| allowed.iter().any(|one| one.eq_ignore_ascii_case(id));
        if allowed.is_some_and(|allowed| !is_listed(allowed)) {
            self.problems.push(Error::invalid(
                field(role),
                "must be in the base's allowedRoleIds",
            ));
        }
        self.ready.role = Some(found);
    }

    fn unreadable_scope(&mut self, failure: Failure, scope: &str) -> Result<(), Error> {
        match failure.class {
            Class::NotThere => self.problems.push(Error::invalid(
                "attributes.scope",
                "does not exist in the base's subscription",
            )),
            // Then the others cannot be told.
            Class::Forbidden => self.missing.push(format!(
                "Microsoft.Authorization/permissions/read at {scope}"
            )),
            _ => return Err(failure.error),
        }
        Ok(())
    }

    fn unreadable_role(&mut self, failure: Failure, scope: &str) -> Result<(), Error> {
        match failure.class {
            Class::NotThere => {} // the scope's own problem was told
            Class::Forbidden => self.missing.push(format!(
                "Microsoft.Authorization/roleDefinitions/read at {scope}"
            )),
            _ => return Err(failure.error),
        }
        Ok(())
    }

    /// The application, and whether the base may change it.
    async fn application(
        &mut self,
        app: &App,
        session: &Session<'_>,
        [app_id, app_object_id]: [&str; 2],
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        let found = insist(app, until, Patience::Known, || {
            session.application(app_object_id, until)
        });
        let application = match found.await {
            Ok(Some(application)) => application,
            Ok(None) => {
                self.problems.push(Error::invalid(
                    "attributes.appObjectId",
                    "is no application of this tenant: it takes the object id of an application",
                ));
                return Ok(());
            }
            Err(failure) => return Err(failure.error),
        };
        if !application.app_id.eq_ignore_ascii_case(app_id) {
            self.problems.push(Error::invalid(
                "attributes.appId",
                "is not the client id of the application that appObjectId names",
            ));
        }
        let roles = graph_roles(app, session, until).await?.unwrap_or_default();
        if !roles.contains(WRITE_ALL) {
            let owner = insist(app, until, Patience::Known, || {
                session.is_owner_of(app_object_id, until)
            });
            if !owner.await.map_err(told)? {
                self.missing.push(format!(
                    "being an owner of the application {app_object_id} (or the Microsoft Graph permission {WRITE_ALL})"
                ));
            }
        }
        Ok(())
    }

    /// The application role that the resource has under this id.
    async fn app_role(
        &mut self,
        app: &App,
        session: &Session<'_>,
        resource_id: &str,
        app_role_id: &str,
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        let found = insist(app, until, Patience::Known, || {
            session.service_principal(resource_id, until)
        });
        let Some(resource) = found.await.map_err(told)? else {
            self.problems.push(Error::invalid(
                "attributes.resourceId",
                "is no service principal of this tenant: it takes the object id of the one that has the role",
            ));
            return Ok(());
        };
        let role = resource
            .app_roles
            .iter()
            .find(|role| role.id.eq_ignore_ascii_case(app_role_id));
        match role {
            Some(role) => {
                self.ready.app_role = Some(GivenRole {
                    value: role.value.clone(),
                    scope: format!("{}/.default", resource.app_id),
                });
            }
            None => self.problems.push(Error::invalid(
                "attributes.appRoleId",
                "is no application role of this resource",
            )),
        }
        Ok(())
    }
}

enum Unresolved {
    Problem(Error),
    Failure(Failure),
}

/// The one role that an id or a name stands for.
async fn resolve(
    app: &App,
    session: &Session<'_>,
    role: &RoleRef,
    scope: &str,
    until: OffsetDateTime,
) -> Result<RoleDefinition, Unresolved> {
    let problem = |text: &str| Unresolved::Problem(Error::invalid(field(role), text));
    match role {
        // Asked for at the scope: that is where the base has rights, and where the role must be one.
        RoleRef::Id(id) => {
            let guid = id.rsplit('/').next().unwrap_or_default();
            let id = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{guid}");
            let found = insist(app, until, Patience::Known, || session.role(&id, until));
            let found = found.await.map_err(Unresolved::Failure)?;
            found.ok_or_else(|| problem("is no role definition at this scope"))
        }
        RoleRef::Name(name) => {
            let found = insist(app, until, Patience::Known, || {
                session.roles_named(scope, name, until)
            });
            let mut found = found.await.map_err(Unresolved::Failure)?;
            match (found.pop(), found.len()) {
                (Some(one), 0) => Ok(one),
                (None, _) => Err(problem("is no role at this scope")),
                (Some(_), others) => Err(problem(&format!(
                    "is ambiguous: {} roles have this name; choose one by roleId",
                    others + 1
                ))),
            }
        }
    }
}

fn field(role: &RoleRef) -> &'static str {
    match role {
        RoleRef::Id(_) => "attributes.roleId",
        RoleRef::Name(_) => "attributes.roleName",
    }
}

/// The `roles` of the base's own Graph token.
async fn graph_roles(
    app: &App,
    session: &Session<'_>,
    until: OffsetDateTime,
) -> Result<Option<BTreeSet<String>>, Error> {
    let roles = insist(app, until, Patience::Known, || {
        session.known_graph_roles(until)
    });
    roles.await.map_err(told)
}

fn told(failure: Failure) -> Error {
    failure.error
}
