//! A lease that cannot be taken back: it is told of in every run, listed, kept, and freed by hand.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use mayfly::telemetry;
use mayfly_tests::azure::{Kind, SCOPE};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A log that stays in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The stuck leases that were told of since the last look.
    fn stuck(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["event"] == "lease_stuck")
            .collect()
    }
}

#[tokio::test]
async fn a_stuck_lease_is_told_of_in_every_run_and_freed_by_hand() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = telemetry::json(tracing::Level::INFO, move || writer.clone());
    let _told = tracing::subscriber::set_default(subscriber);
    let mut scene = Scene::start().await;
    scene.mint(Kind::Rbac).await;
    scene.sweep().await;
    let azure = scene.vault.sandbox.azure();
    azure.lock_scope(SCOPE).unwrap();
    // Whoever locks a scope locks its assignments too.
    while scene.leases()[0]["state"] != "stuck" {
        assert!(log.stuck().is_empty());
        assert!(scene.go_to_next());
        scene.sweep().await;
    }
    let lease = scene.leases().remove(0);
    let told = log.stuck();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["lease.id"], lease["id"]);
    assert_eq!(told[0]["class"], "locked");
    assert_eq!(told[0]["attempts"], 3);
    assert!(told[0]["age_seconds"].as_i64().unwrap() >= 900);

    for run in 1..=3 {
        scene.vault.clock.advance(Duration::from_hours(6));
        assert_eq!(scene.sweep().await.stuck, 1);
        let told = log.stuck();
        assert_eq!((told.len(), &told[0]["attempts"]), (1, &json!(3 + run)));
    }
    scene.vault.wait(Duration::ZERO).await;
    let listed = scene
        .vault
        .ask(Method::GET, "/v1/leases?state=stuck", None)
        .await;
    let listed = listed.expect(200).json();
    assert_eq!(listed["data"][0]["id"], lease["id"]);
    assert_eq!(
        listed["data"][0]["trouble"],
        json!({"class": "locked", "code": "ScopeLocked"})
    );

    azure.unlock_scope(SCOPE).unwrap();
    let path = format!("/v1/leases/{}/revoke", lease["id"].as_str().unwrap());
    scene.vault.ask(Method::POST, &path, None).await.expect(200);
    scene.ends_clean().await;
    assert!(log.stuck().is_empty());
}
