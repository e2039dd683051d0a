//! Direct invocation of `dynamic-read`, as the principal that an alias is mapped to.

use mayfly::{access::policy::Effect, error::Error};
use mayfly_tests::{Vault, vault::rule};
use serde_json::{Value, json};

use crate::cloud::{identity, mints, vault_with_reader};

const ADMIN: Option<&str> = Some("roles:admin");

fn invocations(vault: &Vault) -> Vec<Value> {
    let mut records = vault.audit();
    records.retain(|record| record["action"] == "INVOKE" && record["path"] != "token:bootstrap");
    records
}

#[tokio::test]
async fn the_answer_is_what_get_answers() {
    let vault = vault_with_reader().await;
    let body = json!({"data": {"a": 1.50}, "attributes": {"tag": "x"}});
    vault.create("plain", body).await.expect(201);
    let read = vault.read("plain").await.json();
    for path in ["plain", "/plain", "plain/"] {
        let answer = vault.invoke(ADMIN, json!({ "path": path })).await.unwrap();
        assert_eq!(answer, read);
    }
}

#[tokio::test]
async fn a_dynamic_secret_is_minted_and_recorded() {
    let vault = vault_with_reader().await;
    let answer = vault
        .invoke(ADMIN, json!({"path": "aws/reader"}))
        .await
        .unwrap();
    let who = identity(&vault, &answer["data"], "us-east-1")
        .await
        .unwrap();
    assert!(who.contains("assumed-role/reader/roles-admin."), "{who}");

    let records = invocations(&vault);
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record["path"], "secrets:aws:reader");
    assert_eq!(record["principal"], "roles:admin");
    assert_eq!(record["clientId"], "");
    assert_eq!(record["ipaddress"], "alias:test");
    assert_eq!(
        (&record["status"], &record["message"]),
        (&json!(200), &json!("issuing"))
    );
    let issuance = record["issuance"].as_str().unwrap();
    assert!(who.ends_with(&format!(".{issuance}")), "{who}");
}

#[tokio::test]
async fn a_version_is_read_as_it_was_stored() {
    let vault = vault_with_reader().await;
    vault
        .create("plain", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    vault
        .update("plain", json!({"data": {"n": 1}}))
        .await
        .expect(200);
    for version in [0, 1] {
        let payload = json!({"path": "plain", "version": version});
        let answer = vault.invoke(ADMIN, payload).await.unwrap();
        assert_eq!(answer["data"]["n"], version);
        assert_eq!(answer["version"], version.to_string());
    }
    let payload = json!({"path": "aws/reader", "version": 0});
    let answer = vault.invoke(ADMIN, payload).await.unwrap();
    assert_eq!(answer["data"], json!({}));
    assert_eq!(mints(&vault).len(), 0);
    let missing = vault.invoke(ADMIN, json!({"path": "plain", "version": 2}));
    assert!(matches!(missing.await, Err(Error::NotFound)));
}

#[tokio::test]
async fn an_unmapped_alias_is_refused() {
    let vault = vault_with_reader().await;
    let refused = vault.invoke(None, json!({"path": "aws/reader"})).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    assert_eq!(mints(&vault).len(), 0);
    assert_eq!(vault.wire.operations(), [""; 0], "refused without a look");
}

#[tokio::test]
async fn any_other_payload_is_refused() {
    let vault = vault_with_reader().await;
    for payload in [
        json!({}),
        json!(null),
        json!([]),
        json!("aws/reader"),
        json!({"path": 7}),
        json!({"path": "aws/reader", "versoin": 0}),
        json!({"path": "aws/reader", "version": "0"}),
        json!({"path": "aws/reader", "version": -1}),
        json!({"path": "aws/reader", "edit": true}),
    ] {
        let error = vault.invoke(ADMIN, payload.clone()).await.unwrap_err();
        assert!(
            error.to_string().starts_with("payload: "),
            "{payload}: {error}"
        );
    }
    for path in ["", "a b", "a?b", "../x"] {
        let error = vault
            .invoke(ADMIN, json!({ "path": path }))
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with("path: "), "{path}: {error}");
    }
    assert_eq!(mints(&vault).len(), 0);
}

#[tokio::test]
async fn the_mapped_principal_has_its_own_rights_and_no_more() {
    let vault = vault_with_reader().await;
    vault.create("plain", json!({})).await.expect(201);
    vault.make_role("reports").await;
    let reports = Some("roles:reports");
    let allow = rule(Effect::Allow, "roles:reports", "secrets:aws:<.*>", "read");
    vault.set_rules(vec![allow]).await;

    vault
        .invoke(reports, json!({"path": "aws/reader"}))
        .await
        .unwrap();
    for path in ["plain", "missing"] {
        let refused = vault.invoke(reports, json!({ "path": path })).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{path}");
    }
    let statuses: Vec<_> = invocations(&vault)
        .iter()
        .map(|record| (record["path"].clone(), record["status"].clone()))
        .collect();
    for path in ["secrets:plain", "secrets:missing"] {
        assert!(
            statuses.contains(&(json!(path), json!(403))),
            "{statuses:?}"
        );
    }
}

#[tokio::test]
async fn a_principal_that_does_not_exist_is_nobody_and_is_recorded() {
    let vault = vault_with_reader().await;
    for principal in ["roles:nobody", "users:bob"] {
        let refused = vault
            .invoke(Some(principal), json!({"path": "aws/reader"}))
            .await;
        assert!(
            matches!(refused, Err(Error::Unauthenticated)),
            "{principal}"
        );
    }
    let role = vault.items_of("ROLE#admin").remove(0);
    vault.delete_item(&role);
    let refused = vault.invoke(ADMIN, json!({"path": "aws/reader"})).await;
    assert!(matches!(refused, Err(Error::Unauthenticated)));
    // IAM has let somebody in: the record leads to the alias, and so to them.
    let records = invocations(&vault);
    let statuses: Vec<&Value> = records.iter().map(|record| &record["status"]).collect();
    assert_eq!(statuses, [401, 401, 401]);
}

#[tokio::test]
async fn what_is_not_there_or_deleted_says_so() {
    let vault = vault_with_reader().await;
    let missing = vault.invoke(ADMIN, json!({"path": "missing"})).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    vault.delete("aws/reader").await.expect(200);
    for payload in [
        json!({"path": "aws/reader"}),
        json!({"path": "aws/reader", "version": 0}),
    ] {
        let deleted = vault.invoke(ADMIN, payload).await;
        assert!(matches!(deleted, Err(Error::MarkedForDeletion(_))));
    }
    assert_eq!(mints(&vault).len(), 0);
}
