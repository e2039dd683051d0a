//! From what the URL names to the items of a secret, in one round trip when warm.

use uuid::Uuid;

use crate::{
    access::{
        caller::{self, Caller, Identity},
        policy::{Action, secret_resource},
    },
    app::App,
    audit::Trail,
    domain::path::SecretPath,
    error::Error,
    store::{
        schema::{Key, SecretIdRecord, SecretRecord},
        table::Items,
    },
};

/// How a request names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By where it lives.
    Path(SecretPath),
    /// By its id.
    Id(Uuid),
}

/// Who asks, and what was read together with that.
pub struct Located {
    /// The caller, already allowed to do what was asked.
    pub caller: Caller,
    /// Where the secret is.
    pub path: SecretPath,
    /// Everything read so far.
    pub items: Items,
    id: Option<Uuid>,
}

impl Located {
    /// The secret's head, dead or alive. Asked for by id, another secret that was made at the path meanwhile is not it:
    /// alias and head are not read as of one moment.
    pub fn head(&self) -> Result<Option<SecretRecord>, Error> {
        let head: Option<SecretRecord> = self.items.record(&Key::secret(&self.path))?;
        Ok(head.filter(|head| self.id.is_none_or(|id| head.id == id)))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
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

/// As [`locate`], reading one more item in the same round trip: the one that `more` names for the secret's path.
pub async fn locate_with(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    action: Action,
    more: impl Fn(&SecretPath) -> Option<Key>,
) -> Result<Located, Error> {
    let keys = |path: &SecretPath| more(path).into_iter().chain([Key::secret(path)]);
    match target {
        Target::Path(path) => {
            let (caller, items) = caller::open(app, identity, keys(path)).await?;
            trail.acted_by(&caller);
            caller.may(action, &secret_resource(path))?;
            Ok(Located {
                caller,
                path: path.clone(),
                items,
                id: None,
            })
        }
        Target::Id(id) => {
            let guess = app.paths.recall(id);
            let guessed = guess.iter().flat_map(keys).chain([Key::secret_id(*id)]);
            let (caller, mut items) = caller::open(app, identity, guessed).await?;
            trail.acted_by(&caller);
            let Some(alias) = items.record::<SecretIdRecord>(&Key::secret_id(*id))? else {
                caller.may(action, &format!("secrets:{id}"))?;
                return Err(Error::NotFound);
            };
            caller.may(action, &secret_resource(&alias.path))?;
            if guess.as_ref() != Some(&alias.path) {
                items.extend(app.table.batch_get(keys(&alias.path)).await?);
                app.paths.remember(*id, alias.path.clone());
            }
            Ok(Located {
                caller,
                path: alias.path,
                items,
                id: Some(*id),
            })
        }
    }
}
