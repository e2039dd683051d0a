//! Plants marked values, drives every route and every error at TRACE, and looks for the marks where they must not be.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use mayfly_local::embedded::ATTEMPTS;
use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    Vault,
    vault::{SECRET_KEY, assume_role},
    wire::Trouble,
};
use serde_json::{Value, json};
use tracing::Level;

use crate::hunt::{Hunt, Log, TYPED, assert_unmarked};

const DATA: &str = "MARK-data-5d1e";
const NESTED: &str = "MARK-nested-77aa";
const MOVED: &str = "MARK-other-secret-c0de";

async fn secrets(hunt: &mut Hunt) {
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let data = json!({"data": {"password": DATA, "deep": [{"x": NESTED}]}});
    hunt.plant(DATA);
    hunt.plant(NESTED);
    for (method, target, body) in [
        (&post, "plain", Some(&data)),
        (&post, "plain", Some(&data)),
        (&get, "plain", None),
        (&get, "plain?edit=true", None),
        (&get, "plain?edit=perhaps", None),
        (&get, "plain::description", None),
        (&put, "plain", Some(&data)),
        (&get, "plain/version/5", None),
        (&put, "plain/rollback/0", None),
        (&put, "plain/rollback/77", None),
        (&put, "missing", Some(&data)),
        (&get, "missing", None),
        (&get, "p::listpaths", None),
        (&delete, "plain", None),
        (&post, "plain", Some(&data)),
        (&get, "plain", None),
        (&put, "plain/restore", None),
        (&put, "plain/restore", None),
        (&delete, "none?force=true", None),
        (&post, "aws/reader", Some(&data)),
        (&put, "aws/reader", Some(&data)),
        (&put, "aws/base", Some(&json!({"data": {"region": DATA}}))),
        (&delete, "aws/base", None),
        (&Method::PATCH, "plain", Some(&data)),
    ] {
        hunt.ask(method.clone(), &format!("/v1/secrets/{target}"), body)
            .await;
    }
    hunt.ask(get.clone(), "/v1/secrets?searchTerm=plain", None)
        .await;
    hunt.ask(get.clone(), "/v1/secrets?cursor=nonsense", None)
        .await;
    for bad in [
        format!("{{\"data\": {{\"a\": \"{TYPED}\""),
        format!("{{\"data\": \"{TYPED}\"}}"),
        format!("{{\"data\": {{\"a\": \"{TYPED}\", \"a\": 1}}}}"),
        format!("{{\"data\": {{}}, \"overwrite\": \"{TYPED}\"}}"),
        format!(
            "{{\"attributes\": {{\"type\": \"aws\"}}, \"data\": {{\"secretKey\": \"{TYPED}\"}}}}"
        ),
        format!("{{\"data\": {{\"a\": \"{TYPED}\"}}, \"attributes\": {{\"linkConfig\": 1}}}}"),
        TYPED.to_owned(),
    ] {
        let token = hunt.vault.token.clone();
        hunt.raw("/v1/secrets/bad", &token, &bad).await;
    }
    let large = format!("{{\"data\": {{\"a\": \"{}\"}}}}", TYPED.repeat(20_000));
    let token = hunt.vault.token.clone();
    hunt.raw("/v1/secrets/large", &token, &large).await;
}

async fn users(hunt: &mut Hunt) {
    let password = "MARK-alices-password-9c1d";
    hunt.plant(password);
    let alice = json!({"userName": "alice", "password": password});
    hunt.ask(Method::POST, "/v1/users", Some(&alice))
        .await
        .expect(201);
    let login = |password: &str| json!({"grant_type": "password", "username": "alice", "password": password});
    let renew = |token: &str| json!({"grant_type": "refresh_token", "refresh_token": token});
    let first = hunt.grant(&login(password)).await;
    let second = hunt.grant(&renew(&first)).await;
    for body in [
        login(TYPED),
        json!({"grant_type": "password", "username": TYPED, "password": password}),
        json!({"grant_type": "password", "username": password, "password": TYPED}),
        json!({"grant_type": "password", "username": "alice", "password": password, "provider": TYPED}),
        renew(&format!("{second}{TYPED}")),
        renew(&first),
        renew(&second),
    ] {
        hunt.vault.clock.advance(Duration::from_secs(1)); // so that each leaves a record
        hunt.raw("/v1/token", "", &body.to_string()).await;
    }
    let third = hunt.grant(&login(password)).await;
    for token in [format!("{third}x"), third.clone(), TYPED.to_owned(), third] {
        hunt.vault.clock.advance(Duration::from_secs(1));
        hunt.raw(&format!("/v1/revoke/{token}"), "", "").await;
    }
}

async fn signing_in(hunt: &mut Hunt) {
    let (id, secret) = (
        hunt.vault.client_id.clone(),
        hunt.vault.client_secret.clone(),
    );
    hunt.plant(secret.clone());
    hunt.plant(hunt.vault.token.clone());
    let granted = hunt.vault.sign_in(&id, &secret).await.expect(200).json();
    hunt.plant(granted["accessToken"].as_str().unwrap());
    for body in [
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": TYPED}),
        json!({"grant_type": "client_credentials", "client_id": id}),
        json!({"grant_type": "client_credentials", "client_secret": secret}),
        json!({"grant_type": "password", "username": "bob", "password": TYPED}),
        json!({"grant_type": TYPED}),
        json!({"grant_type": "refresh_token", "refresh_token": TYPED}),
        json!([secret]),
    ] {
        hunt.raw("/v1/token", "", &body.to_string()).await;
    }
    hunt.raw("/v1/token", TYPED, &format!("grant_type={TYPED}"))
        .await;
    for token in [
        TYPED.to_owned(),
        format!("Bearer {TYPED}"),
        format!("{}x", hunt.vault.token),
    ] {
        let answer = hunt
            .vault
            .ask_as(&token, Method::GET, "/v1/secrets/plain", None);
        let answer = answer.await;
        hunt.saw(&answer);
    }
    let token = hunt.vault.make_role("nobody").await;
    hunt.plant(token.clone());
    let answer = hunt
        .vault
        .ask_as(&token, Method::GET, "/v1/secrets/plain", None);
    let answer = answer.await.expect(403);
    hunt.saw(&answer);
    for target in ["/v1/heartbeat", "/v1/.well-known/jwks.json", "/v1/nothing"] {
        hunt.ask(Method::GET, target, None).await;
    }
}

async fn cloud_and_table(hunt: &mut Hunt) {
    let refusal = |code: &str| Fault::Refuse {
        code: code.to_owned(),
        message: format!("no\nx-amz-security-token:{TYPED}"),
    };
    for (fault, calls) in [
        (Fault::Throttle, 3),
        (Fault::FailAfterSuccess, 3),
        (refusal("AccessDenied"), 1),
        (refusal("InternalFailure"), 3),
        (refusal("InvalidClientTokenId"), 4),
        (refusal("SignatureDoesNotMatch"), 1),
    ] {
        hunt.vault.sandbox.faults().next("AssumeRole", calls, fault);
        let answer = hunt.ask(Method::GET, "/v1/secrets/aws/reader", None).await;
        assert!(answer.status >= 400, "{}", answer.text());
    }
    let change = json!({"data": {"password": DATA}});
    for (operation, method, target) in [
        ("PutItem", Method::GET, "aws/reader"),
        ("PutItem", Method::GET, "plain"),
        ("BatchGetItem", Method::GET, "plain"),
        ("TransactWriteItems", Method::PUT, "plain"),
        ("AssumeRole", Method::GET, "aws/reader"),
    ] {
        for trouble in [Trouble::AccessDenied, Trouble::Unreachable] {
            for _ in 0..ATTEMPTS {
                hunt.vault.wire.next(operation, trouble);
            }
            let target = format!("/v1/secrets/{target}");
            for _ in 0..3 {
                hunt.ask(method.clone(), &target, Some(&change)).await;
            }
        }
    }
    hunt.plant(MOVED);
    let body = json!({"data": {"word": MOVED}});
    hunt.vault.create("other", body).await.expect(201);
    let mut item = hunt.vault.items_of("SECRET#other").remove(0);
    item["version"] = json!({"N": "9"});
    hunt.vault.put_item(&item);
    hunt.ask(Method::GET, "/v1/secrets/other", None)
        .await
        .expect(500);
    let payload = json!({"path": "aws/reader", "typo": TYPED});
    let refused = hunt.vault.invoke(Some("roles:admin"), payload).await;
    hunt.errors.push(format!("{:?}", refused.unwrap_err()));
}

async fn drive(log: &Log) -> Hunt {
    let subscriber = mayfly::telemetry::json(Level::TRACE, {
        let log = log.clone();
        move || log.clone()
    });
    let _logging = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, a test on another thread, which has none, could switch a log line off for all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let mut hunt = Hunt {
        vault,
        marks: vec![TYPED.to_owned(), SECRET_KEY.to_owned()],
        errors: Vec::new(),
    };
    hunt.vault.create_base("aws/base", json!({})).await;
    let dynamic = hunt
        .vault
        .create_dynamic("aws/reader", "aws:base", assume_role());
    dynamic.await.expect(201);
    hunt.mint().await;
    signing_in(&mut hunt).await;
    users(&mut hunt).await;
    secrets(&mut hunt).await;
    cloud_and_table(&mut hunt).await;
    hunt.mint().await;
    hunt
}

#[tokio::test]
async fn no_secret_value_is_logged_stored_in_the_clear_or_shown_in_an_error() {
    let log = Log::default();
    let hunt = drive(&log).await;

    assert_eq!(hunt.marks.len(), 22, "marks that were planted");
    assert!(hunt.marks.iter().all(|mark| mark.len() >= 14));
    assert!(hunt.errors.len() >= 50, "{} errors", hunt.errors.len());
    let lines = log.text();
    assert!(
        lines.lines().count() >= 90,
        "{} lines",
        lines.lines().count()
    );
    for word in ["answered", "could not sign in", "ERROR"] {
        assert!(lines.contains(word), "the log holds {word:?}");
    }
    assert_unmarked("the log", &lines, &hunt.marks);
    assert_unmarked("an error", &hunt.errors.join("\n"), &hunt.marks);
    let audit: Vec<String> = hunt.vault.audit().iter().map(Value::to_string).collect();
    assert!(audit.len() >= 50, "{} records", audit.len());
    assert_unmarked("the audit", &audit.join("\n"), &hunt.marks);
    let items: Vec<String> = hunt.vault.items().iter().map(Value::to_string).collect();
    assert_unmarked("the table", &items.join("\n"), &hunt.marks);
}

#[test]
fn a_mark_is_found_in_each_spelling() {
    let marks = [DATA.to_owned()];
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}{DATA}xyz");
        for told in [text.clone(), BASE64_STANDARD.encode(&text)] {
            let found = std::panic::catch_unwind(|| assert_unmarked("x", &told, &marks));
            assert!(found.is_err(), "{told}");
        }
    }
}

#[test]
fn sensitive_values_do_not_print() {
    let value = mayfly::domain::sensitive::Sensitive::new(DATA.to_owned());
    let data = mayfly::domain::data::SecretData::from_stored(value.clone());
    let text = format!("{value:?} {data:?} {:?}", Some(&value));
    assert!(!text.contains("MARK"), "{text}");
}
