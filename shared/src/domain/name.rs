//! `Name`: what a user, role or group is called.

use std::{fmt, str::FromStr};

use crate::error::Error;

/// The longest name in bytes: a policy path and a session name must have room for it.
pub const MAX_NAME: usize = 128;

/// A name as it was typed. Two names that differ only in case are the same: policies, keys and tokens have it
/// [folded](Name::folded), answers show it as it was given.
///
/// Letters, digits, `@ . _ + -` and inner spaces, with a letter or a digit among them. No colon and no slash: those
/// separate a name from what it is a name of.
#[derive(Debug, Clone)]
pub struct Name(String);

impl Name {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }

    /// Reads `text`; errors name `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let wrong = |problem: &str| Err(Error::invalid(field, problem));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"@._+- ".contains(&b);
        if text.is_empty() {
            return wrong("must not be empty");
        }
        if text.len() > MAX_NAME {
            return wrong("must be at most 128 bytes long");
        }
        if !text.bytes().all(allowed) || text.trim() != text {
            return wrong("may hold only letters, digits, @ . _ + - and inner spaces");
        }
        if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
            return wrong("must hold a letter or a digit");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A name as it is compared.
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse("name", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_case_and_compare_without_it() {
        let name: Name = "West Admins".parse().unwrap();
        assert_eq!(name.as_str(), "West Admins");
        assert_eq!(name.folded(), "west admins");
        assert!("bob.smith+x@example.com".parse::<Name>().is_ok());
    }

    #[test]
    fn what_could_mean_something_else_is_no_name() {
        let long = "x".repeat(MAX_NAME + 1);
        for text in [
            "", " ", " a", "a ", "a:b", "a/b", "<.*>", "a#b", "a\nb", "é", "..", &long,
        ] {
            let error = text.parse::<Name>().unwrap_err().to_string();
            assert!(error.starts_with("name: "), "{text:?}: {error}");
        }
    }
}
