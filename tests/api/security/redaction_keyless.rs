//! The functions' own keys, lent to a base: in no answer, log, record or item, whatever goes wrong.

use http::Method;
use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    Vault,
    vault::{ROLE, assume_role, shown},
    wire::Trouble,
};
use serde_json::{Value, json};
use tracing::Level;

use crate::hunt::{Hunt, Log, TYPED, assert_unmarked};

async fn drive(log: &Log) -> (Hunt, Vec<String>) {
    let subscriber = mayfly::telemetry::json(Level::TRACE, {
        let log = log.clone();
        move || log.clone()
    });
    let _logging = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, a test on another thread, which has none, could switch a log line off for all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let vault = Vault::start().await;
    let access = vault.function_access().await;
    let token = access.session_token.as_ref().unwrap();
    let marks = [&access.access_key, &access.secret_key, token].map(shown);
    let mut hunt = Hunt {
        vault: vault.with_function_identity(&access, &[ROLE]),
        marks: marks.into(),
        errors: Vec::new(),
    };
    let mut answers = Vec::new();
    let base = json!({
        "data": {"credentialSource": "function"},
        "attributes": {"type": "aws", "allowedRoleArns": [ROLE]},
    });
    let wrong = json!({"data": {"credentialSource": TYPED}, "attributes": {"type": "aws"}});
    let dynamic = mayfly_tests::vault::dynamic("aws:base", assume_role());
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    for (method, path, body) in [
        (&post, "aws/base", Some(&wrong)),
        (&post, "aws/base", Some(&base)),
        (&post, "aws/base", Some(&base)),
        (&post, "aws/reader", Some(&dynamic)),
        (&put, "aws/base", Some(&base)),
        (&put, "aws/base", Some(&wrong)),
        (&get, "aws/base", None),
        (&get, "aws/base?edit=true", None),
        (&get, "aws/base::description", None),
        (&get, "aws/base::check", None),
        (&get, "aws/base/version/5", None),
        (&get, "aws/reader", None),
        (&get, "aws/reader::check", None),
    ] {
        let target = format!("/v1/secrets/{path}");
        let answer = hunt.ask(method.clone(), &target, body).await;
        answers.push(answer.text());
    }
    answers.extend(in_trouble(&mut hunt, &shown(token)).await);
    (hunt, answers)
}

/// What is answered while the cloud refuses, fails and breaks off, and repeats what it was sent.
async fn in_trouble(hunt: &mut Hunt, token: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let refusal = |code: &str| Fault::Refuse {
        code: code.to_owned(),
        message: format!("no\nx-amz-security-token:{token}"),
    };
    for (fault, calls) in [
        (Fault::Throttle, 3),
        (Fault::FailAfterSuccess, 3),
        (refusal("AccessDenied"), 1),
        (refusal("InternalFailure"), 3),
        (refusal("ExpiredToken"), 1),
        (refusal("SignatureDoesNotMatch"), 1),
    ] {
        for (operation, path) in [
            ("AssumeRole", "aws/reader"),
            ("GetCallerIdentity", "aws/base::check"),
        ] {
            hunt.vault
                .sandbox
                .faults()
                .next(operation, calls, fault.clone());
            let target = format!("/v1/secrets/{path}");
            answers.push(hunt.ask(Method::GET, &target, None).await.text());
        }
    }
    for trouble in [Trouble::AccessDenied, Trouble::Unreachable] {
        for _ in 0..3 {
            hunt.vault.wire.next("AssumeRole", trouble);
        }
        let answer = hunt.ask(Method::GET, "/v1/secrets/aws/reader", None).await;
        answers.push(answer.text());
    }
    answers
}

#[tokio::test]
async fn the_functions_own_keys_are_shown_nowhere() {
    let log = Log::default();
    let (hunt, answers) = drive(&log).await;

    assert!(hunt.marks.iter().all(|mark| mark.len() >= 14));
    assert!(hunt.errors.len() >= 8, "{} errors", hunt.errors.len());
    assert!(answers.iter().any(|answer| answer.contains("sessionToken")));
    let lines = log.text();
    assert!(lines.contains("answered") && lines.contains("ERROR"));
    assert_unmarked("an answer", &answers.join("\n"), &hunt.marks);
    assert_unmarked("an error", &hunt.errors.join("\n"), &hunt.marks);
    assert_unmarked("the log", &lines, &hunt.marks);
    let audit: Vec<String> = hunt.vault.audit().iter().map(Value::to_string).collect();
    assert_unmarked("the audit", &audit.join("\n"), &hunt.marks);
    let items: Vec<String> = hunt.vault.items().iter().map(Value::to_string).collect();
    assert_unmarked("the table", &items.join("\n"), &hunt.marks);
}
