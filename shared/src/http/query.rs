//! Query parameters. An empty value is the same as none: the DSV command line always sends every parameter.

use std::collections::BTreeMap;

use crate::error::Error;

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a raw query string. A parameter that comes twice is a 400: which one counts would be a guess.
    pub fn parse(raw: Option<&str>) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(raw.unwrap_or_default())
            .map_err(|_| Error::invalid("query", "is not URL-encoded"))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(printable(&name), "may be given only once"));
            }
        }
        Ok(Self(parameters))
    }

    /// The value of `name`, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `true` or `false`; absent is `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(name, "must be true or false")),
        }
    }

    /// A whole number between 1 and `max`.
    pub fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, Error> {
        match self.get(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if (1..=max).contains(&number) => Ok(number),
            Some(_) => Err(Error::invalid(
                name,
                format!("must be a whole number from 1 to {max}"),
            )),
        }
    }
}

fn printable(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_absent() {
        let query = Query::parse(Some("limit=&force=&searchTerm=a%20b")).unwrap();
        assert_eq!(query.count("limit", 25, 500).unwrap(), 25);
        assert!(!query.flag("force").unwrap());
        assert_eq!(query.get("searchTerm"), Some("a b"));
    }

    #[test]
    fn wrong_values_name_their_parameter() {
        let query = Query::parse(Some("limit=0&force=yes")).unwrap();
        assert!(
            query
                .count("limit", 25, 500)
                .unwrap_err()
                .to_string()
                .starts_with("limit: ")
        );
        assert!(
            query
                .flag("force")
                .unwrap_err()
                .to_string()
                .starts_with("force: ")
        );
        assert!(
            Query::parse(Some("a=1&a=2"))
                .unwrap_err()
                .to_string()
                .starts_with("a: ")
        );
    }
}
