//! What a hunt for secret values needs: a log in memory, the marks that were planted, and a look for them.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::Method;
use mayfly_tests::{Answer, Vault};
use serde_json::Value;

/// A mark for callers that put a secret where none belongs.
pub(crate) const TYPED: &str = "MARK-typed-into-the-wrong-place-31";

/// A log that stays in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What was planted, and every answer that was an error.
pub(crate) struct Hunt {
    pub(crate) vault: Vault,
    pub(crate) marks: Vec<String>,
    pub(crate) errors: Vec<String>,
}

impl Hunt {
    pub(crate) fn plant(&mut self, mark: impl Into<String>) {
        self.marks.push(mark.into());
    }

    pub(crate) fn saw(&mut self, answer: &Answer) {
        if answer.status >= 400 {
            let headers = format!("{:?}", answer.headers);
            self.errors.push(answer.text() + &headers);
        }
    }

    pub(crate) async fn ask(
        &mut self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Answer {
        let answer = self.vault.ask(method, target, body).await;
        self.saw(&answer);
        answer
    }

    pub(crate) async fn raw(&mut self, target: &str, token: &str, body: &str) {
        let headers = [("authorization", token), ("user-agent", TYPED)];
        let body = body.as_bytes().to_vec();
        let answer = self.vault.send(Method::POST, target, &headers, body).await;
        self.saw(&answer);
    }

    /// Signs a user in and plants both tokens; answers the refresh token.
    pub(crate) async fn grant(&mut self, body: &Value) -> String {
        let body = body.to_string().into_bytes();
        let answer = self.vault.send(Method::POST, "/v1/token", &[], body).await;
        let granted = answer.expect(200).json();
        for name in ["accessToken", "refreshToken"] {
            self.plant(granted[name].as_str().unwrap());
        }
        granted["refreshToken"].as_str().unwrap().to_owned()
    }

    /// Reads the dynamic secret and plants what it minted.
    pub(crate) async fn mint(&mut self) {
        let answer = self.ask(Method::GET, "/v1/secrets/aws/reader", None).await;
        let data = answer.expect(200).json()["data"].clone();
        for name in ["accessKey", "secretKey", "sessionToken"] {
            self.plant(data[name].as_str().unwrap());
        }
    }
}

/// The mark itself and what base64 makes of it.
fn spellings(mark: &str) -> Vec<String> {
    let mut all = vec![mark.to_owned()];
    for skipped in 0..3 {
        // However the mark lies in the encoded bytes, one of these three stands in the text.
        let inner = &mark.as_bytes()[skipped..];
        let whole = &inner[..inner.len() - inner.len() % 3];
        all.push(BASE64_STANDARD.encode(whole));
        all.push(BASE64_URL_SAFE_NO_PAD.encode(whole));
    }
    all
}

/// Panics if `text` holds a mark, plain or in base64.
pub(crate) fn assert_unmarked(where_: &str, text: &str, marks: &[String]) {
    for mark in marks {
        for spelling in spellings(mark) {
            if let Some(at) = text.find(&spelling) {
                let from = text.floor_char_boundary(at.saturating_sub(200));
                let until = text.floor_char_boundary(at + 40);
                panic!("{where_} holds {mark:.20}…: {:?}", text.get(from..until));
            }
        }
    }
}
