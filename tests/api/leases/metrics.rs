//! What is counted of leases, of the worker, and of calls to Azure.

use std::time::Duration;

use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    azure::{Kind, SCOPE},
    metrics::{self, Recorded},
};
use serde_json::json;

use crate::scene::Scene;

/// The states that leases entered since the last look.
fn states(metrics: &Recorded) -> Vec<(String, usize)> {
    metrics.counts("Leases ")
}

fn counted(names: &[&str]) -> Vec<(String, usize)> {
    names.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

#[tokio::test]
async fn a_lease_is_counted_once_in_each_state_that_it_enters() {
    let mut scene = Scene::start().await;
    let metrics = metrics::record();
    for (kind, read) in [
        (Kind::Existing, "Reads azure-existing ok"),
        (Kind::Rbac, "Reads azure-role ok"),
        (Kind::AppRole, "Reads azure-app-role ok"),
    ] {
        scene.mint(kind).await;
        let minted = metrics.take();
        for name in [read, "Leases intent", "Leases active"] {
            assert_eq!(minted[name], [1.0], "{kind:?}: {minted:?}");
        }
        scene.sweep().await;
        assert_eq!(states(&metrics), []);
        scene.settle().await;
        let ended = counted(&["Leases revoked", "Leases revoking"]);
        assert_eq!(states(&metrics), ended, "{kind:?}");
        scene.vault.wait(Duration::ZERO).await; // for a token that counts
    }
    let faults = scene.vault.sandbox.faults();
    faults.always("AddPassword", Fault::Throttle);
    scene.vault.read(Kind::Existing.path()).await.expect(429);
    let given_up = counted(&["Leases intent", "Leases revoking"]);
    assert_eq!(states(&metrics), given_up);
}

#[tokio::test]
async fn what_is_stuck_is_counted_with_every_try_in_vain() {
    let scene = Scene::start().await;
    scene.mint(Kind::Rbac).await;
    scene.sweep().await;
    let azure = scene.vault.sandbox.azure();
    azure.lock_scope(SCOPE).unwrap();
    let metrics = metrics::record();
    while scene.leases()[0]["state"] != "stuck" {
        assert!(scene.go_to_next());
        scene.sweep().await;
    }
    let got_stuck = ["Leases revoking", "Leases stuck", "LeasesStuck"];
    assert_eq!(metrics.counts("Leases"), counted(&got_stuck));
    for _ in 0..3 {
        scene.vault.clock.advance(Duration::from_hours(6));
        scene.sweep().await;
        assert_eq!(metrics.counts("Leases"), counted(&["LeasesStuck"]));
    }
}

#[tokio::test]
async fn a_sweep_tells_how_late_it_is() {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0); // waiting would move the clock
    let metrics = metrics::record();
    let lag = async || {
        scene.housekeep().await;
        metrics.take()["WorkerLag"]
            .iter()
            .copied()
            .fold(0.0, f64::max)
    };
    assert!(lag().await.abs() < f64::EPSILON, "nothing is due");
    scene.mint(Kind::Existing).await;
    while scene.leases()[0]["state"] != "revoking" {
        scene.go_to_next();
        assert!(lag().await < 1.0, "it was on time");
    }
    scene.go_to_next();
    scene.vault.clock.advance(Duration::from_secs(400));
    let late = lag().await;
    assert!((late - 400.0).abs() < 1.0, "{late}");
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_does_not_make_the_worker_late() {
    let scene = Scene::start().await;
    scene.mint(Kind::Existing).await;
    scene.mint(Kind::AppRole).await;
    let items = scene.vault.items_of("LEASE#");
    for (item, (name, value)) in items.iter().zip([
        ("state", json!({"S": "confused"})),
        ("format", json!({"N": "2"})),
    ]) {
        let mut item = item.clone();
        item[name] = value;
        scene.vault.put_item(&item);
    }
    scene.vault.clock.advance(Duration::from_hours(1));
    let metrics = metrics::record();
    scene.housekeep().await;
    let counted = metrics.take();
    assert_eq!(counted["UnreadableRecords"], [1.0, 1.0]);
    assert!(
        counted["WorkerLag"].iter().all(|lag| *lag < 1.0),
        "{counted:?}"
    );
}

#[tokio::test]
async fn calls_to_azure_are_measured_by_service() {
    let scene = Scene::start().await;
    let metrics = metrics::record();
    let faults = scene.vault.sandbox.faults();
    for (action, service) in [
        ("Token", "entra"),
        ("ListPermissions", "arm"),
        ("UpsertApplication", "graph"),
    ] {
        faults.always(action, Fault::Throttle);
        // A token that was kept would not be asked for again.
        let fresh = scene.process();
        fresh.read(Kind::Rbac.path()).await.expect(429);
        faults.clear();
        let counted = metrics.take();
        let errors = counted.get(&format!("UpstreamErrors {service}"));
        let calls = &counted[&format!("UpstreamLatency {service}")];
        let errors = errors.map_or(0, Vec::len);
        assert!(errors > 0 && errors <= calls.len(), "{counted:?}");
    }
    scene.mint(Kind::Rbac).await;
    let counted = metrics.take();
    for service in ["entra", "arm", "graph"] {
        assert!(counted.contains_key(&format!("UpstreamLatency {service}")));
    }
    assert!(
        !counted
            .keys()
            .any(|name| name.starts_with("UpstreamErrors"))
    );
}
