//! What a function says at its loudest.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
    vault::{SECRET_KEY, assume_role, base, dynamic},
};
use serde_json::json;

#[tokio::test]
async fn no_secret_is_in_the_logs_at_trace_level() {
    let vault = Deployment::start(&[("MAYFLY_LOG", "trace")]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    let sent = |method, target: &str| Sent::new(method, target).header("authorization", &token);
    let plain = json!({"data": {"password": "marker-in-data"}});
    for (path, body) in [
        ("plain", plain),
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        let create = sent("POST", &format!("/v1/secrets/{path}")).json(&body);
        vault
            .send(Shape::HttpApi, &create)
            .await
            .unwrap()
            .expect(201);
    }
    vault
        .send(Shape::HttpApi, &sent("GET", "/v1/secrets/plain"))
        .await
        .unwrap()
        .expect(200);
    let minted = vault
        .send(Shape::HttpApi, &sent("GET", "/v1/secrets/reader"))
        .await
        .unwrap()
        .expect(200);
    let minted = minted.json()["data"].clone();
    let broken = sent("POST", "/v1/secrets/x").body(r#"{"data":{"password":"marker-in-data"#);
    vault
        .send(Shape::HttpApi, &broken)
        .await
        .unwrap()
        .expect(400);

    let text = |name: &str| minted[name].as_str().unwrap().to_owned();
    let markers = [
        "marker-in-data".to_owned(),
        SECRET_KEY.to_owned(),
        token.clone(),
        text("secretKey"),
        text("sessionToken"),
    ];
    for function in [&vault.token, &vault.crud, &vault.dynamic_read, &vault.access] {
        let logs = function.stop().await.unwrap().logs;
        assert!(logs.contains("answered"), "no log line was seen: {logs}");
        for marker in &markers {
            assert!(!logs.contains(marker.as_str()), "{marker} is in the logs");
        }
    }
}
