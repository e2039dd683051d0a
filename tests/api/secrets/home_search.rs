//! `GET /v1/home/{principal}` and its `::listpaths`

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::vault::rule;
use serde_json::{Value, json};

use crate::home::Bob;

/// Bob with three secrets, made one after another, and one in the vault.
async fn filled() -> Bob {
    let bob = Bob::start().await;
    for (path, description) in [("/db/one", "first"), ("/db/two", "second"), ("/x", "third")] {
        let body = json!({"description": description, "attributes": {"tag": path}});
        bob.post(path, body).await.expect(201);
        bob.vault.clock.advance(std::time::Duration::from_secs(1));
    }
    bob.vault.create("db/vault", json!({})).await.expect(201);
    bob
}

#[tokio::test]
async fn a_home_is_searched_alone() {
    let bob = filled().await;
    for (query, expected) in [
        (
            "?limit=&cursor=&sort=&searchTerm=",
            vec!["x", "db:two", "db:one"],
        ),
        ("/?sort=asc", vec!["db:one", "db:two", "x"]),
        ("?searchTerm=db", vec!["db:two", "db:one"]),
        ("?searchTerm=db/one&search.comparison=equal", vec!["db:one"]),
        (
            "?searchTerm=db:&search.comparison=begins_with",
            vec!["db:one", "db:two"],
        ),
        ("?searchTerm=third&search.field=description", vec!["x"]),
        ("?searchTerm=/x&search.field=attributes.tag", vec!["x"]),
        ("?searchTerm=db:vault&search.links=true", vec![]),
        ("?searchTerm=vault", vec![]),
    ] {
        let found = bob.get(query).await.expect(200).json();
        let expected: Vec<Value> = (expected.iter())
            .map(|path| json!(format!("roles:bob:{path}")))
            .collect();
        let paths = found["data"].as_array().unwrap().iter();
        let paths: Vec<Value> = paths.map(|item| item["path"].clone()).collect();
        assert_eq!(paths, expected, "{query}");
        assert_eq!(found["total"], expected.len(), "{query}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_in_its_own_home() {
    let bob = filled().await;
    let first = bob.get("?limit=2").await.expect(200).json();
    let cursor = first["cursor"].as_str().unwrap();
    let rest = bob.get(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(
        rest.expect(200).json()["data"][0]["path"],
        "roles:bob:db:one"
    );
    let elsewhere = format!("secrets?limit=2&cursor={cursor}");
    bob.vault
        .set_rules(vec![rule(Effect::Allow, "roles:bob", "secrets", "list")])
        .await;
    bob.ask(Method::GET, &elsewhere, None)
        .await
        .refused(400, "cursor: ");
}

#[tokio::test]
async fn paths_in_a_home_are_listed_alone() {
    let bob = filled().await;
    for (rest, expected) in [
        (
            "::listpaths",
            json!(["roles:bob:db:one", "roles:bob:db:two", "roles:bob:x"]),
        ),
        (
            "/db::listpaths",
            json!(["roles:bob:db:one", "roles:bob:db:two"]),
        ),
        ("/db/::listpaths?limit=1", json!(["roles:bob:db:one"])),
    ] {
        let listed = bob.get(rest).await.expect(200).json();
        assert_eq!(listed["data"], expected, "{rest}");
    }
}
