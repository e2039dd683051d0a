//! `GET /v1/secrets`: whose cursors are good for what.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Answer, Vault, vault::rule};
use serde_json::json;

#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_only() {
    let vault = Vault::start().await;
    many(&vault).await;
    let query = "searchTerm=a&search.field=path&sort=desc&limit=5";
    let cursor = cursor(&vault.search(query).await.expect(200));

    vault
        .search(&format!("{query}&cursor={cursor}"))
        .await
        .expect(200);
    // Another length of page is the same query; so is another process.
    let other = vault.another();
    other
        .search(&format!(
            "searchTerm=a&search.field=path&sort=desc&limit=9&cursor={cursor}"
        ))
        .await
        .expect(200);
    for query in [
        "limit=5",
        "searchTerm=b&search.field=path&sort=desc",
        "searchTerm=a&search.field=description&sort=desc",
        "searchTerm=a&search.field=path&sort=asc",
        "searchTerm=a&search.field=path",
        "searchTerm=a&search.field=path&sort=desc&search.comparison=begins_with",
        "searchTerm=a&search.links=true&search.field=path&sort=desc",
    ] {
        vault
            .search(&format!("{query}&cursor={cursor}"))
            .await
            .refused(400, "cursor: is not one that this search answered to you");
    }
}

#[tokio::test]
async fn a_tampered_cursor_is_refused() {
    let vault = Vault::start().await;
    many(&vault).await;
    let cursor = cursor(&vault.search("limit=5").await.expect(200));
    let mut tampered: Vec<String> = (0..cursor.len())
        .step_by(7)
        .map(|at| {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(bytes).unwrap()
        })
        .collect();
    tampered.push(cursor.chars().take(20).collect());
    tampered.push(format!("{cursor}AAAA"));
    tampered.push("e30".to_owned());

    for cursor in tampered {
        vault
            .search(&format!("limit=5&cursor={cursor}"))
            .await
            .refused(400, "cursor: ");
    }
}

#[tokio::test]
async fn a_cursor_of_another_caller_is_refused() {
    let vault = Vault::start().await;
    many(&vault).await;
    let cursor = cursor(&vault.search("limit=5").await.expect(200));
    let other = vault.make_role("other").await;
    let may_list = rule(Effect::Allow, "roles:other", "secrets", "list");
    vault.set_rules(vec![may_list]).await;

    let target = format!("/v1/secrets?limit=5&cursor={cursor}");

    vault
        .ask_as(&other, Method::GET, "/v1/secrets?limit=5", None)
        .await
        .expect(200);
    vault
        .ask_as(&other, Method::GET, &target, None)
        .await
        .refused(400, "cursor: ");
}

fn cursor(answer: &Answer) -> String {
    answer.json()["cursor"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

/// Makes enough secrets for more than one page.
async fn many(vault: &Vault) {
    for n in 0..12 {
        vault.create(&format!("a/{n}"), json!({})).await.expect(201);
    }
}
