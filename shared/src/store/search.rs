//! Searching an index: partitions merged in order, a page at a time.

use std::cmp::Ordering;

use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;

use crate::{
    error::Error,
    store::{
        schema::{Index, Key, shards_of},
        table::{Item, Range, Table, decode},
    },
};

/// How many index items one page may look at before it answers what it has.
pub const MAX_EXAMINED: usize = 2_000;

/// How many bytes of records one page may hold: an answer of Lambda is at most 6 MB.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A record that knows about how many bytes it adds to an answer.
pub trait Weighed {
    /// Bytes.
    fn weight(&self) -> usize;
}

impl Weighed for Key {
    fn weight(&self) -> usize {
        self.pk.len() + self.sk.len()
    }
}

/// What to walk through.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    /// The index.
    pub index: Index,
    /// The entity whose partitions are merged.
    pub entity: &'a str,
    /// What every sort key begins with.
    pub prefix: String,
    /// Whether `prefix` is the whole key.
    pub whole: bool,
    /// Greatest first.
    pub descending: bool,
    /// The last sort key of the page before.
    pub after: Option<String>,
}

/// A page of a search.
#[derive(Debug)]
pub struct Page<T> {
    /// What matched.
    pub found: Vec<T>,
    /// The last sort key looked at, if there may be more.
    pub next: Option<String>,
}

/// Walks on until `limit` items match, [`MAX_EXAMINED`] were looked at, [`MAX_BYTES`] are found, or the end. A page may hold fewer than `limit`
/// items, even none, and still have a next one.
pub async fn page<T: DeserializeOwned + Weighed>(
    table: &Table,
    walk: &Walk<'_>,
    limit: usize,
    matches: impl Fn(&T) -> bool,
) -> Result<Page<T>, Error> {
    let mut page = Page {
        found: Vec::new(),
        next: None,
    };
    let mut after = walk.after.clone();
    let (mut examined, mut bytes) = (0, 0);
    loop {
        // One more than wanted tells whether there is a next page.
        let batch = limit.saturating_add(1).clamp(25, 250);
        let merged = merged(table, walk, after.as_deref(), batch).await?;
        let at_end = merged.len() < batch;
        for (sort, item) in merged {
            if page.found.len() == limit || examined == MAX_EXAMINED || bytes > MAX_BYTES {
                page.next = after;
                return Ok(page);
            }
            examined += 1;
            after = Some(sort);
            let record: T = decode(item)?;
            if matches(&record) {
                bytes += record.weight();
                page.found.push(record);
            }
        }
        if at_end {
            return Ok(page);
        }
    }
}

/// The next `count` items of all partitions in order.
async fn merged(
    table: &Table,
    walk: &Walk<'_>,
    after: Option<&str>,
    count: usize,
) -> Result<Vec<(String, Item)>, Error> {
    let (from, to) = bounds(walk, after);
    let reads = shards_of(walk.entity).map(|shard| {
        let (from, to) = (from.clone(), to.clone());
        async move {
            let range = Range {
                index: Some(walk.index),
                partition: &shard,
                from: &from,
                to: &to,
                descending: walk.descending,
                limit: count,
            };
            table.query_items(range).await
        }
    });
    let mut all = Vec::new();
    for item in try_join_all(reads).await?.into_iter().flatten() {
        let sort = item
            .get(walk.index.sk)
            .and_then(|value| value.as_s().ok())
            .cloned();
        all.push((
            sort.ok_or_else(|| Error::internal("an index item without its key"))?,
            item,
        ));
    }
    all.sort_by(|(a, _), (b, _)| if walk.descending { b.cmp(a) } else { a.cmp(b) });
    all.truncate(count);
    Ok(all)
}

/// The sort keys still to come, both ends included. Sort keys are ASCII, so `\u{1}` makes the very next one and
/// `\u{7f}` is beyond all of them.
fn bounds(walk: &Walk<'_>, after: Option<&str>) -> (String, String) {
    let mut from = walk.prefix.clone();
    let mut to = if walk.whole {
        walk.prefix.clone()
    } else {
        format!("{}\u{7f}", walk.prefix)
    };
    match (after, walk.descending) {
        (None, _) => {}
        (Some(after), false) => from = format!("{after}\u{1}"),
        (Some(after), true) => to = just_before(after),
    }
    for end in [&mut from, &mut to] {
        if end.is_empty() {
            "\u{1}".clone_into(end); // DynamoDB takes no empty key
        }
    }
    if from.cmp(&to) == Ordering::Greater {
        (to.clone(), to)
    } else {
        (from, to)
    }
}

/// A string that is less than `text` and not less than any other sort key less than `text`: sort keys share one
/// length, or end in what makes them unique, so the last character can step down.
fn just_before(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_sub(1);
    }
    let mut before = String::from_utf8(bytes).unwrap_or_default();
    before.push('\u{7f}');
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::{BROWSE, SECRET};

    fn walk(prefix: &str, descending: bool) -> Walk<'static> {
        Walk {
            index: BROWSE,
            entity: SECRET,
            prefix: prefix.to_owned(),
            whole: false,
            descending,
            after: None,
        }
    }

    #[test]
    fn bounds_hold_the_prefix_and_go_on_after_the_last() {
        assert_eq!(
            bounds(&walk("a:", false), None),
            ("a:".into(), "a:\u{7f}".into())
        );
        let (from, _) = bounds(&walk("a:", false), Some("a:b"));
        assert!(from.as_str() > "a:b" && from.as_str() < "a:b+");
        let (_, to) = bounds(&walk("", true), Some("0005#b"));
        assert!(to.as_str() < "0005#b" && to.as_str() > "0005#a" && to.as_str() > "0005#azzz");
    }
}
