//! Whatever is wrong with a request, and whichever route it takes, the answer is JSON with `code` and `message`.

use http::Method;
use mayfly::{
    http::body::MAX_BODY,
    routes::{ROUTES, Route},
};
use mayfly_tests::{Answer, Vault};

/// A request that takes the route.
fn target(route: &Route) -> String {
    let home = route.path.starts_with("/v1/home");
    route
        .path
        .replace("{path+}", if home { "roles:admin/x" } else { "secrets/x" })
        .replace("{id}", "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21")
        .replace("{n}", "1")
        .replace(['{', '}'], "")
}

fn method(route: &Route) -> Method {
    route.method.parse().unwrap()
}

/// Whether anybody may ask, with or without a token.
fn is_open(route: &Route) -> bool {
    route.needs.is_none() && route.path != "/v1/users/{name}/password"
}

/// Whether it reads a body.
fn takes_body(route: &Route) -> bool {
    let bodyless = route.path.ends_with("/restore")
        || route.path.starts_with("/v1/revoke")
        || route.path == "/v1/leases/{id}/revoke";
    match route.method {
        "POST" | "PUT" => !bodyless,
        method => method == "DELETE" && route.path.ends_with("/members"),
    }
}

#[track_caller]
fn is_error(answer: &Answer, case: &str) {
    let text = answer.text();
    assert!(
        (400..500).contains(&answer.status),
        "{case}: {} {text}",
        answer.status
    );
    assert_eq!(answer.headers["content-type"], "application/json", "{case}");
    assert_eq!(answer.json()["code"], answer.status, "{case}: {text}");
    assert!(!answer.message().is_empty(), "{case}: {text}");
}

async fn send(vault: &Vault, route: &Route, token: &str, body: &[u8]) -> Answer {
    let headers = [("authorization", token)];
    vault
        .send(method(route), &target(route), &headers, body.to_vec())
        .await
}

#[tokio::test]
async fn without_a_good_token_every_route_but_the_open_ones_is_a_401() {
    let vault = Vault::start().await;
    let cut = vault.token.rsplit_once('.').unwrap().0.to_owned();
    let mut closed = 0;
    for route in ROUTES.iter().filter(|route| !is_open(route)) {
        closed += 1;
        for token in ["", "nonsense", "Bearer a.b.c", "Basic YTpi", &cut] {
            for body in [b"{}".as_slice(), b"{", &[]] {
                let answer = send(&vault, route, token, body).await;
                let case = format!("{} {} with {token:?}", route.method, route.path);
                is_error(&answer, &case);
                assert_eq!(answer.status, 401, "{case}: {}", answer.text());
                assert_eq!(answer.message(), "unable to authenticate", "{case}");
            }
        }
    }
    assert_eq!(ROUTES.len() - closed, 6, "open routes");
}

#[tokio::test]
async fn a_method_that_a_route_does_not_take_is_a_405() {
    let vault = Vault::start().await;
    for route in ROUTES {
        for wrong in ["PATCH", "OPTIONS", "HEAD", "BREW"] {
            let headers = [("authorization", vault.token.as_str())];
            let method = wrong.parse().unwrap();
            let answer = vault
                .send(method, &target(route), &headers, Vec::new())
                .await;
            is_error(&answer, &format!("{wrong} {}", route.path));
            assert_eq!(answer.status, 405, "{wrong} {}", route.path);
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_400_that_says_so() {
    let vault = Vault::start().await;
    let large = vec![b' '; MAX_BODY + 1];
    let bodies: [&[u8]; 6] = [b"{", b"[]", b"", b"{\"a\":1,\"a\":2}", b"\xff\xfe", &large];
    for route in ROUTES.iter().filter(|route| takes_body(route)) {
        for body in bodies {
            let answer = send(&vault, route, &vault.token, body).await;
            let case = format!("{} {} with {} bytes", route.method, route.path, body.len());
            is_error(&answer, &case);
            assert!(
                [400, 403].contains(&answer.status),
                "{case}: {}",
                answer.text()
            );
        }
    }
    for route in ROUTES.iter().filter(|route| !is_open(route)) {
        let answer = send(&vault, route, &vault.token, &large).await;
        let case = format!("{} {} with too much", route.method, route.path);
        is_error(&answer, &case);
        assert_eq!(answer.status, 400, "{case}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_names_nothing_is_an_error_of_the_same_shape() {
    let vault = Vault::start().await;
    let names_one = |route: &&Route| route.path.contains("{name}") || route.path.contains("{id}");
    for route in ROUTES.iter().filter(names_one) {
        let answer = send(&vault, route, &vault.token, b"{}").await;
        is_error(&answer, &format!("{} {}", route.method, route.path));
    }
}
