//! `GET /v1/secrets/{path}`, `GET /v1/home/{principal}/{path}`: the secret as stored, or with freshly minted data.

use http::StatusCode;
use mayfly::{
    access::{caller::Identity, policy::Action},
    app::App,
    audit::{Issuance, Trail},
    change::{Attempt, until_done},
    domain::{data::SecretData, location::Location, principal::Principal, secret::Description},
    error::Error,
    http::{reply::Reply, wire},
    leases::mint::{self, Order},
    metrics::Kind,
    provider::{AtOnce, Base, Minted, Plan, Way},
    secrets::{
        link,
        locate::{Located, Target, locate_with},
        stored,
    },
    store::schema::{LinkRecord, SecretRecord},
};
use time::OffsetDateTime;
use uuid::Uuid;

/// A secret that was read.
pub(crate) struct Read {
    pub(crate) description: Description,
    pub(crate) data: SecretData,
    /// What must be taken back of what was minted.
    pub(crate) lease: Option<Uuid>,
}

/// Reads a secret. One with a link is minted anew, unless `as_stored` asks for what is kept: whoever edits a secret
/// must not store a live credential. What is minted under a lease needs the base to stay as it was read; if it did not,
/// all is read again.
pub(crate) async fn read(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    as_stored: bool,
) -> Result<Read, Error> {
    let started = app.clock.now();
    trail.reads(Kind::Unknown);
    until_done(app, || async {
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
                let (base, plan) = plan(app, &located, &description, link).await?;
                trail.reads(Kind::from(&plan));
                let asked = Asked {
                    trail,
                    located: &located,
                    description: &description,
                    link,
                    started,
                };
                minted(app, &asked, &base, &plan).await?.try_map(|minted| {
                    Ok(Read {
                        description,
                        data: minted.0,
                        lease: minted.1,
                    })
                })
            }
            _ => {
                trail.reads(Kind::Static);
                Ok(Attempt::Done(Read {
                    description,
                    data: content.data,
                    lease: None,
                }))
            }
        }
    })
    .await
}

/// The answer of a read.
#[expect(clippy::needless_pass_by_value, reason = "a read is answered once")]
pub(crate) fn reply(read: Read) -> Result<Reply, Error> {
    let body = wire::secret(&read.description, Some(&read.data))?;
    Ok(Reply::secret(StatusCode::OK, body).under(read.lease))
}

/// What to mint, checked against what was just read. A wrong memory costs one more read and never a stale decision.
pub(crate) async fn plan(
    app: &App,
    located: &Located,
    description: &Description,
    link: &LinkRecord,
) -> Result<(Base, Plan), Error> {
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
    let now = app.clock.now();
    let plan = app
        .providers
        .plan(cloud, &attributes, &base, link.right, now)?;
    Ok((base, plan))
}

/// A mint that was asked for.
struct Asked<'a> {
    trail: &'a Trail,
    located: &'a Located,
    description: &'a Description,
    link: &'a LinkRecord,
    started: OffsetDateTime,
}

/// Mints: at once what ends by itself, under a lease what must be taken back.
async fn minted(
    app: &App,
    asked: &Asked<'_>,
    base: &Base,
    plan: &Plan,
) -> Result<Attempt<(SecretData, Option<Uuid>)>, Error> {
    let caller = &asked.located.caller;
    let (plan, leased) = match plan.way() {
        Way::AtOnce(plan) => {
            let minted = mint(app, asked.trail, &plan, &caller.principal).await?;
            return Ok(Attempt::Done((minted.data, None)));
        }
        Way::Leased(plan, leased) => (plan, leased),
    };
    let order = Order {
        trail: asked.trail,
        caller,
        secret: &asked.located.at.path,
        secret_id: asked.description.id,
        base_path: &asked.link.base,
        base,
        plan,
        leased,
        started: asked.started,
    };
    Box::pin(mint::mint(app, &order))
        .await?
        .try_map(|issued| Ok((issued.data, Some(issued.lease))))
}

/// Mints and records beside each other: the record must be safe before the answer leaves, and must not make the
/// reader wait longer than the cloud does.
async fn mint(
    app: &App,
    trail: &Trail,
    plan: &AtOnce<'_>,
    caller: &Principal,
) -> Result<Minted, Error> {
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
