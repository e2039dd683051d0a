//! Many writers at once, in several processes: nobody's write is lost and nothing is half written.

use std::{future::Future, pin::Pin, sync::Arc};

use mayfly_tests::{Answer, Vault, vault::assume_role};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const WRITERS: usize = 16;

async fn all_merges_are_kept() {
    let vaults = processes().await;
    vaults[0].create("a", json!({"data": {}})).await.expect(201);

    let answers = together((0..WRITERS).map(|n| {
        let vault = vaults[n % 3].clone();
        async move {
            let key = format!("k{n}");
            vault.update("a", json!({"data": {key: n}})).await
        }
    }))
    .await;

    for answer in answers {
        answer.expect(200);
    }
    let read = vaults[1].read("a").await.expect(200).json();
    let expected: Value = (0..WRITERS).map(|n| (format!("k{n}"), json!(n))).collect();
    assert_eq!(read["data"], expected);
    assert_eq!(read["version"], "16");
    let transactions = |vault: &Arc<Vault>| {
        let all = vault.wire.operations();
        all.iter()
            .filter(|call| *call == "TransactWriteItems")
            .count()
    };
    let tried: usize = vaults.iter().map(transactions).sum();
    assert!(tried > 1 + WRITERS, "nobody met anybody");
    // Each version has one key more than the one before.
    let sizes: Vec<usize> = versions(&vaults[2]).await.iter().map(keys).collect();
    assert_eq!(sizes, (0..=16).rev().collect::<Vec<_>>());
}

async fn one_path_is_made_once() {
    let vaults = processes().await;

    let answers = together((0..WRITERS).map(|n| {
        let vault = vaults[n % 3].clone();
        async move { vault.create("a", json!({"data": {"n": n}})).await }
    }))
    .await;

    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.refused(400, "already exists");
    }
    assert_eq!(vaults[0].read("a").await.expect(200).json(), made[0].json());
    assert_eq!(vaults[0].items_of("SECRETID#").len(), 1);
}

async fn an_update_meets_a_soft_delete() {
    let vaults = processes().await;
    let body = json!({"data": {"n": 0}});
    let created = vaults[0].create("a", body).await.expect(201).json();

    let (writer, remover) = (vaults[1].clone(), vaults[2].clone());
    let answers = together([
        boxed(async move { writer.update("a", json!({"data": {"m": 1}})).await }),
        boxed(async move { remover.delete("a").await }),
    ])
    .await;

    answers[1].clone().expect(200);
    vaults[0].read("a").await.refused(404, "will be removed");
    vaults[0].put("a/restore").await.expect(200);
    let expected = if answers[0].status == 200 {
        answers[0].json()
    } else {
        answers[0].clone().refused(404, "will be removed");
        created
    };
    assert_eq!(vaults[0].read("a").await.expect(200).json(), expected);
}

async fn an_update_meets_a_removal() {
    let vaults = processes().await;
    vaults[0]
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);

    let (writer, remover) = (vaults[1].clone(), vaults[2].clone());
    let answers = together([
        boxed(async move { writer.update("a", json!({"data": {"m": 1}})).await }),
        boxed(async move { remover.delete("a?force=true").await }),
    ])
    .await;

    assert!(
        [200, 404].contains(&answers[0].status),
        "{}",
        answers[0].text()
    );
    answers[1].clone().expect(204);
    vaults[0]
        .read("a")
        .await
        .refused(404, "unable to find item");
    for prefix in ["SECRET", "TASK#", "PURGE#"] {
        assert!(vaults[0].items_of(prefix).is_empty(), "{prefix}");
    }
}

async fn a_roll_back_meets_updates() {
    let vaults = processes().await;
    vaults[0]
        .create("a", json!({"data": {"n": 0}}))
        .await
        .expect(201);
    vaults[0]
        .update("a", json!({"data": {"old": 1}}))
        .await
        .expect(200);

    let answers = together((0..9).map(|n| {
        let vault = vaults[n % 3].clone();
        async move {
            if n % 3 == 0 {
                return vault.put("a/rollback/0").await;
            }
            let key = format!("k{n}");
            vault.update("a", json!({"data": {key: n}})).await
        }
    }))
    .await;

    for answer in answers {
        answer.expect(200);
    }
    // Every version is either version 0 again, or the one before it and one key more.
    let all = versions(&vaults[0]).await;
    assert_eq!(all.len(), 11);
    for pair in all.windows(2) {
        let (newer, older) = (&pair[0]["data"], &pair[1]["data"]);
        let mut merged = older.clone();
        for (key, value) in newer.as_object().into_iter().flatten() {
            merged[key] = value.clone();
        }
        let more = merged == *newer && keys(&pair[0]) == keys(&pair[1]) + 1;
        assert!(*newer == json!({"n": 0}) || more, "{newer} after {older}");
    }
}

async fn a_link_meets_the_removal_of_its_base() {
    let vaults = processes().await;
    vaults[0].create_base("base", json!({})).await;

    let (linker, remover) = (vaults[1].clone(), vaults[2].clone());
    let answers = together([
        boxed(async move { linker.create_dynamic("d", "base", assume_role()).await }),
        boxed(async move { remover.delete("base?force=true").await }),
    ])
    .await;

    match (answers[0].status, answers[1].status) {
        (201, 400) => {
            vaults[0].read("d").await.expect(200);
        }
        other => {
            assert_eq!(other, (400, 204), "{}", answers[0].text());
            assert!(vaults[0].items_of("SECRET").is_empty());
        }
    }
}

async fn deletes_and_restores_agree_in_the_end() {
    let vaults = processes().await;
    vaults[0].create_base("base", json!({})).await;
    vaults[0]
        .create_dynamic("d", "base", assume_role())
        .await
        .expect(201);

    let answers = together((0..12).map(|n| {
        let vault = vaults[n % 3].clone();
        async move {
            if n % 2 == 0 {
                vault.delete("d").await
            } else {
                vault.put("d/restore").await
            }
        }
    }))
    .await;

    for answer in answers {
        assert!([200, 400].contains(&answer.status), "{}", answer.text());
    }
    vaults[0].delete("d").await.expect(200);
    assert_eq!(vaults[0].items_of("PURGE#").len(), 1);
    // The count came out even: nothing links to the base any more.
    vaults[0].delete("base?force=true").await.expect(204);
}

macro_rules! on_one_thread_and_on_many {
    ($($story:ident)*) => {
        mod on_one_thread {
            $(#[tokio::test]
            async fn $story() {
                super::$story().await;
            })*
        }

        mod on_many_threads {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $story() {
                super::$story().await;
            })*
        }
    };
}

on_one_thread_and_on_many! {
    all_merges_are_kept
    one_path_is_made_once
    an_update_meets_a_soft_delete
    an_update_meets_a_removal
    a_roll_back_meets_updates
    a_link_meets_the_removal_of_its_base
    deletes_and_restores_agree_in_the_end
}

/// A vault and two more processes on its table.
async fn processes() -> Vec<Arc<Vault>> {
    let vault = Vault::start().await;
    let others = [vault.another(), vault.another()];
    std::iter::once(vault).chain(others).map(Arc::new).collect()
}

/// Runs all at once and answers what each was answered, in their order.
async fn together<F>(all: impl IntoIterator<Item = F>) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let numbered = |(n, asked): (usize, F)| async move { (n, asked.await) };
    let running: JoinSet<(usize, Answer)> = all.into_iter().enumerate().map(numbered).collect();
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// So that different requests can run together.
fn boxed(
    asked: impl Future<Output = Answer> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    Box::pin(asked)
}

/// All versions of `a`, newest first.
async fn versions(vault: &Vault) -> Vec<Value> {
    let body = vault.read("a/version/99").await.expect(200).json();
    body["data"].as_array().cloned().unwrap_or_default()
}

fn keys(version: &Value) -> usize {
    version["data"].as_object().map_or(0, serde_json::Map::len)
}
