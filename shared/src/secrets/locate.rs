//! From what the URL names to the items of a secret, in one round trip when warm.

use uuid::Uuid;

use crate::{
    access::{
        caller::{self, Caller, Identity},
        policy::{Action, secret_resource},
    },
    app::App,
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
}

impl Located {
    /// The secret's head, dead or alive.
    pub fn head(&self) -> Result<Option<SecretRecord>, Error> {
        self.items.record(&Key::secret(&self.path))
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

/// Reads the caller, the head that `target` names and `more`, and decides whether the caller may do `action` on it.
///
/// The decision comes before existence: whoever has no grant learns nothing from it. For an id that nobody has, the
/// rules are asked about the id itself.
pub async fn locate(
    app: &App,
    identity: &Identity,
    target: &Target,
    action: Action,
    more: impl Fn(&SecretPath) -> Vec<Key>,
    known: impl FnOnce(&Caller),
) -> Result<Located, Error> {
    let with_head = |path: &SecretPath| {
        let mut keys = more(path);
        keys.push(Key::secret(path));
        keys
    };
    match target {
        Target::Path(path) => {
            let (caller, items) = caller::open(app, identity, with_head(path)).await?;
            known(&caller);
            caller.may(action, &secret_resource(path))?;
            Ok(Located {
                caller,
                path: path.clone(),
                items,
            })
        }
        Target::Id(id) => {
            let guess = app.paths.recall(id);
            let mut keys = guess.as_ref().map(with_head).unwrap_or_default();
            keys.push(Key::secret_id(*id));
            let (caller, mut items) = caller::open(app, identity, keys).await?;
            known(&caller);
            let Some(alias) = items.record::<SecretIdRecord>(&Key::secret_id(*id))? else {
                caller.may(action, &format!("secrets:{id}"))?;
                return Err(Error::NotFound);
            };
            caller.may(action, &secret_resource(&alias.path))?;
            if guess.as_ref() != Some(&alias.path) {
                items.extend(app.table.batch_get(with_head(&alias.path)).await?);
                app.paths.remember(*id, alias.path.clone());
            }
            Ok(Located {
                caller,
                path: alias.path,
                items,
            })
        }
    }
}
