//! `GET /v1/secrets`: what a search finds.

use std::time::Duration;

use mayfly_tests::{Answer, Vault, vault::assume_role};
use serde_json::{Value, json};

#[tokio::test]
async fn a_search_answers_descriptions_in_an_envelope() {
    let vault = Vault::start().await;
    let sent = json!({"data": {"n": 1}, "attributes": {"t": 1}, "description": "d"});
    let mut created = vault.create("a/b", sent).await.expect(201).json();
    created.as_object_mut().unwrap().remove("data");

    let answer = vault.search("searchTerm=b").await.expect(200);

    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(
        answer.json(),
        json!({"cursor": "", "data": [created], "length": 1, "limit": 25, "sort": "", "total": 1})
    );
}

#[tokio::test]
async fn nothing_found_is_an_empty_list() {
    let vault = Vault::start().await;
    for query in ["", "searchTerm=none", "search.links=true&searchTerm=none"] {
        let answer = vault.search(query).await.expect(200);
        assert_eq!(
            answer.json(),
            json!({"cursor": "", "data": [], "length": 0, "limit": 25, "sort": "", "total": 0}),
        );
    }
}

#[tokio::test]
async fn empty_parameters_count_as_none() {
    let vault = Vault::start().await;
    for path in ["a/server", "b"] {
        vault.create(path, json!({})).await.expect(201);
    }

    // What the DSV command line sends.
    let all = "&limit=&cursor=&search.field=&search.comparison=&search.type=&sort=&search.links=";
    assert_eq!(
        found(&vault.search(&format!("searchTerm=server{all}")).await),
        ["a:server"]
    );
    assert_eq!(
        found(&vault.search(&format!("searchTerm={all}")).await).len(),
        2
    );
}

#[tokio::test]
async fn a_soft_deleted_secret_is_never_shown() {
    let vault = Vault::start().await;
    vault.create_base("base", json!({"tag": "x"})).await;
    vault
        .create_dynamic("gone", "base", assume_role())
        .await
        .expect(201);
    let queries = [
        "",
        "searchTerm=gone",
        "searchTerm=gone&search.comparison=equal",
        "searchTerm=g&search.comparison=begins_with",
        "searchTerm=base&search.links=true",
        "searchTerm=assumeRole&search.field=attributes.providerType",
    ];
    for query in queries {
        assert!(
            found(&vault.search(query).await).contains(&"gone".to_owned()),
            "{query}"
        );
    }

    vault.delete("gone").await.expect(200);

    for query in queries {
        assert!(
            !found(&vault.search(query).await).contains(&"gone".to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_change_is_found_at_once_and_the_old_state_no_more() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"attributes": {"t": "old"}}))
        .await
        .expect(201);

    vault
        .update("a", json!({"attributes": {"t": "new"}}))
        .await
        .expect(200);

    let by =
        |term: &str| format!("search.field=attributes.t&search.comparison=equal&searchTerm={term}");
    assert_eq!(found(&vault.search(&by("new")).await), ["a"]);
    assert!(found(&vault.search(&by("old")).await).is_empty());
}

#[tokio::test]
async fn results_come_by_last_change_newest_first_unless_asked_otherwise() {
    let vault = Vault::start().await;
    for path in ["a/1", "a/2", "a/3"] {
        vault
            .create(path, json!({"attributes": {"t": "x"}}))
            .await
            .expect(201);
        vault.clock.advance(Duration::from_millis(1));
    }
    vault
        .update("a/1", json!({"description": "d"}))
        .await
        .expect(200);

    for more in [
        "",
        "&searchTerm=a",
        "&searchTerm=x&search.field=attributes.t",
    ] {
        for (sort, expected) in [
            ("", ["a:1", "a:3", "a:2"]),
            ("desc", ["a:1", "a:3", "a:2"]),
            ("asc", ["a:2", "a:3", "a:1"]),
        ] {
            let answer = vault.search(&format!("sort={sort}{more}")).await;
            assert_eq!(found(&answer), expected, "{sort}{more}");
            assert_eq!(answer.json()["sort"], sort);
        }
    }
}

#[tokio::test]
async fn secrets_linked_to_a_base_are_found_by_it() {
    let vault = Vault::start().await;
    for base in ["aws/base", "aws/base2"] {
        vault.create_base(base, json!({})).await;
    }
    for (path, base) in [("d/1", "aws:base"), ("d/2", "aws/base"), ("e", "aws:base2")] {
        vault
            .create_dynamic(path, base, assume_role())
            .await
            .expect(201);
    }

    for term in ["aws:base", "aws/base", "/aws/base/", "aws%2Fbase"] {
        let answer = vault
            .search(&format!("search.links=true&searchTerm={term}"))
            .await;
        assert_eq!(found(&answer), ["d:1", "d:2"], "{term}");
    }
    let other = vault.search("search.links=true&searchTerm=aws:base2").await;
    assert_eq!(found(&other), ["e"]);
    assert!(other.json()["data"][0].get("data").is_none());
    assert!(found(&vault.search("search.links=true&searchTerm=aws").await).is_empty());

    // Relinked, it is found by its new base alone.
    let link =
        json!({"attributes": {"linkConfig": {"linkType": "dynamic", "linkedSecret": "aws:base2"}}});
    vault.update("d/1", link).await.expect(200);
    let of = |base: &str| format!("search.links=true&searchTerm={base}");
    assert_eq!(found(&vault.search(&of("aws:base")).await), ["d:2"]);
    assert_eq!(found(&vault.search(&of("aws:base2")).await), ["d:1", "e"]);
}

fn found(answer: &Answer) -> Vec<String> {
    let body = answer.clone().expect(200).json();
    let all = body["data"].as_array().cloned().unwrap_or_default();
    assert_eq!(body["length"], all.len());
    let path = |secret: &Value| secret["path"].as_str().unwrap_or_default().to_owned();
    all.iter().map(path).collect()
}
