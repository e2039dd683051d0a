//! Searching heads: by name, a page at a time.

use http::StatusCode;
use mayfly::{
    access::{heads, policy::Action},
    app::App,
    error::Error,
    http::{asked::Asked, query::Query, reply::Reply},
    seal::Purpose,
    store::{
        cursor::{self, Position},
        schema::{BROWSE, CREATED, Head, HeadSummary, Index, Key, RECENT},
        search::{Page, Walk, page},
        table::Items,
    },
};
use serde_json::{Value, json};

use crate::{
    thing::{Thing, wire},
    write::open,
};

/// What a client gets when it does not ask for a number, and the most it may ask for.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 500;
/// How many heads one round trip reads.
const BATCH: usize = 100;

/// A search, checked.
pub(crate) struct Criteria {
    index: Index,
    descending: bool,
    sort: &'static str,
    term: String,
    prefix: String,
    limit: usize,
    cursor: Option<String>,
    query: String,
}

impl Criteria {
    /// Reads the parameters that all lists have.
    pub(crate) fn read<T: Thing>(query: &Query) -> Result<Self, Error> {
        let (sort, descending) = match query.get("sort") {
            None => ("", None),
            Some("asc") => ("asc", Some(false)),
            Some("desc") => ("desc", Some(true)),
            Some(_) => return Err(Error::invalid("sort", "must be asc or desc")),
        };
        let index = match query.get("sortedBy") {
            None | Some("lastModified") => RECENT,
            Some("created") => CREATED,
            Some("name") => BROWSE,
            Some(_) => {
                return Err(Error::invalid(
                    "sortedBy",
                    "must be name, created or lastModified",
                ));
            }
        };
        let of = |name| query.get(name).unwrap_or_default();
        Ok(Self {
            descending: descending.unwrap_or(index.name != BROWSE.name),
            index,
            sort,
            term: T::folded(of("searchTerm")),
            prefix: String::new(),
            limit: query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?,
            cursor: query.get("cursor").map(str::to_owned),
            query: format!(
                "{} {:?} {:?} {:?}",
                T::ENTITY,
                of("searchTerm"),
                of("sortedBy"),
                sort
            ),
        })
    }

    /// Only what [`BROWSE`] sorts under `prefix`.
    pub(crate) fn under(mut self, prefix: String) -> Self {
        self.query.push_str(&prefix);
        self.index = BROWSE;
        self.prefix = prefix;
        self
    }
}

/// `GET /v1/{things}`: the right to list is global; it is asked on the things as a whole.
pub(crate) async fn search<T: Thing>(
    app: &App,
    asked: &Asked,
    criteria: Criteria,
) -> Result<Reply, Error> {
    let opened = open(app, asked, []).await?;
    opened.caller.may(Action::List, T::RESOURCE)?;
    let who = &opened.caller.principal;
    let position = match &criteria.cursor {
        Some(text) => {
            let purpose = Purpose::Verifier;
            Some(cursor::decode(&app.sealer, purpose, text, &criteria.query, who).await?)
        }
        None => None,
    };
    let seen = position.as_ref().map_or(0, |position| position.seen);
    let found = look::<T>(app, &criteria, position).await?;
    let heads = read_all::<T>(app, found.found).await?;
    let shown = seen + heads.len();
    let (cursor, total) = match found.next {
        Some(last) => {
            let position = Position { last, seen: shown };
            let purpose = Purpose::Verifier;
            let next = cursor::encode(&app.sealer, purpose, &position, &criteria.query, who);
            (next.await?, shown + 1)
        }
        None => (String::new(), shown),
    };
    let rules = opened.caller.rules();
    let data: Vec<Value> = heads.iter().map(|head| wire(app, head, rules)).collect();
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "cursor": cursor, "length": data.len(), "limit": criteria.limit, "sort": criteria.sort,
            "total": total, "data": data,
        }),
    ))
}

async fn look<T: Thing>(
    app: &App,
    criteria: &Criteria,
    position: Option<Position>,
) -> Result<Page<HeadSummary>, Error> {
    let walk = Walk {
        index: criteria.index,
        entity: T::ENTITY,
        prefix: criteria.prefix.clone(),
        whole: false,
        descending: criteria.descending,
        after: position.map(|position| position.last),
    };
    let matches = |summary: &HeadSummary| T::folded(&summary.name).contains(&criteria.term);
    page(&app.table, &walk, criteria.limit, matches).await
}

/// The heads that were found, as they are now; an index may lag behind.
async fn read_all<T: Thing>(app: &App, found: Vec<HeadSummary>) -> Result<Vec<Head<T>>, Error> {
    let keys: Vec<Key> = found.into_iter().map(|summary| summary.key).collect();
    let mut items = Items::default();
    for batch in keys.chunks(BATCH) {
        items.extend(app.table.batch_get(batch.iter().cloned()).await?);
    }
    let mut all = Vec::with_capacity(keys.len());
    for key in &keys {
        let head: Option<Head<T>> = items.record(key)?;
        all.extend(head.filter(|head| head.deleted_at.is_none()));
    }
    let now = app.clock.now();
    all.retain(|head| !heads::is_over(head, now));
    Ok(all)
}
