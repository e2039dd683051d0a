//! `Change`: a transaction in the making. Each change of the vault is one, so nothing is ever half written.

use std::future::Future;

use aws_sdk_dynamodb::types::TransactWriteItem;
use uuid::Uuid;

use crate::{
    app::App,
    audit::Trail,
    error::Error,
    store::{
        table::{Cancelled, Item, TransactError, backoff},
        writes::Only,
    },
};

/// How often a lost race is run again from a fresh read. Someone wins every round, so this is how many writers can
/// change one thing at the same moment and all be heard.
pub(crate) const TRIES: u32 = 48;

/// How one attempt ended.
pub enum Attempt<T> {
    /// It is done.
    Done(T),
    /// Someone else changed what was read; read again.
    Lost,
}

impl<T> Attempt<T> {
    /// Makes something else of what was done.
    pub fn try_map<U>(self, make: impl FnOnce(T) -> Result<U, Error>) -> Result<Attempt<U>, Error> {
        match self {
            Self::Done(done) => make(done).map(Attempt::Done),
            Self::Lost => Ok(Attempt::Lost),
        }
    }
}

/// Runs `attempt` until it is done; each run reads afresh. Too many lost races are a `Conflict`.
pub async fn until_done<T, F>(app: &App, attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<Attempt<T>, Error>>,
{
    for round in 0..TRIES {
        match attempt().await? {
            Attempt::Done(done) => return Ok(done),
            Attempt::Lost => app.clock.sleep(backoff(round)).await,
        }
    }
    Err(Error::Conflict(
        "it is being changed by others; try again".to_owned(),
    ))
}

/// Words what stands in the way, of the item that does.
type Refusal = fn(Option<Item>) -> Error;

/// The writes of one change, and which of them says what when it stands in the way.
pub struct Change<'a> {
    app: &'a App,
    writes: Vec<TransactWriteItem>,
    guards: Vec<(usize, Refusal)>,
}

impl<'a> Change<'a> {
    /// Nothing yet.
    pub fn new(app: &'a App) -> Self {
        Self {
            app,
            writes: Vec::new(),
            guards: Vec::new(),
        }
    }

    /// Adds a write. If its condition fails, somebody else was faster.
    pub fn push(&mut self, write: TransactWriteItem) {
        self.writes.push(write);
    }

    /// Adds writes.
    pub fn extend(&mut self, writes: impl IntoIterator<Item = TransactWriteItem>) {
        self.writes.extend(writes);
    }

    /// Adds a write whose failed condition is no lost race but a refusal.
    pub fn push_guard(&mut self, write: TransactWriteItem, refusal: Refusal) {
        self.guards.push((self.writes.len(), refusal));
        self.push(write);
    }

    /// Writes all or nothing, without a record: what the vault does on its own.
    pub async fn write(self) -> Result<(), TransactError> {
        if self.writes.is_empty() {
            return Ok(());
        }
        self.app.table.transact(Uuid::new_v4(), self.writes).await
    }

    /// Writes all with the audit record of success, or nothing.
    pub async fn commit(
        mut self,
        trail: &Trail,
        status: u16,
        message: &str,
    ) -> Result<Attempt<()>, Error> {
        let guards = std::mem::take(&mut self.guards);
        match self.record(trail, status, message).await {
            Ok(()) => Ok(Attempt::Done(())),
            Err(error) => {
                for (position, refusal) in &guards {
                    if let Some(Cancelled::Condition(item)) = error.at(*position) {
                        return Err(refusal(item.clone()));
                    }
                }
                lost_or_failed(error)
            }
        }
    }

    /// As [`commit`](Self::commit), for whoever can do without what stands in the way: the error tells which it is.
    pub(crate) async fn record(
        mut self,
        trail: &Trail,
        status: u16,
        message: &str,
    ) -> Result<(), TransactError> {
        let record = trail.record(self.app.clock.now(), status, message, None);
        let record = self.app.table.write(&record, &Only::Always);
        self.writes.push(record.map_err(TransactError::Failed)?);
        self.write().await?;
        trail.mark_recorded();
        Ok(())
    }
}

/// Whether a transaction lost a race, or cannot be done.
pub(crate) fn lost_or_failed<T>(error: TransactError) -> Result<Attempt<T>, Error> {
    let TransactError::Cancelled(reasons) = &error else {
        return Err(error.into());
    };
    let known = |reason: &Cancelled| {
        matches!(
            reason,
            Cancelled::No | Cancelled::Condition(_) | Cancelled::Conflict
        )
    };
    match reasons.iter().find(|reason| !known(reason)) {
        None => Ok(Attempt::Lost),
        Some(Cancelled::Other(code))
            if code == "ThrottlingError" || code == "ProvisionedThroughputExceeded" =>
        {
            Ok(Attempt::Lost)
        }
        Some(_) => Err(error.into()),
    }
}
