//! `Answer`: what the vault answered, with the questions tests ask of it.

use http::HeaderMap;
use serde_json::Value;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `message` of the body.
    pub fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// This answer, after checking its status.
    ///
    /// # Panics
    /// If the status is another one; the message shows the body.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often the status is all there is to see"
    )]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Checks that this is an error of the wire contract: the status, `code` repeating it, and a message that holds
    /// `part`.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn refused(self, status: u16, part: &str) {
        let answer = self.expect(status);
        assert_eq!(answer.json()["code"], status, "{}", answer.text());
        assert!(
            answer.message().contains(part),
            "{:?} does not hold {part:?}",
            answer.message()
        );
    }
}
