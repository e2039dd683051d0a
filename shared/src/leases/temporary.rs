//! Minting a principal of its own: application, service principal, password, and a role by RBAC or as an application role.

use serde_json::{Value, json};

use crate::{
    clock::wire_seconds,
    domain::{data::SecretData, sensitive::Sensitive},
    error::Error,
    leases::{
        existing::{add_password, missed},
        mint::Minting,
        patience::{Patience, insist},
        permissions::GivenRole,
        readiness,
    },
    provider::azure::{Application, Class, NewApplication, NewPassword, What},
    store::schema::{Assignment, TaskState},
};

pub(super) async fn mint(minting: &mut Minting<'_>) -> Result<SecretData, Error> {
    let application = make_application(minting).await?;
    let principal = make_principal(minting, &application.app_id).await?;
    let password = add_password(minting, &application.id, Patience::Fresh).await?;
    // A password is found by its name, so its id need not be safe before the next write.
    let role = match &minting.order.leased.what {
        What::AppRole {
            resource_id,
            app_role_id,
        } => give_app_role(minting, resource_id, app_role_id, &principal).await?,
        _ => None,
    };
    minting.lease.assignment = match (&minting.order.leased.what, &role) {
        (What::AppRole { .. }, Some(_)) => None,
        _ => Some(Assignment {
            state: TaskState::Pending,
            error: String::new(),
        }),
    };
    let ready = readiness::probe(
        minting,
        &application.app_id,
        &password.secret,
        role.as_ref(),
    )
    .await;
    minting.activate().await?;
    let mut data = match &minting.order.leased.what {
        What::Rbac { .. } => rbac_answer(minting, &application, &principal),
        _ => app_role_answer(minting, &application, &principal),
    };
    finish(minting, &mut data, &password, ready);
    Ok(SecretData::from_stored(Sensitive::new(data.to_string())))
}

/// Makes the application under the lease's name, or finds it if an earlier try's answer was lost.
async fn make_application(minting: &mut Minting<'_>) -> Result<Application, Error> {
    let (app, session, until) = (minting.app, minting.session, minting.until());
    let vault = app.sealer.keys().vault_id().await?;
    let name = minting.lease.app_name();
    let new = NewApplication {
        unique_name: name.clone(),
        display_name: name,
        tags: vec![format!("mayfly:{vault}")],
        notes: format!(
            "issued to {} by Mayfly, issuance {}",
            minting.lease.principal, minting.lease.issuance
        ),
    };
    let made = insist(app, until, Patience::Known, || {
        session.upsert_application(&new, until)
    });
    let application = made.await.map_err(|failure| failure.error)?;
    minting.lease.app_object_id = Some(application.id.clone());
    minting.lease.app_id = Some(application.app_id.clone());
    minting.save().await?;
    Ok(application)
}

/// Makes the application's principal. Graph may not see the application yet.
async fn make_principal(minting: &mut Minting<'_>, app_id: &str) -> Result<String, Error> {
    let (app, session, until) = (minting.app, minting.session, minting.until());
    let made = insist(app, until, Patience::Fresh, || {
        session.upsert_service_principal(app_id, until)
    });
    let principal = made.await.map_err(missed)?;
    minting.lease.service_principal_id = Some(principal.clone());
    minting.save().await?;
    Ok(principal)
}

/// Gives the application role; `None` if the principal was not visible in time: the worker goes on then.
async fn give_app_role(
    minting: &Minting<'_>,
    resource_id: &str,
    app_role_id: &str,
    principal: &str,
) -> Result<Option<GivenRole>, Error> {
    let (app, session, until) = (minting.app, minting.session, minting.until());
    let given = insist(app, until, Patience::Fresh, || {
        session.assign_app_role(resource_id, principal, app_role_id, until)
    });
    match given.await {
        Ok(_) => Ok(minting.ready.app_role.clone()),
        Err(failure) => match failure.class {
            Class::Exists => Ok(minting.ready.app_role.clone()),
            Class::NotThere
            | Class::NotYet
            | Class::Forbidden
            | Class::Late
            | Class::Unknown
            | Class::Throttled
            | Class::Overlapped => Ok(None),
            _ => Err(failure.error),
        },
    }
}

fn rbac_answer(minting: &Minting<'_>, application: &Application, principal: &str) -> Value {
    let (role_id, role_name) = minting
        .ready
        .role
        .as_ref()
        .map(|role| (role.id.as_str(), role.name.as_str()))
        .unwrap_or_default();
    json!({
        "appObjectId": application.id,
        "clientId": application.app_id,
        "roleId": role_id,
        "roleName": role_name,
        // Spelt as clients of the original read it.
        "servicePrincipleId": principal,
        "ttl": minting.order.leased.ttl.seconds(),
    })
}

fn app_role_answer(minting: &Minting<'_>, application: &Application, principal: &str) -> Value {
    json!({
        "clientId": application.app_id,
        "displayName": minting.lease.app_name(),
        "servicePrincipalId": principal,
    })
}

/// Adds what all temporary principals answer.
#[expect(
    clippy::disallowed_methods,
    reason = "reply: the minted credential is what the reader asked for"
)]
fn finish(minting: &Minting<'_>, data: &mut Value, password: &NewPassword, ready: Option<bool>) {
    let credential = &minting.order.plan.credential;
    data["clientSecret"] = json!(password.secret.expose());
    data["subscriptionId"] = json!(credential.subscription_id);
    data["tenantId"] = json!(credential.tenant_id);
    data["expiration"] = json!(wire_seconds(minting.ends()));
    if minting.lease.assignment.is_some() {
        data["roleAssignmentStatus"] = json!("created");
        data["roleAssignmentTaskId"] = json!(minting.lease.task_id());
    }
    if let Some(ready) = ready {
        data["ready"] = json!(ready);
    }
}
