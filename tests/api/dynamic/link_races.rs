//! Links against deletions, at the same time.

use mayfly_tests::{
    Vault,
    vault::{assume_role, dynamic},
};
use serde_json::json;

use crate::links::count;

async fn after(yields: usize) {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_live_dynamic_secret_never_has_a_dead_base() {
    let vault = Vault::start().await;
    let other = vault.another();
    other.read("warm").await.expect(404);
    let (mut linked, mut deleted) = (0, 0);
    for round in 0..60 {
        let (base, reader) = (format!("aws/base{round}"), format!("aws/reader{round}"));
        vault.create_base(&base, json!({})).await;
        let delete = match round % 2 {
            0 => base.clone(),
            _ => format!("{base}?force=true"),
        };
        let (created, removed) = tokio::join!(
            async {
                after(round % 13).await;
                vault.create_dynamic(&reader, &base, assume_role()).await
            },
            async {
                after(round % 7).await;
                other.delete(&delete).await
            },
        );
        let is_linked = created.status == 201;
        let is_deleted = removed.status < 300;
        assert!(
            is_linked != is_deleted,
            "round {round}: {} {}",
            created.text(),
            removed.text()
        );
        if is_linked {
            linked += 1;
            removed.refused(400, "dynamic secrets are linked");
            vault.read(&reader).await.expect(200);
            assert_eq!(count(&vault, &base.replace('/', ":")), 1);
        } else {
            deleted += 1;
            created.refused(400, "attributes.linkConfig.linkedSecret: ");
            vault.read(&reader).await.expect(404);
        }
    }
    assert!(linked > 0 && deleted > 0, "{linked} {deleted}");
}

#[tokio::test]
async fn restoring_a_link_races_the_deletion_of_its_base() {
    let vault = Vault::start().await;
    for round in 0..30 {
        let (base, reader) = (format!("aws/base{round}"), format!("aws/reader{round}"));
        vault.create_base(&base, json!({})).await;
        vault
            .create_dynamic(&reader, &base, assume_role())
            .await
            .expect(201);
        vault.delete(&reader).await.expect(200);
        let other = vault.another();
        let restore = format!("{reader}/restore");
        let (restored, removed) = tokio::join!(vault.put(&restore), async {
            after(round % 9).await;
            other.delete(&base).await
        });
        assert!(
            (restored.status == 200) != (removed.status == 200),
            "round {round}: {} {}",
            restored.text(),
            removed.text()
        );
    }
}

#[tokio::test]
async fn links_made_at_the_same_time_are_all_counted() {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    let (one, two, three) = (vault.another(), vault.another(), vault.another());
    for round in 0..8 {
        let path = |name: &str| format!("aws/{name}{round}");
        let body = || dynamic("aws:base", assume_role());
        let (first, second, third) = (path("a"), path("b"), path("c"));
        let (a, b, c) = tokio::join!(
            one.create(&first, body()),
            two.create(&second, body()),
            three.create(&third, body()),
        );
        for answer in [a, b, c] {
            answer.expect(201);
        }
    }
    assert_eq!(count(&vault, "aws:base"), 24);
}

#[tokio::test]
async fn one_of_two_relinks_wins_and_the_counts_agree() {
    let vault = Vault::start().await;
    for base in ["aws/base", "aws/left", "aws/right"] {
        vault.create_base(base, json!({})).await;
    }
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    let (one, two) = (vault.another(), vault.another());
    for _ in 0..10 {
        let (left, right) = tokio::join!(
            one.update("aws/reader", dynamic("aws:left", json!({}))),
            two.update("aws/reader", dynamic("aws:right", json!({}))),
        );
        left.expect(200);
        right.expect(200);
        let answer = vault.read("aws/reader").await.expect(200).json();
        let linked = answer["attributes"]["linkConfig"]["linkedSecret"].clone();
        for path in ["aws:base", "aws:left", "aws:right"] {
            assert_eq!(count(&vault, path), i64::from(linked == path), "{path}");
        }
    }
}
