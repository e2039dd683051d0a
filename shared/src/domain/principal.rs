//! `Principal`: a name that acts, as policies and records write it.

use std::{fmt, str::FromStr};

use crate::domain::name::fold;

use serde::{Deserialize, Serialize};

/// `users:{name}` or `roles:{name}`, lower-cased: policies compare it so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Principal(String);

impl Principal {
    /// The role `name`.
    pub fn role(name: &str) -> Self {
        Self(format!("roles:{}", fold(name)))
    }

    /// The whole name, with its kind.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user `name`.
    pub fn user(name: &str) -> Self {
        Self(format!("users:{}", fold(name)))
    }

    /// The role's name, if this is a role.
    pub fn role_name(&self) -> Option<&str> {
        self.0.strip_prefix("roles:")
    }

    /// The user's name, if this is a user.
    pub fn user_name(&self) -> Option<&str> {
        self.0.strip_prefix("users:")
    }

    /// The name with every character outside `[A-Za-z0-9_.@=,+-]` replaced by a hyphen, cut to `longest`: what AWS takes
    /// in session names and source identities.
    pub fn cleaned(&self, longest: usize) -> String {
        let clean = |c: char| {
            if c.is_ascii_alphanumeric() || "_.@=,+-".contains(c) {
                c
            } else {
                '-'
            }
        };
        self.0.chars().map(clean).take(longest).collect()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.0
    }
}

impl TryFrom<String> for Principal {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Principal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = fold(text);
        match name.split_once(':') {
            Some(("users" | "roles", rest)) if !rest.is_empty() => Ok(Self(name)),
            _ => Err("a principal is users:{name} or roles:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_lower_case_and_has_a_kind() {
        assert_eq!(
            "Roles:Ops".parse::<Principal>().unwrap().as_str(),
            "roles:ops"
        );
        assert!("ops".parse::<Principal>().is_err());
        assert!("groups:x".parse::<Principal>().is_err());
    }

    #[test]
    fn cleaning_keeps_what_aws_takes() {
        let principal: Principal = "users:azure:bob smith@example.com".parse().unwrap();
        assert_eq!(principal.cleaned(64), "users-azure-bob-smith@example.com");
        assert_eq!(principal.cleaned(10), "users-azur");
    }
}
