//! Request bodies: strict JSON objects whose top-level keys count whatever their case.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    domain::{attributes::Attributes, data::SecretData, json, sensitive::Sensitive},
    error::Error,
};

/// The longest body in bytes.
pub const MAX_BODY: usize = 512 * 1024;

/// The top-level fields of a JSON body. The DSV command line sends `Data` where others send `data`.
pub struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Reads a body that must be one JSON object.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        json::check("body", body)?;
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body)
            .map_err(|_| Error::invalid("body", "must be a JSON object"))?;
        let mut folded = BTreeMap::new();
        for (name, value) in fields {
            let name = name.to_lowercase();
            if folded.contains_key(&name) {
                return Err(Error::invalid("body", "has a key twice, in different case"));
            }
            folded.insert(name, value);
        }
        Ok(Self(folded))
    }

    /// `data`: an object, or nothing.
    pub fn data(&self) -> Result<Option<SecretData>, Error> {
        self.get("data", "must be an object")
    }

    /// `attributes`: an object, or nothing.
    pub fn attributes(&self) -> Result<Option<Attributes>, Error> {
        Ok(self
            .get("attributes", "must be an object")?
            .map(Attributes::new))
    }

    /// A string, or nothing.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        self.get(name, "must be a string")
    }

    /// A string that must not be printed, or nothing.
    pub fn secret(&self, name: &str) -> Result<Option<Sensitive>, Error> {
        Ok(self.text(name)?.map(Sensitive::new))
    }

    /// True or false; absent is false.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        Ok(self.get(name, "must be true or false")?.unwrap_or(false))
    }

    /// A list of strings, or nothing; null is nothing.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        self.get(name, "must be a list of strings")
    }

    /// A whole number from 0 to `max`; absent is 0.
    pub fn count(&self, name: &str, max: u64) -> Result<u64, Error> {
        let problem = format!("must be a whole number from 0 to {max}");
        let count = self.get(name, &problem)?.unwrap_or(0);
        if count > max {
            return Err(Error::invalid(name, problem));
        }
        Ok(count)
    }

    fn get<T: DeserializeOwned>(&self, name: &str, problem: &str) -> Result<Option<T>, Error> {
        match self.0.get(&name.to_lowercase()) {
            None => Ok(None),
            Some(value) => {
                serde_json::from_str(value.get()).map_err(|_| Error::invalid(name, problem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_level_keys_count_in_any_case() {
        let fields =
            Fields::parse(br#"{"Data":{"Key":1},"OVERWRITE":true,"description":null}"#).unwrap();
        assert!(fields.data().unwrap().is_some());
        assert!(fields.flag("overwrite").unwrap());
        assert!(fields.text("description").unwrap().is_none());
    }

    #[test]
    fn wrong_types_name_their_field() {
        let fields =
            Fields::parse(br#"{"data":[],"attributes":"x","description":7,"overwrite":"yes"}"#)
                .unwrap();
        let problem = |error: Error| error.to_string();
        assert!(problem(fields.data().unwrap_err()).starts_with("data: "));
        assert!(problem(fields.attributes().unwrap_err()).starts_with("attributes: "));
        assert!(problem(fields.text("description").unwrap_err()).starts_with("description: "));
        assert!(problem(fields.flag("overwrite").unwrap_err()).starts_with("overwrite: "));
    }

    #[test]
    fn only_one_json_object_is_a_body() {
        for body in [
            "",
            "[]",
            "7",
            "{",
            "{}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"A":2}"#,
        ] {
            let text = Fields::parse(body.as_bytes()).err().unwrap().to_string();
            assert!(text.starts_with("body: "), "{body}: {text}");
        }
    }
}
