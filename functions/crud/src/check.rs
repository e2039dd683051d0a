//! What the rules ask of the resulting head of every change, whatever the change was.

use mayfly::{
    access::caller::Caller,
    app::App,
    domain::{cloud::Cloud, path::SecretPath, secret::Content},
    error::Error,
    provider::{self, Base},
    secrets::link::{self, Tie},
    store::{schema::LinkRecord, table::Items},
};

/// Checks sizes, then the tie to a base or, without one, that what says to be a base can mint.
///
/// `kept` is the link that the content had when it was stored.
pub(crate) async fn result(
    app: &App,
    caller: &Caller,
    path: &SecretPath,
    content: &Content,
    kept: Option<&LinkRecord>,
    items: &Items,
) -> Result<Option<Tie>, Error> {
    content.check()?;
    let tie = link::tie(app, caller, path, content, kept, items).await?;
    if tie.is_none() {
        base(app, content)?;
    }
    Ok(tie)
}

fn base(app: &App, content: &Content) -> Result<(), Error> {
    let Some(cloud) = content.type_word().and_then(Cloud::named) else {
        return Ok(());
    };
    let attributes = content.attributes.clone().unwrap_or_default();
    let base = Base {
        data: content.data.clone(),
        attributes,
        modified: app.clock.now(),
    };
    provider::check_base(cloud, &base)
}
