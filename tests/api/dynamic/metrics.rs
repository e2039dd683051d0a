//! What is counted of reads and of calls to AWS.

use http::Method;
use mayfly_local::sandbox::Fault;
use mayfly_tests::{metrics, wire::Trouble};
use serde_json::json;

use crate::{cloud::vault_with_reader, errors::refusing};

#[tokio::test]
async fn reads_are_counted_by_kind_and_outcome() {
    let vault = vault_with_reader().await;
    let stored = json!({"data": {"password": "x"}});
    vault.create("plain", stored).await.expect(201);
    let nobody = vault.make_role("nobody").await;
    let metrics = metrics::record();
    let counted = |name: &str| vec![(name.to_owned(), 1)];

    for (target, name) in [
        ("plain", "Reads static ok"),
        ("plain/version/3", "Reads static ok"),
        ("aws/reader?edit=true", "Reads static ok"),
        ("aws/reader", "Reads aws ok"),
        ("missing", "Reads unknown refused"),
    ] {
        vault.read(target).await;
        assert_eq!(metrics.counts("Reads"), counted(name), "{target}");
    }
    for target in ["plain::description", "aws/reader::check", "p::listpaths"] {
        vault.read(target).await;
        assert_eq!(metrics.counts("Reads"), [], "{target}");
    }
    for token in [nobody.as_str(), "nonsense", ""] {
        let target = "/v1/secrets/plain";
        vault.ask_as(token, Method::GET, target, None).await;
    }
    let refused = [
        ("Reads unknown refused".to_owned(), 1),
        ("RefusedTokens".to_owned(), 2),
    ];
    assert_eq!(metrics.counts("Re"), refused);

    let admin = Some("roles:admin");
    for (payload, name) in [
        (json!({"path": "aws/reader"}), "Reads aws ok"),
        (
            json!({"path": "aws/reader", "version": 0}),
            "Reads static ok",
        ),
        (json!({"path": "gone"}), "Reads unknown refused"),
    ] {
        _ = vault.invoke(admin, payload.clone()).await;
        assert_eq!(metrics.counts("Reads"), counted(name), "{payload}");
    }
}

#[tokio::test]
async fn a_read_without_its_record_is_a_failed_one() {
    let vault = vault_with_reader().await;
    vault.wire.bad_weather(0);
    let stored = json!({"data": {"password": "x"}});
    vault.create("plain", stored).await.expect(201);
    for (path, name) in [
        ("plain", "Reads static failed"),
        ("aws/reader", "Reads aws failed"),
    ] {
        let metrics = metrics::record();
        vault.wire.next("PutItem", Trouble::AccessDenied);
        vault.read(path).await.expect(500);
        let counted = metrics.take();
        assert!(counted.contains_key(name), "{counted:?}");
        assert_eq!(counted["AuditFailures"], [1.0]);
    }
}

#[tokio::test]
async fn calls_to_sts_are_measured_and_only_its_own_fault_is_an_error() {
    let vault = vault_with_reader().await;
    let metrics = metrics::record();
    let faults = vault.sandbox.faults();
    for (fault, status, errors, outcome) in [
        (None, 200, 0, "Reads aws ok"),
        (Some(Fault::Throttle), 429, 1, "Reads aws refused"),
        (
            Some(refusing("InternalFailure", "x")),
            503,
            1,
            "Reads aws failed",
        ),
        (
            Some(refusing("AccessDenied", "x")),
            400,
            0,
            "Reads aws refused",
        ),
    ] {
        faults.clear();
        if let Some(fault) = fault {
            faults.always("AssumeRole", fault);
        }
        vault.read("aws/reader").await.expect(status);
        let counted = metrics.take();
        let count = |name| counted.get(name).map_or(0, Vec::len);
        assert_eq!(count("UpstreamLatency sts"), 1, "{counted:?}");
        assert_eq!(count("UpstreamErrors sts"), errors, "{counted:?}");
        assert_eq!(count(outcome), 1, "{counted:?}");
    }
}
