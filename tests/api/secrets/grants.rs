//! Who may do what to a secret, and that a refusal says nothing about what is there.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Vault, vault::rule};
use serde_json::json;

/// All that can be asked of one secret.
pub(crate) const ASKED: [(Method, &str); 9] = [
    (Method::GET, ""),
    (Method::GET, "?edit=true"),
    (Method::GET, "::description"),
    (Method::GET, "/version/1"),
    (Method::PUT, ""),
    (Method::PUT, "/rollback/0"),
    (Method::PUT, "/restore"),
    (Method::DELETE, ""),
    (Method::DELETE, "?force=true"),
];

#[tokio::test]
async fn without_a_grant_existence_makes_no_difference() {
    let vault = Vault::start().await;
    let token = vault.make_role("nobody").await;
    let created = vault
        .create("there", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    vault.create("gone", json!({})).await.expect(201);
    vault.delete("gone").await.expect(200);
    let before = vault.items_of("SECRET");
    let id = created["id"].as_str().unwrap();
    let unknown = "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21";

    for name in ["there", "gone", "missing", id, unknown] {
        for (method, rest) in ASKED {
            let target = format!("/v1/secrets/{name}{rest}");
            let answer = vault
                .ask_as(&token, method, &target, Some(&json!({})))
                .await;
            answer.refused(403, "Invalid permissions");
        }
    }
    for name in ["there", "gone", "missing"] {
        let target = format!("/v1/secrets/{name}");
        let answer = vault
            .ask_as(&token, Method::POST, &target, Some(&json!({})))
            .await;
        answer.refused(403, "Invalid permissions");
    }
    for target in [
        "/v1/secrets",
        "/v1/secrets?searchTerm=there",
        "/v1/secrets/t::listpaths",
    ] {
        let answer = vault.ask_as(&token, Method::GET, target, None).await;
        answer.refused(403, "Invalid permissions");
    }
    assert_eq!(vault.items_of("SECRET"), before);
}

#[tokio::test]
async fn each_verb_needs_its_own_right() {
    let vault = Vault::start().await;
    let token = vault.make_role("one").await;
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    vault
        .update("a", json!({"data": {"n": 2}}))
        .await
        .expect(200);
    let asked: [(Method, &str, &str); 9] = [
        (Method::POST, "/v1/secrets/new", "create"),
        (Method::GET, "/v1/secrets/a", "read"),
        (Method::GET, "/v1/secrets/a::description", "read"),
        (Method::GET, "/v1/secrets/a/version/1", "read"),
        (Method::PUT, "/v1/secrets/a", "update"),
        (Method::PUT, "/v1/secrets/a/rollback/0", "update"),
        (Method::DELETE, "/v1/secrets/a", "delete"),
        (Method::PUT, "/v1/secrets/a/restore", "delete"),
        (Method::GET, "/v1/secrets", "list"),
    ];
    for granted in ["create", "read", "update", "delete", "list", "assign"] {
        let on = |resource: &str| rule(Effect::Allow, "roles:one", resource, granted);
        vault
            .set_rules(vec![on("secrets:<.*>"), on("secrets")])
            .await;
        for (method, target, needed) in asked.clone() {
            let answer = vault.ask_as(&token, method, target, Some(&json!({}))).await;
            assert_eq!(
                answer.status != 403,
                granted == needed,
                "{granted}: {target} {}",
                answer.text()
            );
        }
    }
}
