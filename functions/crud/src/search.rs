//! `GET /v1/secrets`

use http::StatusCode;
use mayfly::{
    access::{caller, policy::Action},
    app::App,
    domain::{path::SecretPath, secret::Description, sensitive::Sensitive},
    error::Error,
    http::{asked::Asked, query::Query, reply::Reply, wire},
    secrets::stored,
    store::{
        cursor::{self, Position},
        schema::{BROWSE, Index, LINKS, RECENT, SECRET, SecretSummary, links_prefix},
        search::{Walk, page},
    },
};
use serde_json::Value;

/// What a client gets when it does not ask for a number, and the most it may ask for.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 500;

/// Answers descriptions, never data. The right to list is global: it is asked on `secrets` as a whole.
pub(crate) async fn search(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let search = Search::read(&asked.query)?;
    let (caller, _) = caller::open(app, &asked.identity, []).await?;
    asked.trail.acted_by(&caller);
    caller.may(Action::List, "secrets")?;

    let who = &caller.principal;
    let position = match &search.cursor {
        Some(cursor) => Some(cursor::decode(&app.sealer, cursor, &search.query, who).await?),
        None => None,
    };
    let seen = position.as_ref().map_or(0, |position| position.seen);
    let walk = Walk {
        index: search.index,
        entity: SECRET,
        prefix: search.prefix.clone(),
        descending: search.descending,
        after: position.map(|position| position.last),
    };
    let page = page(
        &app.table,
        &walk,
        search.limit,
        |summary: &SecretSummary| search.matches(summary),
    )
    .await?;

    let shown = seen + page.found.len();
    let (cursor, total) = match page.next {
        Some(last) => {
            let position = Position { last, seen: shown };
            (
                cursor::encode(&app.sealer, &position, &search.query, who).await?,
                shown + 1,
            )
        }
        None => (String::new(), shown),
    };
    envelope(&page.found, &cursor, search.limit, search.sort, total)
}

/// `{"cursor","data","length","limit","sort","total"}`; `total` is exact on the last page, else what was seen plus one.
fn envelope(
    found: &[SecretSummary],
    cursor: &str,
    limit: usize,
    sort: &str,
    total: usize,
) -> Result<Reply, Error> {
    let mut items = Vec::with_capacity(found.len());
    for summary in found {
        items.push(wire::secret(&stored::describe_summary(summary)?, None)?);
    }
    #[expect(clippy::disallowed_methods, reason = "reply: descriptions, no data")]
    let items: Vec<&str> = items.iter().map(Sensitive::expose).collect();
    let body = format!(
        r#"{{"cursor":{},"data":[{}],"length":{},"limit":{limit},"sort":"{sort}","total":{total}}}"#,
        Value::from(cursor),
        items.join(","),
        found.len(),
    );
    Ok(Reply::secret(StatusCode::OK, Sensitive::new(body)))
}

/// A search, checked.
struct Search {
    index: Index,
    prefix: String,
    descending: bool,
    sort: &'static str,
    filter: Option<Filter>,
    limit: usize,
    cursor: Option<String>,
    /// What a cursor is bound to.
    query: String,
}

/// What a found secret must match.
struct Filter {
    field: Field,
    comparison: Comparison,
    term: Term,
}

enum Field {
    Path,
    Description,
    Id,
    Attribute(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Contains,
    Equal,
    BeginsWith,
}

enum Term {
    Text(String),
    Number(f64),
}

impl Search {
    fn read(query: &Query) -> Result<Self, Error> {
        let (sort, descending) = match query.get("sort") {
            None => ("", None),
            Some("asc") => ("asc", Some(false)),
            Some("desc") => ("desc", Some(true)),
            Some(_) => return Err(Error::invalid("sort", "must be asc or desc")),
        };
        let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
        let cursor = query.get("cursor").map(str::to_owned);
        let term = query.get("searchTerm");
        let links = query.flag("search.links")?;
        let filter = if links {
            None
        } else {
            Filter::read(query, term)?
        };

        // Linked secrets and beginnings of paths have an index in path order; all else is a walk by last change.
        let (index, prefix, descending) = match (&filter, term) {
            (None, Some(base)) if links => {
                let base: SecretPath = base.parse().map_err(|_| {
                    Error::invalid(
                        "searchTerm",
                        "must be the path of a base secret with search.links",
                    )
                })?;
                (LINKS, links_prefix(&base), descending.unwrap_or(false))
            }
            (_, None) if links => {
                return Err(Error::invalid(
                    "searchTerm",
                    "is required with search.links: the path of a base secret",
                ));
            }
            (
                Some(Filter {
                    field: Field::Path,
                    comparison,
                    term: Term::Text(text),
                }),
                _,
            ) if *comparison != Comparison::Contains => {
                (BROWSE, text.clone(), descending.unwrap_or(false))
            }
            _ => (RECENT, String::new(), descending.unwrap_or(true)),
        };
        let words = [
            "searchTerm",
            "search.field",
            "search.comparison",
            "search.type",
            "search.links",
            "sort",
        ];
        let bound: Vec<&str> = words
            .iter()
            .map(|word| query.get(word).unwrap_or_default())
            .collect();
        Ok(Self {
            index,
            prefix,
            descending,
            sort,
            filter,
            limit,
            cursor,
            query: bound.join("\n"),
        })
    }

    fn matches(&self, summary: &SecretSummary) -> bool {
        match (&self.filter, stored::describe_summary(summary)) {
            (None, _) => true,
            (Some(filter), Ok(description)) => filter.matches(&description),
            (Some(_), Err(_)) => false,
        }
    }
}

impl Filter {
    fn read(query: &Query, term: Option<&str>) -> Result<Option<Self>, Error> {
        let field = match query.get("search.field") {
            None | Some("path") => Field::Path,
            Some("description") => Field::Description,
            Some("id") => Field::Id,
            Some(name) => match name
                .strip_prefix("attributes.")
                .or_else(|| name.strip_prefix("attribute."))
            {
                Some(name) if !name.is_empty() => Field::Attribute(name.to_owned()),
                _ => {
                    let problem = "must be path, description, id or attributes.{name}";
                    return Err(Error::invalid("search.field", problem));
                }
            },
        };
        let comparison = match query.get("search.comparison") {
            None | Some("contains") => Comparison::Contains,
            Some("equal") => Comparison::Equal,
            Some("begins_with") => Comparison::BeginsWith,
            Some(_) => {
                return Err(Error::invalid(
                    "search.comparison",
                    "must be contains, equal or begins_with",
                ));
            }
        };
        let numeric = match query.get("search.type") {
            None | Some("string") => false,
            Some("number") => true,
            Some(_) => return Err(Error::invalid("search.type", "must be string or number")),
        };
        let Some(term) = term else { return Ok(None) };
        if !numeric {
            let text = match field {
                Field::Path => term.replace('/', ":").trim_matches(':').to_owned(),
                _ => term.to_owned(),
            };
            return Ok(Some(Self {
                field,
                comparison,
                term: Term::Text(text),
            }));
        }
        if query.get("search.comparison").is_some() && comparison != Comparison::Equal {
            return Err(Error::invalid(
                "search.comparison",
                "must be equal with search.type number",
            ));
        }
        let number = term.parse().map_err(|_| {
            Error::invalid("searchTerm", "must be a number with search.type number")
        })?;
        Ok(Some(Self {
            field,
            comparison: Comparison::Equal,
            term: Term::Number(number),
        }))
    }

    fn matches(&self, description: &Description) -> bool {
        let value = match &self.field {
            Field::Path => Some(Value::from(description.path.as_str())),
            Field::Description => Some(Value::from(description.description.as_str())),
            Field::Id => Some(Value::from(description.id.to_string())),
            Field::Attribute(name) => description
                .attributes
                .as_ref()
                .and_then(|attributes| attributes.lookup(name))
                .cloned(),
        };
        match (&self.term, value) {
            (Term::Text(term), Some(Value::String(text))) => match self.comparison {
                Comparison::Contains => text.contains(term.as_str()),
                Comparison::Equal => text == *term,
                Comparison::BeginsWith => text.starts_with(term.as_str()),
            },
            (Term::Number(term), Some(Value::Number(number))) => number
                .as_f64()
                .is_some_and(|number| number.total_cmp(term).is_eq()),
            _ => false,
        }
    }
}
