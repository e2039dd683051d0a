//! Client credentials: what machines sign in with.

use http::StatusCode;
use mayfly::{
    access::{
        client::{Terms, generate_on, generate_waiting},
        heads,
        policy::Action,
        rules::Rules,
    },
    app::App,
    change::{Attempt, Change, until_done},
    clock::wire_millis,
    domain::{
        name::{MAX_NAME, Name},
        sensitive::Sensitive,
    },
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::{
        schema::{BootstrapRecord, Client, ClientRecord, Head, Key, Kind, Role, RoleRecord},
        writes::Only,
    },
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    bootstrap,
    roles::{description, fields},
    search::{Criteria, search},
    thing::{Thing, resource, whole},
    write::{Opened, open},
};

/// The longest that a client, or the address that hands out its secret, can be made to count, in seconds: ten years.
const MAX_TTL: u64 = 10 * 365 * 24 * 60 * 60;
/// The most sign-ins that can be set as a limit.
const MAX_USES: u64 = 1_000_000_000;

impl Thing for Client {
    /// A UUID in any spelling. What is none is no error yet: whoever may look is told that there is no such client, and
    /// nobody else learns anything.
    fn name(text: &str) -> Result<String, Error> {
        Ok(match Uuid::try_parse(text) {
            Ok(id) => id.to_string(),
            Err(_) => text.chars().take(MAX_NAME).collect(),
        })
    }

    fn wire(head: &Head<Self>, _: &Rules) -> Map<String, Value> {
        own(head)
    }

    fn status(head: &Head<Self>, now: i64) -> Option<&'static str> {
        let client = &head.body;
        Some(match &client.bootstrap {
            Some(address) if !address.opened && is_over(address, now) => "expired",
            Some(address) if !address.opened => "waiting",
            _ if client.is_over(now) => "expired",
            _ if client.is_used_up() => "used up",
            _ => "active",
        })
    }

    /// A client counts only with the very role it was made for.
    async fn arrives(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let role = role_of(app, head).await?.ok_or_else(|| {
            let problem = "the role of this client is gone or marked for deletion";
            Error::Refused(problem.to_owned())
        })?;
        stays(app, change, &role)
    }
}

/// The role that `client` was made for, if it lives.
pub(crate) async fn role_of(app: &App, client: &ClientRecord) -> Result<Option<RoleRecord>, Error> {
    let role: Option<RoleRecord> = app.table.get(&Key::role(&client.body.role)).await?;
    Ok(role.filter(|role| role.id == client.body.role_id && role.deleted_at.is_none()))
}

/// Adds the condition that `role` is still as it was read: nothing is made of one that goes away at the same moment.
pub(crate) fn stays(app: &App, change: &mut Change<'_>, role: &RoleRecord) -> Result<(), Error> {
    let unchanged = Only::IfUnchanged {
        id: role.id,
        rev: role.rev,
    };
    change.push(app.table.require(&role.key, &unchanged)?);
    Ok(())
}

/// Whether the time of a one-time address is over.
pub(crate) fn is_over(address: &BootstrapRecord, now: i64) -> bool {
    address.expires_at.is_some_and(|end| end <= now)
}

/// A client with what is shown of it in this one answer, under `key`.
pub(crate) fn shown_once(
    app: &App,
    status: StatusCode,
    client: &ClientRecord,
    key: &str,
    secret: &Sensitive,
) -> Reply {
    let mut all = whole(app, client, own(client));
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: shown to whoever made the client, or has its address, this once"
    )]
    all.insert(key.to_owned(), json!(secret.expose()));
    Reply::secret(status, Sensitive::new(Value::Object(all).to_string()))
}

/// What is a client's own in every answer. A time that there is not is left out: an empty one is no time to a typed
/// client.
fn own(head: &ClientRecord) -> Map<String, Value> {
    let (client, address) = (&head.body, head.body.bootstrap.as_ref());
    let mut all = fields([
        ("clientId", json!(head.name)),
        ("role", json!(client.role)),
        ("description", json!(client.description)),
        ("usesLimit", json!(client.uses_limit)),
        ("usedCount", json!(client.used_count)),
        ("TTL", json!(client.ttl)),
        ("url", json!(address.is_some())),
        ("urlTTL", json!(address.map_or(0, |address| address.ttl))),
    ]);
    let url_expires = address.and_then(|address| address.expires_at);
    for (key, time) in [
        ("expiredAt", client.expires_at),
        ("urlExpires", url_expires),
    ] {
        if let Some(time) = time {
            all.insert(key.to_owned(), json!(wire_millis(time)));
        }
    }
    all
}

/// `POST /v1/clients`: whoever makes a client can act as its role, so that takes the right to assign the role beside the
/// right to make clients.
pub(crate) async fn post(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Sent::read(asked)?;
    until_done(app, || async {
        let opened = open(app, asked, [Key::role(&sent.role)]).await?;
        opened.caller.may(Action::Create, Client::RESOURCE)?;
        let role = resource::<Role>(&sent.role);
        opened.caller.may(Action::Assign, &role)?;
        create(app, asked, &opened, &sent).await
    })
    .await
}

/// `GET /v1/clients`: those of one role.
pub(crate) async fn list(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let role = asked
        .query
        .get("role")
        .ok_or_else(|| Error::invalid("role", "is required: clients are listed by role"))?;
    let role = Name::parse("role", role)?.folded();
    let criteria = Criteria::read::<Client>(&asked.query)?.under(format!("{role}#"));
    search::<Client>(app, asked, criteria).await
}

/// What a client is to be made of.
struct Sent {
    role: String,
    terms: Terms,
    address: Option<Address>,
}

/// A one-time address that is to hand out the secret.
struct Address {
    origin: String,
    ttl: u64,
}

impl Sent {
    /// Fields that it does not know, among them those that only answers have, are ignored.
    fn read(asked: &Asked) -> Result<Self, Error> {
        let sent = Fields::parse(&asked.body)?;
        let role = Name::parse("role", &sent.text("role")?.unwrap_or_default())?;
        let terms = Terms {
            description: description(&sent)?.unwrap_or_default(),
            ttl: sent.count("ttl", MAX_TTL)?,
            uses_limit: sent.count("usesLimit", MAX_USES)?,
        };
        let url_ttl = sent.count("urlTTL", MAX_TTL)?;
        let address = match (sent.flag("url")?, &asked.origin) {
            (true, Some(origin)) => Some(Address {
                origin: origin.clone(),
                ttl: url_ttl,
            }),
            (true, None) => {
                let problem = "must be false where the vault does not know its own address";
                return Err(Error::invalid("url", problem));
            }
            (false, _) if url_ttl > 0 => {
                return Err(Error::invalid("urlTTL", "must be 0 unless url is true"));
            }
            (false, _) => None,
        };
        Ok(Self {
            role: role.as_str().to_owned(),
            terms,
            address,
        })
    }
}

async fn create(
    app: &App,
    asked: &Asked,
    opened: &Opened,
    sent: &Sent,
) -> Result<Attempt<Reply>, Error> {
    let role = match heads::live::<Role>(&opened.items, &sent.role, app.clock.now()) {
        Err(Error::NotFound) => Err(Error::invalid("role", "must be the name of a role")),
        Err(Error::MarkedForDeletion(_)) => {
            Err(Error::invalid("role", "must not be marked for deletion"))
        }
        other => other,
    }?;
    let (by, terms) = (opened.caller.principal.as_str(), sent.terms.clone());
    let (client, key, secret) = match &sent.address {
        None => {
            let (client, secret) = generate_on(app, &role, terms, by).await?;
            (client, "clientSecret", secret)
        }
        Some(address) => {
            let (client, code) = generate_waiting(app, &role, terms, address.ttl, by).await?;
            let url = bootstrap::url(&address.origin, &client, &code);
            (client, "urlPath", url)
        }
    };
    let mut change = Change::new(app);
    stays(app, &mut change, &role)?;
    heads::create(&mut change, app, &client)?;
    let made = format!(
        "created {} for {}",
        client.name,
        resource::<Role>(&role.name)
    );
    change
        .commit(&asked.trail, StatusCode::CREATED.as_u16(), &made)
        .await?
        .try_map(|()| Ok(shown_once(app, StatusCode::CREATED, &client, key, &secret)))
}
