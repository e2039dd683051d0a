//! Minting a client secret of an application that is there already.

use serde_json::json;

use crate::{
    clock::wire_seconds,
    domain::{data::SecretData, sensitive::Sensitive},
    error::{Error, chain},
    leases::{
        lock,
        mint::Minting,
        patience::{Patience, is_in_time},
        readiness,
    },
    provider::azure::{Class, Failure, NewPassword, What},
};

/// How many passwords may be tried: each lost answer leaves one that nobody knows, until the worker removes it.
const MAX_ATTEMPTS: u32 = 4;

pub(super) async fn mint(minting: &mut Minting<'_>) -> Result<SecretData, Error> {
    let What::Existing {
        app_id,
        app_object_id,
        role_name,
    } = &minting.order.leased.what
    else {
        return Err(Error::internal("not a plan for an existing application"));
    };
    let password = add_password(minting, app_object_id, Patience::Known).await?;
    if minting.order.leased.readiness {
        // Whoever waits until one can sign in need not keep others waiting; without the lock nothing is less safe.
        if let Err(error) = lock::release(minting.app, app_object_id, minting.lease.id).await {
            tracing::warn!(error = chain(&error), "a lock was not given back early");
        }
    }
    let ready = readiness::probe(minting, app_id, &password.secret, None).await;
    minting.activate().await?;
    let credential = &minting.order.plan.credential;
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the minted credential is what the reader asked for"
    )]
    let mut data = json!({
        "appObjectId": app_object_id,
        "clientId": app_id,
        "clientSecret": password.secret.expose(),
        "role": role_name.as_deref().unwrap_or_default(),
        "subscriptionId": credential.subscription_id,
        "tenantId": credential.tenant_id,
        "ttl": minting.order.leased.ttl.seconds(),
        "expiration": wire_seconds(minting.ends()),
    });
    if let Some(ready) = ready {
        data["ready"] = json!(ready);
    }
    Ok(SecretData::from_stored(Sensitive::new(data.to_string())))
}

/// Adds a password. Each try is sent once, under a name of its own: after a lost answer nobody knows the secret, so the
/// next one follows at once and the worker removes what is not on the lease.
pub(super) async fn add_password(
    minting: &mut Minting<'_>,
    app_object_id: &str,
    patience: Patience,
) -> Result<NewPassword, Error> {
    let (mut attempt, mut round) = (1, 0);
    loop {
        let until = minting.until();
        let name = minting.password_name(attempt);
        let sent = minting
            .session
            .add_password(app_object_id, &name, minting.ends(), until)
            .await;
        let failure = match sent {
            Ok(password) => {
                minting.lease.key_id = Some(password.key_id.clone());
                minting.lease.pruned = attempt == 1;
                return Ok(password);
            }
            Err(failure) => failure,
        };
        if failure.class == Class::Unknown && attempt < MAX_ATTEMPTS {
            attempt += 1;
            continue;
        }
        match patience.wait(&failure, false, round) {
            Some(wait) if is_in_time(minting.app, wait, until) => {
                minting.app.clock.sleep(wait).await;
            }
            _ if patience == Patience::Fresh => return Err(missed(failure)),
            _ => return Err(explained(failure, app_object_id)),
        }
        round += 1;
    }
}

/// What was just made and is still not visible when time is over is nobody's mistake.
pub(super) fn missed(failure: Failure) -> Error {
    match failure.class {
        Class::NotThere | Class::NotYet => Error::Unavailable {
            what: "the application that was just made in Microsoft Entra",
            source: failure.error.into(),
        },
        _ => failure.error,
    }
}

/// An application that the base may not change, or that is not there, is the owner's to put right.
fn explained(failure: Failure, app_object_id: &str) -> Error {
    match failure.class {
        Class::NotThere => Error::invalid(
            "attributes.appObjectId",
            "is no application of this tenant: it takes the object id of an application, not its client id",
        ),
        Class::Forbidden => Error::Refused(format!(
            "the base secret's principal may not add a password to the application {app_object_id}: it must be an owner \
             of it with Application.ReadWrite.OwnedBy, or have Application.ReadWrite.All ({})",
            failure.error
        )),
        _ => failure.error,
    }
}
