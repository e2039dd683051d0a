//! The same bytes through every kind of front door name the same secret, or none.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
};
use serde_json::json;

/// What a client sends after `/v1/secrets/`, and the secret it must reach: a path, or a refusal.
const PATHS: [(&str, Result<&str, u16>); 24] = [
    ("a/b", Ok("a:b")),
    ("a:b", Ok("a:b")),
    ("a%2Fb", Ok("a:b")),
    ("a%3Ab", Ok("a:b")),
    ("a//b", Ok("a:b")),
    ("a/b/", Ok("a:b")),
    ("%61/b", Ok("a:b")),
    ("a/b::description", Ok("a:b")),
    ("a:b::description", Ok("a:b")),
    ("a%2Fb::description", Ok("a:b")),
    ("p+q@r", Ok("p+q@r")),
    ("p%2Bq%40r", Ok("p+q@r")),
    ("a%20b", Err(400)),
    ("a/%20b", Err(400)),
    ("a/../b", Err(400)),
    ("a/%2e%2e/b", Err(400)),
    ("a/./b", Err(400)),
    ("a%252Fb", Err(400)),
    ("a%25b", Err(400)),
    ("a%23b", Err(400)),
    ("a%5Cb", Err(400)),
    ("a%00b", Err(400)),
    ("a%0Ab", Err(400)),
    ("%C3%A4", Err(400)),
];

#[tokio::test]
async fn the_same_bytes_reach_the_same_secret_through_every_front_door() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for path in ["a/b", "p+q@r"] {
        let create = Sent::new("POST", format!("/v1/secrets/{path}"))
            .header("authorization", &token)
            .json(&json!({"data": {"at": path}}));
        vault
            .send(Shape::HttpApi, &create)
            .await
            .unwrap()
            .expect(201);
    }
    for (path, expected) in PATHS {
        for shape in Shape::ALL {
            let sent =
                Sent::new("GET", format!("/v1/secrets/{path}")).header("authorization", &token);
            let answer = vault.send(shape, &sent).await.unwrap();
            let found = match answer.status {
                200 => Ok(answer.json()["path"].as_str().unwrap().to_owned()),
                status => Err(status),
            };
            assert_eq!(
                found,
                expected.map(str::to_owned),
                "{path} through {shape:?}: {}",
                answer.text()
            );
        }
    }
}

/// An HTTP API cuts the path at a decoded `?` before the function sees it. What is left is a shorter path, and that
/// one path is routed, authorised and read; all others hand the mark over and are refused.
#[tokio::test]
async fn an_encoded_question_mark_is_refused_wherever_it_arrives() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for shape in Shape::ALL {
        let sent = Sent::new("GET", "/v1/secrets/a%3Fb").header("authorization", &token);
        let status = vault.send(shape, &sent).await.unwrap().status;
        let expected = match shape {
            Shape::HttpApi | Shape::HttpApiStage => 404,
            Shape::RestApi | Shape::FunctionUrl => 400,
        };
        assert_eq!(status, expected, "{shape:?}");
    }
}
