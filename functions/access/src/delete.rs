//! Deleting a head, and bringing it back.

use http::StatusCode;
use mayfly::{
    access::{heads, policy::Action, purge},
    app::App,
    change::{Attempt, Change, until_done},
    error::{Error, chain},
    http::{asked::Asked, reply::Reply},
};

use crate::{thing::Thing, write::open_for};

/// `DELETE /v1/{things}/{name}`: marks for deletion, or with `force=true` removes for good. Marking twice answers the
/// same twice.
pub(crate) async fn delete<T: Thing>(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = T::name(name)?;
    let force = asked.query.flag("force")?;
    let marked = Error::MarkedForDeletion(T::WORD).to_string();
    until_done(app, || async {
        let opened = open_for::<T>(app, asked, &name, Action::Delete).await?;
        let now = app.clock.now();
        let old = heads::find::<T>(&opened.items, &name, now)?.ok_or(Error::NotFound)?;
        if old.deleted_at.is_some() && !force {
            return Ok(Attempt::Done(Reply::message(&marked)));
        }
        let mut change = Change::new(app);
        T::leaves(app, &mut change, &old).await?;
        if !force {
            heads::soft_delete(&mut change, app, &old)?;
            return change
                .commit(&asked.trail, 200, "marked for deletion")
                .await?
                .try_map(|()| Ok(Reply::message(&marked)));
        }
        purge::remove(&mut change, app, &old)?;
        let done = change.commit(&asked.trail, 204, "removed").await?;
        if matches!(done, Attempt::Done(()))
            && let Err(error) = purge::remove_rest_of(app, &old).await
        {
            tracing::warn!(
                error = chain(&error),
                "what belongs to it is left to its task"
            );
        }
        done.try_map(|()| Ok(Reply::empty(StatusCode::NO_CONTENT)))
    })
    .await
}

/// `PUT /v1/{things}/{name}/restore`
pub(crate) async fn restore<T: Thing>(
    app: &App,
    asked: &Asked,
    name: &str,
) -> Result<Reply, Error> {
    let name = T::name(name)?;
    until_done(app, || async {
        let opened = open_for::<T>(app, asked, &name, Action::Delete).await?;
        let now = app.clock.now();
        let old = heads::find::<T>(&opened.items, &name, now)?.ok_or(Error::NotFound)?;
        if old.deleted_at.is_none() {
            let problem = format!("the {} is not marked for deletion", T::WORD);
            return Err(Error::Refused(problem));
        }
        let mut change = Change::new(app);
        heads::restore(&mut change, app, &old)?;
        T::arrives(app, &mut change, &old).await?;
        change
            .commit(&asked.trail, 200, "restored")
            .await?
            .try_map(|()| Ok(Reply::empty(StatusCode::OK)))
    })
    .await
}
