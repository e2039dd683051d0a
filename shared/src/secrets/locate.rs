//! From what the URL names to the items of a secret, in one round trip when warm.

use serde::Deserialize;
use uuid::Uuid;

use crate::{
    access::{
        caller::{self, Caller, Identity},
        policy::Action,
    },
    app::App,
    audit::Trail,
    domain::{
        location::{Home, Location, Place},
        path::SecretPath,
        principal::Principal,
    },
    error::Error,
    store::{
        schema::{HOME, Key, SECRET, SecretIdRecord, SecretRecord},
        table::Items,
    },
};

/// How a request names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose home it is in; `None` among the vault's secrets.
    pub owner: Option<Principal>,
    /// Which one.
    pub name: Name,
}

/// How a request names a secret among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// By its path.
    Path(SecretPath),
    /// By its id.
    Id(Uuid),
}

/// Who asks, and what was read together with that.
pub struct Located {
    /// The caller, already allowed to do what was asked.
    pub caller: Caller,
    /// Where the secret is.
    pub at: Location,
    /// Everything read so far.
    pub items: Items,
    /// Whether the caller may see the data. Who may only change a secret is not shown what it held.
    pub may_read: bool,
    id: Option<Uuid>,
}

impl Located {
    /// The secret's head, dead or alive. Asked for by id, another secret that was made at the path meanwhile is not it:
    /// alias and head are not read as of one moment.
    pub fn head(&self) -> Result<Option<SecretRecord>, Error> {
        let head: Option<SecretRecord> = self.items.record(&Key::secret(&self.at))?;
        Ok(head.filter(|head| self.id.is_none_or(|id| head.id == id)))
    }
}

impl Target {
    /// The path `path` among the vault's secrets.
    pub fn in_vault(path: SecretPath) -> Self {
        Self {
            owner: None,
            name: Name::Path(path),
        }
    }

    /// What rules call it.
    pub fn resource(&self) -> String {
        let all = resource(self.owner.as_ref());
        match &self.name {
            Name::Path(path) => format!("{all}:{path}"),
            Name::Id(id) => format!("{all}:{id}"),
        }
    }
}

/// What rules call the secrets in `owner`'s home, or those of the vault, as a whole.
fn resource(owner: Option<&Principal>) -> String {
    owner.map_or_else(|| "secrets".to_owned(), |owner| format!("home:{owner}"))
}

/// Reads the caller and the head that `target` names, and decides whether the caller may do `action` on it. From then
/// on `trail` names the caller.
///
/// The decision comes before existence: whoever has no grant learns nothing from it. For an id that nobody has, the
/// rules are asked about the id itself.
pub async fn locate(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    action: Action,
) -> Result<Located, Error> {
    locate_with(app, identity, trail, target, action, |_| None).await
}

/// As [`locate`], reading one more item in the same round trip: the one that `more` names for the secret's location.
pub async fn locate_with(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    action: Action,
    more: impl Fn(&Location) -> Option<Key>,
) -> Result<Located, Error> {
    let owner = target.owner.as_ref();
    let keys = |at: &Location| more(at).into_iter().chain([Key::secret(at)]);
    let (alias_key, id) = match &target.name {
        Name::Path(_) => (None, None),
        Name::Id(id) => {
            let entity = if owner.is_some() { HOME } else { SECRET };
            (Some(Key::secret_id(entity, *id)), Some(*id))
        }
    };
    let mut guess = None;
    let opened = open(app, identity, trail, owner, |place| {
        guess = place.and_then(|place| match &target.name {
            Name::Path(path) => Some(place.at(path)),
            Name::Id(id) => app.locations.recall(id).filter(|at| at.place == *place),
        });
        guess
            .iter()
            .flat_map(&keys)
            .chain(alias_key.clone())
            .collect()
    })
    .await?;

    let at = match (&opened.place, &target.name, &alias_key) {
        (Some(place), Name::Path(path), _) => Some(place.at(path)),
        (Some(place), _, Some(alias_key)) => {
            let alias: Option<SecretIdRecord> = opened.items.record(alias_key)?;
            alias.map(|alias| alias.at).filter(|at| at.place == *place)
        }
        _ => None,
    };
    let Some(at) = at else {
        opened.may(action, &target.resource())?;
        return Err(Error::NotFound);
    };
    let asked_for = format!("{}:{}", resource(owner), at.path);
    opened.may(action, &asked_for)?;
    let may_read = opened.may(Action::Read, &asked_for).is_ok();
    let mut items = opened.items;
    if guess.as_ref() != Some(&at) {
        items.extend(app.table.batch_get(keys(&at)).await?);
        if let Some(id) = id {
            app.locations.remember(id, at.clone());
        }
    }
    Ok(Located {
        caller: opened.caller,
        at,
        items,
        may_read,
        id,
    })
}

/// Reads the caller, and decides whether it may list what is in `owner`'s home, or in the vault. From then on `trail`
/// names the caller.
pub async fn list(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    owner: Option<&Principal>,
) -> Result<(Caller, Place), Error> {
    let opened = open(app, identity, trail, owner, |_| Vec::new()).await?;
    opened.may(Action::List, &resource(owner))?;
    let place = opened.place.ok_or(Error::NotFound)?;
    Ok((opened.caller, place))
}

/// The caller, and the place that was asked for.
struct Opened {
    caller: Caller,
    /// `None` if nobody lives there.
    place: Option<Place>,
    items: Items,
}

impl Opened {
    /// One's own home is open, whatever the rules say; all else is as they say.
    fn may(&self, action: Action, resource: &str) -> Result<(), Error> {
        let caller = &self.caller;
        let is_own = |home: &Home| home.owner == caller.principal && home.id == caller.principal_id;
        match &self.place {
            Some(Place::Home(home)) if is_own(home) => Ok(()),
            _ => caller.may(action, resource),
        }
    }
}

/// What a home needs of its owner's item, be that a user or a role.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerRecord {
    id: Uuid,
    #[serde(default)]
    deleted_at: Option<i64>,
}

/// Reads the caller and, in the same round trip, what `keys` names in the place: the vault, or one's own home, which is
/// known by the caller's token. Another's home is known only after its owner was read, so `keys` is given `None`.
async fn open(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    owner: Option<&Principal>,
    keys: impl FnOnce(Option<&Place>) -> Vec<Key>,
) -> Result<Opened, Error> {
    let known = match owner {
        None => Some(Place::Vault),
        Some(owner) => own_home(identity, owner)?.map(Place::Home),
    };
    let owner_key = owner
        .filter(|_| known.is_none())
        .map(caller::key_of)
        .transpose()?;
    let keys = keys(known.as_ref()).into_iter().chain(owner_key.clone());
    let (caller, items) = caller::open(app, identity, keys).await?;
    trail.acted_by(&caller);
    let place = match (owner, &owner_key) {
        (Some(owner), Some(key)) => items
            .record::<OwnerRecord>(key)?
            .filter(|record| record.deleted_at.is_none())
            .map(|record| {
                Place::Home(Home {
                    owner: owner.clone(),
                    id: record.id,
                })
            }),
        _ => known,
    };
    Ok(Opened {
        caller,
        place,
        items,
    })
}

/// The home of `owner`, if that is who says to be calling.
fn own_home(identity: &Identity, owner: &Principal) -> Result<Option<Home>, Error> {
    let is_own = identity.principal()? == *owner;
    Ok(identity.claimed_id().filter(|_| is_own).map(|id| Home {
        owner: owner.clone(),
        id,
    }))
}
