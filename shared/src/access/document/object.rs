//! `Object`: an object somebody wrote by hand, whose keys count whatever their case, and where it stands.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    domain::{json, yaml},
    error::Error,
};

/// The longest text of a document, in bytes.
pub(super) const MAX_TEXT: usize = 256 * 1024;
/// The longest string that is looked at, in bytes.
const MAX_STRING: usize = 1024;
/// The longest list of strings.
const MAX_STRINGS: usize = 128;

/// The fields of one object.
#[derive(Debug)]
pub struct Object {
    place: String,
    fields: BTreeMap<String, Value>,
}

impl Object {
    /// Reads the object that the caller's `field` holds as text, in the notation that `serialization` names: JSON
    /// unless it is `yaml` or `yml`.
    pub fn read(field: &str, text: &str, serialization: Option<&str>) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::invalid(
                field,
                format!("must be at most {MAX_TEXT} bytes long"),
            ));
        }
        let notation = serialization.unwrap_or_default().to_ascii_lowercase();
        let value = match notation.as_str() {
            "" | "json" => {
                json::check(field, text.as_bytes())?;
                serde_json::from_str(text)
                    .map_err(|error| Error::invalid(field, json::describe(&error)))?
            }
            "yaml" | "yml" => yaml::parse(field, text)?,
            _ => {
                return Err(Error::invalid("serialization", "must be json, yaml or yml"));
            }
        };
        Self::new(field.to_owned(), value)
    }

    /// The object `value`, which stands at `place`.
    pub(super) fn new(place: String, value: Value) -> Result<Self, Error> {
        let Value::Object(map) = value else {
            return Err(Error::invalid(place, "must be an object"));
        };
        let mut fields = BTreeMap::new();
        for (name, value) in map {
            if fields.insert(name.to_ascii_lowercase(), value).is_some() {
                return Err(Error::invalid(place, "has a key twice, in different case"));
            }
        }
        Ok(Self { place, fields })
    }

    /// Where its field `name` stands, for errors.
    pub fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    /// The value of a field; null is as good as absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .get(&name.to_ascii_lowercase())
            .filter(|value| !value.is_null())
    }

    /// Refuses fields other than `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Error> {
        if self
            .fields
            .keys()
            .all(|name| known.contains(&name.as_str()))
        {
            return Ok(());
        }
        let problem = format!("may have only the fields {}", known.join(", "));
        Err(Error::invalid(&self.place, problem))
    }

    /// The version it says it is of. Answers write a version as a string, people also write it as a number.
    pub fn version(&self) -> Result<Option<u64>, Error> {
        let number = match self.get("version") {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let wrong = || Error::invalid(self.place("version"), "must be a version number");
        number.map(Some).ok_or_else(wrong)
    }

    /// A string; empty if absent.
    pub(super) fn text(&self, name: &str) -> Result<&str, Error> {
        match self.get(name) {
            None => Ok(""),
            Some(value) => text(|| self.place(name), value),
        }
    }

    /// A list of strings, each with its place; empty if absent.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<(String, &str)>, Error> {
        let place = |at| format!("{}[{at}]", self.place(name));
        self.list(name, MAX_STRINGS)?
            .iter()
            .enumerate()
            .map(|(at, value)| Ok((place(at), text(|| place(at), value)?)))
            .collect()
    }

    /// A list of at most so many; empty if absent.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<&[Value], Error> {
        let wrong = |problem: String| Err(Error::invalid(self.place(name), problem));
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(values)) if values.len() <= most => Ok(values),
            Some(Value::Array(_)) => wrong(format!("must hold at most {most}")),
            Some(_) => wrong("must be a list".to_owned()),
        }
    }
}

fn text(place: impl Fn() -> String, value: &Value) -> Result<&str, Error> {
    match value {
        Value::String(text) if text.len() <= MAX_STRING => Ok(text),
        Value::String(_) => Err(Error::invalid(
            place(),
            format!("must be at most {MAX_STRING} bytes long"),
        )),
        _ => Err(Error::invalid(place(), "must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, serialization: Option<&str>) -> Result<Object, String> {
        Object::read("policy", text, serialization).map_err(|error| error.to_string())
    }

    #[test]
    fn json_is_the_notation_unless_yaml_is_named() {
        for notation in [None, Some(""), Some("json"), Some("JSON")] {
            assert!(read(r#"{"a":1}"#, notation).is_ok());
            assert!(read("a: 1", notation).unwrap_err().contains("is not JSON"));
        }
        for notation in ["yaml", "yml", "YAML"] {
            assert!(read("a: 1", Some(notation)).is_ok());
        }
        for notation in ["xml", "json ", "toml"] {
            assert_eq!(
                read("{}", Some(notation)).unwrap_err(),
                "serialization: must be json, yaml or yml"
            );
        }
    }

    #[test]
    fn both_notations_are_read_strictly() {
        for (text, notation) in [(r#"{"a":1,"a":2}"#, "json"), ("a: 1\na: 2", "yaml")] {
            assert!(
                read(text, Some(notation))
                    .unwrap_err()
                    .contains("a key twice")
            );
        }
        for notation in ["json", "yaml"] {
            let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
            assert!(
                read(&deep, Some(notation))
                    .unwrap_err()
                    .contains("nests deeper")
            );
        }
    }

    #[test]
    fn long_texts_are_refused_unread() {
        for notation in ["json", "yaml"] {
            let problem = read(&" ".repeat(MAX_TEXT + 1), Some(notation)).unwrap_err();
            assert_eq!(problem, "policy: must be at most 262144 bytes long");
        }
    }

    #[test]
    fn only_an_object_will_do() {
        for (text, notation) in [
            ("[]", "json"),
            ("null", "json"),
            ("", "yaml"),
            ("- a", "yaml"),
        ] {
            assert_eq!(
                read(text, Some(notation)).unwrap_err(),
                "policy: must be an object"
            );
        }
    }

    #[test]
    fn keys_count_in_any_case_and_only_once() {
        let object = read(r#"{"PermissionDocument":[],"x":null}"#, None).unwrap();
        assert!(object.get("permissionDocument").is_some());
        assert!(object.get("x").is_none(), "null is absent");
        assert!(
            read(r#"{"a":1,"A":2}"#, None)
                .unwrap_err()
                .contains("in different case")
        );
    }

    #[test]
    fn a_version_is_a_number_or_a_string_of_one() {
        let version = |text: &str| {
            let version = read(text, None).unwrap().version();
            version.map_err(|error| error.to_string())
        };
        assert_eq!(version(r#"{"version":"7"}"#), Ok(Some(7)));
        assert_eq!(version(r#"{"Version":7}"#), Ok(Some(7)));
        for text in ["{}", r#"{"version":null}"#, r#"{"version":""}"#] {
            assert_eq!(version(text), Ok(None));
        }
        for text in [
            r#"{"version":"x"}"#,
            r#"{"version":-1}"#,
            r#"{"version":[]}"#,
        ] {
            assert_eq!(
                version(text).unwrap_err(),
                "policy.version: must be a version number"
            );
        }
    }
}
