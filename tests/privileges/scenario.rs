//! Everything that a vault can be asked for, and what it does on its own, once.

use std::{sync::Mutex, time::Duration};

use http::Method;
use mayfly::clock::Clock;
use mayfly_tests::{
    Answer, Vault,
    privileges::{Deployed, Record},
    vault::{SOURCE, access_token},
};
use serde_json::{Value, json};

use crate::{access, leases, secrets, sign_in, worker};

/// How long what was deleted can be brought back, and a minute.
pub(crate) const KEPT: Duration = Duration::from_mins(72 * 60 + 1);
/// So many changes remove the first version.
pub(crate) const ALL_VERSIONS: usize = 101;

/// A vault, and who is known to it.
pub(crate) struct Scenario {
    pub(crate) vault: Vault,
    /// What was not answered as it should be.
    wrong: Mutex<Vec<String>>,
}

/// Plays it all, and answers what each function asked for.
pub(crate) async fn play() -> Record {
    let record = Record::default();
    sign_in::by_http_and_with_a_code(record.clone()).await;
    let mut scenario = Scenario {
        vault: Vault::start_recording(record.clone()).await,
        wrong: Mutex::default(),
    };
    sign_in::play(&mut scenario).await;
    secrets::play(&mut scenario).await;
    leases::play(&mut scenario).await;
    access::play(&mut scenario).await;
    worker::play(&mut scenario).await;
    access::lose_and_recover_the_admin(&mut scenario).await;
    let wrong = scenario.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    record
}

impl Scenario {
    pub(crate) async fn ask(&self, method: Method, target: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        let target = format!("/v1/{target}");
        self.vault.ask(method, &target, body.as_ref()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Value {
        let answer = self.done(Method::GET, target, Value::Null).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// A request that succeeds, whatever it answers.
    pub(crate) async fn done(&self, method: Method, target: &str, body: Value) -> Answer {
        let what = format!("{method} {target}");
        let answer = self.ask(method, target, body).await;
        self.succeeded(&what, answer)
    }

    /// Notes it if `answer` to `what` is a refusal.
    pub(crate) fn succeeded(&self, what: &str, answer: Answer) -> Answer {
        if answer.status >= 300 {
            let line = format!("{what}: {} {}", answer.status, answer.text());
            self.wrong.lock().unwrap().push(line);
        }
        answer
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.done(Method::POST, target, body).await
    }

    pub(crate) async fn put(&self, target: &str, body: Value) -> Answer {
        self.done(Method::PUT, target, body).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.done(Method::DELETE, target, Value::Null).await
    }

    /// The answer to a request for a token.
    pub(crate) async fn grant(&self, body: Value) -> Answer {
        let body = body.to_string().into_bytes();
        let vault = &self.vault;
        vault
            .send_from(SOURCE, Method::POST, "/v1/token", &[], body)
            .await
    }

    /// The answer to a user's sign-in.
    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        let body = json!({"grant_type": "password", "username": name, "password": password});
        self.grant(body).await
    }

    /// Makes a user and answers its token.
    pub(crate) async fn make_user(&self, name: &str) -> String {
        let body = json!({"userName": name, "password": PASSWORD});
        self.post("users", body).await;
        access_token(&self.login(name, PASSWORD).await.expect(200))
    }

    /// One run of the worker for this event.
    pub(crate) async fn work(&self, event: Value) -> Value {
        let until = self.vault.clock.now() + Duration::from_mins(1);
        self.vault.work(event, until).await.unwrap()
    }

    pub(crate) async fn sweep(&self) -> Value {
        let swept = self.work(json!({"mayfly": "sweep"})).await;
        if swept["errors"] != 0 || swept["removals"]["failed"] != 0 {
            self.wrong.lock().unwrap().push(format!("sweep: {swept}"));
        }
        swept
    }

    /// What the function `token` answers to an invocation.
    pub(crate) async fn invoke_token(&self, payload: Value) -> Value {
        let direct = mayfly::http::lambda::Direct {
            principal: None,
            alias: None,
            payload,
            request_id: "test".to_owned(),
        };
        let token = self.vault.function(Deployed::Token).clone();
        mayfly_token::invoke(token, direct).await.unwrap()
    }
}

/// Of every user.
pub(crate) const PASSWORD: &str = "correct horse battery";
