//! The same hunt through all that has to do with who there is: passwords, client secrets, one-time addresses, homes,
//! and the first admin's setup code.

use std::{sync::Arc, time::Duration};

use http::Method;
use mayfly::{app::Setup, seal::KeyFile};
use mayfly_local::embedded::ATTEMPTS;
use mayfly_tests::{Answer, Vault, wire::Trouble};
use serde_json::{Value, json};
use tracing::Level;

use crate::hunt::{Hunt, Log, TYPED, assert_unmarked};

const PASSWORD: &str = "MARK-the-first-password-81";
const BETTER: &str = "MARK-the-better-password-82";
const BY_ADMIN: &str = "MARK-the-admins-password-83";
const AT_HOME: &str = "MARK-in-a-home-84";
const CODE: &str = "MARK-the-setup-code-85";

async fn ask_as(hunt: &mut Hunt, token: &str, line: &str, body: &Value) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    hunt.vault.clock.advance(Duration::from_secs(1)); // so that each failed sign-in leaves a record
    let body = Some(body).filter(|body| !body.is_null());
    let method = method.parse().unwrap();
    let answer = hunt.vault.ask_as(token, method, target, body).await;
    hunt.saw(&answer);
    answer
}

async fn ask(hunt: &mut Hunt, line: &str, body: Value) -> Answer {
    let token = hunt.vault.token.clone();
    ask_as(hunt, &token, line, &body).await
}

async fn login(hunt: &mut Hunt, password: &str) -> String {
    hunt.grant(&json!({"grant_type": "password", "username": "bob", "password": password}))
        .await;
    hunt.marks[hunt.marks.len() - 2].clone()
}

async fn users(hunt: &mut Hunt) {
    for mark in [PASSWORD, BETTER, BY_ADMIN, AT_HOME] {
        hunt.plant(mark);
    }
    let bob = json!({"userName": "bob", "password": PASSWORD});
    ask(hunt, "POST /v1/users", bob.clone()).await.expect(201);
    for body in [
        bob,
        json!({"userName": "eve", "password": {"a": TYPED}}),
        json!({"userName": "eve", "password": TYPED, "displayName": 7}),
        json!({"userName": "eve", "password": TYPED, "externalId": "x"}),
        json!({"userName": "a b:c", "password": TYPED}),
        json!({"userName": "eve", "password": format!("{TYPED}{}", "x".repeat(2000))}),
    ] {
        let answer = ask(hunt, "POST /v1/users/", body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let token = login(hunt, PASSWORD).await;
    let own = "POST /v1/users/bob/password";
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    for body in [
        change(TYPED, BETTER),
        change(PASSWORD, ""),
        json!({"currentPassword": PASSWORD}),
        json!({"newPassword": TYPED}),
        json!({"currentPassword": [PASSWORD], "newPassword": BETTER}),
    ] {
        assert!(ask_as(hunt, &token, own, &body).await.status >= 400);
    }
    ask(hunt, own, change(PASSWORD, BETTER)).await.expect(403);
    ask_as(hunt, &token, own, &change(PASSWORD, BETTER))
        .await
        .expect(200);
    ask_as(hunt, &token, own, &change(BETTER, PASSWORD))
        .await
        .expect(401);
    ask(hunt, "PUT /v1/users/bob", json!({"password": BY_ADMIN}))
        .await
        .expect(200);
    ask(hunt, "PUT /v1/users/bob", json!({"password": [TYPED]}))
        .await
        .expect(400);
    ask(hunt, "PUT /v1/users/none", json!({"password": TYPED}))
        .await
        .expect(404);
    home(hunt).await;
}

async fn home(hunt: &mut Hunt) {
    let token = login(hunt, BY_ADMIN).await;
    let secret = json!({"Data": {"word": AT_HOME}});
    for (line, body) in [
        ("POST /v1/home/users:bob/a", &secret),
        ("POST /v1/home/users:bob/a", &secret),
        ("GET /v1/home/users:bob/a", &Value::Null),
        ("PUT /v1/home/users:bob/a", &secret),
        ("PUT /v1/home/users:bob/a/rollback/0", &Value::Null),
        ("PUT /v1/home/users:bob/a/rollback/9", &Value::Null),
        ("GET /v1/home/users:bob/a/version/3", &Value::Null),
        ("GET /v1/home/users:bob/a::description", &Value::Null),
        ("GET /v1/home/users:bob", &Value::Null),
        ("GET /v1/home/users:bob::listpaths", &Value::Null),
        ("DELETE /v1/home/users:bob/a", &Value::Null),
        ("GET /v1/home/users:bob/a", &Value::Null),
        ("PUT /v1/home/users:bob/a/restore", &Value::Null),
        ("GET /v1/users/bob", &Value::Null),
    ] {
        ask_as(hunt, &token, line, body).await;
    }
    ask(hunt, "GET /v1/home/users:bob/a", Value::Null)
        .await
        .expect(403);
    for line in [
        "GET /v1/users/bob",
        "GET /v1/users/bob/version/9",
        "GET /v1/users",
        "GET /v1/users/bob/groups",
    ] {
        let answer = ask(hunt, line, Value::Null).await.expect(200);
        assert_unmarked(line, &answer.text(), &hunt.marks);
    }
}

async fn clients(hunt: &mut Hunt) {
    ask(hunt, "POST /v1/roles/", json!({"name": "app"}))
        .await
        .expect(201);
    let made = ask(
        hunt,
        "POST /v1/clients/",
        json!({"role": "app", "clientSecret": TYPED}),
    )
    .await
    .expect(201)
    .json();
    let (id, secret) = (
        made["clientId"].as_str().unwrap(),
        made["clientSecret"].as_str().unwrap(),
    );
    hunt.plant(secret);
    for body in [
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": format!("{secret}x")}),
        json!({"grant_type": "client_credentials", "client_id": secret, "client_secret": secret}),
        json!({"grant_type": secret, "client_id": id, "client_secret": secret}),
    ] {
        hunt.raw("/v1/token", TYPED, &body.to_string()).await;
    }
    for line in [
        format!("GET /v1/clients/{id}"),
        "GET /v1/clients?role=app".to_owned(),
    ] {
        let answer = ask(hunt, &line, Value::Null).await.expect(200);
        assert_unmarked(&line, &answer.text(), &hunt.marks);
    }
    one_time_address(hunt).await;
}

async fn one_time_address(hunt: &mut Hunt) {
    let made = ask(
        hunt,
        "POST /v1/clients/",
        json!({"role": "app", "url": true}),
    )
    .await
    .expect(201)
    .json();
    let url = made["urlPath"].as_str().unwrap().to_owned();
    let (before, code) = url.rsplit_once('.').unwrap();
    hunt.plant(code);
    let before = before.strip_prefix(mayfly_tests::vault::ORIGIN).unwrap();
    let open = |code: &str| format!("GET {before}.{code}");
    ask_as(hunt, "", &open(TYPED), &Value::Null)
        .await
        .expect(404);
    ask_as(hunt, "", &open(&format!("{code}x")), &Value::Null)
        .await
        .expect(404);
    ask_as(
        hunt,
        "",
        &format!("GET /v1/clients/bootstrap/{code}"),
        &Value::Null,
    )
    .await
    .expect(404);
    let opened = ask_as(hunt, "", &open(code), &Value::Null)
        .await
        .expect(200)
        .json();
    hunt.plant(opened["clientSecret"].as_str().unwrap());
    ask_as(hunt, "", &open(code), &Value::Null)
        .await
        .expect(400);
    ask_as(hunt, "", &format!("PUT {before}.{code}"), &Value::Null).await;
}

/// Secrets where groups, policies and the config have no place for them: what is refused is not repeated.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn rules(hunt: &mut Hunt) {
    let policy = |document: &str| json!({"path": "secrets:a", "policy": document});
    let entries = |entry: Value| json!({ "permissionDocument": [entry] }).to_string();
    let entry =
        |field: &str| json!({"subjects": ["roles:app"], "actions": ["read"], field: [TYPED]});
    let good = entries(json!({"subjects": ["roles:app"], "actions": ["read"]}));
    let member = json!({"memberNames": ["bob", "roles:app"]});
    for (line, body, status) in [
        (
            "POST /v1/groups",
            json!({"groupName": TYPED.repeat(9)}),
            400,
        ),
        (
            "POST /v1/groups",
            json!({"groupName": "g", "members": {"a": TYPED}}),
            400,
        ),
        (
            "POST /v1/groups",
            json!({"groupName": "g", "members": ["bob"]}),
            201,
        ),
        ("POST /v1/groups/g/members", member.clone(), 200),
        ("DELETE /v1/groups/g/members", member, 204),
        ("DELETE /v1/groups/g", Value::Null, 200),
        ("PUT /v1/groups/g/restore", Value::Null, 200),
        ("GET /v1/groups/g", Value::Null, 200),
        ("POST /v1/config/policies", policy(TYPED), 400),
        (
            "POST /v1/config/policies",
            policy(&entries(entry("resources"))),
            400,
        ),
        (
            "POST /v1/config/policies",
            policy(&entries(entry("subjects"))),
            400,
        ),
        (
            "POST /v1/config/policies",
            policy(&entries(entry("actions"))),
            400,
        ),
        (
            "POST /v1/config/policies",
            policy(&entries(entry(TYPED))),
            400,
        ),
        (
            "POST /v1/config/policies",
            json!({"path": "secrets:a", "policy": good, "serialization": TYPED}),
            400,
        ),
        ("POST /v1/config/policies", policy(&good), 201),
        ("PUT /v1/config/policies/secrets/a", policy(TYPED), 400),
        (
            "PUT /v1/config/policies/secrets:a/rollback/7",
            Value::Null,
            404,
        ),
        ("DELETE /v1/config/policies/secrets:a", Value::Null, 200),
        (
            "PUT /v1/config/policies/secrets:a/restore",
            Value::Null,
            200,
        ),
        ("PUT /v1/config", json!({"Config": TYPED}), 400),
        (
            "POST /v1/config",
            json!({"Config": entries(entry("resources"))}),
            400,
        ),
        ("DELETE /v1/users/bob", Value::Null, 200),
        ("PUT /v1/users/bob/restore", Value::Null, 200),
        ("DELETE /v1/roles/app", Value::Null, 200),
        ("GET /v1/roles/app/restore", Value::Null, 200),
    ] {
        let answer = ask(hunt, line, body).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
    }
}

/// The table breaks under each of these.
async fn broken(hunt: &mut Hunt) {
    let bob = json!({"grant_type": "password", "username": "bob", "password": BY_ADMIN});
    let user = json!({"userName": "carl", "password": PASSWORD});
    for (operation, line, body) in [
        ("BatchGetItem", "POST /v1/token", &bob),
        ("TransactWriteItems", "POST /v1/token", &bob),
        ("TransactWriteItems", "POST /v1/users/", &user),
        (
            "TransactWriteItems",
            "POST /v1/clients/",
            &json!({"role": "app"}),
        ),
        ("PutItem", "GET /v1/users/bob", &Value::Null),
    ] {
        for trouble in [Trouble::AccessDenied, Trouble::Unreachable] {
            for _ in 0..ATTEMPTS {
                hunt.vault.wire.next(operation, trouble);
            }
            for _ in 0..3 {
                ask(hunt, line, body.clone()).await;
            }
        }
    }
}

/// The first admin of another vault, made with its setup code.
async fn first_admin(hunt: &mut Hunt) -> Vault {
    hunt.plant(CODE);
    let setup = Setup::Code(CODE.to_owned().into());
    let vault = Vault::empty(Arc::new(KeyFile::ephemeral().unwrap())).with_setup(setup);
    let right = json!({"UserName": "alice", "Password": PASSWORD, "SetupCode": CODE});
    for (body, status) in [
        (
            json!({"UserName": "alice", "Password": PASSWORD, "SetupCode": TYPED}),
            403,
        ),
        (json!({"UserName": "alice", "Password": PASSWORD}), 403),
        (
            json!({"UserName": CODE, "Password": "short", "SetupCode": CODE}),
            400,
        ),
        (
            json!({"UserName": "alice", "Password": [PASSWORD], "SetupCode": CODE}),
            400,
        ),
        (right.clone(), 200),
        (right, 400),
    ] {
        let answer = vault
            .ask_as("", Method::POST, "/v1/initialize", Some(&body))
            .await;
        hunt.saw(&answer);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    vault
}

#[tokio::test]
async fn no_password_client_secret_or_code_is_logged_stored_or_shown_in_an_error() {
    let log = Log::default();
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
        marks: vec![TYPED.to_owned()],
        errors: Vec::new(),
    };
    users(&mut hunt).await;
    clients(&mut hunt).await;
    rules(&mut hunt).await;
    broken(&mut hunt).await;
    let other = first_admin(&mut hunt).await;

    assert_eq!(hunt.marks.len(), 13, "marks that were planted");
    assert!(hunt.errors.len() >= 50, "{} errors", hunt.errors.len());
    assert!(log.text().contains("answered"), "nothing was logged");
    assert_unmarked("the log", &log.text(), &hunt.marks);
    assert_unmarked("an error", &hunt.errors.join("\n"), &hunt.marks);
    for vault in [&hunt.vault, &other] {
        let audit: Vec<String> = vault.audit().iter().map(Value::to_string).collect();
        assert!(!audit.is_empty());
        assert_unmarked("the audit", &audit.join("\n"), &hunt.marks);
        let items: Vec<String> = vault.items().iter().map(Value::to_string).collect();
        assert_unmarked("the table", &items.join("\n"), &hunt.marks);
    }
}
