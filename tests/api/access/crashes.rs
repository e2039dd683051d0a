//! A bootstrap that stops half way leaves nothing that a fresh one would stumble over.

use std::{future::poll_fn, pin::pin, task::Poll};

use mayfly::error::Error;
use mayfly_tests::{Vault, wire::Trouble};
use serde_json::{Value, json};

use crate::bootstrap::{assert_admin, empty, invoke};

/// Bootstraps until `calls` upstream calls have ended, then drops everything, as a killed process does.
async fn bootstrap_killed_after(vault: &Vault, calls: usize) -> Option<Result<Value, Error>> {
    let mut work = pin!(invoke(vault, json!({"bootstrap": {}})));
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
