//! The schedule: what a sweep answers, and that every part has its turn.

use std::time::Duration;

use mayfly::seal::KeyFile;
use mayfly_tests::{
    Vault,
    events::{Sent, Shape, scheduled},
    wire::Trouble,
};
use serde_json::json;

use crate::{sweep, work};

#[tokio::test]
async fn a_vault_with_nothing_due_is_left_as_it_is() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    let before = vault.items();
    for event in [json!({"mayfly": "sweep"}), scheduled()] {
        let swept = work(&vault, event).await.unwrap();
        let removals = json!({"done": 0, "failed": 0, "unreadable": 0});
        assert_eq!(swept["removals"], removals);
        assert_eq!(swept["errors"], 0);
        assert_eq!(
            (&swept["signingKey"], &swept["branchKeys"]),
            (&json!(false), &json!(0))
        );
    }
    assert_eq!(vault.items(), before);
}

#[tokio::test]
async fn a_table_without_a_vault_is_left_empty() {
    let vault = Vault::empty(std::sync::Arc::new(KeyFile::ephemeral().unwrap()));
    assert_eq!(sweep(&vault).await["errors"], 0);
    assert!(vault.items().is_empty());
}

#[tokio::test]
async fn one_part_in_trouble_does_not_keep_the_others() {
    let mut vault = Vault::start().await;
    vault.wire.bad_weather(0);
    vault.create("a", json!({})).await.expect(201);
    vault.delete("a").await.expect(200);
    vault.wait(Duration::from_hours(31 * 24)).await;
    // The first of these is the signing key's, which is due.
    vault.wire.next("TransactWriteItems", Trouble::AccessDenied);

    let swept = sweep(&vault).await;
    assert_eq!(
        (&swept["errors"], &swept["signingKey"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(swept["removals"]["done"], 1);

    let swept = sweep(&vault).await;
    assert_eq!(
        (&swept["errors"], &swept["signingKey"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(sweep(&vault).await["signingKey"], false);
}

#[tokio::test]
async fn strays_are_looked_for_when_asked() {
    let vault = Vault::start().await;
    let found = work(&vault, json!({"mayfly": "reconcile", "delete": false})).await;
    let found = found.unwrap();
    assert_eq!((&found["strays"], &found["bases"]), (&json!([]), &json!(0)));
    let wrong = work(&vault, json!({"mayfly": "reconcile", "delete": 1})).await;
    let error = wrong.unwrap_err().to_string();
    assert_eq!(error, "event.delete: must be true or false");
}

#[tokio::test]
async fn what_is_no_event_of_this_function_is_refused() {
    let vault = Vault::start().await;
    for shape in Shape::ALL {
        let event = Sent::new("POST", "/v1/token").event(shape);
        let error = work(&vault, event).await.unwrap_err().to_string();
        assert_eq!(error, "event: this function takes no HTTP", "{shape:?}");
    }
    let sqs = json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]});
    for event in [json!({}), json!({"bootstrap": {}}), sqs] {
        let error = work(&vault, event).await.unwrap_err().to_string();
        assert!(error.starts_with("event: must be"), "{error}");
    }
}
