//! How many upstream calls an operation makes when warm, and how many wait for one another.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Answer, Vault,
    vault::{assume_role, rule},
};
use serde_json::json;

/// A warm vault with a secret `a`, its base `base` and a dynamic `d`.
async fn warm() -> Vault {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    vault.create_base("base", json!({})).await;
    vault
        .create_dynamic("d", "base", assume_role())
        .await
        .expect(201);
    vault.read("a").await.expect(200);
    vault.wire.clear();
    vault
}

#[track_caller]
fn made(vault: &Vault, calls: &[&str], depth: usize) {
    let mut operations = vault.wire.operations();
    operations.sort();
    assert_eq!(operations, calls);
    assert_eq!(vault.wire.depth(), depth);
    vault.wire.clear();
}

#[tokio::test]
async fn reading_is_one_read_and_one_record() {
    let vault = warm().await;
    let id = vault.read("a").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    vault.read(&id).await.expect(200); // from now on this process knows where that id is
    vault.wire.clear();

    for path in [
        "a",
        "a:",
        "a::description",
        "a?edit=true",
        "d?edit=true",
        "d::description",
        &id,
        "missing",
    ] {
        vault.read(path).await;
        made(&vault, &["BatchGetItem", "PutItem"], 2);
    }
}

#[tokio::test]
async fn an_id_that_this_process_does_not_know_costs_one_read_more() {
    let vault = warm().await;
    let id = vault.another().read("a").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();

    vault.read(&id).await.expect(200);
    made(&vault, &["BatchGetItem", "BatchGetItem", "PutItem"], 3);
    vault.read(&id).await.expect(200);
    made(&vault, &["BatchGetItem", "PutItem"], 2);
}

#[tokio::test]
async fn a_refusal_is_one_read_and_one_record() {
    let vault = warm().await;
    let token = vault.make_role("nobody").await;
    vault
        .set_rules(vec![rule(Effect::Deny, "roles:nobody", "<.*>", "<.*>")])
        .await;
    // Each function loads the new rules once.
    for method in [Method::GET, Method::PUT] {
        let refused = ask(&vault, &token, method, "/v1/secrets/a").await;
        refused.refused(403, "");
    }
    vault.wire.clear();

    for (method, target) in [
        (Method::GET, "/v1/secrets/a"),
        (Method::GET, "/v1/secrets/missing"),
        (Method::GET, "/v1/secrets"),
        (Method::PUT, "/v1/secrets/a"),
        (Method::POST, "/v1/secrets/new"),
        (Method::DELETE, "/v1/secrets/a?force=true"),
    ] {
        ask(&vault, &token, method, target).await.refused(403, "");
        made(&vault, &["BatchGetItem", "PutItem"], 2);
    }
}

#[tokio::test]
async fn a_write_is_one_read_and_one_transaction_with_its_record() {
    let vault = warm().await;
    let calls = ["BatchGetItem", "TransactWriteItems"];

    vault
        .create("b", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    made(&vault, &calls, 2);
    vault
        .update("b", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    made(&vault, &calls, 2);
    vault.delete("b").await.expect(200);
    made(&vault, &calls, 2);
    vault.put("b/restore").await.expect(200);
    made(&vault, &calls, 2);
    vault
        .create_dynamic("e", "base", assume_role())
        .await
        .expect(201);
    made(&vault, &calls, 2);
}

#[tokio::test]
async fn rolling_back_reads_the_version_besides() {
    let vault = warm().await;
    vault
        .update("a", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    vault.wire.clear();

    vault.put("a/rollback/0").await.expect(200);

    made(
        &vault,
        &["BatchGetItem", "GetItem", "TransactWriteItems"],
        3,
    );
}

#[tokio::test]
async fn versions_are_one_query_besides() {
    let vault = warm().await;
    vault
        .update("a", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    vault.wire.clear();

    vault.read("a/version/10").await.expect(200);
    made(&vault, &["BatchGetItem", "PutItem", "Query"], 3);
    vault.read("a/version/0").await.expect(200);
    made(&vault, &["BatchGetItem", "PutItem"], 2);
}

#[tokio::test]
async fn a_search_asks_all_partitions_at_once() {
    let vault = warm().await;
    let mut calls = vec!["BatchGetItem", "PutItem"];
    calls.extend(["Query"; 8]);
    for query in [
        "",
        "searchTerm=a",
        "search.comparison=begins_with&searchTerm=a",
        "search.links=true&searchTerm=base",
    ] {
        vault.search(query).await.expect(200);
        made(&vault, &calls, 3);
    }
    vault.read("a::listpaths").await.expect(200);
    made(&vault, &calls, 3);
}

#[tokio::test]
async fn without_a_token_the_table_is_not_asked() {
    let vault = warm().await;

    ask(&vault, "a.b.c", Method::GET, "/v1/secrets/a")
        .await
        .refused(401, "");
    vault
        .send(Method::GET, "/v1/secrets/a", &[], Vec::new())
        .await
        .refused(401, "");

    made(&vault, &[], 0);
}

#[tokio::test]
async fn a_wrong_request_costs_one_record() {
    let vault = warm().await;

    vault
        .create("b", json!({"data": 7}))
        .await
        .refused(400, "data: ");

    made(&vault, &["PutItem"], 1);
}

async fn ask(vault: &Vault, token: &str, method: Method, target: &str) -> Answer {
    vault.ask_as(token, method, target, Some(&json!({}))).await
}
