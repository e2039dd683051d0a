//! That homes, and the vault, are worlds of their own: by path, by id, by search, and for other principals.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{Vault, vault::rule};
use serde_json::{Value, json};

use crate::{grants::ASKED, home::Bob};

const UNKNOWN: &str = "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21";

/// Every item that tells of secrets.
pub(crate) fn stored(vault: &Vault) -> Vec<Value> {
    let prefixes = ["SECRET", "HOME", "PURGE#", "TASK#"];
    prefixes
        .iter()
        .flat_map(|prefix| vault.items_of(prefix))
        .collect()
}

#[tokio::test]
async fn neither_the_vault_nor_a_home_reaches_into_the_other() {
    let bob = Bob::start().await;
    let rules = vec![rule(Effect::Allow, "roles:bob", "<.*>", "<.*>")];
    bob.vault.set_rules(rules).await;
    let alone = bob
        .vault
        .create("alone", json!({}))
        .await
        .expect(201)
        .json();
    let mine = bob
        .post("/mine", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    let before = stored(&bob.vault);
    let (alone, mine) = (alone["id"].as_str().unwrap(), mine["id"].as_str().unwrap());

    for (method, rest) in ASKED {
        for target in [
            "secrets/mine".to_owned(),
            "secrets/roles:bob:mine".to_owned(),
            "secrets/home:roles:bob:mine".to_owned(),
            format!("secrets/{mine}"),
            "home/roles:bob/alone".to_owned(),
            format!("home/roles:bob/{alone}"),
            format!("home/roles:admin/{mine}"),
            "home/roles:admin/mine".to_owned(),
        ] {
            let target = format!("{target}{rest}");
            let answer = bob.ask(method.clone(), &target, Some(json!({}))).await;
            assert_eq!(answer.status, 404, "{method} {target}: {}", answer.text());
        }
    }
    for query in [
        "",
        "searchTerm=mine",
        "search.comparison=equal&searchTerm=roles:bob:mine",
    ] {
        assert!(
            !bob.vault
                .search(query)
                .await
                .expect(200)
                .text()
                .contains("mine\"")
        );
    }
    let listed = bob.vault.read("::listpaths").await.expect(200).json();
    assert_eq!(listed["data"], json!(["alone"]));
    let in_other = bob.ask(Method::GET, "home/roles:admin", None).await;
    assert_eq!(in_other.expect(200).json()["data"], json!([]));
    assert_eq!(stored(&bob.vault), before);
}

#[tokio::test]
async fn another_home_is_closed_whether_or_not_anything_is_there() {
    let bob = Bob::start().await;
    let made = bob.post("/there", json!({})).await.expect(201).json();
    bob.post("/gone", json!({})).await.expect(201);
    bob.delete("/gone").await.expect(200);
    let other = bob.vault.make_role("other").await;
    let rules = vec![
        rule(Effect::Allow, "roles:other", "secrets<.*>", "<.*>"),
        rule(
            Effect::Allow,
            "roles:other",
            "home:roles:bobby:<.*>",
            "<.*>",
        ),
    ];
    bob.vault.set_rules(rules).await;
    let before = stored(&bob.vault);

    let id = made["id"].as_str().unwrap();
    for owner in [
        "roles:bob",
        "roles:nobody",
        "users:nobody",
        "users:azure:nobody",
    ] {
        let home = format!("/v1/home/{owner}");
        for name in ["there", "gone", "missing", id, UNKNOWN] {
            for (method, rest) in ASKED {
                let target = format!("{home}/{name}{rest}");
                let answer = bob
                    .vault
                    .ask_as(&other, method, &target, Some(&json!({})))
                    .await;
                answer.refused(403, "Invalid permissions");
            }
        }
        for (method, rest) in [
            (Method::POST, "/there"),
            (Method::POST, "/new"),
            (Method::GET, ""),
            (Method::GET, "?searchTerm=there"),
            (Method::GET, "::listpaths"),
        ] {
            let target = format!("{home}{rest}");
            let answer = bob
                .vault
                .ask_as(&other, method, &target, Some(&json!({})))
                .await;
            answer.refused(403, "Invalid permissions");
        }
    }
    assert_eq!(stored(&bob.vault), before);
}

#[tokio::test]
async fn a_rule_opens_another_home_as_far_as_it_says() {
    let bob = Bob::start().await;
    let made = bob
        .post("/db/a", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    bob.post("/x", json!({})).await.expect(201);
    let other = bob.vault.make_role("other").await;
    let ask = async |method: Method, target: &str| {
        let target = format!("/v1/home/{target}");
        bob.vault
            .ask_as(&other, method, &target, Some(&json!({"data": {"m": 2}})))
            .await
    };
    let rules = vec![
        rule(
            Effect::Allow,
            "roles:other",
            "home:roles:bob:db:<.*>",
            "<.*>",
        ),
        rule(Effect::Allow, "roles:other", "home:roles:bob", "list"),
        rule(
            Effect::Allow,
            "roles:other",
            "home:users:nobody<.*>",
            "<.*>",
        ),
    ];
    bob.vault.set_rules(rules).await;

    let id = made["id"].as_str().unwrap();
    for name in ["db/a", id, id] {
        let read = ask(Method::GET, &format!("roles:bob/{name}")).await;
        assert_eq!(read.expect(200).json()["path"], "roles:bob:db:a");
    }
    let changed = ask(Method::PUT, "roles:bob/db/a").await.expect(200).json();
    assert_eq!(changed["lastModifiedBy"], "roles:other");
    ask(Method::POST, "roles:bob/db/b").await.expect(201);
    assert_eq!(
        bob.get("/db/b").await.expect(200).json()["createdBy"],
        "roles:other"
    );
    assert_eq!(
        ask(Method::GET, "roles:bob").await.expect(200).json()["total"],
        3
    );
    ask(Method::GET, "roles:bob/x").await.refused(403, "");
    ask(Method::GET, "roles:bob/db/missing")
        .await
        .refused(404, "");
    for rest in ["", "::listpaths", "/a", "/a::description"] {
        ask(Method::GET, &format!("users:nobody{rest}"))
            .await
            .refused(404, "");
    }
    ask(Method::POST, "users:nobody/a").await.refused(404, "");
}

#[tokio::test]
async fn nobody_lives_in_the_home_of_a_role_that_is_marked_for_deletion() {
    let bob = Bob::start().await;
    bob.post("/a", json!({})).await.expect(201);
    let other = bob.vault.make_role("other").await;
    let all = vec![rule(
        Effect::Allow,
        "roles:other",
        "home:roles:bob<.*>",
        "<.*>",
    )];
    bob.vault.set_rules(all).await;
    let mut role = bob.vault.items_of("ROLE#bob").remove(0);
    role["deletedAt"] = json!({"N": "1"});
    bob.vault.put_item(&role);

    for rest in ["", "/a", "::listpaths"] {
        let target = format!("/v1/home/roles:bob{rest}");
        let answer = bob.vault.ask_as(&other, Method::GET, &target, None).await;
        answer.refused(404, "unable to find item");
        bob.get(rest).await.refused(401, "");
    }
}

#[tokio::test]
async fn whoever_is_made_again_under_a_name_has_another_home() {
    let bob = Bob::start().await;
    let made = bob
        .post("/a", json!({"data": {"n": 1}}))
        .await
        .expect(201)
        .json();
    let second = Bob {
        token: bob.vault.make_role("bob").await,
        vault: bob.vault.another(),
    };
    let id = made["id"].as_str().unwrap();

    assert_eq!(second.get("").await.expect(200).json()["data"], json!([]));
    for name in ["/a", &format!("/{id}"), &format!("/x?id={id}")] {
        second.get(name).await.refused(404, "unable to find item");
        second
            .delete(name)
            .await
            .refused(404, "unable to find item");
    }
    second
        .post("/a", json!({"data": {"n": 2}}))
        .await
        .expect(201);
    bob.get("/a").await.refused(401, "");
}
