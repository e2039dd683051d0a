//! What all changes of a secret have in common: the rules that are asked of the resulting head, whatever the change was.

use http::StatusCode;
use mayfly::{
    access::policy::Action,
    app::App,
    change::until_done,
    domain::{attributes::Attributes, cloud::Cloud, secret::Content},
    error::Error,
    http::{asked::Asked, reply::Reply},
    provider::{self, Base},
    secrets::{
        link::{self, Tie},
        locate::{Located, Target, locate_with},
        stored, write,
    },
    store::schema::{Key, LinkRecord, SecretRecord},
};

use crate::wire;

/// What rules call the function's own identity.
const FUNCTION_IDENTITY: &str = "config:function-identity";

/// What a change makes of the current version.
pub(crate) struct Next {
    /// The current version.
    pub(crate) old: SecretRecord,
    /// What takes its place.
    pub(crate) content: Content,
    /// The link that this content had when it was stored.
    pub(crate) kept: Option<LinkRecord>,
}

/// Writes what `next` makes of the current version as a new one. A lost race is run again on what the winner wrote, so
/// no merge is lost.
pub(crate) async fn replace<F>(
    app: &App,
    asked: &Asked,
    target: &Target,
    base: Option<Key>,
    next: impl Fn(SecretRecord) -> F,
) -> Result<Reply, Error>
where
    F: Future<Output = Result<Next, Error>>,
{
    until_done(app, || async {
        let located = locate_with(
            app,
            &asked.identity,
            &asked.trail,
            target,
            Action::Update,
            |_| base.clone(),
        )
        .await?;
        let old = stored::live(located.head()?, app.clock.now())?;
        let Next { old, content, kept } = next(old).await?;
        let tie = check(app, &located, &content, kept.as_ref()).await?;
        let by = &located.caller.principal;
        write::replace(app, &asked.trail, &old, &content, tie.as_ref(), by)
            .await?
            .try_map(|record| {
                let data = located.may_read.then_some(&content.data);
                wire::written(StatusCode::OK, &record, data)
            })
    })
    .await
}

/// The base that `attributes` link to, to be read beside the secret. A home has no links: [`check`] refuses them.
pub(crate) fn base_key(
    target: &Target,
    attributes: Option<&Attributes>,
) -> Result<Option<Key>, Error> {
    match attributes.filter(|_| target.owner.is_none()) {
        Some(attributes) => Ok(attributes.link()?.as_ref().map(link::base_key)),
        None => Ok(None),
    }
}

/// Checks sizes, then the tie to a base or, without one, that what says to be a base can mint.
///
/// `kept` is the link that the content had when it was stored.
pub(crate) async fn check(
    app: &App,
    located: &Located,
    content: &Content,
    kept: Option<&LinkRecord>,
) -> Result<Option<Tie>, Error> {
    let place = &located.at.place;
    content.check(place)?;
    let tie = link::tie(app, located, content, kept).await?;
    if tie.is_none() && place.is_vault() {
        check_base(app, located, content)?;
    }
    Ok(tie)
}

/// A base that mints with the function's own identity passes on what nobody gave to its writer at AWS: that is a right of
/// its own, and asked before anything is said of what the deployment allows.
fn check_base(app: &App, located: &Located, content: &Content) -> Result<(), Error> {
    let Some(cloud) = content.type_word().and_then(Cloud::named) else {
        return Ok(());
    };
    if provider::uses_function(cloud, &content.data)? {
        located.caller.may(Action::Assign, FUNCTION_IDENTITY)?;
    }
    let attributes = content.attributes.clone().unwrap_or_default();
    let base = Base::unwritten(content.data.clone(), attributes, app.clock.now());
    app.providers.check_base(cloud, &base)
}
