//! Least privilege: what the policies of the functions grant is what the functions ask for, no less and no more.
//!
//! The scenario does everything that a vault can be asked for, with every function in a process of its own and everything
//! allowed. What each asked for is then held against its policy.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod access;
mod leases;
mod rendered;
mod scenario;
mod secrets;
mod sign_in;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use mayfly_tests::{
    iam::{Arns, Asked, Comparison, LEADING_KEYS, MOST, PURPOSE, Policy, VAULT, compare},
    privileges::{Deployed, Record},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Played once, for all tests.
async fn record() -> &'static Record {
    static RECORD: OnceCell<Record> = OnceCell::const_new();
    RECORD.get_or_init(|| Box::pin(scenario::play())).await
}

/// The documents of all functions, rendered.
fn documents() -> BTreeMap<Deployed, Value> {
    let arns = Arns::example();
    let document = |function: Deployed| {
        let text = arns.render(function.template());
        (function, serde_json::from_str(&text).unwrap())
    };
    Deployed::ALL.map(document).into()
}

/// How a document of `function` stands to what that asked for.
fn compared(document: &Value, arns: &Arns, asked: &BTreeSet<Asked>) -> Comparison {
    let policy = Policy::read(&document.to_string(), arns).unwrap();
    compare(&policy, asked)
}

/// Says everything that is not as it should be.
fn report(function: Deployed, compared: &Comparison) -> String {
    let mut lines = vec![format!("\nthe policy of {}:", function.name())];
    let told = |word: &str, grant: &dyn std::fmt::Display| format!("  {word}: {grant}");
    lines.extend(compared.missing.iter().map(|grant| told("missing", grant)));
    lines.extend(compared.extra.iter().map(|grant| told("extra", grant)));
    let refused = compared.refused.iter();
    lines.extend(refused.map(|asked| format!("  refused: {asked:?}")));
    lines.join("\n")
}

#[tokio::test]
async fn nothing_is_missing_and_nothing_is_extra() {
    let record = record().await;
    let wrong: Vec<String> = documents()
        .iter()
        .map(|(function, document)| {
            let asked = record.of(*function);
            (function, compared(document, &Arns::example(), &asked))
        })
        .filter(|(_, compared)| !compared.is_exact())
        .map(|(function, compared)| report(*function, &compared))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where in a statement a grant can be removed: each entry of each list.
fn entries(statement: &Value) -> Vec<(String, usize)> {
    let mut lists = vec!["/Action".to_owned(), "/Resource".to_owned()];
    for (operator, keys) in statement["Condition"].as_object().unwrap() {
        for (key, values) in keys.as_object().unwrap() {
            if values.is_array() {
                lists.push(format!("/Condition/{operator}/{}", key.replace('/', "~1")));
            }
        }
    }
    let count = |list: &String| statement.pointer(list).unwrap().as_array().unwrap().len();
    lists
        .into_iter()
        .flat_map(|list| (0..count(&list)).map(move |at| (list.clone(), at)))
        .collect()
}

#[tokio::test]
async fn whatever_is_removed_is_missed() {
    let (record, mut removals) = (record().await, 0);
    for (function, document) in documents() {
        let asked = record.of(function);
        for (at, statement) in document["Statement"].as_array().unwrap().iter().enumerate() {
            for (list, entry) in entries(statement) {
                let mut changed = document.clone();
                let list = changed
                    .pointer_mut(&format!("/Statement/{at}{list}"))
                    .unwrap();
                let removed = list.as_array_mut().unwrap().remove(entry);
                let compared = compared(&changed, &Arns::example(), &asked);
                assert!(
                    !compared.missing.is_empty() && !compared.refused.is_empty(),
                    "{}: {removed} of {} is not missed",
                    function.name(),
                    statement["Sid"]
                );
                removals += 1;
            }
        }
    }
    assert!(removals > 200, "{removals}");
}

#[tokio::test]
async fn whatever_is_added_is_too_much() {
    let record = record().await;
    for (function, document) in documents() {
        let asked = record.of(function);
        let first = &document["Statement"][0];
        let again = first.clone();
        let mut open = first.clone();
        open["Condition"] = json!({});
        let mut another = first.clone();
        another["Action"] = json!(["dynamodb:Scan"]);
        let mut index = first.clone();
        index["Resource"] = json!([format!("{}/index/due", Arns::example().table)]);
        let mut every = document["Statement"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        every["Condition"]["StringEquals"][PURPOSE] = json!(["audit"]);
        for added in [again, open, another, index, every] {
            let mut changed = document.clone();
            changed["Statement"]
                .as_array_mut()
                .unwrap()
                .push(added.clone());
            let compared = compared(&changed, &Arns::example(), &asked);
            assert!(!compared.extra.is_empty(), "{}: {added}", function.name());
            assert!(compared.missing.is_empty(), "{}: {added}", function.name());
        }
        for wider in ["KEYRING#*", "S*", "SECRET*", "LEASE*", "RULES#1"] {
            let mut changed = document.clone();
            let condition = &mut changed["Statement"][0]["Condition"];
            let keys = &mut condition["ForAllValues:StringLike"][LEADING_KEYS];
            keys.as_array_mut().unwrap().push(json!(wider));
            let extra = compared(&changed, &Arns::example(), &asked).extra;
            assert_eq!(extra.len(), 1, "{}: {wider}", function.name());
        }
    }
}

#[tokio::test]
async fn a_call_that_does_not_say_what_it_is_about_is_refused() {
    let record = record().await;
    let arns = Arns::example();
    for function in Deployed::ALL {
        let policy = Policy::read(&arns.render(function.template()), &arns).unwrap();
        for asked in record.of(function) {
            for key in [LEADING_KEYS, PURPOSE, VAULT] {
                let mut less = asked.clone();
                if less.context.remove(key).is_some() {
                    assert!(!policy.allows(&less), "{less:?}");
                }
                if let Some(values) = less.context.get_mut(key) {
                    values.insert("something else".to_owned());
                    assert!(!policy.allows(&less), "{less:?}");
                }
            }
        }
    }
}

#[test]
fn a_function_holds_keys_for_what_its_policy_lets_it_open() {
    for (function, document) in documents() {
        let statements = document["Statement"].as_array().unwrap();
        let granted: BTreeSet<&str> = statements
            .iter()
            .filter_map(|statement| statement["Condition"]["StringEquals"][PURPOSE].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let held = function.purposes().iter().map(|purpose| purpose.word());
        assert_eq!(granted, held.collect(), "{}", function.name());
    }
}

#[test]
fn a_policy_leaves_room_for_the_others_of_its_role() {
    for function in Deployed::ALL {
        let document = Arns::example().render(function.template());
        let size = document.chars().filter(|c| !c.is_whitespace()).count();
        assert!(size <= MOST / 2, "{}: {size}", function.name());
    }
}
