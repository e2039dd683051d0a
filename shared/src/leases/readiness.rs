//! Waiting until a new credential signs in everywhere, for readers who ask for that.

use std::time::Duration;

use crate::{
    domain::sensitive::Sensitive,
    leases::{mint::Minting, patience::is_in_time, permissions::GivenRole},
    provider::azure::{SignIn, What},
};

/// So many sign-ins in a row, so far apart: each may be answered by another replica.
const IN_A_ROW: u32 = 3;
const APART: Duration = Duration::from_secs(2);

/// Whether the new password signs in, with `role` in its token if one was given; `None` if the reader does not ask for
/// it. Asked until the deadline is near; not being ready by then is an answer, no error.
pub(super) async fn probe(
    minting: &Minting<'_>,
    client_id: &str,
    secret: &Sensitive,
    role: Option<&GivenRole>,
) -> Option<bool> {
    if !minting.order.leased.readiness {
        return None;
    }
    if role.is_none() && matches!(minting.order.leased.what, What::AppRole { .. }) {
        return Some(false); // the worker gives the role later
    }
    let (app, until) = (minting.app, minting.until());
    let credential = &minting.order.plan.credential;
    let scope = role.map_or_else(
        || credential.environment.graph_scope(),
        |role| role.scope.clone(),
    );
    let sign_in = SignIn {
        tenant_id: credential.tenant_id.clone(),
        client_id: client_id.to_owned(),
        client_secret: secret.clone(),
        environment: credential.environment,
    };
    let mut good = 0;
    loop {
        let token = app.providers.azure.sign_in(&sign_in, &scope, until).await;
        let works =
            token.is_ok_and(|token| role.is_none_or(|role| token.roles().contains(&role.value)));
        good = if works { good + 1 } else { 0 };
        if good == IN_A_ROW {
            return Some(true);
        }
        if !is_in_time(app, APART, until) {
            return Some(false);
        }
        app.clock.sleep(APART).await;
    }
}
