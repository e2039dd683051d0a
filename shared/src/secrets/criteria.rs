//! What a search asks for, read from its parameters.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{
    domain::path::{MAX_PATH, SecretPath},
    error::Error,
    http::query::Query,
    secrets::stored,
    store::schema::{BROWSE, Index, LINKS, RECENT, SecretSummary, links_prefix},
};

/// What a client gets when it does not ask for a number, and the most it may ask for.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 500;

/// A search, checked.
pub struct Criteria {
    /// The index to walk.
    pub index: Index,
    /// What its sort keys must begin with.
    pub prefix: String,
    /// Whether that is all of a sort key.
    pub whole: bool,
    /// Greatest first.
    pub descending: bool,
    /// As it was asked for; `""` if it was not.
    pub sort: &'static str,
    /// How many secrets a page shows.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// What a cursor is bound to.
    pub query: String,
    filter: Option<Filter>,
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

/// All parameters that decide what is found, and in which order.
const DECIDING: [&str; 6] = [
    "searchTerm",
    "search.field",
    "search.comparison",
    "search.type",
    "search.links",
    "sort",
];

impl Criteria {
    /// Reads and checks all parameters.
    pub fn read(query: &Query) -> Result<Self, Error> {
        let (sort, descending) = match query.get("sort") {
            None => ("", None),
            Some("asc") => ("asc", Some(false)),
            Some("desc") => ("desc", Some(true)),
            Some(_) => return Err(Error::invalid("sort", "must be asc or desc")),
        };
        let term = query.get("searchTerm");
        let links = query.flag("search.links")?;
        let filter = if links {
            None
        } else {
            Filter::read(query, term)?
        };
        // Linked secrets and beginnings of paths have an index in path order; all else is a walk by last change.
        let (index, prefix) = match (&filter, links) {
            (_, true) => (LINKS, links_prefix(&base(term)?)),
            (Some(filter), false) => match filter.path_prefix() {
                Some(prefix) => (BROWSE, prefix),
                None => (RECENT, String::new()),
            },
            (None, false) => (RECENT, String::new()),
        };
        let whole = index.name == BROWSE.name
            && (filter.as_ref()).is_some_and(|filter| filter.comparison == Comparison::Equal);
        let bound = DECIDING.map(|word| query.get(word).unwrap_or_default());
        Ok(Self {
            index,
            prefix,
            whole,
            descending: descending.unwrap_or(index.name == RECENT.name),
            sort,
            limit: query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?,
            cursor: query.get("cursor").map(str::to_owned),
            query: bound.join("\n"),
            filter,
        })
    }

    /// Whether a secret that the index holds is wanted.
    pub fn matches(&self, summary: &SecretSummary) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(summary))
    }
}

/// The base whose dynamic secrets are searched for.
fn base(term: Option<&str>) -> Result<SecretPath, Error> {
    let problem = "must be the path of a base secret with search.links";
    term.and_then(|term| term.parse().ok())
        .ok_or_else(|| Error::invalid("searchTerm", problem))
}

/// What to look for in paths: they have colons, and none at either end.
fn path_term(term: &str, comparison: Comparison) -> Result<String, Error> {
    let term = term.replace('/', ":");
    let term = match comparison {
        Comparison::Contains => term.as_str(),
        Comparison::Equal => term.trim_matches(':'),
        Comparison::BeginsWith => term.trim_start_matches(':'),
    };
    if term.len() > MAX_PATH {
        let problem = format!("must be at most {MAX_PATH} bytes long with search.field path");
        return Err(Error::invalid("searchTerm", problem));
    }
    Ok(term.to_owned())
}

impl Filter {
    /// What all matching paths begin with, if the filter says so.
    fn path_prefix(&self) -> Option<String> {
        match (&self.field, &self.term) {
            (Field::Path, Term::Text(text)) if self.comparison != Comparison::Contains => {
                Some(text.clone())
            }
            _ => None,
        }
    }

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
                Field::Path => path_term(term, comparison)?,
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
        let number = term.parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| {
            Error::invalid("searchTerm", "must be a number with search.type number")
        })?;
        Ok(Some(Self {
            field,
            comparison: Comparison::Equal,
            term: Term::Number(number),
        }))
    }

    fn matches(&self, summary: &SecretSummary) -> bool {
        let value = match &self.field {
            Field::Path => Some(Value::from(summary.path.as_str())),
            Field::Description => Some(Value::from(summary.description.as_str())),
            Field::Id => Some(Value::from(summary.id.to_string())),
            Field::Attribute(name) => stored::attributes(summary.attributes.as_deref())
                .ok()
                .flatten()
                .and_then(|attributes| attributes.lookup(name).cloned()),
        };
        match (&self.term, value) {
            (Term::Text(term), Some(Value::String(text))) => match self.comparison {
                Comparison::Contains => text.contains(term.as_str()),
                Comparison::Equal => text == *term,
                Comparison::BeginsWith => text.starts_with(term.as_str()),
            },
            (Term::Number(term), Some(Value::Number(number))) => number
                .as_f64()
                .is_some_and(|number| number.partial_cmp(term) == Some(Ordering::Equal)),
            _ => false,
        }
    }
}
