//! `Table`: the few DynamoDB calls Mayfly makes, with strong reads and whole answers.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{
        AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};
use futures_util::future::try_join_all;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    clock::Clock,
    error::Error,
    store::{
        error::{failed, transact_failed},
        schema::{Index, Key, PK, SK},
    },
};

pub use crate::store::error::{Cancelled, TransactError};

/// An item as DynamoDB knows it.
pub type Item = HashMap<String, AttributeValue>;

/// The vault's table.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    clock: std::sync::Arc<dyn Clock>,
}

/// Items that were read together, by key. Reading together is not isolation: truth across items comes from ids and revs.
#[derive(Debug, Default)]
pub struct Items(HashMap<Key, Item>);

impl Items {
    /// The record under `key`, if there is one.
    pub fn record<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        self.0.get(key).cloned().map(decode).transpose()
    }

    /// Adds what another read found.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

/// Reads a stored item.
pub fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Error> {
    serde_dynamo::from_item(item).map_err(|error| Error::internal(format!("stored item: {error}")))
}

/// Makes an item of a record.
pub fn encode<T: Serialize>(record: &T) -> Result<Item, Error> {
    serde_dynamo::to_item(record)
        .map_err(|error| Error::internal(format!("item to store: {error}")))
}

/// A piece of an index or of a partition, in order.
pub struct Range<'a> {
    /// The index; `None` for the table itself.
    pub index: Option<Index>,
    /// Value of the partition key.
    pub partition: &'a str,
    /// Smallest sort key, included.
    pub from: &'a str,
    /// Greatest sort key, included.
    pub to: &'a str,
    /// Greatest first.
    pub descending: bool,
    /// At most so many items.
    pub limit: usize,
}

/// How a conditional update ended.
#[derive(Debug)]
pub enum Updated {
    /// Done; the item as it is now.
    Done(Item),
    /// The condition did not hold; the item as it is, if there is one.
    Stopped(Option<Item>),
}

/// How often unprocessed keys are asked for again before the table counts as unavailable.
const UNPROCESSED_TRIES: u32 = 6;

/// How many items that belong together are looked up and removed at a time.
const DELETED_AT_ONCE: usize = 100;

/// How often a transaction that only met others is sent again as it is.
const CONFLICT_TRIES: u32 = 2;

impl Table {
    /// The table `name` behind `client`.
    pub fn new(client: Client, name: impl Into<String>, clock: std::sync::Arc<dyn Clock>) -> Self {
        Self {
            client,
            name: name.into(),
            clock,
        }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads all `keys` in one strongly consistent round trip. Keys that DynamoDB left unprocessed are asked for again.
    pub async fn batch_get(&self, keys: impl IntoIterator<Item = Key>) -> Result<Items, Error> {
        let mut wanted: Vec<Item> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for key in keys {
            if seen.insert(key.clone()) {
                wanted.push(key_item(key));
            }
        }
        let mut found = HashMap::new();
        for attempt in 0..UNPROCESSED_TRIES {
            if wanted.is_empty() {
                return Ok(Items(found));
            }
            if attempt > 0 {
                self.clock.sleep(backoff(attempt)).await;
            }
            let request = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut wanted)))
                .consistent_read(true)
                .build()
                .map_err(|error| Error::internal(error.to_string()))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .send()
                .await
                .map_err(failed)?;
            for item in answer
                .responses
                .unwrap_or_default()
                .remove(&self.name)
                .unwrap_or_default()
            {
                found.insert(key_of(&item)?, item);
            }
            if let Some(mut left) = answer.unprocessed_keys
                && let Some(left) = left.remove(&self.name)
            {
                wanted = left.keys;
            }
        }
        Err(Error::Throttled {
            message: "the vault's table is busy; try again".to_owned(),
            retry_after: 1,
        })
    }

    /// Reads one record, strongly consistent.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key.clone())))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed)?;
        answer.item.map(decode).transpose()
    }

    /// Writes one record, whatever is there.
    pub async fn put<T: Serialize>(&self, record: &T) -> Result<(), Error> {
        let item = encode(record)?;
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .send()
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Writes one record unless its key is taken; answers whether it was written.
    pub async fn put_new<T: Serialize>(&self, record: &T) -> Result<bool, Error> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(record)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Changes some attributes of one item, if `condition` holds.
    pub async fn update(
        &self,
        key: &Key,
        update: &str,
        condition: &str,
        values: Item,
    ) -> Result<Updated, Error> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key.clone())))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Updated::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(stopped)) => {
                    Ok(Updated::Stopped(stopped.item.clone()))
                }
                _ => Err(failed(error)),
            },
        }
    }

    /// Removes items, each on its own. Removing what is not there succeeds.
    pub async fn delete_all(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Error> {
        let deletes = keys.into_iter().map(|key| async move {
            self.client
                .delete_item()
                .table_name(&self.name)
                .set_key(Some(key_item(key)))
                .send()
                .await
                .map_err(failed)
                .map(|_| ())
        });
        try_join_all(deletes).await.map(|_| ())
    }

    /// Removes all earlier versions of `id` from a partition. May be run any number of times.
    pub async fn delete_versions(&self, partition: &str, id: Uuid) -> Result<(), Error> {
        let prefix = Key::version_prefix(id);
        loop {
            let range = Range {
                index: None,
                partition,
                from: &prefix,
                to: &format!("{prefix}~"),
                descending: false,
                limit: DELETED_AT_ONCE,
            };
            let found: Vec<Key> = self.query(range).await?;
            if found.is_empty() {
                return Ok(());
            }
            self.delete_all(found).await?;
        }
    }

    /// Reads the records of a range.
    pub async fn query<T: DeserializeOwned>(&self, range: Range<'_>) -> Result<Vec<T>, Error> {
        self.query_items(range)
            .await?
            .into_iter()
            .map(decode)
            .collect()
    }

    /// Reads a range, following pages until `limit` items or the end. The table itself is read strongly consistent.
    pub async fn query_items(&self, range: Range<'_>) -> Result<Vec<Item>, Error> {
        let (pk, sk) = range.index.map_or((PK, SK), |index| (index.pk, index.sk));
        let mut found = Vec::new();
        let mut start = None;
        if range.from > range.to {
            return Ok(found);
        }
        loop {
            let limit = i32::try_from(range.limit.saturating_sub(found.len())).unwrap_or(i32::MAX);
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .set_index_name(range.index.map(|index| index.name.to_owned()))
                .key_condition_expression("#p = :p AND #s BETWEEN :from AND :to")
                .expression_attribute_names("#p", pk)
                .expression_attribute_names("#s", sk)
                .expression_attribute_values(":p", AttributeValue::S(range.partition.to_owned()))
                .expression_attribute_values(":from", AttributeValue::S(range.from.to_owned()))
                .expression_attribute_values(":to", AttributeValue::S(range.to.to_owned()))
                .scan_index_forward(!range.descending)
                .consistent_read(range.index.is_none())
                .limit(limit)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(failed)?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() || found.len() >= range.limit {
                return Ok(found);
            }
        }
    }

    /// Writes all of `writes` or none. `token` makes repeating the very same call harmless for ten minutes, and so it is
    /// repeated: in a conflict the other transaction may have been this one, its answer lost.
    pub async fn transact(
        &self,
        token: Uuid,
        writes: Vec<TransactWriteItem>,
    ) -> Result<(), TransactError> {
        let mut attempt = 0;
        loop {
            let sent = self
                .client
                .transact_write_items()
                .client_request_token(token.to_string())
                .set_transact_items(Some(writes.clone()))
                .send()
                .await;
            match sent.map_err(transact_failed) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_only_conflict() && attempt < CONFLICT_TRIES => {
                    attempt += 1;
                    self.clock.sleep(backoff(attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Grows from 25 ms, doubling, with the lower half random so that losers of a race do not meet again.
pub fn backoff(attempt: u32) -> Duration {
    let ceiling = 25_u64 << attempt.min(4);
    let random = u64::try_from(Uuid::new_v4().as_u128() % u128::from(ceiling)).unwrap_or(0);
    Duration::from_millis(ceiling / 2 + random / 2)
}

pub(super) fn key_item(key: Key) -> Item {
    HashMap::from([
        (PK.to_owned(), AttributeValue::S(key.pk)),
        (SK.to_owned(), AttributeValue::S(key.sk)),
    ])
}

fn key_of(item: &Item) -> Result<Key, Error> {
    let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    match (part(PK), part(SK)) {
        (Some(pk), Some(sk)) => Ok(Key { pk, sk }),
        _ => Err(Error::internal("an item without its key")),
    }
}
