//! Whatever is changed, an admin is left who can change it back; and if not, there is a way back in.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

use crate::{
    bootstrap::{assert_admin, invoke},
    policies::{create, entry},
};

async fn config(vault: &Vault, entries: Value) -> Answer {
    let text = json!({ "permissionDocument": entries }).to_string();
    let body = json!({"Config": text, "Serialization": "json"});
    vault.ask(Method::PUT, "/v1/config", Some(&body)).await
}

fn allow(subject: &str) -> Value {
    json!({"subjects": [subject], "resources": ["<.*>"], "actions": ["<.*>"]})
}

#[tokio::test]
async fn the_config_shows_the_admins_entry() {
    let vault = Vault::start().await;
    let answer = vault
        .ask(Method::GET, "/v1/config", None)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["createdBy"], "system");
    assert_eq!(answer["version"], "0");
    let entries = answer["permissionDocument"].as_array().unwrap();
    assert_eq!(entries[0]["effect"], "allow");
    assert_eq!(entries[0]["subjects"], json!(["roles:admin"]));
    assert_eq!(entries[0]["resources"], json!(["<.*>"]));
    assert_eq!(entries[1]["effect"], "deny");
    assert_eq!(entries[1]["resources"], json!(["home:<.*>"]));
}

#[tokio::test]
async fn a_config_that_leaves_no_admin_is_refused() {
    let vault = Vault::start().await;
    let cidr = json!({"remoteIP": {"type": "CIDRCondition", "options": {"cidr": "0.0.0.0/0"}}});
    let conditional = json!({"subjects": ["roles:admin"], "resources": ["<.*>"], "actions": ["<.*>"], "conditions": cidr});
    let deny = |resource: &str| json!({"subjects": ["roles:<.*>"], "effect": "deny", "resources": [resource], "actions": ["update"]});
    for entries in [
        json!([allow("roles:nobody")]),
        json!([allow("groups:admins")]),
        json!([allow("roles:<.*>")]),
        json!([conditional]),
        json!([allow("roles:admin"), deny("config:policies")]),
        json!([allow("roles:admin"), deny("config")]),
        json!([allow("roles:admin"), deny("<.*>")]),
    ] {
        config(&vault, entries.clone())
            .await
            .refused(400, "no admin");
    }
    vault.make_role("second").await;
    config(&vault, json!([allow("roles:second")]))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_stated_version_of_the_config_must_be_the_current_one() {
    let vault = Vault::start().await;
    let put = async |version: Value| {
        let text =
            json!({"permissionDocument": [allow("roles:admin")], "version": version}).to_string();
        let body = json!({"config": text, "serialization": "json"});
        vault.ask(Method::POST, "/v1/config", Some(&body)).await
    };
    put(json!("0")).await.expect(200);
    put(json!("0")).await.refused(409, "its version is 1 now");
    put(json!(1)).await.expect(200);
    put(json!("new")).await.refused(400, "config.version");
    let answer = vault
        .ask(Method::GET, "/v1/config/version/5", None)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn no_policy_can_lock_the_last_admin_out() {
    let vault = Vault::start().await;
    for (path, subject, more) in [
        (
            "config:policies",
            "roles:admin",
            json!({"resources": ["config:policies"], "actions": ["update"]}),
        ),
        (
            "config:policies",
            "roles:<ad.*>",
            json!({"resources": ["config:policies"], "actions": ["<.*>"]}),
        ),
        (
            "config:policies",
            "roles:admin",
            json!({"resources": ["config:policies:<.*>"], "actions": ["update"]}),
        ),
        (
            "config",
            "roles:admin",
            json!({"resources": ["config"], "actions": ["update"]}),
        ),
        (
            "config:policies:secrets",
            "roles:admin",
            json!({"resources": ["config:policies:config:policies:secrets"], "actions": ["update"]}),
        ),
    ] {
        let answer = create(&vault, path, &[entry("deny", subject, more)]).await;
        answer.refused(400, "no admin");
    }
    let elsewhere = entry("deny", "roles:admin", json!({}));
    create(&vault, "secrets:private", &[elsewhere])
        .await
        .expect(201);
}

#[tokio::test]
async fn the_last_admin_cannot_be_deleted_but_a_second_last_can() {
    let vault = Vault::start().await;
    let delete = async |name: &str| {
        let target = format!("/v1/roles/{name}");
        vault.ask(Method::DELETE, &target, None).await
    };
    delete("admin").await.refused(400, "no admin");
    vault.make_role("second").await;
    let both = json!([allow("roles:admin"), allow("roles:second")]);
    config(&vault, both).await.expect(200);
    delete("second").await.expect(200);
    delete("admin").await.refused(400, "no admin");
    let restore = vault.ask(Method::PUT, "/v1/roles/second/restore", None);
    restore.await.expect(200);
    delete("Admin").await.expect(200);
    vault.read("x").await.refused(401, "unable to authenticate");
}

#[tokio::test]
async fn recovery_repairs_what_rules_took_from_the_admin() {
    let vault = Vault::start().await;
    let mine = vault.make_role("second").await;
    config(&vault, json!([allow("roles:second")]))
        .await
        .expect(200);
    let credential = invoke(&vault, json!({"recover": true})).await.unwrap();
    assert_admin(&vault, &credential).await;
    let seen = vault
        .ask_as(&mine, Method::GET, "/v1/config", None)
        .await
        .expect(200)
        .json();
    assert_eq!(seen["version"], "2");
    assert_eq!(
        seen["permissionDocument"].as_array().unwrap().len(),
        3,
        "what was there stays"
    );
}

#[tokio::test]
async fn recovery_takes_another_name_when_policies_deny_the_role_admin() {
    let vault = Vault::start().await;
    vault.make_role("second").await;
    config(&vault, json!([allow("roles:admin"), allow("roles:second")]))
        .await
        .expect(200);
    let deny = entry(
        "deny",
        "roles:admin",
        json!({"resources": ["config:policies"], "actions": ["<.*>"]}),
    );
    create(&vault, "config:policies", &[deny]).await.expect(201);
    let credential = invoke(&vault, json!({"recover": true})).await.unwrap();
    let role = credential["role"].as_str().unwrap();
    assert!(role.starts_with("admin-"), "{role}");
    let text = |name: &str| credential[name].as_str().unwrap().to_owned();
    let answer = vault
        .sign_in(&text("clientId"), &text("clientSecret"))
        .await
        .expect(200)
        .json();
    let token = answer["accessToken"].as_str().unwrap();
    let target = "/v1/config/policies/config:policies";
    vault
        .ask_as(token, Method::DELETE, target, None)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_broken_deny_denies_and_the_admin_can_still_remove_it() {
    let vault = Vault::start().await;
    let broken = mayfly::access::policy::Rule {
        subjects: vec!["roles:<(".to_owned()],
        effect: Effect::Deny,
        resources: vec!["secrets:x".to_owned()],
        actions: vec!["read".to_owned()],
        conditions: std::collections::BTreeMap::default(),
    };
    vault.set_rules(vec![broken]).await;
    vault.read("x").await.refused(403, "Invalid permissions");
    vault.read("y").await.refused(404, "unable to find");
    config(&vault, json!([allow("roles:admin")]))
        .await
        .expect(200);
    vault.read("x").await.refused(404, "unable to find");
}
