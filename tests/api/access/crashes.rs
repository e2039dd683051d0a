//! What stops half way leaves nothing that a fresh process would stumble over: no half made vault, no rules that are out
//! of step with their epoch.

use std::{future::poll_fn, pin::pin, task::Poll};

use http::Method;
use mayfly::error::Error;
use mayfly_tests::{Vault, wire::Trouble};
use serde_json::{Value, json};

use crate::{
    bootstrap::{assert_admin, empty, invoke},
    policies::{body, entry, status},
};

/// Bootstraps until `calls` upstream calls have ended, then drops everything, as a killed process does.
async fn bootstrap_killed_after(vault: &Vault, calls: usize) -> Option<Result<Value, Error>> {
    killed_after(vault, calls, invoke(vault, json!({"bootstrap": {}}))).await
}

/// Works until `calls` upstream calls have ended, then drops everything; `None` if it was not done by then.
async fn killed_after<T>(vault: &Vault, calls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if vault.wire.calls().len() >= calls => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A fresh process makes the first admin, or recovers if the one that was killed had made it.
async fn assert_a_fresh_try_succeeds(vault: &Vault, when: &str) {
    let fresh = vault.another();
    let credential = match invoke(&fresh, json!({"bootstrap": {}})).await {
        Ok(credential) => credential,
        Err(Error::Refused(_)) => invoke(&fresh, json!({"recover": true})).await.unwrap(),
        Err(error) => panic!("{when}: {error:?}"),
    };
    assert_admin(&fresh, &credential).await;
    assert_eq!(fresh.items_of("VAULT").len(), 1, "{when}");
    assert_eq!(fresh.items_of("INITIALISED").len(), 1, "{when}");
    assert_eq!(fresh.items_of("ROLE#").len(), 1, "{when}");
}

#[tokio::test]
async fn killed_after_any_call_it_can_be_done_again() {
    let mut kills = 0;
    for calls in 1.. {
        let vault = empty();
        if let Some(done) = bootstrap_killed_after(&vault, calls).await {
            done.unwrap();
            break;
        }
        kills += 1;
        assert_a_fresh_try_succeeds(&vault, &format!("killed after call {calls}")).await;
    }
    assert!(kills >= 8, "{kills} calls");
}

#[tokio::test]
async fn refused_at_any_operation_it_can_be_done_again() {
    for operation in ["PutItem", "GetItem", "Query", "TransactWriteItems"] {
        let vault = empty();
        vault.wire.next(operation, Trouble::AccessDenied);
        let refused = invoke(&vault, json!({"bootstrap": {}})).await;
        assert!(matches!(refused, Err(Error::Internal(_))), "{operation}");
        assert_eq!(vault.items_of("INITIALISED").len(), 0);
        assert_eq!(vault.items_of("CLIENT#").len(), 0);
        assert_a_fresh_try_succeeds(&vault, operation).await;
    }
}

#[tokio::test]
async fn troubles_that_pass_do_not_stop_it() {
    for (operation, trouble) in [
        ("PutItem", Trouble::Throttled),
        ("Query", Trouble::Throttled),
        ("GetItem", Trouble::Unreachable),
        ("PutItem", Trouble::LostAnswer),
        ("TransactWriteItems", Trouble::LostAnswer),
        ("TransactWriteItems", Trouble::Unreachable),
    ] {
        let vault = empty();
        vault.wire.next(operation, trouble);
        let credential = invoke(&vault, json!({"bootstrap": {}})).await.unwrap();
        assert_admin(&vault, &credential).await;
        assert_eq!(
            vault.items_of("CLIENT#").len(),
            1,
            "{operation} {trouble:?}"
        );
    }
}

/// Every change of the rules that a request can make.
const CHANGES: [(Method, &str); 6] = [
    (Method::POST, "config/policies"),
    (Method::PUT, "config/policies/secrets:team"),
    (Method::DELETE, "config/policies/secrets:team"),
    (Method::PUT, "config/policies/secrets:team/rollback/0"),
    (Method::POST, "groups"),
    (Method::DELETE, "groups/readers"),
];

async fn with_rules() -> (Vault, String) {
    let vault = Vault::start().await;
    let token = vault.make_role("machine").await;
    vault.create("team/a", json!({})).await.expect(201);
    let allow = body(
        "secrets:team",
        &[entry("allow", "roles:machine", json!({}))],
    );
    vault
        .ask(Method::POST, "/v1/config/policies", Some(&allow))
        .await
        .expect(201);
    let group = json!({"groupName": "readers", "members": ["roles:machine"]});
    vault
        .ask(Method::POST, "/v1/groups", Some(&group))
        .await
        .expect(201);
    (vault, token)
}

#[tokio::test]
async fn a_change_of_the_rules_killed_after_any_call_leaves_rules_and_epoch_in_step() {
    let mut kills = 0;
    for (method, target) in CHANGES {
        for calls in 1.. {
            let (vault, token) = with_rules().await;
            let before = vault.items_of("EPOCH#");
            let sent = match target {
                "groups" => json!({"groupName": "writers"}),
                "config/policies" => body(
                    "secrets:other",
                    &[entry("deny", "roles:machine", json!({}))],
                ),
                _ => body("", &[entry("deny", "roles:machine", json!({}))]),
            };
            vault.wire.clear();
            let target = format!("/v1/{target}");
            let work = vault.ask(method.clone(), &target, Some(&sent));
            if let Some(answer) = killed_after(&vault, calls, work).await {
                assert!(answer.status < 300, "{}", answer.text());
                break;
            }
            kills += 1;
            assert_in_step(
                &vault,
                &token,
                &before,
                &format!("{method} {target}, call {calls}"),
            )
            .await;
        }
    }
    assert!(kills >= 3 * CHANGES.len(), "{kills}");
}

/// All copies agree, and a fresh process decides by the policies as their items say, whether or not they were changed.
async fn assert_in_step(vault: &Vault, token: &str, before: &[Value], when: &str) {
    let epochs = vault.items_of("EPOCH#");
    let first = &epochs[0]["epoch"];
    assert!(epochs.iter().all(|copy| copy["epoch"] == *first), "{when}");
    let rules = vault.items_of("RULES#");
    assert!(rules.iter().all(|copy| copy["epoch"] == *first), "{when}");
    assert!(
        rules
            .iter()
            .all(|copy| copy["snapshot"] == rules[0]["snapshot"]),
        "{when}"
    );
    let fresh = vault.another();
    let head = vault.items_of("POLICY#secrets:team");
    let head = head.iter().find(|item| item["sk"]["S"] == "HEAD").unwrap();
    let allows = head["document"]["S"].as_str().unwrap().contains("allow");
    let counts = head.get("deletedAt").is_none() && allows;
    let expected = if counts { 200 } else { 403 };
    for process in [vault, &fresh] {
        assert_eq!(status(process, token, "team/a").await, expected, "{when}");
    }
    let changed = epochs[0]["epoch"] != before[0]["epoch"];
    let (snapshot, _) = fresh.app.rules.read().await.unwrap();
    let policies = vault.items_of("POLICY#").into_iter();
    let live = policies.filter(|item| item["sk"]["S"] == "HEAD" && item.get("deletedAt").is_none());
    assert_eq!(
        snapshot.policies.len(),
        live.count(),
        "{when}, changed: {changed}"
    );
}
