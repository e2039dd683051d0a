//! `PolicyPath`: what a policy is about and is called by, parsed once, canonical for ever.

use std::{fmt, str::FromStr};

use crate::{
    domain::path::{MAX_PATH, refuse_reserved_tail},
    error::Error,
};

/// What resources, and so policies, can be about.
const ENTITIES: [&str; 11] = [
    "secrets",
    "home",
    "clients",
    "roles",
    "users",
    "groups",
    "config",
    "audit",
    "leases",
    "system:log",
    "report:query",
];

/// A policy's path in its canonical colon form, beginning with an entity: `secrets:servers:us-west`.
///
/// Read like a secret's path: slashes and colons both separate, empty segments collapse, case matters. Besides the
/// characters of a secret's path a segment may hold inner spaces, for policies on `groups:west admins`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyPath(String);

impl PolicyPath {
    /// The canonical colon form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource name of the policy itself.
    pub fn resource(&self) -> String {
        format!("config:policies:{}", self.0)
    }

    /// Refuses what cannot name a new policy: what ends in a tail that URLs use.
    pub fn creatable(&self) -> Result<(), Error> {
        refuse_reserved_tail(&self.0)
    }
}

/// Whether `path` is `root` or lies under it.
pub fn at_or_under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn check_segment(segment: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"@+._- ".contains(&b);
    if !segment.bytes().all(allowed) || segment.trim() != segment {
        return Err(Error::invalid(
            "path",
            "may hold only letters, digits, inner spaces and : / @ + . _ -",
        ));
    }
    if !segment.bytes().any(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::invalid(
            "path",
            "each segment must hold a letter or a digit",
        ));
    }
    Ok(())
}

impl FromStr for PolicyPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let segments: Vec<&str> = text
            .split(['/', ':'])
            .filter(|segment| !segment.is_empty())
            .collect();
        if segments.is_empty() {
            return Err(Error::invalid("path", "must not be empty"));
        }
        segments
            .iter()
            .try_for_each(|segment| check_segment(segment))?;
        let path = segments.join(":");
        if path.len() > MAX_PATH {
            return Err(Error::invalid(
                "path",
                format!("must be at most {MAX_PATH} bytes long"),
            ));
        }
        if !ENTITIES.iter().any(|entity| at_or_under(&path, entity)) {
            return Err(Error::invalid(
                "path",
                format!("must begin with one of {}", ENTITIES.join(", ")),
            ));
        }
        check_case("path", &path)?;
        Ok(Self(path))
    }
}

/// Refuses upper case where names of principals stand: requests are asked about in lower case, so a deny in upper case
/// would deny nothing. An escape of a pattern, such as `\S`, is no name.
pub(crate) fn check_case(field: &str, resource: &str) -> Result<(), Error> {
    let about = resource
        .strip_prefix("config:policies:")
        .unwrap_or(resource);
    let (entity, rest) = about.split_once(':').unwrap_or((about, ""));
    let names: Vec<&str> = match entity {
        "users" | "roles" | "groups" | "clients" => vec![rest],
        "home" => rest.split(':').take(2).collect(),
        _ => Vec::new(),
    };
    let mut before = ' ';
    for c in names.join(":").chars() {
        if c.is_ascii_uppercase() && before != '\\' {
            let problem = "must have the names of users, roles, groups and clients in lower case";
            return Err(Error::invalid(field, problem));
        }
        before = c;
    }
    Ok(())
}

impl fmt::Display for PolicyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for PolicyPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PolicyPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_principals_are_in_lower_case() {
        for text in [
            "users:Bob",
            "roles/Ops",
            "config:policies:groups:West",
            "home:users:Bob:x",
        ] {
            let error = text.parse::<PolicyPath>().unwrap_err().to_string();
            assert!(error.contains("in lower case"), "{text}: {error}");
        }
        for text in ["secrets:Servers:A", "home:users:bob:Notes", "users:bob"] {
            assert!(text.parse::<PolicyPath>().is_ok(), "{text}");
        }
        assert!(check_case("r", r"users:<\S+>").is_ok());
        assert!(check_case("r", "users:<Bob|alice>").is_err());
    }
    use proptest::prelude::*;

    fn path(text: &str) -> Result<String, String> {
        text.parse::<PolicyPath>()
            .map(|p| p.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn slashes_and_colons_name_the_same_policy() {
        for text in ["secrets/a/b", "secrets:a:b", "/secrets//a:b/"] {
            assert_eq!(path(text).unwrap(), "secrets:a:b", "{text}");
        }
    }

    #[test]
    fn every_entity_can_have_policies() {
        for entity in ENTITIES
            .into_iter()
            .chain(["config:auth", "config:policies"])
        {
            assert_eq!(path(entity).unwrap(), entity);
            assert!(path(&format!("{entity}/x")).is_ok());
        }
    }

    #[test]
    fn other_beginnings_are_refused_and_the_entities_named() {
        for text in [
            "a",
            "secretsx",
            "Secrets:a",
            "system",
            "report:x",
            "a:secrets",
        ] {
            let problem = path(text).unwrap_err();
            assert!(problem.contains("must begin with one of secrets, home"));
        }
    }

    #[test]
    fn inner_spaces_are_allowed_and_outer_ones_are_not() {
        assert_eq!(path("groups/west admins").unwrap(), "groups:west admins");
        for text in ["secrets: a", "secrets:a :b", " secrets", "secrets:a "] {
            assert!(path(text).unwrap_err().contains("inner spaces"), "{text:?}");
        }
    }

    #[test]
    fn patterns_and_other_characters_are_refused_by_name() {
        for text in [
            "secrets:<.*>",
            "secrets:a>",
            "secrets:*",
            "secrets:ä",
            "secrets:a\nb",
            "secrets:a%",
        ] {
            assert!(path(text).unwrap_err().contains("may hold only"), "{text}");
        }
        for text in ["secrets:..", "secrets:a:-", "secrets/./a"] {
            assert!(path(text).unwrap_err().contains("letter or a digit"));
        }
        assert!(path("/:/").unwrap_err().contains("empty"));
    }

    #[test]
    fn length_is_bounded() {
        let named = |n: usize| path(&format!("secrets:{}", "a".repeat(n - 8)));
        assert!(named(MAX_PATH).is_ok());
        assert!(named(MAX_PATH + 1).unwrap_err().contains("512"));
    }

    #[test]
    fn tails_that_urls_use_cannot_be_created() {
        let refused = |text: &str| text.parse::<PolicyPath>().unwrap().creatable().is_err();
        assert!(refused("secrets/a/version/3"));
        assert!(refused("secrets/a/rollback/0"));
        assert!(refused("secrets/a/restore"));
        assert!(!refused("secrets/a/version"));
        assert!(!refused("secrets"));
    }

    #[test]
    fn a_policy_is_itself_a_resource() {
        let path: PolicyPath = "secrets/a".parse().unwrap();
        assert_eq!(path.resource(), "config:policies:secrets:a");
    }

    #[test]
    fn a_stored_path_is_checked_when_it_is_read() {
        let path: PolicyPath = serde_json::from_str(r#""secrets/a""#).unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), r#""secrets:a""#);
        assert!(serde_json::from_str::<PolicyPath>(r#""x""#).is_err());
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "secrets[a-zA-Z0-9@+._:/ -]{1,60}") {
            if let Ok(first) = text.parse::<PolicyPath>() {
                prop_assert_eq!(first.as_str().parse::<PolicyPath>().unwrap(), first);
            }
        }
    }
}
