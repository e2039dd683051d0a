//! `Asked`: what IAM is asked before a call of DynamoDB or KMS is done.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use mayfly::store::schema::{INDEXES, PK};
use serde_json::Value;

use crate::iam::{CONTEXT_KEYS, LEADING_KEYS, PURPOSE, VAULT};

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The table.
    Table,
    /// The index of that name.
    Index(String),
    /// The KMS key.
    Key,
}

/// One question to IAM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The action.
    pub action: String,
    /// What it is done to.
    pub resource: Resource,
    /// The values of each condition key that the call has.
    pub context: BTreeMap<String, BTreeSet<String>>,
}

impl Asked {
    /// A call about items with these partition keys.
    pub fn table<'a>(
        action: &str,
        resource: Resource,
        keys: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let keys: BTreeSet<String> = keys.into_iter().map(str::to_owned).collect();
        Self {
            action: action.to_owned(),
            resource,
            context: [(LEADING_KEYS.to_owned(), keys)].into(),
        }
    }
}

/// A call of KMS with this encryption context.
pub fn kms<'a>(action: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Asked {
    let mut context: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in pairs {
        let key = match name {
            "purpose" => PURPOSE.to_owned(),
            "vault" => VAULT.to_owned(),
            other => format!("kms:EncryptionContext:{other}"),
        };
        context.insert(key, [value.to_owned()].into());
        let names = context.entry(CONTEXT_KEYS.to_owned()).or_default();
        names.insert(name.to_owned());
    }
    Asked {
        action: action.to_owned(),
        resource: Resource::Key,
        context,
    }
}

/// What IAM is asked for a request to DynamoDB: `operation` as `X-Amz-Target` names it, and the body.
///
/// A transaction has no action of its own: each of its parts is asked about as the operation that it would be alone
/// ("Using IAM with DynamoDB transactions" in the developer guide). Of an index, the partition key is its own.
///
/// # Errors
/// The request is not one that the vault is known to make.
pub fn dynamodb(operation: &str, body: &Value) -> anyhow::Result<Vec<Asked>> {
    let action = format!("dynamodb:{operation}");
    let one =
        |item: &Value| -> anyhow::Result<Vec<Asked>> { Ok(vec![about(&action, [pk(item)?])]) };
    match operation {
        "GetItem" | "UpdateItem" | "DeleteItem" => one(&body["Key"]),
        "PutItem" => one(&body["Item"]),
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().context("no tables")?;
            ensure!(tables.len() == 1, "{} tables", tables.len());
            let keys = tables.values().next().and_then(|of| of["Keys"].as_array());
            let keys: anyhow::Result<Vec<&str>> = keys.context("no keys")?.iter().map(pk).collect();
            Ok(vec![about(&action, keys?)])
        }
        "Query" => Ok(vec![query(body)?]),
        "TransactWriteItems" => {
            let parts = body["TransactItems"].as_array().context("no items")?;
            parts.iter().map(part).collect()
        }
        _ => bail!("the vault is not known to call {operation}"),
    }
}

fn about<'a>(action: &str, keys: impl IntoIterator<Item = &'a str>) -> Asked {
    Asked::table(action, Resource::Table, keys)
}

fn part(part: &Value) -> anyhow::Result<Asked> {
    let part = part.as_object().context("no part of a transaction")?;
    ensure!(part.len() == 1, "a part of a transaction that is {part:?}");
    let (kind, part) = part.iter().next().context("an empty part")?;
    let (action, item) = match kind.as_str() {
        "Put" => ("dynamodb:PutItem", &part["Item"]),
        "Update" => ("dynamodb:UpdateItem", &part["Key"]),
        "Delete" => ("dynamodb:DeleteItem", &part["Key"]),
        "ConditionCheck" => ("dynamodb:ConditionCheckItem", &part["Key"]),
        _ => bail!("a part of a transaction that is a {kind}"),
    };
    Ok(about(action, [pk(item)?]))
}

fn pk(item: &Value) -> anyhow::Result<&str> {
    item[PK]["S"].as_str().context("no partition key")
}

fn query(body: &Value) -> anyhow::Result<Asked> {
    let (resource, attribute) = match body["IndexName"].as_str() {
        None => (Resource::Table, PK),
        Some(name) => {
            let index = INDEXES.iter().find(|index| index.name == name);
            let index = index.with_context(|| format!("index {name}"))?;
            (Resource::Index(name.to_owned()), index.pk)
        }
    };
    let condition = body["KeyConditionExpression"].as_str();
    let words: Vec<&str> = condition.context("no key condition")?.split(' ').collect();
    let named = |word: &str| {
        word == attribute || body["ExpressionAttributeNames"][word].as_str() == Some(attribute)
    };
    let mut values = words
        .windows(3)
        .filter(|words| named(words[0]) && words[1] == "=")
        .map(|words| &body["ExpressionAttributeValues"][words[2]]["S"]);
    let value = values.next().and_then(Value::as_str);
    let value = value.context("no partition key in the key condition")?;
    ensure!(values.next().is_none(), "two partition keys");
    Ok(Asked::table("dynamodb:Query", resource, [value]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(asked: &Asked) -> Vec<&str> {
        let keys = asked.context[LEADING_KEYS].iter();
        keys.map(String::as_str).collect()
    }

    #[test]
    fn single_operations_are_about_one_key() {
        let item = json!({"pk": {"S": "A#1"}, "sk": {"S": "HEAD"}, "x": {"N": "1"}});
        for (operation, body) in [
            ("GetItem", json!({"TableName": "t", "Key": item})),
            ("PutItem", json!({"TableName": "t", "Item": item})),
            ("UpdateItem", json!({"TableName": "t", "Key": item})),
            ("DeleteItem", json!({"TableName": "t", "Key": item})),
        ] {
            let asked = dynamodb(operation, &body).unwrap();
            assert_eq!(asked.len(), 1);
            assert_eq!(asked[0].action, format!("dynamodb:{operation}"));
            assert_eq!(asked[0].resource, Resource::Table);
            assert_eq!(keys(&asked[0]), ["A#1"]);
        }
    }

    #[test]
    fn a_batch_is_one_question_about_all_its_keys() {
        let body = json!({"RequestItems": {"t": {"Keys": [
            {"pk": {"S": "B"}}, {"pk": {"S": "A"}}, {"pk": {"S": "B"}},
        ]}}});
        let asked = dynamodb("BatchGetItem", &body).unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(keys(&asked[0]), ["A", "B"]);
    }

    #[test]
    fn a_transaction_is_one_question_for_each_part() {
        let key = |pk: &str| json!({"pk": {"S": pk}});
        let body = json!({"TransactItems": [
            {"Put": {"Item": key("A")}},
            {"Update": {"Key": key("B")}},
            {"Delete": {"Key": key("C")}},
            {"ConditionCheck": {"Key": key("D")}},
        ]});
        let asked = dynamodb("TransactWriteItems", &body).unwrap();
        let asked: Vec<(&str, Vec<&str>)> = asked
            .iter()
            .map(|asked| (asked.action.as_str(), keys(asked)))
            .collect();
        assert_eq!(
            asked,
            [
                ("dynamodb:PutItem", vec!["A"]),
                ("dynamodb:UpdateItem", vec!["B"]),
                ("dynamodb:DeleteItem", vec!["C"]),
                ("dynamodb:ConditionCheckItem", vec!["D"]),
            ]
        );
    }

    #[test]
    fn a_query_is_about_the_partition_of_the_table_or_of_the_index() {
        let mut body = json!({
            "KeyConditionExpression": "#p = :p AND #s BETWEEN :from AND :to",
            "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"},
            "ExpressionAttributeValues": {":p": {"S": "A#1"}, ":from": {"S": "a"}, ":to": {"S": "b"}},
        });
        let asked = dynamodb("Query", &body).unwrap();
        assert_eq!(asked[0].resource, Resource::Table);
        assert_eq!(keys(&asked[0]), ["A#1"]);

        body["IndexName"] = json!("due");
        assert!(dynamodb("Query", &body).is_err(), "that is not its key");
        body["ExpressionAttributeNames"] = json!({"#p": "duePk", "#s": "dueSk"});
        let asked = dynamodb("Query", &body).unwrap();
        assert_eq!(asked[0].resource, Resource::Index("due".to_owned()));
        assert_eq!(keys(&asked[0]), ["A#1"]);

        body["KeyConditionExpression"] = json!("begins_with(#p, :p)");
        assert!(dynamodb("Query", &body).is_err());
        body["IndexName"] = json!("unheard-of");
        assert!(dynamodb("Query", &body).is_err());
    }

    #[test]
    fn what_the_vault_is_not_known_to_call_is_an_error() {
        for operation in ["Scan", "ExecuteStatement", "DescribeTable", "?"] {
            assert!(dynamodb(operation, &json!({})).is_err(), "{operation}");
        }
        assert!(dynamodb("GetItem", &json!({})).is_err());
        let get = json!({"TransactItems": [{"Get": {"Key": {"pk": {"S": "A"}}}}]});
        assert!(dynamodb("TransactWriteItems", &get).is_err());
    }
}
