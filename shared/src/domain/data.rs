//! `SecretData`: the JSON object a secret keeps, always sealed at rest.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{domain::sensitive::Sensitive, error::Error};

/// The longest data of an ordinary secret, in bytes of JSON.
pub const MAX_DATA: usize = 256 * 1024;
/// The longest data of a base secret, in bytes of JSON: it is read on every mint.
pub const MAX_BASE_DATA: usize = 16 * 1024;

/// A JSON object whose values stay exactly as they were sent: numbers keep every digit.
#[derive(Debug, Clone)]
pub struct SecretData(Sensitive);

type Fields = BTreeMap<String, Box<RawValue>>;

impl SecretData {
    /// `{}`.
    pub fn empty() -> Self {
        Self(Sensitive::new("{}".to_owned()))
    }

    /// Takes over the text of a JSON object, as the store kept it.
    pub fn from_stored(text: Sensitive) -> Self {
        Self(text)
    }

    /// The object as JSON text.
    pub fn text(&self) -> &Sensitive {
        &self.0
    }

    /// Whether the object has no key.
    pub fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }

    /// This object with the top-level keys of `newer` laid over it. Nested values are replaced whole.
    #[must_use]
    pub fn merged(&self, newer: &Self) -> Self {
        let mut fields = self.fields();
        fields.extend(newer.fields());
        Self::from_fields(&fields)
    }

    /// Whether there is anything under `key`, `null` included.
    pub fn has(&self, key: &str) -> bool {
        self.fields().contains_key(key)
    }

    /// The string under `key`; `None` if it is absent or no string.
    pub fn string(&self, key: &str) -> Option<Sensitive> {
        let text: String = serde_json::from_str(self.fields().get(key)?.get()).ok()?;
        Some(Sensitive::new(text))
    }

    /// Refuses more than `limit` bytes.
    pub fn check_size(&self, limit: usize) -> Result<(), Error> {
        if self.0.len() > limit {
            return Err(Error::invalid(
                "data",
                format!("must be at most {limit} bytes of JSON"),
            ));
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "store: parsed to merge or to read one credential field"
    )]
    fn fields(&self) -> Fields {
        serde_json::from_str(self.0.expose()).unwrap_or_default()
    }

    fn from_fields(fields: &Fields) -> Self {
        Self(Sensitive::new(
            serde_json::to_string(fields).unwrap_or_else(|_| "{}".to_owned()),
        ))
    }
}

impl<'de> Deserialize<'de> for SecretData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer).map(|fields| Self::from_fields(&fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test looks at what it put in")]
    fn shown(data: &SecretData) -> String {
        data.text().expose().to_owned()
    }

    fn data(text: &str) -> SecretData {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn merging_lays_top_level_keys_over() {
        let merged =
            data(r#"{"a":1,"n":{"x":1,"y":2}}"#).merged(&data(r#"{"b":null,"n":{"x":9}}"#));
        assert_eq!(shown(&merged), r#"{"a":1,"b":null,"n":{"x":9}}"#);
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(
            shown(&data(r#"{"n": 12345678901234567890.10}"#)),
            r#"{"n":12345678901234567890.10}"#
        );
    }

    #[test]
    fn only_an_object_is_data() {
        assert!(serde_json::from_str::<SecretData>("[1]").is_err());
    }
}
