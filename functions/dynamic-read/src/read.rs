//! `GET /v1/secrets/{path}`, `GET /v1/home/{principal}/{path}`: the secret as stored, or with freshly minted data.

use http::StatusCode;
use mayfly::{
    access::{caller::Identity, policy::Action},
    app::App,
    audit::{Issuance, Trail},
    domain::{data::SecretData, location::Location, principal::Principal, secret::Description},
    error::Error,
    http::{reply::Reply, wire},
    provider::{Minted, Plan},
    secrets::{
        link,
        locate::{Located, Target, locate_with},
        stored,
    },
    store::schema::{LinkRecord, SecretRecord},
};

/// A secret that was read.
pub(crate) struct Read {
    pub(crate) description: Description,
    pub(crate) data: SecretData,
}

/// Reads a secret. One with a link is minted anew, unless `as_stored` asks for what is kept: whoever edits a secret
/// must not store a live credential.
pub(crate) async fn read(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    as_stored: bool,
) -> Result<Read, Error> {
    // The base is read in the same round trip, under the path that this process remembers for it.
    let remembered = |at: &Location| {
        let base = at.place.is_vault().then(|| app.bases.recall(&at.path));
        base.flatten().as_ref().map(link::base_key)
    };
    let located = locate_with(app, identity, trail, target, Action::Read, remembered).await?;
    let head = stored::live(located.head()?, app.clock.now())?;
    let content = stored::open(&app.sealer, &head).await?;
    let description = stored::describe(&head)?;
    match &head.link {
        Some(link) if !as_stored => {
            let plan = plan(app, &located, &description, link).await?;
            let minted = mint(app, trail, &plan, &located.caller.principal).await?;
            Ok(Read {
                description,
                data: minted.data,
            })
        }
        _ => Ok(Read {
            description,
            data: content.data,
        }),
    }
}

/// The answer of a read.
#[expect(clippy::needless_pass_by_value, reason = "a read is answered once")]
pub(crate) fn reply(read: Read) -> Result<Reply, Error> {
    Ok(Reply::secret(
        StatusCode::OK,
        wire::secret(&read.description, Some(&read.data))?,
    ))
}

/// What to mint, checked against what was just read. A wrong memory costs one more read and never a stale decision.
async fn plan(
    app: &App,
    located: &Located,
    description: &Description,
    link: &LinkRecord,
) -> Result<Plan, Error> {
    let key = link::base_key(&link.base);
    // What was read decides, not what is remembered: another read may have changed the memory meanwhile.
    let mut base: Option<SecretRecord> = located.items.record(&key)?;
    if base.is_none() {
        app.bases
            .remember(located.at.path.clone(), link.base.clone());
        base = app.table.batch_get([key.clone()]).await?.record(&key)?;
    }
    let (cloud, base) = link::base_of(app, link, base).await?;
    let attributes = description.attributes.clone().unwrap_or_default();
    Plan::new(cloud, &attributes, &base, link.right)
}

/// Mints and records beside each other: the record must be safe before the answer leaves, and must not make the
/// reader wait longer than the cloud does.
async fn mint(app: &App, trail: &Trail, plan: &Plan, caller: &Principal) -> Result<Minted, Error> {
    let issuance = Issuance::begin(app.clock.now());
    let (minted, recorded) = tokio::join!(
        app.providers.mint(plan, &issuance, caller),
        trail.write(app, 200, "issuing", Some(&issuance)),
    );
    if let Err(error) = minted {
        // A second record, with the real outcome, follows before the answer.
        trail.reopen();
        return Err(error);
    }
    recorded?;
    minted
}
