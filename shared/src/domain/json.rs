//! Strict JSON: what a lenient parser would quietly accept, refused before anything is built from it.

use std::{collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::Error;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 32;

/// Checks that `text` is one JSON value without duplicate keys, nested at most [`MAX_DEPTH`] deep.
///
/// `field` is what the caller calls this text. The value itself is never echoed: it may hold a secret.
pub fn check(field: &str, text: &[u8]) -> Result<(), Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Strict::default()
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| Error::invalid(field, describe(&error)))
}

/// `serde_json`'s own sentence without what it may quote of the input.
pub fn describe(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let ours = [DUPLICATE, TOO_DEEP]
        .into_iter()
        .find(|ours| text.starts_with(ours));
    match (ours, error.classify()) {
        (Some(ours), _) => format!("{ours} at {place}"),
        (None, serde_json::error::Category::Eof) => "is not JSON: it ends too early".to_owned(),
        (None, _) => format!("is not JSON at {place}"),
    }
}

pub(super) const DUPLICATE: &str = "has a key twice in one object";
pub(super) const TOO_DEEP: &str = "nests deeper than 32";

/// Walks through a value and keeps nothing of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            Err(E::custom(TOO_DEEP))
        } else {
            Ok(Self {
                depth: self.depth + 1,
            })
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key) {
                return Err(de::Error::custom(DUPLICATE));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        check("body", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn ordinary_json_passes() {
        for text in [
            "{}",
            r#"{"a":[1,-2,3.5,null,true,"x"],"b":{"a":1}}"#,
            "12345678901234567890123",
        ] {
            check("body", text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_key_twice_is_refused_at_any_depth() {
        assert!(problem(r#"{"a":1,"a":2}"#).contains("a key twice"));
        assert!(problem(r#"{"b":[{"a":1,"a":2}]}"#).contains("a key twice"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        check("body", nested(MAX_DEPTH).as_bytes()).unwrap();
        assert!(problem(&nested(MAX_DEPTH + 1)).contains("nests deeper than 32"));
    }

    #[test]
    fn the_message_never_quotes_the_input() {
        for text in [
            r#"{"data": hunter2}"#,
            r#"{"data":"hunter2"} hunter2"#,
            r#"{"data":"hunter2"#,
        ] {
            assert!(!problem(text).contains("hunter2"), "{}", problem(text));
        }
    }
}
