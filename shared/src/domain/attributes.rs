//! `Attributes`: what a secret says about itself in the clear. What to mint, and the bounds on it, are attributes.

use serde_json::{Map, Value};

use crate::{domain::path::SecretPath, error::Error};

/// The longest attributes, in bytes of JSON; the longest description too.
pub const MAX_ATTRIBUTES: usize = 32 * 1024;

/// A JSON object, kept in the clear but bound to the sealed data: edited in the table, the secret no longer opens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// Wraps a JSON object.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value under a dotted name: `linkConfig.linkType`. A key that itself holds the dots wins.
    pub fn lookup(&self, dotted: &str) -> Option<&Value> {
        if let Some(found) = self.0.get(dotted) {
            return Some(found);
        }
        let mut parts = dotted.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// The fields.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These attributes with the top-level keys of `newer` laid over them.
    #[must_use]
    pub fn merged(&self, newer: &Self) -> Self {
        let mut fields = self.0.clone();
        fields.extend(newer.0.clone());
        Self(fields)
    }

    /// Refuses more than [`MAX_ATTRIBUTES`].
    pub fn check_size(&self) -> Result<(), Error> {
        let length = serde_json::to_string(&self.0).map_or(usize::MAX, |text| text.len());
        if length > MAX_ATTRIBUTES {
            return Err(Error::invalid(
                "attributes",
                format!("must be at most {MAX_ATTRIBUTES} bytes of JSON"),
            ));
        }
        Ok(())
    }

    /// The word in `attributes.type`: on a base secret, its cloud.
    pub fn type_word(&self) -> Option<&str> {
        self.0.get("type").and_then(Value::as_str)
    }

    /// The base secret that `attributes.linkConfig` names. `None` if there is no link.
    pub fn link(&self) -> Result<Option<SecretPath>, Error> {
        let config = match self.0.get("linkConfig") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(config)) => config,
            Some(_) => return Err(Error::invalid("attributes.linkConfig", "must be an object")),
        };
        if config.get("linkType").and_then(Value::as_str) != Some("dynamic") {
            return Err(Error::invalid(
                "attributes.linkConfig.linkType",
                "must be \"dynamic\"",
            ));
        }
        let Some(Value::String(linked)) = config.get("linkedSecret") else {
            return Err(Error::invalid(
                "attributes.linkConfig.linkedSecret",
                "must be the path of a base secret",
            ));
        };
        let path = linked.parse::<SecretPath>().map_err(|error| match error {
            Error::Invalid { problem, .. } => {
                Error::invalid("attributes.linkConfig.linkedSecret", problem)
            }
            other => other,
        })?;
        Ok(Some(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attributes(value: &Value) -> Attributes {
        Attributes::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_link_is_read_with_slashes_or_colons() {
        for linked in ["aws/base", "aws:base"] {
            let found =
                attributes(&json!({"linkConfig": {"linkType": "dynamic", "linkedSecret": linked}}));
            assert_eq!(found.link().unwrap().unwrap().as_str(), "aws:base");
        }
        assert!(
            attributes(&json!({"linkConfig": null}))
                .link()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_bad_link_names_its_field() {
        for (config, field) in [
            (json!("x"), "attributes.linkConfig: "),
            (
                json!({"linkType": "static", "linkedSecret": "a"}),
                "attributes.linkConfig.linkType: ",
            ),
            (
                json!({"linkType": "dynamic"}),
                "attributes.linkConfig.linkedSecret: ",
            ),
            (
                json!({"linkType": "dynamic", "linkedSecret": 7}),
                "attributes.linkConfig.linkedSecret: ",
            ),
            (
                json!({"linkType": "dynamic", "linkedSecret": "a b"}),
                "attributes.linkConfig.linkedSecret: ",
            ),
        ] {
            let text = attributes(&json!({ "linkConfig": config }))
                .link()
                .unwrap_err()
                .to_string();
            assert!(text.starts_with(field), "{text}");
        }
    }

    #[test]
    fn dotted_names_reach_inside() {
        let found = attributes(&json!({"a": {"b": 1}, "a.c": 2}));
        assert_eq!(found.lookup("a.b"), Some(&json!(1)));
        assert_eq!(found.lookup("a.c"), Some(&json!(2)));
        assert_eq!(found.lookup("a.d"), None);
    }
}
