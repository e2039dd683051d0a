//! The routers against the route table.

use std::collections::BTreeSet;

use mayfly::routes::{Function, ROUTES};
use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape, answer},
};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// A path that a pattern takes.
fn concrete(pattern: &str) -> String {
    let segment = |segment: &str| match segment {
        "{path+}" => "secrets/b".to_owned(),
        "{n}" => "1".to_owned(),
        segment => segment.replace(['{', '}'], ""),
    };
    pattern
        .split('/')
        .map(segment)
        .collect::<Vec<_>>()
        .join("/")
}

/// Every function is asked every method on every path of the table: it takes exactly its own rows.
#[tokio::test]
async fn each_function_takes_its_own_routes_and_no_others() {
    let vault = Deployment::start(&[]).await.unwrap();
    let functions = [
        (Function::Token, &vault.token),
        (Function::Crud, &vault.crud),
        (Function::DynamicRead, &vault.dynamic_read),
        (Function::Access, &vault.access),
    ];
    let patterns: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for pattern in patterns {
        let path = concrete(pattern);
        for method in METHODS {
            for (name, function) in functions {
                let event = Sent::new(method, &path).event(Shape::HttpApi);
                let answer =
                    answer(&function.invoke(event).await.unwrap().answer().unwrap()).unwrap();
                let owns = |route: &&mayfly::routes::Route| {
                    route.path == pattern && route.method == method && route.function == name
                };
                // What nobody takes has no route, or none for the method; a thing that is missing has one.
                let taken = answer.status != 405 && answer.message() != "no such route";
                let expected = ROUTES.iter().find(owns).is_some();
                assert_eq!(
                    taken,
                    expected,
                    "{name:?} {method} {path}: {} {}",
                    answer.status,
                    answer.text()
                );
                assert!(!answer.body.is_empty(), "an error body is never empty");
            }
        }
    }
}

/// Whatever needs a right needs a token first.
#[tokio::test]
async fn every_route_that_needs_a_right_answers_401_without_a_token() {
    let vault = Deployment::start(&[]).await.unwrap();
    vault.first_token().await.unwrap();
    for route in ROUTES.iter().filter(|route| route.needs.is_some()) {
        let sent = Sent::new(route.method, concrete(route.path));
        for token in ["", "x", "Bearer a.b.c"] {
            let answer = vault
                .send(Shape::HttpApi, &sent.clone().header("authorization", token))
                .await
                .unwrap();
            answer.refused(401, "unable to authenticate");
        }
    }
}
