//! The cloud's side of a mint: what was asked of STS, and who a minted credential is.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::{
    config::{BehaviorVersion, Region},
    error::ProvideErrorMetadata,
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use mayfly::clock::{Clock, FixedClock};
use mayfly_tests::{Vault, vault::assume_role, wire::InProcess};
use serde_json::{Value, json};

/// One STS call as it went out.
pub(crate) struct Sent {
    pub(crate) host: String,
    fields: BTreeMap<String, String>,
}

impl Sent {
    /// A form field; empty if it was not sent.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The calls that mint, since the record of calls was cleared.
pub(crate) fn mints(vault: &Vault) -> Vec<Sent> {
    let calls = vault.wire.calls().into_iter();
    calls
        .filter(|call| ["AssumeRole", "GetFederationToken"].contains(&call.operation.as_str()))
        .map(|call| Sent {
            host: call.host,
            fields: serde_urlencoded::from_str(&call.body).unwrap(),
        })
        .collect()
}

/// The one call that minted.
pub(crate) fn only_mint(vault: &Vault) -> Sent {
    let mut sent = mints(vault);
    assert_eq!(sent.len(), 1, "STS calls");
    sent.remove(0)
}

/// The ARN that the cloud sees behind minted `data`, or the code it refuses with.
pub(crate) async fn identity(vault: &Vault, data: &Value, region: &str) -> Result<String, String> {
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    let keys = Credentials::new(
        text("accessKey"),
        text("secretKey"),
        Some(text("sessionToken")),
        None,
        "minted",
    );
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(keys)
        .http_client(InProcess(vault.sandbox.router()))
        .time_source(SharedTimeSource::new(At(vault.clock.clone())))
        .build();
    let client = aws_sdk_sts::Client::from_conf(config);
    match client.get_caller_identity().send().await {
        Ok(answer) => Ok(answer.arn.unwrap_or_default()),
        Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
    }
}

#[derive(Debug)]
struct At(Arc<FixedClock>);

impl TimeSource for At {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// A vault with a base at `aws:base` and a dynamic secret of it at `aws:reader`, and nothing on the wire's record.
pub(crate) async fn vault_with_reader() -> Vault {
    let vault = Vault::start().await;
    vault.create_base("aws/base", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault.wire.clear();
    vault
}

/// `value` with the fields of `more` laid over it.
pub(crate) fn with(mut value: Value, more: &Value) -> Value {
    for (key, one) in more.as_object().unwrap() {
        value[key] = one.clone();
    }
    value
}

/// The audit records of `path`, as (status, message), the lowest status first: the clock stands still, so their ids
/// say nothing of their order.
pub(crate) fn outcomes(vault: &Vault, path: &str) -> Vec<(i64, String)> {
    let records = vault.audit().into_iter();
    let mut found: Vec<_> = records
        .filter(|record| record["path"] == path)
        .map(|record| {
            let message = record["message"].as_str().unwrap().to_owned();
            (record["status"].as_i64().unwrap(), message)
        })
        .collect();
    found.sort();
    found
}
