//! What the path of a secrets request names: a secret, and what of it.

use uuid::Uuid;

use crate::{
    domain::path::{MAX_PATH, SecretPath},
    error::Error,
    http::{path::EdgePath, query::Query},
    secrets::locate::Target,
};

/// What comes after the secret in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the secret itself.
    None,
    /// `::description`
    Description,
    /// `::listpaths`
    ListPaths,
    /// `/version/{n}`
    Version(u64),
    /// `/rollback/{n}`
    RollBack(u64),
    /// `/restore`
    Restore,
}

/// What a request names, still as text.
#[derive(Debug, Clone)]
pub struct Named {
    text: String,
    /// What of it.
    pub tail: Tail,
}

/// Where secrets live.
const PREFIX: &str = "/v1/secrets";

impl Named {
    /// Splits a GET path: `::` suffixes and `/version/{n}`.
    pub fn to_read(path: &EdgePath) -> Self {
        let text = below(path);
        if let Some((before, suffix)) = text.rsplit_once("::") {
            let tail = match suffix {
                "description" => Some(Tail::Description),
                "listpaths" => Some(Tail::ListPaths),
                _ => None,
            };
            if let Some(tail) = tail {
                return Self {
                    text: before.to_owned(),
                    tail,
                };
            }
        }
        Self::numbered(text, "version", Tail::Version)
    }

    /// Splits a PUT path: `/rollback/{n}` and `/restore`.
    pub fn to_change(path: &EdgePath) -> Self {
        let text = below(path);
        match text.rsplit_once('/') {
            Some((before, "restore")) => Self {
                text: before.to_owned(),
                tail: Tail::Restore,
            },
            _ => Self::numbered(text, "rollback", Tail::RollBack),
        }
    }

    /// Takes a path as it is.
    pub fn whole(path: &EdgePath) -> Self {
        Self {
            text: below(path).to_owned(),
            tail: Tail::None,
        }
    }

    fn numbered(text: &str, word: &str, tail: impl Fn(u64) -> Tail) -> Self {
        let split = text.rsplit_once('/').and_then(|(before, number)| {
            let (before, found) = before.rsplit_once('/')?;
            let number = number
                .parse()
                .ok()
                .filter(|_| number.bytes().all(|b| b.is_ascii_digit()))?;
            (found == word).then_some((before, number))
        });
        match split {
            Some((before, number)) => Self {
                text: before.to_owned(),
                tail: tail(number),
            },
            None => Self {
                text: text.to_owned(),
                tail: Tail::None,
            },
        }
    }

    /// The secret: by `?id=`, by a path that is an id, or by path.
    pub fn target(&self, query: &Query) -> Result<Target, Error> {
        if let Some(id) = query.get("id") {
            return Uuid::parse_str(id)
                .map(Target::Id)
                .map_err(|_| Error::invalid("id", "must be a UUID"));
        }
        match Uuid::try_parse(&self.text) {
            Ok(id) if self.text.len() == 36 => Ok(Target::Id(id)),
            _ => self.text.parse().map(Target::Path),
        }
    }

    /// The path of something that does not exist yet.
    pub fn new_path(&self) -> Result<SecretPath, Error> {
        for suffix in ["::description", "::listpaths"] {
            if self.text.ends_with(suffix) {
                return Err(Error::invalid("path", format!("must not end in {suffix}")));
            }
        }
        let path: SecretPath = self.text.parse()?;
        path.creatable()?;
        Ok(path)
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

fn below(path: &EdgePath) -> &str {
    path.as_str()
        .strip_prefix(PREFIX)
        .unwrap_or_default()
        .trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path::RawPath;

    fn edge(path: &str) -> EdgePath {
        EdgePath::new(&RawPath::Decoded(format!("/v1/secrets/{path}"))).unwrap()
    }

    fn read(path: &str) -> (String, Tail) {
        let named = Named::to_read(&edge(path));
        (
            named.target(&Query::default()).unwrap().to_string(),
            named.tail,
        )
    }

    #[test]
    fn suffixes_are_split_off_the_last_segment() {
        assert_eq!(read("a/b"), ("a:b".into(), Tail::None));
        assert_eq!(read("a/b::description"), ("a:b".into(), Tail::Description));
        assert_eq!(read("a:b::description"), ("a:b".into(), Tail::Description));
        assert_eq!(read("a/b/version/3"), ("a:b".into(), Tail::Version(3)));
        assert_eq!(read("a/b/version/x"), ("a:b:version:x".into(), Tail::None));
        assert_eq!(
            read("a/restore"),
            ("a:restore".into(), Tail::None),
            "reading has no restore"
        );
    }

    #[test]
    fn changes_have_their_own_suffixes() {
        let change = |path: &str| {
            let named = Named::to_change(&edge(path));
            (
                named.target(&Query::default()).unwrap().to_string(),
                named.tail,
            )
        };
        assert_eq!(change("a/rollback/0"), ("a".into(), Tail::RollBack(0)));
        assert_eq!(change("a/restore"), ("a".into(), Tail::Restore));
        assert_eq!(change("a/version/3"), ("a:version:3".into(), Tail::None));
    }

    #[test]
    fn an_id_in_the_path_or_the_query_is_an_id() {
        let id = "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21";
        let by_path = Named::to_read(&edge(id)).target(&Query::default()).unwrap();
        let by_query = Named::to_read(&edge("x"))
            .target(&Query::parse(Some(&format!("id={id}"))).unwrap())
            .unwrap();
        assert_eq!(by_path, by_query);
        assert!(
            Named::to_read(&edge("x"))
                .target(&Query::parse(Some("id=7")).unwrap())
                .is_err()
        );
    }
}
