//! The embedded DynamoDB, reached without a port: on a laptop an open one would let every local user at the table.

use std::path::Path;

use anyhow::Context;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, HttpClient, Region, RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
    retry::RetryConfig,
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, errors::DynoxideError};
use mayfly::store::schema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::stream::Tap;

/// The table's name.
pub const TABLE: &str = "mayfly";

/// Opens the database in `file`, or in memory, and makes the table if it is new.
pub fn open(file: Option<&Path>) -> anyhow::Result<Database> {
    let database = match file {
        Some(file) => {
            let path = file
                .to_str()
                .context("the data directory's path is not UTF-8")?;
            Database::new(path).with_context(|| format!("cannot open {path}"))?
        }
        None => Database::memory().context("cannot open a database in memory")?,
    };
    let mut definition = schema::create_table_json(TABLE);
    if let Some(definition) = definition.as_object_mut() {
        definition.remove("StreamSpecification"); // `stream` says why
    }
    match database.create_table(serde_json::from_value(definition)?) {
        Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => Ok(database),
        Err(error) => Err(error).context("cannot make the table"),
    }
}

/// Removes what can be forgotten, as a deployed table's time-to-live does.
pub fn forget(database: &Database) -> anyhow::Result<usize> {
    let specification = json!({"AttributeName": schema::EXPIRES, "Enabled": true});
    let enable = json!({"TableName": TABLE, "TimeToLiveSpecification": specification});
    let described =
        database.describe_time_to_live(serde_json::from_value(json!({"TableName": TABLE}))?)?;
    if serde_json::to_value(described)?["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED" {
        database.update_time_to_live(serde_json::from_value(enable)?)?;
    }
    Ok(database.sweep_ttl()?)
}

/// How often a call is tried, as in the deployed functions.
pub const ATTEMPTS: u32 = 4;

/// An SDK client whose requests end in `http`.
pub fn client(http: SharedHttpClient) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url("http://embedded.invalid")
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(std::time::Duration::from_millis(5)),
        )
        .http_client(http)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// Hands the SDK's requests to the database in this process.
#[derive(Clone)]
pub struct Embedded {
    database: Database,
    tap: Option<Tap>,
}

impl Embedded {
    /// A connector to `database`.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            tap: None,
        }
    }

    /// The same, telling of every task that is put into the table.
    #[must_use]
    pub fn telling(self, tap: Tap) -> Self {
        Self {
            tap: Some(tap),
            ..self
        }
    }

    fn answer(&self, request: &HttpRequest) -> (u16, String) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target
            .strip_prefix("DynamoDB_20120810.")
            .unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let database = &self.database;
        let inserts = match self.tap {
            Some(_) => Tap::inserts(database, operation, body),
            None => Vec::new(),
        };
        let answer = match operation {
            "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
            "GetItem" => call(body, |request| database.get_item(request)),
            "PutItem" => call(body, |request| database.put_item(request)),
            "UpdateItem" => call(body, |request| database.update_item(request)),
            "DeleteItem" => call(body, |request| database.delete_item(request)),
            "Query" => call(body, |request| database.query(request)),
            "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "{other} is not used by Mayfly"
            ))),
        };
        if let (Ok(_), Some(tap)) = (&answer, &self.tap) {
            tap.tell(inserts);
        }
        answer.map_or_else(
            |error| (error.status_code(), error.to_json()),
            |body| (200, body),
        )
    }
}

fn call<I, O>(
    body: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError>
where
    I: DeserializeOwned,
    O: Serialize,
{
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&operation(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedded")
    }
}

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        let answer = StatusCode::try_from(status)
            .map(|status| HttpResponse::new(status, SdkBody::from(body)))
            .map_err(|error| ConnectorError::other(error.into(), None));
        HttpConnectorFuture::ready(answer)
    }
}

impl HttpClient for Embedded {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_has_expired_is_forgotten_and_nothing_else_is() {
        let database = open(None).unwrap();
        for (pk, expires) in [
            ("a", Some("1700000000")),
            ("b", Some("4000000000")),
            ("c", None),
        ] {
            let mut item = json!({"pk": {"S": pk}, "sk": {"S": "HEAD"}});
            if let Some(expires) = expires {
                item["expires"] = json!({"N": expires});
            }
            let put = json!({"TableName": TABLE, "Item": item});
            database
                .put_item(serde_json::from_value(put).unwrap())
                .unwrap();
        }
        assert_eq!(forget(&database).unwrap(), 1);
        assert_eq!(forget(&database).unwrap(), 0);
        let scan = serde_json::from_value(json!({"TableName": TABLE})).unwrap();
        let left = serde_json::to_value(database.scan(scan).unwrap()).unwrap();
        let mut left: Vec<&Value> = left["Items"].as_array().unwrap().iter().collect();
        left.sort_by_key(|item| item["pk"]["S"].to_string());
        assert_eq!(
            left.iter().map(|item| &item["pk"]["S"]).collect::<Vec<_>>(),
            ["b", "c"]
        );
    }
}
