//! `Cloud`: the providers a base secret can hold a credential of.

/// A cloud that mints credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
}

impl Cloud {
    /// The cloud that `attributes.type` of a base secret names.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "aws" => Some(Self::Aws),
            "azure" => Some(Self::Azure),
            _ => None,
        }
    }

    /// Its name in `attributes.type`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
        }
    }
}
