//! Making and changing a head: what all kinds have in common.

use http::StatusCode;
use mayfly::{
    access::{
        caller::{self, Caller},
        heads,
        policy::Action,
        purge,
    },
    app::App,
    change::{Attempt, Change},
    error::Error,
    http::{asked::Asked, reply::Reply},
    store::{
        schema::{Head, Key},
        table::Items,
    },
};

use crate::thing::{Thing, key, resource, wire};

/// Who asks, and what was read with that.
pub(crate) struct Opened {
    pub(crate) caller: Caller,
    pub(crate) items: Items,
}

/// Reads the caller together with `keys`.
pub(crate) async fn open(
    app: &App,
    asked: &Asked,
    keys: impl IntoIterator<Item = Key>,
) -> Result<Opened, Error> {
    let (caller, items) = caller::open(app, &asked.identity, keys).await?;
    asked.trail.acted_by(&caller);
    Ok(Opened { caller, items })
}

/// Reads the caller and the head named `name`, and refuses who may not do `action` on it.
pub(crate) async fn open_for<T: Thing>(
    app: &App,
    asked: &Asked,
    name: &str,
    action: Action,
) -> Result<Opened, Error> {
    let opened = open(app, asked, [key::<T>(name)]).await?;
    opened.caller.may(action, &resource::<T>(name))?;
    Ok(opened)
}

/// Refuses a name that is taken, even by what is marked for deletion; what is over makes room.
pub(crate) async fn make_room<T: Thing>(
    app: &App,
    items: &Items,
    name: &str,
    taken: &str,
) -> Result<(), Error> {
    let there: Option<Head<T>> = items.record(&key::<T>(name))?;
    match there {
        None => Ok(()),
        Some(there) if heads::is_over(&there, app.clock.now()) => purge::clear(app, &there).await,
        Some(there) if there.deleted_at.is_some() => Err(Error::Refused(
            Error::MarkedForDeletion(T::WORD).to_string(),
        )),
        Some(_) => Err(Error::Refused(taken.to_owned())),
    }
}

/// Writes a head where there is none, and answers it.
pub(crate) async fn create<T: Thing>(
    app: &App,
    asked: &Asked,
    opened: &Opened,
    change: Change<'_>,
    head: &Head<T>,
) -> Result<Attempt<Reply>, Error> {
    make(app, asked, change, head).await?.try_map(|()| {
        Ok(Reply::json(
            StatusCode::CREATED,
            &wire(app, head, opened.caller.rules()),
        ))
    })
}

/// Writes a head where there is none.
pub(crate) async fn make<T: Thing>(
    app: &App,
    asked: &Asked,
    mut change: Change<'_>,
    head: &Head<T>,
) -> Result<Attempt<()>, Error> {
    heads::create(&mut change, app, head)?;
    T::arrives(app, &mut change, head).await?;
    change
        .commit(&asked.trail, StatusCode::CREATED.as_u16(), "created")
        .await
}

/// Writes `body` as the next version of `old`, and answers the new head.
pub(crate) async fn replace<T: Thing>(
    app: &App,
    asked: &Asked,
    opened: &Opened,
    old: &Head<T>,
    body: T,
) -> Result<Attempt<Reply>, Error> {
    let mut change = Change::new(app);
    let by = opened.caller.principal.as_str();
    let head = heads::replace(&mut change, app, old, body, by)?;
    T::arrives(app, &mut change, &head).await?;
    change
        .commit(&asked.trail, StatusCode::OK.as_u16(), "updated")
        .await?
        .try_map(|()| {
            Ok(Reply::json(
                StatusCode::OK,
                &wire(app, &head, opened.caller.rules()),
            ))
        })
}
