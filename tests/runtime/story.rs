//! One story through every kind of front door.

use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape},
    vault::{assume_role, base, dynamic},
};
use serde_json::json;

#[tokio::test]
async fn a_dynamic_secret_is_minted_through_every_front_door() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    let sent = |method, target: &str| Sent::new(method, target).header("authorization", &token);
    let create = sent("POST", "/v1/secrets/aws/base").json(&base(json!({})));
    vault
        .send(Shape::HttpApi, &create)
        .await
        .unwrap()
        .expect(201);
    let create = sent("POST", "/v1/secrets/aws/reader").json(&dynamic("aws:base", assume_role()));
    vault
        .send(Shape::HttpApi, &create)
        .await
        .unwrap()
        .expect(201);

    for shape in Shape::ALL {
        let answer = vault
            .send(shape, &sent("GET", "/v1/secrets/aws/reader"))
            .await
            .unwrap();
        let data = answer.expect(200).json()["data"].clone();
        assert!(
            data["accessKey"]
                .as_str()
                .unwrap()
                .starts_with("ASIASANDBOX"),
            "{shape:?}"
        );
        assert_eq!(data["ttl"], 900, "{shape:?}");

        let search = sent(
            "GET",
            "/v1/secrets?searchTerm=aws%3Abase&search.field=&limit=1&sort=",
        );
        let found = vault.send(shape, &search).await.unwrap().expect(200).json();
        assert_eq!(found["data"][0]["path"], "aws:base", "{shape:?}");
    }
}

#[tokio::test]
async fn a_form_signs_in_through_every_front_door() {
    let vault = Deployment::start(&[]).await.unwrap();
    let admin = vault
        .token
        .invoke(json!({"bootstrap": {}}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        admin["clientId"].as_str().unwrap(),
        admin["clientSecret"].as_str().unwrap(),
    );
    for shape in Shape::ALL {
        let sent = Sent::new("POST", "/v1/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", "")
            .body(form.clone());
        let answer = vault.send(shape, &sent).await.unwrap().expect(200).json();
        assert_eq!(answer["expiresIn"], 3000, "{shape:?}");
    }
}

#[tokio::test]
async fn what_would_break_a_url_parser_does_not_fail_the_function() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for shape in Shape::ALL {
        let sent = Sent::new("GET", "/v1/secrets/nothing?a=\"<>|{}\\^`")
            .header("authorization", &token)
            .header("host", "no host")
            .header("x-forwarded-proto", "ht tp");
        let answer = vault.send(shape, &sent).await.unwrap();
        assert!(
            [400, 404].contains(&answer.status),
            "{shape:?}: {}",
            answer.text()
        );
    }
}
