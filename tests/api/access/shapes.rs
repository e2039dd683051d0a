//! Requests as published DSV clients put them on the wire, and what those clients read in the answers.

mod principals;
mod rules;
mod secrets;
mod signing_in;

use http::Method;
use mayfly_tests::{Answer, Vault, vault::access_token};
use serde_json::{Value, json};

/// One request: method and target, body, status, and some of what the answer holds.
pub(super) type Row<'a> = (&'a str, &'a str, u16, Value);

/// Any text but an empty one.
pub(super) const TEXT: &str = "<text>";
/// A UUID.
pub(super) const ID: &str = "<id>";
/// A whole number.
pub(super) const NUMBER: &str = "<number>";
/// Not there.
pub(super) const ABSENT: &str = "<absent>";
/// Just this text, somewhere in the message.
pub(super) fn says(text: &str) -> Value {
    json!({ "message": format!("…{text}") })
}

/// A DSV command line that is signed in.
pub(super) struct Client {
    pub(super) vault: Vault,
    pub(super) token: String,
}

impl Client {
    pub(super) async fn admin() -> Self {
        let vault = Vault::start().await;
        let token = vault.token.clone();
        Self { vault, token }
    }

    /// Makes a user, and signs that in.
    pub(super) async fn become_user(&mut self, name: &str) {
        let password = "correct horse battery";
        let user = json!({"userName": name, "password": password});
        let made = self
            .vault
            .ask(Method::POST, "/v1/users/", Some(&user))
            .await;
        made.expect(201);
        let grant = json!({"grant_type": "password", "username": name, "password": password});
        let granted = self
            .vault
            .ask_as("", Method::POST, "/v1/token", Some(&grant))
            .await;
        self.token = access_token(&granted.expect(200));
    }

    /// Sends each row in turn.
    pub(super) async fn drive(&self, rows: &[Row<'_>]) {
        for row in rows {
            self.ask(row).await;
        }
    }

    pub(super) async fn ask(&self, row: &Row<'_>) -> Answer {
        let (line, body, status, fields) = row;
        let (method, target) = line.split_once(' ').unwrap();
        let headers = [
            ("authorization", self.token.as_str()),
            ("content-type", "application/json"),
            ("delinea-dsv-client", "cli-1.41.1-linux/amd64"),
            ("user-agent", "dsv-1.41.1-linux-amd64"),
        ];
        let body = body.as_bytes().to_vec();
        let method = method.parse().unwrap();
        let answer = self.vault.send(method, target, &headers, body).await;
        assert_eq!(answer.status, *status, "{line}: {}", answer.text());
        check(line, &answer);
        holds(line, "", &answer.json(), fields);
        answer
    }
}

/// What every answer keeps to.
pub(super) fn check(line: &str, answer: &Answer) {
    if answer.body.is_empty() {
        assert!(
            [200, 204].contains(&answer.status),
            "{line}: an empty error"
        );
        return;
    }
    assert_eq!(answer.headers["content-type"], "application/json", "{line}");
    let body = answer.json();
    assert!(body.is_object(), "{line}: {}", answer.text());
    if answer.status >= 400 {
        assert_eq!(body["code"], answer.status, "{line}");
        assert!(!answer.message().is_empty(), "{line}");
    }
    check_value(line, &body);
}

/// Times are of whole seconds and versions are strings, however deep.
fn check_value(line: &str, value: &Value) {
    for item in value.as_array().into_iter().flatten() {
        check_value(line, item);
    }
    for (name, one) in value.as_object().into_iter().flatten() {
        let text = one.as_str().unwrap_or_default();
        match name.as_str() {
            "created" | "lastModified" | "expiredAt" | "urlExpires" => {
                let shape = text.replace(|c: char| c.is_ascii_digit(), "0");
                assert_eq!(shape, "0000-00-00T00:00:00Z", "{line}: {name}");
            }
            "version" => assert!(text.parse::<u32>().is_ok(), "{line}: {name} is {one}"),
            "id" => assert!([20, 36].contains(&text.len()), "{line}: {name} is {one}"),
            "errors" => assert!(one.is_object(), "{line}: {name} is {one}"),
            _ => check_value(line, one),
        }
    }
}

/// Checks that `value` holds what `wanted` names; see the words above.
fn holds(line: &str, name: &str, value: &Value, wanted: &Value) {
    let case = format!("{line}: {name} is {value}");
    match wanted {
        Value::Object(fields) => {
            if fields.is_empty() && !name.is_empty() {
                assert_eq!(value, wanted, "{case}");
            }
            for (key, wanted) in fields {
                if wanted == ABSENT {
                    assert!(value.get(key).is_none(), "{case}: has {key}");
                } else {
                    let there = value.get(key);
                    assert!(there.is_some(), "{case}: has no {key}");
                    holds(line, &format!("{name}.{key}"), there.unwrap(), wanted);
                }
            }
        }
        Value::Array(all) => {
            assert_eq!(value.as_array().map(Vec::len), Some(all.len()), "{case}");
            for (at, wanted) in all.iter().enumerate() {
                holds(line, &format!("{name}[{at}]"), &value[at], wanted);
            }
        }
        Value::String(word) => match word.as_str() {
            TEXT => assert!(
                value.as_str().is_some_and(|text| !text.is_empty()),
                "{case}"
            ),
            ID => assert_eq!(value.as_str().map(str::len), Some(36), "{case}"),
            NUMBER => assert!(value.is_u64(), "{case}"),
            word => match word.strip_prefix('…') {
                Some(part) => assert!(value.as_str().unwrap().contains(part), "{case}"),
                None => assert_eq!(value, word, "{case}"),
            },
        },
        Value::Null if name.is_empty() => assert_eq!(value, &Value::Null, "{case}"),
        wanted => assert_eq!(value, wanted, "{case}"),
    }
}
