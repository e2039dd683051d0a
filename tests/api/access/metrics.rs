//! What is counted of signing in, and of the way back in.

use mayfly_tests::{Vault, metrics};
use serde_json::json;

use crate::bootstrap::invoke;

#[tokio::test]
async fn refused_grants_are_counted_and_good_ones_are_not() {
    let vault = Vault::start().await;
    let metrics = metrics::record();
    let (id, secret) = (&vault.client_id, &vault.client_secret);
    vault.sign_in(id, secret).await.expect(200);
    assert_eq!(metrics.counts("FailedSignIns"), []);
    for _ in 0..3 {
        vault.sign_in(id, "a guess").await.expect(401);
    }
    let failed = ("FailedSignIns".to_owned(), 3);
    assert_eq!(metrics.counts("FailedSignIns"), [failed]);
}

#[tokio::test]
async fn a_recovery_is_counted_if_it_made_an_admin() {
    let vault = crate::bootstrap::empty();
    let metrics = metrics::record();
    let recover = || invoke(&vault, json!({"recover": true}));
    recover().await.unwrap_err();
    invoke(&vault, json!({"bootstrap": {}})).await.unwrap();
    assert_eq!(metrics.counts("AdminRecoveries"), []);
    recover().await.unwrap();
    let recovered = ("AdminRecoveries".to_owned(), 1);
    assert_eq!(metrics.counts("AdminRecoveries"), [recovered]);
}
