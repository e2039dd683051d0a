//! Paths at the edge: decoded exactly once, then the same for routing, authorising and storing.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Error;

/// A path as the event carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawPath {
    /// As the client sent it: REST APIs, function URLs, the local server.
    Encoded(String),
    /// Already decoded: HTTP APIs, which also cut it at a decoded `?`.
    Decoded(String),
}

/// A decoded path with single slashes and no slash at its end; safe to route on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgePath(String);

/// What may stand in a request line as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'+');

impl EdgePath {
    /// Decodes what still is encoded, once, and refuses what could mean something else further on: a second layer of
    /// encoding, query and fragment marks, backslashes, control characters, and segments without a letter or digit
    /// (among them `.` and `..`). `+` stays a plus.
    pub fn new(raw: &RawPath) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::invalid("path", problem);
        let decoded = match raw {
            RawPath::Decoded(text) => text.clone(),
            RawPath::Encoded(text) => percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| wrong("must be UTF-8"))?
                .into_owned(),
        };
        if decoded
            .chars()
            .any(|c| "%?#\\".contains(c) || c.is_control())
        {
            return Err(wrong(
                "may not hold any of % ? # \\ or control characters, not even encoded",
            ));
        }
        let segments: Vec<&str> = decoded
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let meaningful = |segment: &&str| segment.chars().any(char::is_alphanumeric);
        if !segments.iter().all(meaningful) {
            return Err(wrong("each segment must hold a letter or a digit"));
        }
        Ok(Self(format!("/{}", segments.join("/"))))
    }

    /// Decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a request line carries it.
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, PLAIN).to_string()
    }

    /// Colon form without `/v1`, as audit records name what a request was about.
    pub fn audited(&self) -> String {
        let path = self.0.strip_prefix("/v1").unwrap_or(&self.0);
        path.trim_start_matches('/').replace('/', ":")
    }
}

impl fmt::Display for EdgePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> Result<String, String> {
        EdgePath::new(&RawPath::Encoded(text.to_owned()))
            .map(|p| p.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_path_is_decoded_exactly_once() {
        assert_eq!(encoded("/v1/secrets/a%2Fb").unwrap(), "/v1/secrets/a/b");
        assert_eq!(
            encoded("/v1/secrets/a%20b+c@d").unwrap(),
            "/v1/secrets/a b+c@d"
        );
        assert!(
            encoded("/v1/secrets/a%252Fb").is_err(),
            "a second layer of encoding is refused"
        );
        let decoded = EdgePath::new(&RawPath::Decoded("/v1/secrets/a%2Fb".to_owned()));
        assert!(
            decoded.is_err(),
            "what is already decoded is not decoded again"
        );
    }

    #[test]
    fn slashes_collapse() {
        assert_eq!(encoded("//v1/secrets//a///b/").unwrap(), "/v1/secrets/a/b");
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for text in [
            "/v1/a%3Fb",
            "/v1/a%23b",
            "/v1/a%5Cb",
            "/v1/a%00b",
            "/v1/a%0Ab",
            "/v1/..",
            "/v1/./a",
            "/v1/%2e%2e/a",
            "/v1/%ff",
        ] {
            assert!(encoded(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_glued_suffix_survives() {
        assert_eq!(
            encoded("/v1/secrets/a:b::description").unwrap(),
            "/v1/secrets/a:b::description"
        );
        assert_eq!(
            EdgePath::new(&RawPath::Encoded("/v1/secrets/a/b".into()))
                .unwrap()
                .audited(),
            "secrets:a:b"
        );
    }

    proptest! {
        #[test]
        fn encoding_and_decoding_again_changes_nothing(text in "/v1/[ -~é]{0,40}") {
            if let Ok(path) = EdgePath::new(&RawPath::Encoded(text)) {
                prop_assert_eq!(EdgePath::new(&RawPath::Encoded(path.encoded())).unwrap(), path);
            }
        }
    }
}
