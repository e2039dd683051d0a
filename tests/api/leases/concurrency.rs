//! Many readers of one application at once, while others' secrets of it are taken back.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use mayfly_local::sandbox::Overlap;
use mayfly_tests::{Answer, Vault, azure::Kind};
use serde_json::{Value, json};

use crate::scene::{GRAPH, Scene, sign_in, sweep};

/// How many processes, and how many reads in each at once.
const PROCESSES: usize = 5;
const READS: usize = 10;

#[tokio::test(start_paused = true)]
async fn fifty_readers_of_one_lossy_application_get_what_works_or_are_told_to_wait() {
    let scene = Scene::start_flowing().await;
    let azure = scene.vault.sandbox.azure();
    let target = &scene.tenant.target;
    let (name, secret) = ("another client's", "sandbox~others~secret~0123456789");
    let ends = scene.vault.app.clock.now() + Duration::from_hours(24);
    azure
        .add_password(&target.object_id, name, secret, ends)
        .unwrap();
    let short = json!({"attributes": {"ttl": 60}});
    scene
        .vault
        .update(Kind::Existing.path(), short)
        .await
        .expect(200);
    for _ in 0..6 {
        scene.mint(Kind::Existing).await;
    }
    let long = json!({"attributes": {"ttl": 3600}});
    scene
        .vault
        .update(Kind::Existing.path(), long)
        .await
        .expect(200);
    let neighbour = scene.mint(Kind::Existing).await;
    // What ends while the others read is taken back at the same time.
    tokio::time::sleep(Duration::from_secs(58)).await;
    azure.set_latency(Duration::from_millis(200));
    azure.set_overlap(Overlap::Lossy);

    let processes: Vec<Vault> = (0..PROCESSES).map(|_| scene.vault.another()).collect();
    let reads: FuturesUnordered<_> = processes
        .iter()
        .flat_map(|process| (0..READS).map(move |_| process.read(Kind::Existing.path())))
        .collect();
    let worker = scene.vault.another();
    let working = async {
        for _ in 0..20 {
            sweep(&worker).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (answers, ()) = tokio::join!(reads.collect::<Vec<Answer>>(), working);

    let works = what_works(&answers);
    assert_eq!(answers.len(), PROCESSES * READS);
    assert!(works.len() >= 20, "{} of 50", works.len());
    let keys: BTreeSet<&str> = works
        .iter()
        .map(|data| data["clientSecret"].as_str().unwrap())
        .collect();
    assert_eq!(keys.len(), works.len(), "each has a secret of its own");
    for data in works.iter().chain([&neighbour]) {
        let signed_in = sign_in(&scene.vault, data, GRAPH).await;
        assert!(signed_in.is_ok(), "{signed_in:?}");
    }
    let other = others_passwords(&scene.cloud(), &target.object_id);
    assert_eq!(other, [name]);
}

/// What was minted; whoever was not answered so was told to wait, and for how long.
fn what_works(answers: &[Answer]) -> Vec<Value> {
    let mut works = Vec::new();
    for answer in answers {
        match answer.status {
            200 => works.push(answer.json()["data"].clone()),
            429 => assert!(answer.headers.contains_key("retry-after")),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    works
}

/// The passwords of an application that are not ours.
fn others_passwords(cloud: &Value, object_id: &str) -> Vec<String> {
    let applications = cloud["applications"].as_array().unwrap();
    let target = applications
        .iter()
        .find(|app| app["id"] == object_id)
        .unwrap();
    let names = target["passwords"].as_array().unwrap().iter();
    names
        .map(|password| password["displayName"].as_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("mayfly-"))
        .collect()
}

#[tokio::test]
async fn a_hundred_lives_leave_nothing() {
    let mut scene = Scene::start().await;
    let mut peak = 0;
    for cycle in 0..100 {
        let kind = Kind::ALL[cycle % 3];
        scene.vault.wait(Duration::ZERO).await;
        scene.mint(kind).await;
        peak = peak.max(size(&scene.cloud()) - size(&scene.seed));
        scene.settle().await;
    }
    assert!(peak > 0);
    assert_eq!(scene.cloud(), scene.seed);
}

#[tokio::test]
async fn reads_of_all_kinds_at_once_do_not_disturb_one_another() {
    let scene = Scene::start().await;
    let processes: Vec<Vault> = (0..6).map(|_| scene.vault.another()).collect();
    let reads = processes
        .iter()
        .zip(Kind::ALL.into_iter().cycle())
        .map(|(process, kind)| process.read(kind.path()));
    for answer in join_all(reads).await {
        let data = answer.expect(200).json()["data"].clone();
        assert!(scene.sign_in(&data, GRAPH).await.is_ok());
    }
    scene.settle().await;
    assert_eq!(scene.cloud(), scene.seed);
}

/// How many objects there are.
fn size(cloud: &Value) -> i64 {
    let lists = cloud.as_object().unwrap().values();
    let count: usize = lists.map(|list| list.as_array().unwrap().len()).sum();
    let passwords: usize = cloud["applications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["passwords"].as_array().unwrap().len())
        .sum();
    i64::try_from(count + passwords).unwrap()
}
