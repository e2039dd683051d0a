//! The only way to hold a secret value.

use secrecy::{ExposeSecret, SecretString};

/// Text that must not be printed, logged, compared with `==` or serialised: wiped on drop, `Debug` redacted.
///
/// Wiping is best effort. Buffers of the SDK and of JSON parsing keep copies for a while; what is promised is
/// redaction, not erasure.
#[derive(Clone)]
pub struct Sensitive(SecretString);

impl Sensitive {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value itself. Each use must say why: for a reply, for the store, or for a provider.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same, compared in constant time.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let (one, other) = (self.0.expose_secret(), other.0.expose_secret());
        aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl From<String> for Sensitive {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(
            format!("{:?}", Sensitive::new("hunter2".into())),
            "Sensitive(..)"
        );
    }
}
