//! Linking is delegation: each right on the base, with each right on the dynamic secret, under each bound, with each
//! operation, against the rule.

mod rule;
mod table;

use std::collections::BTreeMap;

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Answer, Vault,
    vault::{ACCESS_KEY, ROLE, SECRET_KEY, base, role, rule},
    wire::Call,
};
use serde_json::{Value, json};

use self::{
    rule::{BOUNDS, Cell, OTHER_ROLE, OWN, Outcome, RIGHTS, Words, base_attributes, external_id},
    table::{Act, Operation, Start, operations, starts},
};

/// Stands in the base's data, and may not stand in any answer or record.
const MARK: &str = "MARK-in-the-base-5e77";
const OPERATIONS: usize = 84;
const READER: &str = "/v1/secrets/app/reader";

/// A vault whose table can be put back to any start.
struct Stage {
    vault: Vault,
    token: String,
    states: BTreeMap<&'static str, Vec<Value>>,
    bases: Vec<Value>,
    /// What the table holds besides audit records, once something was changed.
    now: Vec<Value>,
}

impl Stage {
    async fn build() -> Self {
        let vault = Vault::start().await;
        vault.wire.bad_weather(0); // so many requests through it would only take longer
        vault.sandbox.add_role(role(OTHER_ROLE)).unwrap();
        let token = vault.make_role("app").await;
        for path in ["aws/base", "aws/other"] {
            let mut body = base(json!({}));
            body["data"]["note"] = json!(MARK);
            vault.create(path, body).await.expect(201);
        }
        let mut stage = Self {
            now: Vec::new(),
            states: BTreeMap::new(),
            bases: Vec::new(),
            vault,
            token,
        };
        let open = json!({
            "allowedRoleArns": [ROLE, OTHER_ROLE], "allowedSessionTags": {"team": "*"},
        });
        stage.bound("aws/base", &open).await;
        stage.grant(&["assign"], OWN[2]).await;
        for start in starts() {
            let items = stage.make(&start).await;
            stage.states.insert(start.name, items);
        }
        for bounds in BOUNDS {
            stage.bound("aws/base", &base_attributes(bounds)).await;
            let items = stage.vault.items_of("SECRET#aws:base").into_iter();
            let head = items.into_iter().find(|item| item["sk"]["S"] == "HEAD");
            stage.bases.push(head.unwrap());
        }
        stage
    }

    async fn bound(&self, path: &str, attributes: &Value) {
        let body = json!({ "attributes": attributes });
        self.vault.update(path, body).await.expect(200);
    }

    async fn grant(&mut self, right: &[&str], own: &[&str]) {
        let allow =
            |resource: &str, action: &&str| rule(Effect::Allow, "roles:app", resource, action);
        let mut rules: Vec<_> = right
            .iter()
            .map(|one| allow("secrets:aws:base", one))
            .collect();
        rules.extend(own.iter().map(|one| allow("secrets:app:<.*>", one)));
        self.vault.set_rules(rules).await;
    }

    /// The items of a start, made by requests; the table is empty of them afterwards.
    async fn make(&mut self, start: &Start) -> Vec<Value> {
        let admin = self.vault.token.clone();
        let token = if start.by == "assign" {
            &self.token
        } else {
            &admin
        };
        for (number, attributes) in start.versions.iter().enumerate() {
            let method = if number == 0 {
                Method::POST
            } else {
                Method::PUT
            };
            let body = json!({"attributes": attributes, "overwrite": true});
            let answer = self.vault.ask_as(token, method, READER, Some(&body)).await;
            assert!(answer.status < 300, "{}: {}", start.name, answer.text());
        }
        if start.deleted {
            self.vault.delete("app/reader").await.expect(200);
        }
        self.now = self.look().0;
        let items: Vec<_> = self
            .now
            .iter()
            .filter(|item| is_changing(item))
            .cloned()
            .collect();
        self.settle(&[]);
        items
    }

    /// Puts the dynamic secret's items, and the counts of its bases, in the place of those that are there.
    fn settle(&mut self, items: &[Value]) {
        let (changing, mut rest): (Vec<_>, Vec<_>) = self.now.drain(..).partition(is_changing);
        for item in changing.iter().filter(|item| !items.contains(item)) {
            self.vault.delete_item(item);
        }
        for item in items.iter().filter(|item| !changing.contains(item)) {
            self.vault.put_item(item);
        }
        rest.extend(items.iter().cloned());
        rest.sort_by_key(|item| (item["pk"]["S"].to_string(), item["sk"]["S"].to_string()));
        self.now = rest;
    }

    /// What the table holds besides audit records, and these, which are then taken out.
    fn look(&self) -> (Vec<Value>, Vec<Value>) {
        let is_audit = |item: &Value| item["pk"]["S"].as_str().unwrap().starts_with("AUDIT#");
        let (records, rest): (Vec<_>, Vec<_>) = self.vault.items().into_iter().partition(is_audit);
        for record in &records {
            self.vault.delete_item(record);
        }
        (rest, records)
    }

    /// Asks, and checks the answer.
    async fn ask(&self, cell: Cell, start: &Start, operation: &Operation) -> (String, u16) {
        let case = format!("{cell:?} {}", operation.told());
        self.vault.wire.clear();
        let answer = operation.ask(&self.vault, &self.token).await;
        let (expected, text) = (operation.expected(start, cell), answer.text());
        let status = match (&expected, &operation.act) {
            (Outcome::Forbidden, _) => 403,
            (Outcome::Refused(_), _) => 400,
            (Outcome::Done(_), Act::Create(_)) => 201,
            (Outcome::Done(_), _) => 200,
        };
        assert_eq!(answer.status, status, "{case}: {text}");
        match &expected {
            Outcome::Forbidden => assert_eq!(answer.message(), "Invalid permissions", "{case}"),
            Outcome::Refused(fields) => {
                let names = |field: &str| text.contains(&format!("\"attributes.{field}: "));
                assert!(
                    fields.iter().any(|field| names(field)),
                    "{case}: {fields:?} {text}"
                );
            }
            Outcome::Done(_) if operation.writes() => {}
            Outcome::Done(_) => self.check_mint(&case, cell, &operation.resulting(start), &answer),
        }
        assert_unmarked(&case, &format!("{text}{:?}", answer.headers));
        (case, status)
    }

    /// Operations that must leave the table as it is, but for a record of each.
    async fn keep(&mut self, cell: Cell, start: &Start, operations: &[&Operation]) {
        let mut asked = Vec::new();
        for operation in operations {
            asked.push(self.ask(cell, start, operation).await);
        }
        let (now, records) = self.look();
        assert!(now == self.now, "something was written by one of {asked:?}");
        for status in [200_u16, 400, 403] {
            let word = &status.to_string();
            let is_it = |record: &&Value| record["status"]["N"] == *word;
            let expected = asked.iter().filter(|(_, one)| *one == status).count();
            assert_eq!(
                records.iter().filter(is_it).count(),
                expected,
                "{status}: {asked:?}"
            );
        }
        assert_unmarked("the records", &format!("{records:?}"));
    }

    /// An operation that writes: by which right the link is then there. The table is put back.
    async fn write(&mut self, cell: Cell, start: &Start, operation: &Operation) {
        let (case, status) = self.ask(cell, start, operation).await;
        let (now, records) = self.look();
        assert!(now != self.now, "{case}: nothing was written");
        let head = now
            .iter()
            .find(|item| item["pk"]["S"] == "SECRET#app:reader" && item["sk"]["S"] == "HEAD");
        let right = head.unwrap()["link"]["M"]["right"]["S"].as_str();
        match operation.expected(start, cell) {
            Outcome::Done(expected) => assert_eq!(right, expected, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
        let word = &status.to_string();
        let is_it = |record: &Value| record["status"]["N"] == *word;
        assert!(records.iter().any(is_it), "{case}: {records:?}");
        assert_unmarked("the records", &format!("{records:?}"));
        let before = std::mem::replace(&mut self.now, now);
        self.settle(&before.into_iter().filter(is_changing).collect::<Vec<_>>());
    }

    /// What is minted is what was asked for, never less: over a bound is refused, not cut.
    fn check_mint(&self, case: &str, cell: Cell, attributes: &Value, answer: &Answer) {
        let is_mint =
            |call: &&Call| ["AssumeRole", "GetFederationToken"].contains(&&*call.operation);
        let calls = self.vault.wire.calls();
        let mints: Vec<_> = calls.iter().filter(is_mint).collect();
        let count = usize::from(!attributes["linkConfig"].is_null());
        assert_eq!(mints.len(), count, "{case}");
        for mint in mints {
            let sent: BTreeMap<String, String> = serde_urlencoded::from_str(&mint.body).unwrap();
            let field = |name: &str| sent.get(name).map_or("", String::as_str);
            let ttl = attributes["ttl"].as_u64().unwrap_or(900);
            assert_eq!(field("DurationSeconds"), ttl.to_string(), "{case}");
            assert_eq!(answer.json()["data"]["ttl"], ttl, "{case}");
            assert_eq!(
                field("ExternalId"),
                external_id(attributes, cell.bounds),
                "{case}"
            );
        }
    }
}

/// Whether it is of the dynamic secret, or counts who links to a base.
fn is_changing(item: &Value) -> bool {
    let (pk, sk) = (item["pk"]["S"].as_str().unwrap(), &item["sk"]["S"]);
    let own = ["SECRET#app:", "PURGE#"]
        .iter()
        .any(|prefix| pk.starts_with(prefix));
    own || (pk.starts_with("SECRETID#") && item.to_string().contains("app:reader")) || sk == "LINKS"
}

fn assert_unmarked(what: &str, text: &str) {
    for mark in [MARK, SECRET_KEY, ACCESS_KEY] {
        assert!(!text.contains(mark), "{what} holds {mark}: {text}");
    }
}

/// Every cell of one right on the base; answers how many operations were refused, and how many done.
async fn all_cells(right: Words) -> (usize, usize) {
    let mut stage = Stage::build().await;
    let operations = operations();
    assert_eq!(operations.len(), OPERATIONS, "operations");
    let (mut refused, mut done) = (0, 0);
    for own in OWN {
        stage.grant(right, own).await;
        for (bounds, base) in BOUNDS.iter().zip(stage.bases.clone()) {
            stage.vault.put_item(&base);
            stage.now = stage.look().0;
            let cell = Cell { right, own, bounds };
            for start in starts() {
                let items = stage.states[start.name].clone();
                stage.settle(&items);
                let here = operations
                    .iter()
                    .filter(|operation| operation.start == start.name);
                let is_done =
                    |one: &&Operation| matches!(one.expected(&start, cell), Outcome::Done(_));
                let (good, bad): (Vec<_>, Vec<_>) = here.partition(is_done);
                (refused, done) = (refused + bad.len(), done + good.len());
                let (writes, reads): (Vec<_>, Vec<_>) =
                    good.into_iter().partition(|one| one.writes());
                stage.keep(cell, &start, &[bad, reads].concat()).await;
                for operation in writes {
                    stage.write(cell, &start, operation).await;
                }
            }
        }
    }
    assert_eq!(
        refused + done,
        OWN.len() * BOUNDS.len() * OPERATIONS,
        "cells"
    );
    (refused, done)
}

#[tokio::test]
async fn in_every_cell_without_a_right_on_the_base() {
    assert_eq!(Box::pin(all_cells(RIGHTS[0])).await, (1_649, 115));
}

#[tokio::test]
async fn in_every_cell_of_whoever_may_read_the_base() {
    assert_eq!(Box::pin(all_cells(RIGHTS[1])).await, (1_100, 664));
}

#[tokio::test]
async fn in_every_cell_of_whoever_may_only_assign_the_base() {
    assert_eq!(Box::pin(all_cells(RIGHTS[2])).await, (1_489, 275));
}

#[tokio::test]
async fn in_every_cell_of_whoever_may_do_both() {
    assert_eq!(Box::pin(all_cells(RIGHTS[3])).await, (1_100, 664));
}
