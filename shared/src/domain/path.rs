//! `SecretPath`: where a secret lives, parsed once, canonical for ever.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::error::Error;

/// The longest path, in bytes of its colon form.
pub const MAX_PATH: usize = 512;

/// Last segments that mean something in a URL and can therefore not be names.
const RESERVED_TAILS: [&str; 2] = ["version", "rollback"];

/// A secret's path in its canonical colon form: `servers:us-east:db`.
///
/// Slashes and colons both separate on the way in, and empty segments collapse, so `/servers//us-east/db` is the same
/// path. Case matters. Characters are those the DSV command line accepts: letters, digits and `@ + . _ -`; each
/// segment holds a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(String);

impl SecretPath {
    /// The canonical colon form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses what cannot name a new secret: what looks like an id, and what ends in a tail that URLs use.
    pub fn creatable(&self) -> Result<(), Error> {
        if !self.0.contains(':') && Uuid::parse_str(&self.0).is_ok() {
            return Err(Error::invalid("path", "must not look like an id"));
        }
        refuse_reserved_tail(&self.0)
    }
}

/// Refuses a canonical path that ends in a tail that URLs use.
pub(super) fn refuse_reserved_tail(path: &str) -> Result<(), Error> {
    let segments: Vec<&str> = path.split(':').collect();
    let reserved = match segments.as_slice() {
        [.., tail] if *tail == "restore" => Some("restore"),
        [.., word, number] if is_count(number) => {
            RESERVED_TAILS.into_iter().find(|tail| tail == word)
        }
        _ => None,
    };
    match reserved {
        Some("restore") => Err(Error::invalid("path", "must not end in /restore")),
        Some(word) => Err(Error::invalid(
            "path",
            format!("must not end in /{word}/{{number}}"),
        )),
        None => Ok(()),
    }
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for SecretPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let segments: Vec<&str> = text
            .split(['/', ':'])
            .filter(|segment| !segment.is_empty())
            .collect();
        if segments.is_empty() {
            return Err(Error::invalid("path", "must not be empty"));
        }
        for segment in &segments {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"@+._-".contains(&b);
            if !segment.bytes().all(allowed) {
                return Err(Error::invalid(
                    "path",
                    "may hold only letters, digits and : / @ + . _ -",
                ));
            }
            if !segment.bytes().any(|b| b.is_ascii_alphanumeric()) {
                return Err(Error::invalid(
                    "path",
                    "each segment must hold a letter or a digit",
                ));
            }
        }
        let path = segments.join(":");
        if path.len() > MAX_PATH {
            return Err(Error::invalid(
                "path",
                format!("must be at most {MAX_PATH} bytes long"),
            ));
        }
        Ok(Self(path))
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for SecretPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SecretPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> Result<String, String> {
        text.parse::<SecretPath>()
            .map(|p| p.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn slashes_and_colons_name_the_same_secret() {
        for text in ["a/b/c", "a:b:c", "/a//b/c/", "a:b/c"] {
            assert_eq!(path(text).unwrap(), "a:b:c", "{text}");
        }
    }

    #[test]
    fn case_matters() {
        assert_ne!(path("A").unwrap(), path("a").unwrap());
    }

    #[test]
    fn other_characters_are_refused_by_name() {
        for text in ["a b", "a%2Fb", "ä", "a?b", "a#b", "a\\b", "a\nb", "a*b"] {
            assert!(path(text).unwrap_err().contains("may hold only"), "{text}");
        }
    }

    #[test]
    fn segments_without_letter_or_digit_are_refused() {
        for text in ["..", "a/../b", ".", "a/@", "-/-"] {
            assert!(
                path(text).unwrap_err().contains("letter or a digit"),
                "{text}"
            );
        }
        assert!(path("///").unwrap_err().contains("empty"));
    }

    #[test]
    fn length_is_bounded() {
        assert!(path(&"a".repeat(MAX_PATH)).is_ok());
        assert!(path(&"a".repeat(MAX_PATH + 1)).unwrap_err().contains("512"));
    }

    #[test]
    fn ids_and_reserved_tails_cannot_be_created() {
        let refused = |text: &str| text.parse::<SecretPath>().unwrap().creatable().is_err();
        assert!(refused("6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21"));
        assert!(refused("a/version/3"));
        assert!(refused("a/rollback/0"));
        assert!(refused("a/restore"));
        assert!(!refused("a/version"));
        assert!(!refused("a/version/x3"));
        assert!(!refused("a/restored"));
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "[a-zA-Z0-9@+._:/-]{1,60}") {
            if let Ok(first) = text.parse::<SecretPath>() {
                prop_assert_eq!(first.as_str().parse::<SecretPath>().unwrap(), first);
            }
        }
    }
}
