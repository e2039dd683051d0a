//! `Policy`: what AWS's IAM decides by a policy document, for the few things that the vault's own documents say.
//!
//! Whatever it does not understand is an error and never a pass: another effect, a wildcard in an action or a resource, a
//! condition that nobody has thought about here.

mod asked;
mod grants;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

pub use asked::{Asked, Resource, dynamodb, kms};
pub use grants::{Comparison, Grant, compare};

/// The condition key with the partition keys that a call is about, of the table or of the index.
pub const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
/// The condition key with the purpose in an encryption context.
pub const PURPOSE: &str = "kms:EncryptionContext:purpose";
/// The condition key with the vault in an encryption context.
pub const VAULT: &str = "kms:EncryptionContext:vault";
/// The condition key with the names of all pairs of an encryption context.
pub const CONTEXT_KEYS: &str = "kms:EncryptionContextKeys";

/// The most that the inline policies of one role may have together, in characters without white space: a quota of IAM.
pub const MOST: usize = 10_240;

/// What the placeholders of a document stand for.
#[derive(Debug, Clone)]
pub struct Arns {
    /// `${table_arn}`.
    pub table: String,
    /// `${key_arn}`.
    pub key: String,
}

impl Arns {
    /// A table and a key of any account.
    pub fn example() -> Self {
        Self {
            table: "arn:aws:dynamodb:us-east-1:123456789012:table/mayfly".to_owned(),
            key: "arn:aws:kms:us-east-1:123456789012:key/mrk-0d5b3c1e5a574a3e9f6d2b6f0a7c1d11"
                .to_owned(),
        }
    }

    /// The document that a template is with these.
    pub fn render(&self, template: &str) -> String {
        template
            .replace("${table_arn}", &self.table)
            .replace("${key_arn}", &self.key)
    }

    /// As a document names it.
    pub fn of(&self, resource: &Resource) -> String {
        match resource {
            Resource::Table => self.table.clone(),
            Resource::Index(name) => format!("{}/index/{name}", self.table),
            Resource::Key => self.key.clone(),
        }
    }
}

/// A policy document.
#[derive(Debug, Clone)]
pub struct Policy {
    statements: Vec<Statement>,
    arns: Arns,
}

#[derive(Debug, Clone)]
struct Statement {
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// Each of the call's values is like one of the document's; true of a call without any.
    ForAllLike,
    /// Each of the call's values is one of the document's; true of a call without any.
    ForAllEqual,
    /// The call's one value is one of the document's.
    Equal,
    /// The call has a value.
    Present,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    version: String,
    statement: Vec<Stated>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Stated {
    #[serde(rename = "Sid")]
    _sid: String,
    effect: String,
    action: Vec<String>,
    resource: Vec<String>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Policy {
    /// Reads a document in which `arns` stand for the placeholders.
    ///
    /// # Errors
    /// It says something that is not understood here.
    pub fn read(document: &str, arns: &Arns) -> anyhow::Result<Self> {
        let document: Document = serde_json::from_str(document)?;
        ensure!(document.version == "2012-10-17", "another version");
        let statements = document.statement.into_iter().map(Statement::read);
        Ok(Self {
            statements: statements.collect::<anyhow::Result<_>>()?,
            arns: arns.clone(),
        })
    }

    /// Whether the call is allowed: one statement must allow all of it.
    pub fn allows(&self, asked: &Asked) -> bool {
        let resource = self.arns.of(&asked.resource);
        self.statements
            .iter()
            .any(|statement| statement.allows(asked, &resource))
    }
}

impl Statement {
    fn read(stated: Stated) -> anyhow::Result<Self> {
        ensure!(stated.effect == "Allow", "effect {}", stated.effect);
        for action in &stated.action {
            let known = action
                .split_once(':')
                .is_some_and(|(service, name)| is_word(service) && is_word(name));
            ensure!(known, "action {action}");
        }
        for resource in &stated.resource {
            let whole = resource.starts_with("arn:") && !resource.contains(['*', '?', '$']);
            ensure!(whole, "resource {resource}");
        }
        let mut conditions = Vec::new();
        for (operator, keys) in stated.condition {
            for (key, values) in keys {
                let condition = Condition::read(&operator, key, values);
                conditions.push(condition.with_context(|| operator.clone())?);
            }
        }
        Ok(Self {
            actions: stated.action,
            resources: stated.resource,
            conditions,
        })
    }

    fn allows(&self, asked: &Asked, resource: &str) -> bool {
        self.actions.contains(&asked.action)
            && self.resources.iter().any(|named| named == resource)
            && self.conditions.iter().all(|condition| {
                let values = asked.context.get(&condition.key);
                condition.holds(values.unwrap_or(&BTreeSet::new()))
            })
    }

    /// The values that a condition on `key` allows; `None` if there is no such condition.
    fn bound(&self, key: &str) -> Option<&[String]> {
        let mut bounds = self.conditions.iter();
        bounds
            .find(|condition| condition.operator != Operator::Present && condition.key == key)
            .map(|condition| condition.values.as_slice())
    }
}

impl Condition {
    fn read(operator: &str, key: String, values: Value) -> anyhow::Result<Self> {
        let values: Vec<String> = match values {
            Value::String(value) => vec![value],
            values => serde_json::from_value(values)?,
        };
        let operator = match (operator, key.as_str()) {
            ("ForAllValues:StringLike", LEADING_KEYS) => Operator::ForAllLike,
            ("ForAllValues:StringEquals", LEADING_KEYS | CONTEXT_KEYS) => Operator::ForAllEqual,
            ("StringEquals", PURPOSE) => Operator::Equal,
            ("Null", LEADING_KEYS | CONTEXT_KEYS | PURPOSE | VAULT) => {
                ensure!(values == ["false"], "Null of {key} is not \"false\"");
                Operator::Present
            }
            _ => anyhow::bail!("condition on {key}"),
        };
        for value in &values {
            let literal = match operator {
                Operator::ForAllLike => value.strip_suffix('*').unwrap_or(value),
                _ => value,
            };
            let plain = !literal.is_empty() && !literal.contains(['*', '?', '$']);
            ensure!(plain, "value {value} of {key}");
        }
        Ok(Self {
            operator,
            key,
            values,
        })
    }

    fn holds(&self, given: &BTreeSet<String>) -> bool {
        let equal = |given: &String| self.values.contains(given);
        match self.operator {
            Operator::ForAllLike => given
                .iter()
                .all(|given| self.values.iter().any(|pattern| is_like(given, pattern))),
            Operator::ForAllEqual => given.iter().all(equal),
            Operator::Equal => given.len() == 1 && given.iter().all(equal),
            Operator::Present => !given.is_empty(),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
    fn policy(statement: Value) -> anyhow::Result<Policy> {
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        Policy::read(&document.to_string(), &Arns::example())
    }

    #[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
    fn get(condition: Value) -> Value {
        json!({
            "Sid": "Get",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem"],
            "Resource": [Arns::example().table],
            "Condition": condition,
        })
    }

    fn reading(keys: &[&str]) -> Asked {
        Asked::table("dynamodb:GetItem", Resource::Table, keys.iter().copied())
    }

    #[test]
    fn all_leading_keys_must_be_like_one_of_the_patterns() {
        let like = json!({"ForAllValues:StringLike": {LEADING_KEYS: ["A#*", "B"]}});
        let policy = policy(get(like)).unwrap();
        for (keys, allowed) in [
            (&["A#1"][..], true),
            (&["A#1", "A#2", "B"], true),
            (&["A#"], true),
            (&["A"], false),
            (&["B#1"], false),
            (&["A#1", "C#1"], false),
            (&["a#1"], false),
        ] {
            assert_eq!(policy.allows(&reading(keys)), allowed, "{keys:?}");
        }
    }

    #[test]
    fn for_all_values_is_true_of_none_unless_null_is_refused() {
        let mut like = json!({"ForAllValues:StringLike": {LEADING_KEYS: ["A#*"]}});
        assert!(policy(get(like.clone())).unwrap().allows(&reading(&[])));
        like["Null"] = json!({LEADING_KEYS: "false"});
        let guarded = policy(get(like)).unwrap();
        assert!(!guarded.allows(&reading(&[])));
        assert!(guarded.allows(&reading(&["A#1"])));
    }

    #[test]
    fn one_statement_must_allow_the_whole_call() {
        let of = |pattern: &str| get(json!({"ForAllValues:StringLike": {LEADING_KEYS: [pattern]}}));
        let document = json!({"Version": "2012-10-17", "Statement": [of("A#*"), of("B#*")]});
        let policy = Policy::read(&document.to_string(), &Arns::example()).unwrap();
        assert!(policy.allows(&reading(&["A#1"])) && policy.allows(&reading(&["B#1"])));
        assert!(!policy.allows(&reading(&["A#1", "B#1"])));
    }

    #[test]
    fn the_table_is_not_its_indexes_and_one_action_not_another() {
        let policy = policy(get(json!({}))).unwrap();
        assert!(policy.allows(&reading(&["A"])));
        let index = Resource::Index("due".to_owned());
        assert!(!policy.allows(&Asked::table("dynamodb:GetItem", index, ["A"])));
        let put = Asked::table("dynamodb:PutItem", Resource::Table, ["A"]);
        assert!(!policy.allows(&put));
    }

    #[test]
    fn a_key_is_used_for_a_purpose_and_with_the_named_context_only() {
        let policy = policy(json!({
            "Sid": "Keys",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [Arns::example().key],
            "Condition": {
                "StringEquals": {PURPOSE: ["secret"]},
                "ForAllValues:StringEquals": {CONTEXT_KEYS: ["purpose", "vault"]},
                "Null": {VAULT: "false"},
            },
        }))
        .unwrap();
        let asked = |pairs: &[(&str, &str)]| kms("kms:Decrypt", pairs.iter().copied());
        let vault = ("vault", "1");
        assert!(policy.allows(&asked(&[vault, ("purpose", "secret")])));
        assert!(!policy.allows(&asked(&[vault, ("purpose", "verifier")])));
        assert!(!policy.allows(&asked(&[vault])));
        assert!(!policy.allows(&asked(&[("purpose", "secret")])));
        assert!(!policy.allows(&asked(&[vault, ("purpose", "secret"), ("more", "1")])));
        assert!(!policy.allows(&asked(&[])));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(policy(get(json!({}))).is_ok());
        for (field, value) in [
            ("Effect", json!("Deny")),
            ("Action", json!(["dynamodb:*"])),
            ("Action", json!(["dynamodb:Get?tem"])),
            ("Action", json!("dynamodb:GetItem")),
            ("Resource", json!(["*"])),
            ("Resource", json!(["${table_arn}"])),
            ("NotResource", json!(["arn:aws:s3:::x"])),
            ("Principal", json!("*")),
        ] {
            let mut statement = get(json!({}));
            statement[field] = value;
            assert!(policy(statement).is_err(), "{field}");
        }
        for condition in [
            json!({"StringLike": {LEADING_KEYS: ["A#*"]}}),
            json!({"ForAnyValue:StringLike": {LEADING_KEYS: ["A#*"]}}),
            json!({"ForAllValues:StringLike": {LEADING_KEYS: ["*"]}}),
            json!({"ForAllValues:StringLike": {LEADING_KEYS: ["A*#*"]}}),
            json!({"ForAllValues:StringLike": {LEADING_KEYS: ["A?"]}}),
            json!({"ForAllValues:StringLike": {LEADING_KEYS: ["${aws:userid}*"]}}),
            json!({"ForAllValues:StringEquals": {LEADING_KEYS: ["A#*"]}}),
            json!({"ForAllValues:StringLike": {"dynamodb:Attributes": ["a"]}}),
            json!({"Null": {LEADING_KEYS: "true"}}),
            json!({"StringEquals": {PURPOSE: ["*"]}}),
            json!({"StringEqualsIfExists": {PURPOSE: ["secret"]}}),
        ] {
            assert!(policy(get(condition.clone())).is_err(), "{condition}");
        }
    }
}
