//! A text that nothing prints.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret: no `Display`, a redacted `Debug`; serialised only into the state file, which is for its owner's eyes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SecretText(String);

impl SecretText {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for a signature, a cipher or the one answer that hands it out.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = SecretText::new("marker".into());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "marker");
    }
}
