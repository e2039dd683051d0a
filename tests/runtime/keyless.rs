//! A base without a key of its own, through the built functions: their environment has the identity and the roles.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
    vault::{ACCOUNT, ROLE, assume_role, dynamic, role},
};
use serde_json::json;

#[tokio::test]
async fn a_session_is_minted_with_what_lambda_gave_the_function() {
    let roles = json!([ROLE]).to_string();
    let more = [("MAYFLY_ASSUMABLE_ROLES", roles.as_str())];
    let vault = Deployment::start(&more).await.unwrap();
    let mut trusting = role(ROLE);
    trusting.trusted_users = vec![format!("arn:aws:iam::{ACCOUNT}:user/functions")];
    vault.sandbox.add_role(trusting).unwrap();
    let token = vault.first_token().await.unwrap();
    let sent = |method, target: &str| Sent::new(method, target).header("authorization", &token);
    let base = json!({
        "data": {"credentialSource": "function"},
        "attributes": {"type": "aws", "allowedRoleArns": [ROLE]},
    });
    for (path, body) in [
        ("/v1/secrets/aws/base", base),
        ("/v1/secrets/aws/reader", dynamic("aws:base", assume_role())),
    ] {
        let create = sent("POST", path).json(&body);
        let answer = vault.send(Shape::HttpApi, &create).await.unwrap();
        answer.expect(201);
    }
    let read = sent("GET", "/v1/secrets/aws/reader");
    let answer = vault.send(Shape::HttpApi, &read).await.unwrap();
    let key = answer.expect(200).json()["data"]["accessKey"].clone();
    assert!(key.as_str().unwrap().starts_with("ASIASANDBOX"), "{key}");
}
