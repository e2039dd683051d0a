//! Which requests leave a record, and what it holds.

use http::Method;
use mayfly_tests::{Vault, vault::plain, wire::Trouble};
use serde_json::{Value, json};

/// Requests in order: method, target, what the body is, the status, and the path of the one record, if any.
const REQUESTS: &str = "
    POST   /v1/secrets/new                text   201  secrets:new
    POST   /v1/secrets/new                text   400  secrets:new
    POST   /v1/secrets/bad                bad    400  secrets:bad
    GET    /v1/secrets/new                none   200  secrets:new
    GET    /v1/secrets/new?edit=true      none   200  secrets:new
    GET    /v1/secrets/new::description   none   200  secrets:new::description
    GET    /v1/secrets/new/version/3      none   200  secrets:new:version:3
    GET    /v1/secrets/n::listpaths       none   200  secrets:n::listpaths
    GET    /v1/secrets/missing            none   404  secrets:missing
    GET    /v1/secrets?searchTerm=n       none   200  secrets
    PUT    /v1/secrets/new                text   200  secrets:new
    PUT    /v1/secrets/missing            text   404  secrets:missing
    PUT    /v1/secrets/new/rollback/0     none   200  secrets:new:rollback:0
    PUT    /v1/secrets/new/rollback/9     none   404  secrets:new:rollback:9
    DELETE /v1/secrets/new                none   200  secrets:new
    DELETE /v1/secrets/new                none   200  secrets:new
    GET    /v1/secrets/new                none   404  secrets:new
    PUT    /v1/secrets/new/restore        none   200  secrets:new:restore
    DELETE /v1/secrets/new?force=true     none   204  secrets:new
    GET    /v1/heartbeat                  none   200
    GET    /v1/.well-known/jwks.json      none   200
    GET    /v1/nothing                    none   404
    PATCH  /v1/secrets/new                none   405
";

/// A request, the status it is answered with, and the path of the one record it leaves, if any.
type Row = (
    Method,
    &'static str,
    Option<Value>,
    u16,
    Option<&'static str>,
);

fn rows() -> Vec<Row> {
    let lines = REQUESTS.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap();
            let (method, target) = (word().parse().unwrap(), word());
            let body = match word() {
                "text" => Some(json!({"description": "x"})),
                "bad" => Some(json!([])),
                _ => None,
            };
            (method, target, body, word().parse().unwrap(), words.next())
        })
        .collect()
}

/// The records that came since `before`.
fn since(vault: &Vault, before: &[Value]) -> Vec<Value> {
    let mut records = vault.audit();
    records.retain(|record| !before.contains(record));
    records
}

#[tokio::test]
async fn each_request_leaves_one_record_with_who_what_and_how() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let role = plain(&vault.items_of("ROLE#admin").remove(0));
    for (method, target, body, status, path) in rows() {
        let before = vault.audit();
        vault
            .ask(method.clone(), target, body.as_ref())
            .await
            .expect(status);
        let records = since(&vault, &before);
        let Some(path) = path else {
            assert_eq!(records.len(), 0, "{method} {target}: {records:?}");
            continue;
        };
        assert_eq!(records.len(), 1, "{method} {target}: {records:?}");
        let record = &records[0];
        assert_eq!(record["path"], path, "{method} {target}");
        assert_eq!(record["action"], method.as_str());
        assert_eq!(record["status"], status);
        assert_eq!(record["principal"], "roles:admin");
        assert_eq!(record["clientId"], vault.client_id);
        assert_eq!(record["ipaddress"], "192.0.2.7");
        assert_eq!(record["issuance"], "");
        assert_eq!(record["requestId"].as_str().unwrap().len(), 36);
        assert_eq!(record["created"], "2026-01-01T00:00:00Z");
        assert!(
            record["pk"]
                .as_str()
                .unwrap()
                .starts_with("AUDIT#2026-01-01#")
        );
        assert_eq!(record["sk"].as_str().unwrap().len(), 26);
        if body != Some(json!([])) {
            assert_eq!(record["principalItemId"], role["id"]);
        }
    }
}

#[tokio::test]
async fn refusals_by_rule_are_recorded() {
    let vault = Vault::start().await;
    let token = vault.make_role("nobody").await;
    for (method, target, body, _, path) in rows() {
        let Some(path) = path.filter(|_| body != Some(json!([]))) else {
            continue;
        };
        let before = vault.audit();
        let answer = vault
            .ask_as(&token, method.clone(), target, body.as_ref())
            .await;
        answer.refused(403, "Invalid permissions");
        let records = since(&vault, &before);
        assert_eq!(records.len(), 1, "{method} {target}");
        assert_eq!(records[0]["path"], path);
        assert_eq!(records[0]["status"], 403);
        assert_eq!(records[0]["principal"], "roles:nobody");
        assert_eq!(records[0]["message"], "Invalid permissions");
    }
}

#[tokio::test]
async fn without_a_valid_token_there_is_no_record() {
    let vault = Vault::start().await;
    let before = vault.audit();
    for token in ["", "nonsense", "a.b.c", "Basic eDp5"] {
        for (method, target, body, _, path) in rows() {
            if path.is_some() {
                vault
                    .ask_as(token, method, target, body.as_ref())
                    .await
                    .refused(401, "unable to authenticate");
            }
        }
    }
    assert_eq!(since(&vault, &before).len(), 0);
}

#[tokio::test]
async fn a_sign_in_leaves_a_record_of_whom_and_how() {
    let vault = Vault::start().await;
    let before = vault.audit();
    vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
    let records = since(&vault, &before);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["path"], "token");
    assert_eq!(records[0]["action"], "POST");
    assert_eq!(records[0]["status"], 200);
    assert_eq!(records[0]["principal"], "roles:admin");
    assert_eq!(records[0]["clientId"], vault.client_id);
    assert_eq!(records[0]["message"], "login succeeded");
}

#[tokio::test]
async fn a_sign_in_that_cannot_be_recorded_grants_nothing() {
    let vault = Vault::start().await;
    vault.wire.next("PutItem", Trouble::AccessDenied);
    let answer = vault.sign_in(&vault.client_id, &vault.client_secret).await;
    assert!(!answer.text().contains("accessToken"), "{}", answer.text());
    answer.refused(500, "internal error");
}

#[tokio::test]
async fn a_read_that_cannot_be_recorded_answers_nothing() {
    let vault = Vault::start().await;
    let body = json!({"data": {"word": "hunter2"}});
    vault.create("a", body).await.expect(201);
    for read in ["a", "a?edit=true", "a/version/1", "a::description"] {
        vault.wire.next("PutItem", Trouble::AccessDenied);
        let answer = vault.read(read).await;
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        answer.refused(500, "internal error");
    }
}

#[tokio::test]
async fn a_write_and_its_record_are_one() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let create = || vault.create("a", json!({"data": {"a": 1}}));
    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);
    create().await.refused(500, "internal error");
    let recorded = |status: u16| {
        let records = vault.audit().into_iter();
        records
            .filter(|record| record["path"] == "secrets:a" && record["status"] == status)
            .count()
    };
    assert_eq!((recorded(201), recorded(500)), (0, 1));
    vault.read("a").await.expect(404);

    vault.wire.clear();
    create().await.expect(201);
    assert_eq!(recorded(201), 1);
    assert_eq!(
        vault.wire.operations(),
        ["BatchGetItem", "TransactWriteItems"]
    );

    for trouble in [Trouble::LostAnswer, Trouble::Conflict, Trouble::Throttled] {
        let before = recorded(200);
        vault.wire.next("TransactWriteItems", trouble);
        vault
            .update("a", json!({"description": format!("{trouble:?}")}))
            .await
            .expect(200);
        assert_eq!(recorded(200), before + 1, "{trouble:?}");
    }
    assert_eq!(vault.read("a::description").await.json()["version"], "3");
}
