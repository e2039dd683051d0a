//! `mayfly reconcile`: finding what has no lease, and deleting it only if told to.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    cloud::Tenant,
    running::{Running, folder, mayfly},
};

fn reconcile(dir: &Path, more: &[&str]) -> Value {
    let mut command = mayfly();
    command
        .args(["reconcile", "--data-dir"])
        .arg(dir.join("data"))
        .args(more);
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Where the sandbox cloud of a running vault is, and the key to it.
fn tenant_of(vault: &Running) -> Tenant {
    let banner = vault.wait_for_banner();
    let after = banner.split_once("the sandbox cloud is at ").unwrap().1;
    let base = vault.ask(&vault.token(), "GET", "samples/azure/base", "");
    Tenant {
        url: after.split_once(';').unwrap().0.to_owned(),
        base: base["data"].clone(),
    }
}

#[test]
fn a_stray_is_reported_and_deleted_only_if_told_to() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let tenant = tenant_of(&vault);
    let minted = vault.ask(&vault.token(), "GET", "samples/azure/graph", "");
    let applications = |tenant: &Tenant| {
        let found = tenant.graph("GET", "applications", "");
        found["value"].as_array().unwrap().clone()
    };
    let leased = applications(&tenant)
        .into_iter()
        .find(|app| app["appId"] == minted["data"]["clientId"])
        .unwrap();
    let lease = "11111111-2222-4333-8444-555555555555";
    let plant = |name: &str, tags: &Value| {
        let body = json!({"displayName": name, "tags": tags}).to_string();
        tenant.graph("POST", "applications", &body)["id"].clone()
    };
    let stray = plant(&format!("dsv-{lease}"), &leased["tags"]);
    let foreign = plant(&format!("dsv-{lease}"), &json!(["mayfly:another vault"]));
    let password = json!({"passwordCredential": {"displayName": format!("mayfly-{lease}-1")}});
    let owned = vault.ask(&vault.token(), "GET", "samples/azure/existing", "");
    let owned = owned["data"]["appObjectId"].as_str().unwrap().to_owned();
    let path = format!("applications/{owned}/addPassword");
    let key = tenant.graph("POST", &path, &password.to_string())["keyId"].clone();
    assert!(stray.is_string() && key.is_string());
    vault.stop("-TERM");

    let reported = reconcile(dir.path(), &[]);
    assert_eq!(reported["bases"], 1);
    assert_eq!(reported["deleted"], 0);
    let mut strays = reported["strays"].as_array().unwrap().clone();
    strays.sort_by_key(|stray| stray["password"].is_string());
    let base = "samples:azure:base";
    let expected = json!([
        {"base": base, "lease": lease, "application": stray},
        {"base": base, "lease": lease, "application": owned, "password": key},
    ]);
    assert_eq!(json!(strays), expected, "and nothing that has a lease");

    let deleted = reconcile(dir.path(), &["--delete"]);
    assert_eq!(deleted["deleted"], 2, "{deleted}");
    assert_eq!(reconcile(dir.path(), &[])["strays"], json!([]));

    let vault = Running::start(dir.path(), &[]);
    let left = applications(&tenant_of(&vault));
    let is_there = |id: &Value| left.iter().any(|app| app["id"] == *id);
    assert!(!is_there(&stray));
    assert!(is_there(&foreign), "what another vault made is not ours");
    assert!(is_there(&leased["id"]), "what has a lease is no stray");
}
