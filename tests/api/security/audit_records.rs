//! What no audit record holds: more than a kilobyte, or a secret value.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, ACCOUNT, assume_role, plain},
};
use serde_json::{Value, json};

/// The size of an item as DynamoDB counts it.
fn size(item: &Value) -> usize {
    let fields = item.as_object().unwrap().iter();
    fields
        .map(|(name, value)| {
            let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
            let text = value.as_str().unwrap();
            name.len()
                + match kind.as_str() {
                    "N" => text.len() / 2 + 1,
                    "B" => BASE64_STANDARD.decode(text).unwrap().len(),
                    _ => text.len(),
                }
        })
        .sum()
}

#[tokio::test]
async fn no_record_is_over_a_kilobyte() {
    let vault = Vault::start().await;
    let long = "x".repeat(500);
    let name = "é".repeat(120);
    let token = vault.make_role(&name).await;
    let strange = format!("arn:aws:iam::{ACCOUNT}:role/{}/r", "p".repeat(400));
    vault.create_base("aws/base", json!({})).await;
    let mut attributes = assume_role();
    attributes["roleArn"] = json!(strange);
    let reader = format!("r/{long}");
    vault
        .create_dynamic(&reader, "aws:base", attributes)
        .await
        .expect(201);
    vault.read(&reader).await.refused(400, "AccessDenied");
    for target in [
        format!("/v1/secrets/{long}"),
        format!("/v1/secrets/{}", "é".repeat(400)),
    ] {
        vault.ask_as(&token, Method::GET, &target, None).await;
        vault.ask(Method::GET, &target, None).await;
    }
    let wordy = json!({"grant_type": "client_credentials", "client_id": "é".repeat(900), "client_secret": "x"});
    vault
        .send(
            Method::POST,
            "/v1/token",
            &[],
            wordy.to_string().into_bytes(),
        )
        .await
        .expect(401);

    let items = vault.items_of("AUDIT#");
    assert!(items.len() >= 7, "{}", items.len());
    for item in items {
        assert!(
            size(&item) <= 1024,
            "{} bytes: {}",
            size(&item),
            plain(&item)
        );
    }
}

#[tokio::test]
async fn no_value_appears_in_a_record() {
    let vault = Vault::start().await;
    let body = json!({"data": {"word": "hunter2"}, "description": "hunter3", "attributes": {"a": "hunter4"}});
    vault.create("a", body.clone()).await.expect(201);
    vault.create("a", body.clone()).await.expect(400);
    vault.update("a", body).await.expect(200);
    vault.read("a").await.expect(200);
    vault.search("searchTerm=hunter5").await.expect(200);
    vault.create_base("aws/base", json!({})).await;
    let text = format!("{:?}", vault.audit());
    assert!(
        !text.contains("hunter") && !text.contains(ACCESS_KEY),
        "{text}"
    );
}
