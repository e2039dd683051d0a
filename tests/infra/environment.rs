//! The functions' environment is what the settings read, and nothing else.

use std::{cell::RefCell, collections::BTreeSet};

use mayfly::config::Settings;

use crate::source::{entries, local};

/// What Lambda itself sets.
const BY_LAMBDA: [&str; 5] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// What only tests and benchmarks set. Endpoints would send secrets elsewhere.
const NEVER_DEPLOYED: [&str; 7] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_STS",
    "MAYFLY_AZURE_LOGIN_ENDPOINT",
    "MAYFLY_AZURE_GRAPH_ENDPOINT",
    "MAYFLY_AZURE_ARM_ENDPOINT",
    "MAYFLY_WARM_UP",
];

/// Every variable that the functions read.
fn read_by_the_functions() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        // Required ones are read one after the other: each must be there for the next to be asked for.
        let required =
            ["MAYFLY_TABLE", "MAYFLY_KMS_KEY"].contains(&name) || BY_LAMBDA.contains(&name);
        required.then(|| "x".to_owned())
    };
    Settings::read(&lookup).unwrap();
    asked.into_inner()
}

fn set_by_terraform(function: &str) -> BTreeSet<String> {
    let environment = entries(&local("functions.tf", "environment"));
    let own = environment
        .get(function)
        .unwrap_or_else(|| panic!("no environment for {function}"));
    entries(own).into_keys().collect()
}

const FUNCTIONS: [&str; 5] = ["access", "crud", "dynamic-read", "lease-worker", "token"];

#[test]
fn what_is_set_is_what_is_read() {
    let set: BTreeSet<String> = FUNCTIONS.into_iter().flat_map(set_by_terraform).collect();
    let elsewhere = BY_LAMBDA.into_iter().chain(NEVER_DEPLOYED);
    let all: BTreeSet<String> = set
        .iter()
        .cloned()
        .chain(elsewhere.map(str::to_owned))
        .collect();
    assert_eq!(all, read_by_the_functions());
    for name in NEVER_DEPLOYED {
        assert!(!set.contains(name), "{name}");
    }
}

#[test]
fn each_function_is_told_only_what_it_needs() {
    let with = |more: &[&str]| -> BTreeSet<String> {
        ["MAYFLY_TABLE", "MAYFLY_KMS_KEY", "MAYFLY_LOG"]
            .iter()
            .chain(more)
            .map(|name| (*name).to_owned())
            .collect()
    };
    let gateway = "MAYFLY_GATEWAY_ALIAS";
    let roles = "MAYFLY_ASSUMABLE_ROLES";
    for (function, more) in [
        ("access", [gateway].as_slice()),
        ("crud", &[gateway, roles]),
        ("dynamic-read", &[gateway, roles, "MAYFLY_ALIASES"]),
        ("lease-worker", &[]),
        ("token", &[gateway, "MAYFLY_SETUP_CODE"]),
    ] {
        assert_eq!(set_by_terraform(function), with(more), "{function}");
    }
}
