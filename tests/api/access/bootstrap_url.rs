//! One-time addresses: each hands out the secret of one client, once.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use futures_util::future::join_all;
use http::{Method, Request};
use mayfly::http::{edge::Arrival, path::RawPath};
use mayfly_tests::{Answer, Vault, vault::ORIGIN, wire::Trouble};
use serde_json::{Value, json};
use tracing::Level;

use crate::clients::{about, make, post, sign_in, status, token_of, with_role, with_role_in_calm};

/// A vault with the role `app`, and a client of it that waits for its address to be opened.
async fn waiting(more: Value) -> (Vault, Value) {
    let (vault, _) = with_role().await;
    let made = make_waiting(&vault, more).await;
    (vault, made)
}

async fn make_waiting(vault: &Vault, more: Value) -> Value {
    let mut all = json!({"url": true});
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    make(vault, all).await
}

/// What comes after the last slash of the address.
fn code(client: &Value) -> &str {
    let url = client["urlPath"].as_str().unwrap();
    url.rsplit_once('/').unwrap().1
}

/// Opens an address, as anybody can.
async fn open_code(vault: &Vault, code: &str) -> Answer {
    let target = format!("/v1/clients/bootstrap/{code}");
    vault.send(Method::GET, &target, &[], Vec::new()).await
}

async fn open(vault: &Vault, client: &Value) -> Answer {
    open_code(vault, code(client)).await
}

/// The records of openings, oldest first.
fn records(vault: &Vault) -> Vec<Value> {
    let mut records = vault.audit();
    records.retain(|record| record["path"] == "clients:bootstrap");
    records
}

const USED: &str = r#"{"code":400,"message":"url has already used"}"#;

#[tokio::test]
async fn an_address_hands_out_the_secret_once() {
    let (vault, made) = waiting(json!({"description": "ci"})).await;
    let id = made["clientId"].as_str().unwrap();
    let url = made["urlPath"].as_str().unwrap();
    assert!(url.starts_with(&format!("{ORIGIN}/v1/clients/bootstrap/{id}.")));
    assert_eq!(code(&made).len(), 36 + 1 + 43);
    assert!(made.get("clientSecret").is_none());
    assert_eq!(
        (&made["url"], &made["status"]),
        (&json!(true), &json!("waiting"))
    );
    assert_eq!((&made["urlTTL"], made.get("urlExpires")), (&json!(0), None));
    let read = about(&vault, Method::GET, &made, "")
        .await
        .expect(200)
        .json();
    assert_eq!(read["status"], "waiting");
    assert!(read.get("urlPath").is_none() && read.get("clientSecret").is_none());
    vault.sign_in(id, "").await.expect(400);
    vault.sign_in(id, "guess").await.expect(401);

    let opened = open(&vault, &made).await.expect(200).json();
    for key in ["id", "clientId", "role", "description", "created", "url"] {
        assert_eq!(opened[key], made[key], "{key}");
    }
    assert_eq!(opened["status"], "active");
    assert_eq!(opened["clientSecret"].as_str().unwrap().len(), 43);
    assert!(opened.get("urlPath").is_none());
    let another = vault.another();
    sign_in(&another, &opened).await.expect(200);
    for vault in [&vault, &another] {
        let again = open(vault, &made).await.expect(400);
        assert_eq!(again.text(), USED);
    }
    sign_in(&vault, &opened).await.expect(200);
    let read = about(&vault, Method::GET, &made, "")
        .await
        .expect(200)
        .json();
    assert_eq!(read["status"], "active");
    assert!(read.get("clientSecret").is_none());
}

#[tokio::test]
async fn only_the_whole_address_opens_it() {
    let (vault, made) = waiting(json!({})).await;
    let other = make_waiting(&vault, json!({})).await;
    let plain = make(&vault, json!({})).await;
    let (id, random) = code(&made).split_once('.').unwrap();
    let (other_id, other_random) = code(&other).split_once('.').unwrap();
    let plain_id = plain["clientId"].as_str().unwrap();
    let unknown = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let flipped: String = random.chars().rev().collect();
    let mut bodies = Vec::new();
    for wrong in [
        id.to_owned(),
        made["id"].as_str().unwrap().to_owned(),
        format!("{id}."),
        format!("{id}.{flipped}"),
        format!("{id}.{random}x"),
        format!("{id}.{}", random.to_lowercase()),
        format!("{id}.{random}."),
        format!("{id}.{other_random}"),
        format!("{other_id}.{random}"),
        format!("{unknown}.{random}"),
        format!("{plain_id}.{random}"),
        format!("{plain_id}.{}", plain["clientSecret"].as_str().unwrap()),
        format!("x.{random}"),
        format!(".{random}"),
        random.to_owned(),
        "x".repeat(4000),
        "restore".to_owned(),
    ] {
        let answer = open_code(&vault, &wrong).await;
        assert_eq!(answer.status, 404, "{wrong}: {}", answer.text());
        bodies.push(answer.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    open(&vault, &made).await.expect(200);
    open(&vault, &other).await.expect(200);
}

#[tokio::test]
async fn it_takes_no_token_and_no_other_method() {
    let (vault, made) = waiting(json!({})).await;
    let target = format!("/v1/clients/bootstrap/{}", code(&made));
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD] {
        vault.ask(method, &target, None).await.expect(405);
    }
    let nonsense = [("authorization", "Bearer nonsense")];
    let opened = vault.send(Method::GET, &target, &nonsense, Vec::new());
    opened.await.expect(200);
}

#[tokio::test]
async fn an_address_ends_when_its_time_is_over() {
    let vault = with_role_in_calm().await;
    let made = make_waiting(&vault, json!({"urlTTL": 60, "ttl": 3600})).await;
    assert_eq!((&made["urlTTL"], &made["TTL"]), (&json!(60), &json!(3600)));
    assert_eq!(made["urlExpires"], "2026-01-01T00:01:00Z");
    assert!(made.get("expiredAt").is_none(), "its time has not begun");
    let late = make_waiting(&vault, json!({"urlTTL": 60})).await;
    vault.clock.advance(Duration::from_millis(59_999));
    let opened = open(&vault, &made).await.expect(200).json();
    assert_eq!(opened["expiredAt"], "2026-01-01T01:00:59Z");
    assert_eq!(opened["lastModified"], "2026-01-01T00:00:59Z");
    assert_eq!(opened["lastModifiedBy"], "roles:app");
    vault.clock.advance(Duration::from_millis(1));
    open(&vault, &late).await.refused(400, "url has expired");
    assert_eq!(open(&vault, &made).await.expect(400).text(), USED);
    let read = about(&vault, Method::GET, &late, "")
        .await
        .expect(200)
        .json();
    assert_eq!(read["status"], "expired");

    let token = token_of(&vault, &opened).await;
    vault.clock.advance(Duration::from_millis(3_599_998));
    assert_eq!(status(&vault, &token).await, 403);
    vault.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&vault, &token).await, 401);
    sign_in(&vault, &opened).await.expect(401);
}

#[tokio::test]
async fn what_is_deleted_opens_nothing() {
    let (vault, made) = waiting(json!({})).await;
    let role = async |method: Method, rest: &str| {
        let target = format!("/v1/roles/app{rest}");
        vault.ask(method, &target, None).await
    };
    let same = "unable to find item with specified identifier";
    about(&vault, Method::DELETE, &made, "").await.expect(200);
    open(&vault, &made).await.refused(404, same);
    let restored = about(&vault, Method::PUT, &made, "/restore").await;
    restored.expect(200);
    role(Method::DELETE, "").await.expect(200);
    open(&vault, &made).await.refused(404, same);
    role(Method::PUT, "/restore").await.expect(200);

    let id = made["clientId"].as_str().unwrap();
    let item = vault.items_of(&format!("CLIENT#{id}")).remove(0);
    role(Method::DELETE, "?force=true").await.expect(204);
    open(&vault, &made).await.refused(404, same);
    let body = json!({"name": "app"});
    let again = vault.ask(Method::POST, "/v1/roles", Some(&body)).await;
    again.expect(201);
    vault.put_item(&item);
    open(&vault, &made).await.refused(404, same);

    let made = make_waiting(&vault, json!({})).await;
    let opened = open(&vault, &made).await.expect(200).json();
    about(&vault, Method::DELETE, &made, "?force=true")
        .await
        .expect(204);
    open(&vault, &made).await.refused(404, same);
    sign_in(&vault, &opened).await.expect(401);
}

#[tokio::test]
async fn of_many_who_open_it_at_once_one_gets_the_secret() {
    let (vault, _) = with_role().await;
    let another = vault.another();
    for _ in 0..4 {
        let made = make_waiting(&vault, json!({})).await;
        let openings = (0..8).map(|n| open([&vault, &another][n % 2], &made));
        let (won, lost): (Vec<_>, Vec<_>) =
            (join_all(openings).await.into_iter()).partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|answer| answer.text() == USED));
        sign_in(&vault, &won[0].json()).await.expect(200);
    }
}

#[tokio::test]
async fn nothing_is_handed_out_of_what_is_deleted_at_the_same_moment() {
    let vault = with_role_in_calm().await;
    let mut in_time = 0;
    for target in ["clients/", "roles/"] {
        for delay in 0..4 {
            let role = format!("{}{in_time}{delay}", target.replace('/', ""));
            vault.make_role(&role).await;
            let body = json!({"role": role, "url": true});
            let made = post(&vault, body).await.expect(201).json();
            let name = match target {
                "clients/" => made["clientId"].as_str().unwrap().to_owned(),
                _ => role,
            };
            let another = vault.another();
            for _ in 0..delay {
                another.wire.next("TransactWriteItems", Trouble::Conflict);
            }
            let target = format!("/v1/{target}{name}?force=true");
            let deleting = vault.ask(Method::DELETE, &target, None);
            let (opened, deleted) = tokio::join!(open(&another, &made), deleting);
            deleted.expect(204);
            if opened.status == 200 {
                sign_in(&vault, &opened.json()).await.expect(401);
            } else {
                opened.expect(404);
                in_time += 1;
            }
        }
    }
    assert!(in_time > 0, "no deletion was in time");
}

#[tokio::test]
async fn an_opening_is_one_transaction_and_a_lost_answer_of_the_table_loses_no_secret() {
    let (vault, made) = waiting(json!({})).await;
    vault.wire.bad_weather(0);
    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);
    let failed = open(&vault, &made).await;
    assert!(failed.status >= 500, "{}", failed.text());
    assert_eq!(records(&vault).len(), 0);
    for trouble in [Trouble::Conflict, Trouble::LostAnswer] {
        vault.wire.next("TransactWriteItems", trouble);
    }
    vault.wire.clear();
    let opened = open(&vault, &made).await.expect(200).json();
    sign_in(&vault, &opened).await.expect(200);
    assert_eq!(open(&vault, &made).await.expect(400).text(), USED);
    let mut records = records(&vault).into_iter();
    let record = records.find(|record| record["status"] == 200).unwrap();
    assert_eq!(
        (&record["status"], &record["action"]),
        (&json!(200), &json!("GET"))
    );
    assert_eq!(record["principal"], "roles:app");
    assert_eq!(record["clientId"], made["clientId"]);
    assert_eq!(record["message"], "client secret handed out");
}

#[tokio::test]
async fn failures_are_recorded_but_not_without_bound() {
    let vault = with_role_in_calm().await;
    let made = make_waiting(&vault, json!({})).await;
    let id = made["clientId"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        open_code(&vault, &format!("{id}.guess")).await.expect(404);
    }
    assert_eq!(records(&vault).len(), 1);
    vault.clock.advance(Duration::from_millis(200));
    for _ in 0..3 {
        open_code(&vault, &format!("{id}.guess")).await.expect(404);
    }
    let all = records(&vault);
    assert_eq!(all.len(), 2);
    let last = all.last().unwrap();
    assert_eq!(
        (&last["status"], &last["clientId"]),
        (&json!(404), &json!(id))
    );
    assert_eq!(last["principal"], "");

    vault.clock.advance(Duration::from_millis(200));
    vault.wire.next("PutItem", Trouble::AccessDenied);
    open_code(&vault, "x.guess").await.expect(500);
}

#[tokio::test]
async fn the_address_is_never_the_callers_to_choose() {
    let (vault, _) = with_role().await;
    let body = json!({
        "role": "app", "url": true, "urlPath": "https://evil.example/x", "origin": "https://evil.example",
    });
    let headers = [
        ("authorization", vault.token.as_str()),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example"),
        ("origin", "https://evil.example"),
    ];
    let body = body.to_string().into_bytes();
    let target = "/v1/clients?urlPath=https://evil.example";
    let made = vault.send(Method::POST, target, &headers, body).await;
    let made = made.expect(201).json();
    let url = made["urlPath"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("{ORIGIN}/v1/clients/bootstrap/")),
        "{url}"
    );
    assert!(!made.to_string().contains("evil"));
}

#[tokio::test]
async fn a_vault_that_does_not_know_its_address_makes_none() {
    let (vault, _) = with_role().await;
    let edge = mayfly_local::vault::edge(&vault.app);
    let before = vault.items_of("CLIENT#").len();
    for (url, expected) in [(true, 400), (false, 201)] {
        let arrival = Arrival {
            request_id: "test".to_owned(),
            source: "192.0.2.7".to_owned(),
            origin: None,
            path: RawPath::Encoded("/v1/clients".to_owned()),
        };
        let request = Request::builder()
            .method(Method::POST)
            .header("authorization", &vault.token)
            .header("host", "vault.test");
        let body = Body::from(json!({"role": "app", "url": url}).to_string());
        let answer = edge.handle(request.body(body).unwrap(), arrival).await;
        assert_eq!(answer.status(), expected);
    }
    assert_eq!(vault.items_of("CLIENT#").len(), before + 1);
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secret_and_code_are_in_no_record_no_log_and_not_in_the_table() {
    let log = Log::default();
    let subscriber = mayfly::telemetry::json(Level::TRACE, {
        let log = log.clone();
        move || log.clone()
    });
    let _logging = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, a test on another thread, which has none, could switch a log line off for all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let (vault, made) = waiting(json!({"urlTTL": 600})).await;
    let late = make_waiting(&vault, json!({"urlTTL": 1})).await;
    let plain = make(&vault, json!({})).await;
    let random = |client: &Value| code(client).split_once('.').unwrap().1.to_owned();
    let mut marks = vec![random(&made), random(&late)];
    marks.push(plain["clientSecret"].as_str().unwrap().to_owned());

    let wrong = format!("{}.WrongCodeMark", made["clientId"].as_str().unwrap());
    marks.push("WrongCodeMark".to_owned());
    open_code(&vault, &wrong).await.expect(404);
    for trouble in [Trouble::AccessDenied, Trouble::Unreachable] {
        for operation in ["TransactWriteItems", "GetItem", "PutItem"] {
            for _ in 0..5 {
                vault.wire.next(operation, trouble);
            }
            open(&vault, &made).await;
            open_code(&vault, &wrong).await;
        }
    }
    let rest = vault.another();
    vault.clock.advance(Duration::from_secs(2));
    open(&rest, &late).await.expect(400);
    let opened = open(&rest, &made).await;
    if opened.status == 200 {
        let secret = opened.json()["clientSecret"].as_str().unwrap().to_owned();
        marks.push(secret);
        sign_in(&rest, &opened.json()).await.expect(200);
    }
    let target = format!("/v1/clients/bootstrap/{}", code(&made));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        rest.ask(method, &target, None).await.expect(405);
    }
    open(&rest, &made).await.expect(400);
    post(&rest, json!({"role": "app", "url": true}))
        .await
        .expect(201);

    let stored = json!(vault.items()).to_string();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a one-time address did not open"));
    assert!(!records(&vault).is_empty());
    for mark in &marks {
        assert!(!stored.contains(mark.as_str()), "stored: {mark}");
        assert!(!logged.contains(mark.as_str()), "logged: {mark}");
    }
}
