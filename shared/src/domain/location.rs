//! `Location`: where a secret lives, among the vault's secrets or in one principal's home.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{name::Name, path::SecretPath, principal::Principal},
    error::Error,
};

/// The secrets of one principal. Whoever is made again under the same name has another id, and so another, empty home.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Home {
    /// Whose it is.
    pub owner: Principal,
    /// Id of the owner's item.
    pub id: Uuid,
}

/// Secrets that no other secrets mix with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// One principal's.
    Home(Home),
    /// The vault's.
    #[default]
    Vault,
}

/// Where a secret lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Among which secrets.
    #[serde(rename = "home", skip_serializing_if = "Place::is_vault", default)]
    pub place: Place,
    /// Under which path.
    pub path: SecretPath,
}

impl Place {
    /// Whether it is the vault.
    pub fn is_vault(&self) -> bool {
        matches!(self, Self::Vault)
    }

    /// The location of `path` in this place.
    pub fn at(&self, path: &SecretPath) -> Location {
        Location {
            place: self.clone(),
            path: path.clone(),
        }
    }
}

impl Location {
    /// Among the vault's secrets.
    pub fn in_vault(path: &SecretPath) -> Self {
        Place::Vault.at(path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Home(home) => write!(f, "{}:{}", home.owner, self.path),
            Place::Vault => self.path.fmt(f),
        }
    }
}

/// Reads the owner of a home as a URL names it: `users:bob`, `roles:ops`, or with a provider `users:azure:bob`.
pub fn owner(text: &str) -> Result<Principal, Error> {
    let wrong = || {
        Error::invalid(
            "path",
            "must begin with whose home it is: users:{name}, users:{provider}:{name} or roles:{name}",
        )
    };
    let parts: Vec<&str> = text.split(':').collect();
    let [_, names @ ..] = parts.as_slice() else {
        return Err(wrong());
    };
    if !(1..=2).contains(&names.len()) {
        return Err(wrong());
    }
    for name in names {
        Name::parse("path", name)?;
    }
    text.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_user_or_a_role_in_any_case() {
        for (text, expected) in [
            ("users:bob", "users:bob"),
            ("Users:Bob", "users:bob"),
            (
                "users:azure:bob smith+x@example.com",
                "users:azure:bob smith+x@example.com",
            ),
            ("roles:ops", "roles:ops"),
        ] {
            assert_eq!(owner(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn nothing_else_has_a_home() {
        for text in [
            "",
            "bob",
            "users",
            "users:",
            "users::bob",
            "groups:x",
            "users:a:b:c",
            "users:a<.*>",
            "users:a|b",
        ] {
            let error = owner(text).unwrap_err().to_string();
            assert!(error.starts_with("path: "), "{text}: {error}");
        }
    }

    #[test]
    fn a_location_in_the_vault_is_stored_as_its_path() {
        let path: SecretPath = "a:b".parse().unwrap();
        let stored = serde_json::to_value(Location::in_vault(&path)).unwrap();
        assert_eq!(stored, serde_json::json!({"path": "a:b"}));
        let home = Home {
            owner: Principal::user("bob"),
            id: Uuid::nil(),
        };
        let at = Place::Home(home).at(&path);
        assert_eq!(at.to_string(), "users:bob:a:b");
        for at in [at, Location::in_vault(&path)] {
            let stored = serde_json::to_value(&at).unwrap();
            assert_eq!(serde_json::from_value::<Location>(stored).unwrap(), at);
        }
        let broken = serde_json::json!({"path": "a", "home": {"owner": "users:bob"}});
        assert!(serde_json::from_value::<Location>(broken).is_err());
    }
}
