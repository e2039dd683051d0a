//! Giving a role after the answer: by Azure RBAC always, as an application role if Graph did not see the principal in time.

use time::OffsetDateTime;

use crate::{
    provider::azure::{Class, Failure, Session},
    store::schema::{Assignment, LeaseKind, LeaseRecord, TaskState},
};

/// Gives the role of `lease`, once. Answers how far it is; a failure that may pass is the caller's to try again.
pub(super) async fn give(
    session: &Session<'_>,
    lease: &LeaseRecord,
    until: OffsetDateTime,
) -> Result<Assignment, Failure> {
    let given = match &lease.what {
        LeaseKind::Rbac { scope, role_id, .. } => {
            azure_role(session, lease, scope, role_id, until).await
        }
        LeaseKind::AppRole {
            resource_id,
            app_role_id,
        } => app_role(session, lease, resource_id, app_role_id, until).await,
        LeaseKind::Existing => Ok(()),
    };
    match given {
        Ok(()) => Ok(Assignment {
            state: TaskState::Success,
            error: String::new(),
        }),
        Err(failure) if is_final(&failure) => Ok(Assignment {
            state: TaskState::Failure,
            error: failure.error.to_string(),
        }),
        Err(failure) => Err(failure),
    }
}

/// Whether another try would meet the same.
fn is_final(failure: &Failure) -> bool {
    match failure.class {
        Class::Throttled
        | Class::Unknown
        | Class::Overlapped
        | Class::NotThere
        | Class::NotYet
        | Class::Late => false,
        Class::Forbidden
        | Class::Exists
        | Class::Locked
        | Class::Quota
        | Class::Mismatch
        | Class::Refused => true,
    }
}

async fn azure_role(
    session: &Session<'_>,
    lease: &LeaseRecord,
    scope: &str,
    role_id: &str,
    until: OffsetDateTime,
) -> Result<(), Failure> {
    let id = lease.id.to_string();
    let principal = lease.service_principal_id.as_deref().unwrap_or_default();
    let put = || session.assign_role(scope, &id, role_id, principal, until);
    match put().await {
        // Perhaps an earlier try whose answer was lost; only the principal tells.
        Err(failure) if failure.class == Class::Exists => {
            match session.role_assignment(scope, &id, until).await? {
                Some(found) if found.principal_id.eq_ignore_ascii_case(principal) => Ok(()),
                _ => Err(failure),
            }
        }
        // Under our id stands something else: an assignment cannot be changed, only made anew.
        Err(failure) if failure.class == Class::Mismatch => {
            session.remove_role_assignment(scope, &id, until).await?;
            put().await
        }
        other => other,
    }
}

async fn app_role(
    session: &Session<'_>,
    lease: &LeaseRecord,
    resource_id: &str,
    app_role_id: &str,
    until: OffsetDateTime,
) -> Result<(), Failure> {
    let principal = lease.service_principal_id.as_deref().unwrap_or_default();
    let given = session.assign_app_role(resource_id, principal, app_role_id, until);
    match given.await {
        Err(failure) if failure.class == Class::Exists => Ok(()),
        other => other.map(|_| ()),
    }
}
