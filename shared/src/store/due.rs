//! What is due: the partitions of the `due` index merged, so that what has waited longest comes first, whichever
//! partition it is in.

use futures_util::future::try_join_all;
use serde::{Deserialize, de::DeserializeOwned};
use time::OffsetDateTime;

use crate::{
    clock::unix_millis,
    error::Error,
    metrics,
    store::{
        schema::{DUE, Key, due_sort, shards_of},
        table::{Range, Table},
    },
};

/// How many records are looked up at a time.
const PAGE: usize = 100;

/// A walk through everything of one entity that was due when it began. It only ever goes on, so what stays due, because
/// it failed or cannot be read, does not keep it from what comes later.
pub struct Due<'a> {
    table: &'a Table,
    entity: &'a str,
    from: String,
    to: String,
    at_end: bool,
    began: i64,
    lag: Option<i64>,
}

/// One thing that is due; its record is an error if it cannot be read.
pub struct DueItem<T> {
    /// Where it is stored.
    pub key: Key,
    /// Since when it is due, in milliseconds since 1970.
    pub since: i64,
    /// What it says, read from the table itself.
    pub record: Result<T, Error>,
}

/// What the index answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    key: Key,
    due_sk: String,
}

impl<'a> Due<'a> {
    /// A walk through what `entity` has due at `now`.
    pub fn new(table: &'a Table, entity: &'a str, now: OffsetDateTime) -> Self {
        Self {
            table,
            entity,
            from: "0".to_owned(),
            to: format!("{}~", due_sort(unix_millis(now))),
            at_end: false,
            began: unix_millis(now),
            lag: None,
        }
    }

    /// Something that can be done has been due `since` then. What nobody can read is not late.
    pub fn was_late(&mut self, since: i64) {
        self.lag = self.lag.max(Some(self.began - since));
    }

    /// The next of them, or `None` at the end. The index may lag: what is gone by now is left out, so a page may be empty.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<DueItem<T>>>, Error> {
        if self.at_end {
            return Ok(None);
        }
        let (table, from, to) = (self.table, self.from.as_str(), self.to.as_str());
        let reads = shards_of(self.entity).map(|shard| async move {
            let range = Range {
                index: Some(DUE),
                partition: &shard,
                from,
                to,
                descending: false,
                limit: PAGE,
            };
            table.query::<Entry>(range).await
        });
        let mut entries: Vec<Entry> = try_join_all(reads).await?.into_iter().flatten().collect();
        self.lag = self.lag.or(Some(0));
        entries.sort_by(|a, b| a.due_sk.cmp(&b.due_sk));
        // No partition had a whole page, so this is all there is.
        self.at_end = entries.len() < PAGE;
        entries.truncate(PAGE);
        let Some(last) = entries.last() else {
            return Ok(None);
        };
        self.from = format!("{}\u{1}", last.due_sk);
        let keys = entries.iter().map(|entry| entry.key.clone());
        let items = table.batch_get(keys).await?;
        let due = entries.into_iter().filter_map(|Entry { key, due_sk }| {
            let record = items.record(&key).transpose()?;
            let since = due_sk.split('#').next().and_then(|at| at.parse().ok());
            let since = since.unwrap_or(self.began);
            Some(DueItem { key, since, record })
        });
        Ok(Some(due.collect()))
    }
}

/// A walk that found out what is due tells how late that was, however it ends.
impl Drop for Due<'_> {
    fn drop(&mut self) {
        if let Some(lag) = self.lag {
            metrics::worker_lag(lag);
        }
    }
}
