//! What the path of a secrets request names: a secret, and what of it.

use uuid::Uuid;

use crate::{
    domain::{
        location,
        path::{MAX_PATH, SecretPath},
        principal::Principal,
    },
    error::Error,
    http::{path::EdgePath, query::Query},
    secrets::locate::{Name, Target},
};

/// What comes after the secret in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the secret itself.
    None,
    /// Nothing, and no secret either: all of a home.
    Search,
    /// `::description`
    Description,
    /// `::listpaths`
    ListPaths,
    /// `::check`
    Check,
    /// `/version/{n}`
    Version(u64),
    /// `/rollback/{n}`
    RollBack(u64),
    /// `/restore`
    Restore,
}

/// What a request names, the secret still as text.
#[derive(Debug, Clone)]
pub struct Named {
    /// Whose home it is in; `None` among the vault's secrets.
    pub owner: Option<Principal>,
    text: String,
    /// What of it.
    pub tail: Tail,
}

/// Where the vault's secrets live.
const SECRETS: &str = "/v1/secrets";
/// Where homes are.
const HOMES: &str = "/v1/home/";

impl Named {
    /// Splits a GET path: `::` suffixes and `/version/{n}`. A home as a whole is there to be searched.
    pub fn to_read(path: &EdgePath) -> Result<Self, Error> {
        let (owner, text) = below(path)?;
        if owner.is_some() && text.is_empty() {
            return Ok(Self::new(owner, text, Tail::Search));
        }
        let (before, tail) = match text.rsplit_once("::") {
            Some((before, "description")) => (before, Tail::Description),
            Some((before, "listpaths")) => (before, Tail::ListPaths),
            Some((before, "check")) => (before, Tail::Check),
            _ => numbered(text, "version", Tail::Version),
        };
        Ok(Self::new(owner, before, tail))
    }

    /// Splits a PUT path: `/rollback/{n}` and `/restore`.
    pub fn to_change(path: &EdgePath) -> Result<Self, Error> {
        let (owner, text) = below(path)?;
        let (before, tail) = match text.rsplit_once('/') {
            Some((before, "restore")) => (before, Tail::Restore),
            _ => numbered(text, "rollback", Tail::RollBack),
        };
        Ok(Self::new(owner, before, tail))
    }

    /// Takes a path as it is.
    pub fn whole(path: &EdgePath) -> Result<Self, Error> {
        let (owner, text) = below(path)?;
        Ok(Self::new(owner, text, Tail::None))
    }

    fn new(owner: Option<Principal>, text: &str, tail: Tail) -> Self {
        Self {
            owner,
            text: text.to_owned(),
            tail,
        }
    }

    /// The secret: by `?id=`, by a path that is an id, or by path.
    pub fn target(&self, query: &Query) -> Result<Target, Error> {
        let name = if let Some(id) = query.get("id") {
            Uuid::parse_str(id)
                .map(Name::Id)
                .map_err(|_| Error::invalid("id", "must be a UUID"))?
        } else {
            match Uuid::try_parse(&self.text) {
                Ok(id) if self.text.len() == 36 => Name::Id(id),
                _ => Name::Path(self.text.parse()?),
            }
        };
        Ok(self.named(name))
    }

    /// A secret that does not exist yet.
    pub fn new_target(&self) -> Result<Target, Error> {
        for suffix in ["::description", "::listpaths", "::check"] {
            if self.text.ends_with(suffix) {
                return Err(Error::invalid("path", format!("must not end in {suffix}")));
            }
        }
        let path: SecretPath = self.text.parse()?;
        path.creatable()?;
        Ok(self.named(Name::Path(path)))
    }

    fn named(&self, name: Name) -> Target {
        Target {
            owner: self.owner.clone(),
            name,
        }
    }

    /// The beginning of paths, in colon form; may be empty.
    pub fn path_prefix(&self) -> Result<String, Error> {
        let prefix = self.text.replace('/', ":");
        let prefix = prefix.trim_start_matches(':');
        if prefix.len() > MAX_PATH {
            let problem = format!("must be at most {MAX_PATH} bytes long");
            return Err(Error::invalid("path", problem));
        }
        Ok(prefix.to_owned())
    }
}

/// Whose home the path is in, and what follows.
fn below(path: &EdgePath) -> Result<(Option<Principal>, &str), Error> {
    let path = path.as_str();
    let Some(rest) = path.strip_prefix(HOMES) else {
        let text = path.strip_prefix(SECRETS).unwrap_or_default();
        return Ok((None, text.trim_start_matches('/')));
    };
    // A suffix may be glued to the owner: `users:bob::listpaths`.
    let end = rest.find('/').or_else(|| rest.find("::"));
    let (owner, text) = rest.split_at(end.unwrap_or(rest.len()));
    let owner = location::owner(owner)?;
    Ok((Some(owner), text.trim_start_matches('/')))
}

fn numbered<'a>(text: &'a str, word: &str, tail: impl Fn(u64) -> Tail) -> (&'a str, Tail) {
    let split = text.rsplit_once('/').and_then(|(before, number)| {
        let (before, found) = before.rsplit_once('/')?;
        let number = number
            .parse()
            .ok()
            .filter(|_| number.bytes().all(|b| b.is_ascii_digit()))?;
        (found == word).then_some((before, tail(number)))
    });
    split.unwrap_or((text, Tail::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path::RawPath;

    fn edge(path: &str) -> EdgePath {
        EdgePath::new(&RawPath::Decoded(format!("/v1/{path}"))).unwrap()
    }

    fn read(path: &str) -> (String, Tail) {
        let named = Named::to_read(&edge(path)).unwrap();
        let target = named.target(&Query::default()).unwrap();
        (target.resource(), named.tail)
    }

    fn change(path: &str) -> (String, Tail) {
        let named = Named::to_change(&edge(path)).unwrap();
        let target = named.target(&Query::default()).unwrap();
        (target.resource(), named.tail)
    }

    #[test]
    fn suffixes_are_split_off_the_last_segment() {
        for (base, all) in [
            ("secrets", "secrets"),
            ("home/users:bob", "home:users:bob"),
            ("home/Users:Bob/", "home:users:bob"),
        ] {
            for (path, name, tail) in [
                ("a/b", "a:b", Tail::None),
                ("a/b::description", "a:b", Tail::Description),
                ("a:b::description", "a:b", Tail::Description),
                ("a/b/version/3", "a:b", Tail::Version(3)),
                ("a/b/version/x", "a:b:version:x", Tail::None),
                // Reading has no restore.
                ("a/restore", "a:restore", Tail::None),
            ] {
                let expected = (format!("{all}:{name}"), tail);
                assert_eq!(read(&format!("{base}/{path}")), expected);
            }
        }
    }

    #[test]
    fn changes_have_their_own_suffixes() {
        for (base, all) in [("secrets", "secrets"), ("home/roles:x", "home:roles:x")] {
            for (path, name, tail) in [
                ("a/rollback/0", "a", Tail::RollBack(0)),
                ("a/restore", "a", Tail::Restore),
                ("a/version/3", "a:version:3", Tail::None),
            ] {
                let expected = (format!("{all}:{name}"), tail);
                assert_eq!(change(&format!("{base}/{path}")), expected);
            }
        }
    }

    #[test]
    fn a_home_as_a_whole_is_searched_or_listed() {
        for (path, tail) in [
            ("home/users:bob", Tail::Search),
            ("home/users:bob/", Tail::Search),
            ("home/users:bob::listpaths", Tail::ListPaths),
            ("home/users:bob/::listpaths", Tail::ListPaths),
        ] {
            let named = Named::to_read(&edge(path)).unwrap();
            assert_eq!(named.tail, tail, "{path}");
            assert_eq!(named.path_prefix().unwrap(), "", "{path}");
            assert_eq!(named.owner.unwrap().as_str(), "users:bob", "{path}");
        }
    }

    #[test]
    fn a_home_begins_with_its_owner() {
        for path in [
            "home/bob/a",
            "home/a",
            "home/groups:x/a",
            "home/users:a:b:c/d",
        ] {
            for named in [Named::to_read, Named::to_change, Named::whole] {
                let error = named(&edge(path)).unwrap_err().to_string();
                assert!(error.starts_with("path: "), "{path}: {error}");
            }
        }
    }

    #[test]
    fn an_id_in_the_path_or_the_query_is_an_id() {
        let id = "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21";
        let target = |path: &str, query: &str| {
            let query = Query::parse(Some(query)).unwrap();
            Named::to_read(&edge(path)).unwrap().target(&query)
        };
        for base in ["secrets", "home/users:bob"] {
            let by_path = target(&format!("{base}/{id}"), "").unwrap();
            let by_query = target(&format!("{base}/x"), &format!("id={id}")).unwrap();
            assert_eq!(by_path, by_query);
            assert!(target(&format!("{base}/x"), "id=7").is_err());
        }
    }
}
