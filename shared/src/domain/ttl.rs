//! `Ttl`: how long a minted credential lives.

use serde_json::Value;

use crate::error::Error;

/// What a dynamic secret gets when it does not say: 15 minutes, as DSV.
pub const DEFAULT_TTL: u32 = 900;

/// A lifetime in whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u32);

impl Ttl {
    /// Seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Reads an attribute: a JSON number of whole seconds above zero. Absent or null is `None`.
    pub fn from_attribute(field: &str, value: Option<&Value>) -> Result<Option<Self>, Error> {
        let problem = "must be a whole number of seconds, 1 or more";
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(seconds @ 1..) => u32::try_from(seconds)
                    .map(|seconds| Some(Self(seconds)))
                    .map_err(|_| Error::invalid(field, "is longer than any provider allows")),
                _ => Err(Error::invalid(field, problem)),
            },
            Some(_) => Err(Error::invalid(field, problem)),
        }
    }
}

impl Default for Ttl {
    fn default() -> Self {
        Self(DEFAULT_TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_whole_seconds_above_zero_are_a_ttl() {
        let read = |value: Value| Ttl::from_attribute("attributes.ttl", Some(&value));
        assert_eq!(read(json!(900)).unwrap(), Some(Ttl(900)));
        assert_eq!(read(json!(null)).unwrap(), None);
        for bad in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("900"),
            json!(1_000_000_000_000_u64),
            json!(true),
            json!([]),
        ] {
            let text = read(bad.clone()).unwrap_err().to_string();
            assert!(text.starts_with("attributes.ttl: "), "{bad}: {text}");
        }
    }
}
