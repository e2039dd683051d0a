//! What a home does not take: links, and names that are none.

use http::Method;
use mayfly_tests::vault::{assume_role, base, dynamic};
use serde_json::json;

use crate::home::Bob;

#[tokio::test]
async fn nothing_in_a_home_links_and_nothing_there_is_a_base() {
    let bob = Bob::start().await;
    bob.vault.create_base("aws/base", json!({})).await;
    for config in [
        json!({"linkType": "dynamic", "linkedSecret": "aws:base"}),
        json!("x"),
    ] {
        let linked = json!({"attributes": {"linkConfig": config}});
        bob.post("/a", linked.clone())
            .await
            .refused(400, "attributes.linkConfig: ");
        bob.post("/b", json!({})).await.expect(201);
        bob.put("/b", linked)
            .await
            .refused(400, "attributes.linkConfig: ");
        bob.delete("/b?force=true").await.expect(204);
    }
    let itself = dynamic("roles:bob:a", json!({}));
    bob.post("/a", itself)
        .await
        .refused(400, "attributes.linkConfig: ");

    // What would be a base in the vault is only data here, be it complete or not, large or not.
    bob.post("/base", base(json!({}))).await.expect(201);
    let large = json!({"data": {"text": "x".repeat(20_000)}, "attributes": {"type": "aws"}});
    bob.post("/large", large).await.expect(201);
    for path in ["roles:bob:base", "home:roles:bob:base", "base"] {
        let linked = dynamic(path, assume_role());
        let answer = bob.vault.create("reader", linked).await;
        answer.refused(400, "attributes.linkConfig.linkedSecret: does not exist");
    }
    assert!(bob.vault.items_of("SECRET#reader").is_empty());
}

#[tokio::test]
async fn the_first_segment_must_be_a_principal() {
    let bob = Bob::start().await;
    let targets = [
        "home/bob/a",
        "home/users",
        "home/groups:x/a",
        "home/users:a:b:c/a",
        "home/users:é/a",
    ];
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        for target in targets {
            let answer = bob.ask(method.clone(), target, Some(json!({}))).await;
            answer.refused(400, "path: ");
        }
    }
    for rest in [
        "/a/version/3",
        "/a/restore",
        "/6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21",
        "",
    ] {
        bob.post(rest, json!({})).await.refused(400, "path: ");
    }
    bob.ask(Method::GET, "home", None)
        .await
        .refused(404, "no such route");
    bob.get("::description").await.refused(400, "path: ");
}
