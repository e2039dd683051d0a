//! `GET /v1/secrets`: terms, fields, comparisons and types.

use std::time::Duration;

use mayfly_tests::{Answer, Vault};
use serde_json::{Value, json};

/// Three secrets with much to find them by.
async fn furnished(vault: &Vault) -> Value {
    let first = json!({
        "description": "Main DB / eu: 50% & more",
        "attributes": {"tag": "prod", "n": 7, "f": 1.5, "zero": 0, "flag": true,
            "in": {"side": "deep", "n": -3}, "dot.ted": "flat", "text": "7"},
    });
    let second = json!({"description": "spare", "attributes": {"tag": "preprod", "n": 70}});
    let created = vault
        .create("servers/us-east/db", first)
        .await
        .expect(201)
        .json();
    vault.clock.advance(Duration::from_secs(1));
    vault.create("servers/us-west/db", second).await.expect(201);
    vault.clock.advance(Duration::from_secs(1));
    vault.create("Servers/x", json!({})).await.expect(201);
    created
}

#[tokio::test]
async fn text_is_searched_by_field_and_comparison() {
    let vault = Vault::start().await;
    let id = furnished(&vault).await["id"].as_str().unwrap().to_owned();
    let (db, west) = ("servers:us-east:db", "servers:us-west:db");
    let cut = id.chars().take(8).collect::<String>();
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("", "", "us-", &[west, db]),
        ("path", "", "us-east", &[db]),
        ("path", "contains", "east:db", &[db]),
        ("path", "contains", "east/db", &[db]),
        ("path", "contains", "east:", &[db]),
        ("path", "contains", "b:", &[]),
        ("path", "contains", "EAST", &[]),
        ("path", "equal", db, &[db]),
        ("path", "equal", "/servers/us-east/db/", &[db]),
        ("path", "equal", "servers", &[]),
        ("path", "equal", "/", &[]),
        ("path", "begins_with", "ä", &[]),
        ("path", "begins_with", "servers", &[db, west]),
        ("path", "begins_with", "servers/", &[db, west]),
        ("path", "begins_with", "server:", &[]),
        ("path", "begins_with", "/servers/us-w", &[west]),
        ("path", "begins_with", "us", &[]),
        ("description", "", "DB", &[db]),
        ("description", "equal", "Main DB / eu: 50% & more", &[db]),
        ("description", "equal", "Main", &[]),
        ("description", "begins_with", "Main DB /", &[db]),
        ("description", "begins_with", "DB", &[]),
        ("id", "equal", &id, &[db]),
        ("id", "", &id, &[db]),
        ("id", "begins_with", &cut, &[db]),
        ("attributes.tag", "", "prod", &[west, db]),
        ("attributes.tag", "equal", "prod", &[db]),
        ("attributes.tag", "begins_with", "pre", &[west]),
        ("attribute.tag", "equal", "prod", &[db]),
        ("attributes.in.side", "equal", "deep", &[db]),
        ("attributes.dot.ted", "equal", "flat", &[db]),
        ("attributes.text", "equal", "7", &[db]),
        ("attributes.n", "equal", "7", &[]),
        ("attributes.none", "", "x", &[]),
    ];
    for (field, comparison, term, expected) in cases {
        for kind in ["", "string"] {
            let query = query(&[
                ("searchTerm", term),
                ("search.field", field),
                ("search.comparison", comparison),
                ("search.type", kind),
            ]);
            let answer = vault.search(&query).await;
            assert_eq!(found(&answer), *expected, "{query}");
            assert_eq!(answer.json()["cursor"], "", "{query}");
        }
    }
}

#[tokio::test]
async fn numbers_are_compared_as_numbers() {
    let vault = Vault::start().await;
    furnished(&vault).await;
    let (db, west) = ("servers:us-east:db", "servers:us-west:db");
    let cases: &[(&str, &str, &[&str])] = &[
        ("attributes.n", "7", &[db]),
        ("attributes.n", "7.0", &[db]),
        ("attributes.n", "70", &[west]),
        ("attributes.n", "8", &[]),
        ("attributes.f", "1.5", &[db]),
        ("attributes.zero", "0", &[db]),
        ("attributes.zero", "-0", &[db]),
        ("attributes.in.n", "-3", &[db]),
        ("attributes.text", "7", &[]),
        ("attributes.flag", "1", &[]),
        ("path", "7", &[]),
    ];
    for (field, term, expected) in cases {
        for comparison in ["", "equal"] {
            let query = query(&[
                ("searchTerm", term),
                ("search.field", field),
                ("search.comparison", comparison),
                ("search.type", "number"),
            ]);
            assert_eq!(found(&vault.search(&query).await), *expected, "{query}");
        }
    }
}

#[tokio::test]
async fn wrong_parameter_values_are_refused_by_name() {
    let vault = Vault::start().await;
    for (query, part) in [
        ("search.field=data", "search.field: "),
        ("search.field=attributes.", "search.field: "),
        ("search.field=attributes", "search.field: "),
        ("search.field=Path&searchTerm=a", "search.field: "),
        ("search.comparison=like", "search.comparison: "),
        ("search.type=bool", "search.type: "),
        (
            "search.type=number&searchTerm=x&search.field=attributes.n",
            "searchTerm: ",
        ),
        (
            "search.type=number&searchTerm=NaN&search.field=attributes.n",
            "searchTerm: ",
        ),
        (
            "search.type=number&searchTerm=inf&search.field=attributes.n",
            "searchTerm: ",
        ),
        (
            "search.type=number&searchTerm=1&search.comparison=contains",
            "search.comparison: ",
        ),
        ("search.links=1", "search.links: "),
        ("search.links=true", "searchTerm: "),
        ("search.links=true&searchTerm=a%20b", "searchTerm: "),
        ("sort=up", "sort: "),
        ("limit=0", "limit: "),
        ("limit=501", "limit: "),
        ("limit=x", "limit: "),
        ("limit=-1", "limit: "),
        ("cursor=x", "cursor: "),
        ("searchTerm=a&searchTerm=b", "searchTerm: "),
    ] {
        vault.search(query).await.refused(400, part);
    }
    let long = "a".repeat(513);
    for comparison in ["contains", "equal", "begins_with"] {
        let query = format!("search.comparison={comparison}&searchTerm={long}");
        vault.search(&query).await.refused(400, "searchTerm: ");
    }
}

fn found(answer: &Answer) -> Vec<String> {
    let body = answer.clone().expect(200).json();
    let all = body["data"].as_array().cloned().unwrap_or_default();
    assert_eq!(body["length"], all.len());
    let path = |secret: &Value| secret["path"].as_str().unwrap_or_default().to_owned();
    all.iter().map(path).collect()
}

fn query(parameters: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(parameters).unwrap_or_default()
}
