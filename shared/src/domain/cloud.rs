//! `Cloud`: the providers a base secret can hold a credential of.

/// A cloud that mints credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
}

impl Cloud {
    /// The cloud that `attributes.type` of a base secret names.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "aws" => Some(Self::Aws),
            _ => None,
        }
    }
}
