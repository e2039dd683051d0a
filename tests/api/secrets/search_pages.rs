//! `GET /v1/secrets`: searching page by page.

use std::time::Duration;

use mayfly_tests::{
    Answer, Vault,
    vault::{START, assume_role},
};
use serde_json::{Value, json};

#[tokio::test]
async fn sixty_secrets_are_walked_page_by_page_each_once() {
    let vault = Vault::start().await;
    let expected = sixty(&vault).await;
    let mut newest_first = expected.clone();
    newest_first.reverse();
    for (query, expected) in [
        ("searchTerm=a&limit=25", &newest_first),
        ("limit=25&sort=desc", &newest_first),
        ("limit=7&sort=asc", &expected),
        ("limit=1", &newest_first),
        ("limit=60", &newest_first),
        ("limit=500", &newest_first),
        (
            "search.comparison=begins_with&searchTerm=a&limit=25",
            &expected,
        ),
        (
            "search.comparison=begins_with&searchTerm=a:&limit=13&sort=asc",
            &expected,
        ),
        (
            "search.comparison=begins_with&searchTerm=a&limit=13&sort=desc",
            &newest_first,
        ),
        (
            "search.field=attributes.n&search.comparison=begins_with&searchTerm=n&limit=11",
            &newest_first,
        ),
    ] {
        assert_eq!(walk(&vault, query).await, *expected, "{query}");
    }
}

#[tokio::test]
async fn the_total_is_one_more_than_seen_until_the_last_page_tells_it() {
    let vault = Vault::start().await;
    sixty(&vault).await;

    let mut totals = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = vault
            .search(&format!("limit=25&cursor={cursor}"))
            .await
            .expect(200)
            .json();
        totals.push((page["length"].clone(), page["total"].clone()));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }

    assert_eq!(
        totals,
        [
            (json!(25), json!(26)),
            (json!(25), json!(51)),
            (json!(10), json!(60))
        ]
    );
    let all = vault.search("limit=60").await.expect(200).json();
    assert_eq!((&all["total"], &all["cursor"]), (&json!(60), &json!("")));
}

#[tokio::test]
async fn secrets_of_the_same_moment_are_all_walked() {
    let vault = Vault::start().await;
    for n in 0..20 {
        vault
            .create(&format!("a/{n:02}"), json!({}))
            .await
            .expect(201);
    }
    let mut expected: Vec<String> = (0..20).map(|n| format!("a:{n:02}")).collect();

    for query in ["limit=3&sort=asc", "limit=3&sort=desc"] {
        let mut found = walk(&vault, query).await;
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn paths_that_begin_alike_are_walked_in_path_order_both_ways() {
    let vault = Vault::start().await;
    let mut paths = [
        "a", "a:b", "a:b:c", "a:b-c", "a:bb", "a:b+", "a:b.x", "aB", "ab", "b",
    ];
    for path in paths {
        vault.create(path, json!({})).await.expect(201);
    }
    paths.sort_unstable();
    for limit in 1..=4 {
        let query = format!("search.comparison=begins_with&searchTerm=a&limit={limit}");
        let ascending = walk(&vault, &query).await;
        assert_eq!(ascending, paths[..9], "{limit}");
        let mut descending = walk(&vault, &format!("{query}&sort=desc")).await;
        descending.reverse();
        assert_eq!(descending, paths[..9], "{limit} descending");
    }
}

#[tokio::test]
async fn linked_secrets_are_walked_page_by_page() {
    let vault = Vault::start().await;
    vault.create_base("base", json!({})).await;
    let paths: Vec<String> = (0..7).map(|n| format!("d:{n}")).collect();
    for path in &paths {
        vault
            .create_dynamic(path, "base", assume_role())
            .await
            .expect(201);
    }

    assert_eq!(
        walk(&vault, "search.links=true&searchTerm=base&limit=2").await,
        paths
    );
}

#[tokio::test]
async fn what_changes_between_two_pages_does_not_upset_the_walk() {
    let vault = Vault::start().await;
    for n in 0..6 {
        vault.create(&format!("a/{n}"), json!({})).await.expect(201);
    }
    let query = "search.comparison=begins_with&searchTerm=a&limit=3";
    let first = vault.search(query).await.expect(200);

    vault.delete("a/2?force=true").await.expect(204); // the one that the cursor points at
    vault.delete("a/4").await.expect(200);
    let next = vault
        .search(&format!("{query}&cursor={}", cursor(&first)))
        .await
        .expect(200);

    assert_eq!(paths(&next), ["a:3", "a:5"]);
    assert_eq!(cursor(&next), "");
}

#[tokio::test]
async fn a_page_examines_2000_secrets_and_may_come_back_empty_with_a_cursor() {
    let vault = Vault::start().await;
    vault
        .create("needle", json!({"description": "find me"}))
        .await
        .expect(201);
    let straw = vault.items_of("SECRET#needle").remove(0);
    for n in 0..2010 {
        // Newer than the needle, so that a walk by last change meets them first.
        let (path, mut item) = (format!("straw{n:04}"), straw.clone());
        item["pk"] = json!({"S": format!("SECRET#{path}")});
        item["path"] = json!({"S": path});
        item["description"] = json!({"S": ""});
        item["recentSk"] = json!({"S": format!("{:015}#{n:04}", START + 1)});
        item["browseSk"] = json!({"S": path});
        vault.put_item(&item);
    }
    let query = "search.field=description&searchTerm=find";

    let first = vault.search(query).await.expect(200);
    assert!(paths(&first).is_empty());
    assert_eq!(first.json()["total"], 1);
    let second = vault
        .search(&format!("{query}&cursor={}", cursor(&first)))
        .await
        .expect(200);

    assert_eq!(paths(&second), ["needle"]);
    assert_eq!(second.json()["total"], 1);
    assert_eq!(cursor(&second), "");
    // By its path it is found at once, however many there are.
    let direct = vault
        .search("search.comparison=equal&searchTerm=needle")
        .await;
    assert_eq!(paths(&direct), ["needle"]);
}

#[tokio::test]
async fn a_page_ends_before_it_is_more_than_a_function_may_answer() {
    let vault = Vault::start().await;
    let paths: Vec<String> = (0..100).map(|n| format!("a:{n:02}")).collect();
    let large =
        json!({"attributes": {"a": "x".repeat(31_000)}, "description": "\"".repeat(31_000)});
    for path in &paths {
        vault.create(path, large.clone()).await.expect(201);
    }
    let query = "search.comparison=begins_with&searchTerm=a&limit=500";

    let first = vault.search(query).await.expect(200);

    assert!(first.body.len() < 5 * 1024 * 1024, "{}", first.body.len());
    assert_ne!(cursor(&first), "");
    assert_eq!(walk(&vault, query).await, paths);
}

#[tokio::test]
async fn an_equal_path_is_one_answer_even_where_thousands_begin_with_it() {
    let vault = Vault::start().await;
    vault.create("a", json!({})).await.expect(201);
    for n in 0..60 {
        vault.create(&format!("a/{n}"), json!({})).await.expect(201);
    }
    vault.wire.clear();

    let answer = vault
        .search("search.comparison=equal&searchTerm=a&limit=1")
        .await;

    assert_eq!(paths(&answer), ["a"]);
    assert_eq!(
        (cursor(&answer).as_str(), &answer.json()["total"]),
        ("", &json!(1))
    );
}

/// Makes `a:00` to `a:59`, one a second.
async fn sixty(vault: &Vault) -> Vec<String> {
    let paths: Vec<String> = (0..60).map(|n| format!("a:{n:02}")).collect();
    for path in &paths {
        let attributes = json!({"n": format!("n{path}")});
        vault
            .create(path, json!({"attributes": attributes}))
            .await
            .expect(201);
        vault.clock.advance(Duration::from_secs(1));
    }
    paths
}

/// All paths of all pages.
async fn walk(vault: &Vault, query: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = vault
            .search(&format!("{query}&cursor={next}"))
            .await
            .expect(200);
        all.extend(paths(&page));
        next = cursor(&page);
        if next.is_empty() {
            assert_eq!(page.json()["total"], all.len());
            return all;
        }
        assert_eq!(page.json()["total"], all.len() + 1);
    }
    assert_eq!(next, "", "{query} does not end");
    all
}

fn paths(answer: &Answer) -> Vec<String> {
    let body = answer.clone().expect(200).json();
    let all = body["data"].as_array().cloned().unwrap_or_default();
    let path = |secret: &Value| secret["path"].as_str().unwrap_or_default().to_owned();
    all.iter().map(path).collect()
}

fn cursor(answer: &Answer) -> String {
    answer.json()["cursor"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}
