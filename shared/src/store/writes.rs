//! Building blocks of a transaction: each write with the condition that makes it safe.

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::Error,
    store::{
        schema::{Key, MAX_GROUPS, PK, SK},
        table::{Table, encode},
    },
};

/// What must be true of an item for a write to happen.
#[derive(Debug, Clone)]
pub enum Only {
    /// Nothing.
    Always,
    /// It does not exist.
    IfNew,
    /// It is still the one that was read.
    IfUnchanged {
        /// Its id.
        id: Uuid,
        /// Its rev.
        rev: u64,
    },
    /// It is a live head with this id.
    IfLive(Uuid),
    /// It is a live base: this id, not deleted, no link of its own, of this kind.
    IfBase {
        /// The base's id.
        id: Uuid,
        /// The word of its cloud.
        kind: String,
    },
    /// Nothing links to it.
    IfUnlinked,
    /// It belongs to the group with this mark, or is not there.
    IfMarked(String),
    /// The rules are still those that were read.
    IfEpoch(String),
    /// It is not there, or nobody holds it at this time, in milliseconds since 1970.
    IfFree(i64),
    /// It is not there, or this lease holds it.
    IfHeldBy(Uuid),
    /// It has no unfinished leases.
    IfUnleased,
}

impl Only {
    fn expression(&self) -> Option<&'static str> {
        match self {
            Self::Always => None,
            Self::IfNew => Some("attribute_not_exists(pk)"),
            Self::IfUnchanged { .. } => Some("id = :id AND rev = :rev"),
            Self::IfBase { .. } => Some(
                "id = :id AND kind = :kind AND attribute_not_exists(link) AND attribute_not_exists(deletedAt)",
            ),
            Self::IfLive(_) => Some("id = :id AND attribute_not_exists(deletedAt)"),
            Self::IfUnlinked => Some("attribute_not_exists(pk) OR links <= :none"),
            Self::IfMarked(_) => Some("attribute_not_exists(pk) OR mark = :mark"),
            Self::IfEpoch(_) => Some("epoch = :epoch"),
            Self::IfFree(_) => Some("attribute_not_exists(pk) OR heldUntil <= :now"),
            Self::IfHeldBy(_) => Some("attribute_not_exists(pk) OR id = :id"),
            Self::IfUnleased => Some("attribute_not_exists(pk) OR leases <= :none"),
        }
    }

    fn values(&self) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let text = |value: &dyn ToString| AttributeValue::S(value.to_string());
        match self {
            Self::Always | Self::IfNew => None,
            Self::IfUnchanged { id, rev } => Some(
                [
                    (":id".to_owned(), text(id)),
                    (":rev".to_owned(), AttributeValue::N(rev.to_string())),
                ]
                .into(),
            ),
            Self::IfBase { id, kind } => Some(
                [
                    (":id".to_owned(), text(id)),
                    (":kind".to_owned(), text(kind)),
                ]
                .into(),
            ),
            Self::IfLive(id) | Self::IfHeldBy(id) => Some([(":id".to_owned(), text(id))].into()),
            Self::IfMarked(mark) => Some([(":mark".to_owned(), text(mark))].into()),
            Self::IfEpoch(epoch) => Some([(":epoch".to_owned(), text(epoch))].into()),
            Self::IfFree(now) => {
                Some([(":now".to_owned(), AttributeValue::N(now.to_string()))].into())
            }
            Self::IfUnlinked | Self::IfUnleased => {
                Some([(":none".to_owned(), AttributeValue::N("0".to_owned()))].into())
            }
        }
    }
}

const SHOW_THE_OLD: ReturnValuesOnConditionCheckFailure =
    ReturnValuesOnConditionCheckFailure::AllOld;

impl Table {
    /// Writes `record` if `only` holds.
    pub fn write<T: Serialize>(&self, record: &T, only: &Only) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(self.name())
            .set_item(Some(encode(record)?))
            .set_condition_expression(only.expression().map(str::to_owned))
            .set_expression_attribute_values(only.values())
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Removes the item under `key` if `only` holds.
    pub fn remove(&self, key: &Key, only: &Only) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .set_condition_expression(only.expression().map(str::to_owned))
            .set_expression_attribute_values(only.values())
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes nothing, but stops the transaction unless `only` holds.
    pub fn require(&self, key: &Key, only: &Only) -> Result<TransactWriteItem, Error> {
        let check = ConditionCheck::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .condition_expression(only.expression().unwrap_or("attribute_exists(pk)"))
            .set_expression_attribute_values(only.values())
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Makes the live principal under `key` a member of `group`, as [`MemberOf`](crate::store::schema::MemberOf) writes
    /// it, if it is none yet. Its rev moves, so a change of the principal that was read before does not undo it.
    pub fn join(&self, key: &Key, group: &str) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .update_expression("ADD #groups :group, rev :one")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(deletedAt) \
                 AND (attribute_not_exists(#groups) \
                      OR (size(#groups) < :most AND NOT contains(#groups, :name)))",
            )
            .expression_attribute_names("#groups", "groups")
            .expression_attribute_values(":group", AttributeValue::Ss(vec![group.to_owned()]))
            .expression_attribute_values(":name", AttributeValue::S(group.to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":most", AttributeValue::N(MAX_GROUPS.to_string()))
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Ends the membership of the principal under `key` in `group`, if it is a member.
    pub fn leave(&self, key: &Key, group: &str) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .update_expression("DELETE #groups :group ADD rev :one")
            .condition_expression("contains(#groups, :name)")
            .expression_attribute_names("#groups", "groups")
            .expression_attribute_values(":group", AttributeValue::Ss(vec![group.to_owned()]))
            .expression_attribute_values(":name", AttributeValue::S(group.to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Adds `by` to the link count under `key`, which counts for the base `base_id` and no other.
    pub fn count_links(
        &self,
        key: &Key,
        base_id: Uuid,
        by: i8,
    ) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .update_expression("ADD links :by SET baseId = :base")
            .condition_expression("attribute_not_exists(pk) OR baseId = :base")
            .expression_attribute_values(":by", AttributeValue::N(by.to_string()))
            .expression_attribute_values(":base", AttributeValue::S(base_id.to_string()))
            .return_values_on_condition_check_failure(SHOW_THE_OLD)
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Adds `by` to the count of leases under `key`, if it is below `most` now.
    pub fn count_leases(
        &self,
        key: &Key,
        by: i8,
        most: Option<u32>,
    ) -> Result<TransactWriteItem, Error> {
        let limit = most.map(|most| AttributeValue::N(most.to_string()));
        let condition = limit
            .as_ref()
            .map(|_| "attribute_not_exists(pk) OR leases < :most".to_owned());
        let mut update = Update::builder()
            .table_name(self.name())
            .key(PK, AttributeValue::S(key.pk.clone()))
            .key(SK, AttributeValue::S(key.sk.clone()))
            .update_expression("ADD leases :by")
            .set_condition_expression(condition)
            .expression_attribute_values(":by", AttributeValue::N(by.to_string()))
            .return_values_on_condition_check_failure(SHOW_THE_OLD);
        if let Some(limit) = limit {
            update = update.expression_attribute_values(":most", limit);
        }
        let update = update.build().map_err(broken)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn broken(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::internal(error.to_string())
}
