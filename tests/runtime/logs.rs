//! What a function says at its loudest.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
    vault::{SECRET_KEY, assume_role, base, dynamic},
};
use serde_json::{Value, json};

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
    let mut markers = vec![
        "marker-in-data".to_owned(),
        SECRET_KEY.to_owned(),
        token.clone(),
        text("secretKey"),
        text("sessionToken"),
    ];
    markers.extend(people_and_machines(&vault, &token).await);
    for function in [
        &vault.token,
        &vault.crud,
        &vault.dynamic_read,
        &vault.access,
    ] {
        let logs = function.stop().await.unwrap().logs;
        assert!(logs.contains("answered"), "no log line was seen: {logs}");
        assert!(logs.contains("\"_aws\""), "no metric was seen: {logs}");
        for marker in &markers {
            assert!(!logs.contains(marker.as_str()), "{marker} is in the logs");
        }
    }
}

/// Makes and signs in a user and a client; answers every secret that came by.
async fn people_and_machines(vault: &Deployment, token: &str) -> Vec<String> {
    let password = "marker-in-password";
    let post = async |target: &str, body: Value, status: u16| {
        let sent = Sent::new("POST", target)
            .header("authorization", token)
            .json(&body);
        let answer = vault.send(Shape::HttpApi, &sent).await.unwrap();
        answer.expect(status).json()
    };
    let text = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    post(
        "/v1/users",
        json!({"userName": "bob", "password": password}),
        201,
    )
    .await;
    let client = post("/v1/clients", json!({"role": "admin"}), 201).await;
    let grant = json!({"grant_type": "password", "username": "bob", "password": password});
    let signed_in = post("/v1/token", grant, 200).await;
    let wrong = json!({"grant_type": "password", "username": "bob", "password": "marker-in-guess"});
    post("/v1/token", wrong, 401).await;
    // This path holds a secret.
    let revoke = format!("/v1/revoke/{}", text(&signed_in, "refreshToken"));
    let sent = Sent::new("POST", &revoke);
    let revoked = vault.send(Shape::HttpApi, &sent).await.unwrap();
    revoked.expect(204);
    vec![
        password.to_owned(),
        "marker-in-guess".to_owned(),
        text(&client, "clientSecret"),
        text(&signed_in, "accessToken"),
        text(&signed_in, "refreshToken"),
    ]
}
