//! `PermissionDocument`: what a policy or the vault's config allows and denies, checked once.

mod conditions;
mod entry;
mod object;
mod resources;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{access::policy::Rule, domain::policy_path::PolicyPath, error::Error};

use object::MAX_TEXT;

pub use entry::Entry;
pub use object::Object;

/// The most entries a document may have.
const MAX_ENTRIES: usize = 256;
/// The most regular expressions a document may have: compiling one takes up to a millisecond.
const MAX_EXPRESSIONS: usize = 256;

/// What a document belongs to, which decides what it may be about.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// A policy: its path and what lies under it, and the policies on that.
    Policy(&'a PolicyPath),
    /// The vault's config: anything.
    Config,
}

/// A list of entries that passed every check, in the form that answers and the store hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionDocument(Vec<Entry>);

impl PermissionDocument {
    /// Reads the document that the caller's `field` holds as text; see [`Object::read`].
    pub fn parse(
        field: &str,
        text: &str,
        serialization: Option<&str>,
        scope: Scope<'_>,
    ) -> Result<Self, Error> {
        Self::of(&Object::read(field, text, serialization)?, scope)
    }

    /// The document in `object`. Whoever edits a policy sends the whole of it back, so everything beside
    /// `permissionDocument` means nothing here.
    pub fn of(object: &Object, scope: Scope<'_>) -> Result<Self, Error> {
        let list = object.list(LIST, MAX_ENTRIES)?;
        if list.is_empty() {
            return Err(Error::invalid(
                object.place(LIST),
                format!("must be a list of 1 to {MAX_ENTRIES} entries"),
            ));
        }
        let (mut ids, mut expressions) = (HashSet::new(), 0);
        let mut entries = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            let place = format!("{}[{at}]", object.place(LIST));
            let fields = Object::new(place, value.clone())?;
            expressions += entry::expressions(&fields)?;
            if expressions > MAX_EXPRESSIONS {
                return Err(Error::invalid(
                    object.place(LIST),
                    format!(
                        "must hold at most {MAX_EXPRESSIONS} regular expressions; <.*> and <a|b> are none"
                    ),
                ));
            }
            let mut entry = Entry::parse(&fields, scope)?;
            // An entry that was made by copying another gets an id of its own.
            while !ids.insert(entry.id.clone()) {
                entry.id = entry::new_id()?;
            }
            entries.push(entry);
        }
        let document = Self(entries);
        // Defaults and escapes add to what was sent, and the store has room for so much.
        let stored = serde_json::to_vec(&document)
            .map_err(|error| Error::internal(format!("a document has no JSON form: {error}")))?;
        if stored.len() > MAX_TEXT {
            return Err(Error::invalid(
                object.place(LIST),
                format!("must be at most {MAX_TEXT} bytes long as it is saved"),
            ));
        }
        Ok(document)
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// What is evaluated.
    pub fn rules(&self) -> Vec<Rule> {
        self.0.iter().map(Entry::rule).collect()
    }
}

const LIST: &str = "permissionDocument";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn path() -> PolicyPath {
        "secrets/a".parse().unwrap()
    }

    fn parse(document: &Value) -> Result<PermissionDocument, String> {
        read(&document.to_string(), None)
    }

    fn read(text: &str, serialization: Option<&str>) -> Result<PermissionDocument, String> {
        PermissionDocument::parse("policy", text, serialization, Scope::Policy(&path()))
            .map_err(|error| error.to_string())
    }

    fn entry(id: &str) -> Value {
        json!({"id": id, "subjects": ["users:bob"], "actions": ["read"]})
    }

    /// As an editor sends it back: the whole policy.
    fn edited(document: &PermissionDocument) -> Value {
        json!({
            "id": "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21", "path": "secrets:elsewhere", "created": "2019-09-17T20:34:26Z",
            "version": "5", "permissionDocument": document,
        })
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let yaml = "permissionDocument:\n- id: x\n  description: all of it\n  effect: allow\n  subjects:\n  \
                    - groups:West Admins\n  resources:\n  actions: [<.*>]\n  conditions: {}\nversion: 3\n";
        let json = json!({"permissionDocument": [{
            "id": "x", "description": "all of it", "subjects": ["groups:West Admins"], "effect": "allow",
            "resources": null, "actions": ["*"], "conditions": null,
        }]});
        let document = read(yaml, Some("yaml")).unwrap();
        assert_eq!(document, parse(&json).unwrap());
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            json!([{
                "id": "x", "description": "all of it", "subjects": ["groups:west admins"], "effect": "allow",
                "resources": ["secrets:a:<.*>"], "actions": ["<.*>"], "conditions": {}, "meta": null,
            }])
        );
    }

    #[test]
    fn rules_say_what_the_entries_say() {
        let deny = json!({
            "subjects": ["roles:ops"], "actions": ["list"], "effect": "deny", "resources": ["secrets:a"],
            "conditions": {"remoteIP": {"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/8"}}},
        });
        let document = parse(&json!({"permissionDocument": [entry("x"), deny]})).unwrap();
        let rules = document.rules();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].resources, ["secrets:a:<.*>"]);
        assert_eq!(rules[1].effect, crate::access::policy::Effect::Deny);
        assert_eq!(rules[1].subjects, ["roles:ops"]);
        assert_eq!(rules[1].actions, ["list"]);
        assert!(rules[1].conditions.contains_key("remoteIP"));
    }

    #[test]
    fn entries_are_a_list_of_1_to_256() {
        for none in [
            json!({}),
            json!({"permissionDocument": null}),
            json!({"permissionDocument": []}),
        ] {
            assert_eq!(
                parse(&none).unwrap_err(),
                "policy.permissionDocument: must be a list of 1 to 256 entries"
            );
        }
        assert!(
            parse(&json!({"permissionDocument": {}}))
                .unwrap_err()
                .contains("must be a list")
        );
        assert!(parse(&json!({"permissionDocument": vec![entry(""); 256]})).is_ok());
        assert!(
            parse(&json!({"permissionDocument": vec![entry(""); 257]}))
                .unwrap_err()
                .contains("at most 256")
        );
    }

    #[test]
    fn errors_name_the_entry_and_its_part() {
        let mut wrong = entry("x");
        wrong["resources"] = json!(["secrets:a", "secrets:b"]);
        let problem = parse(&json!({"permissionDocument": [entry("y"), wrong]})).unwrap_err();
        assert!(
            problem.starts_with("policy.permissionDocument[1].resources[1]: must be"),
            "{problem}"
        );
        let problem = parse(&json!({"permissionDocument": [1]})).unwrap_err();
        assert_eq!(problem, "policy.permissionDocument[0]: must be an object");
    }

    #[test]
    fn ids_are_unique_within_the_document() {
        let document =
            parse(&json!({"permissionDocument": [entry("x"), entry("x"), entry("y")]})).unwrap();
        let ids: Vec<&str> = document
            .entries()
            .iter()
            .map(|entry| entry.id.as_str())
            .collect();
        assert_eq!((ids[0], ids[1].len(), ids[2]), ("x", 20, "y"));
    }

    #[test]
    fn what_grows_when_it_is_saved_is_bounded_too() {
        let mut long = entry("");
        long["description"] = json!("\u{7f}\"".repeat(512));
        let document = |n: usize| parse(&json!({"permissionDocument": vec![long.clone(); n]}));
        assert!(document(100).is_ok());
        let problem = document(160).unwrap_err();
        assert_eq!(
            problem,
            "policy.permissionDocument: must be at most 262144 bytes long as it is saved"
        );
    }

    #[test]
    fn a_stored_document_reads_as_it_was_written() {
        let document = parse(&json!({"permissionDocument": [entry("x")]})).unwrap();
        let stored = serde_json::to_string(&document).unwrap();
        assert_eq!(
            serde_json::from_str::<PermissionDocument>(&stored).unwrap(),
            document
        );
    }

    #[test]
    fn regular_expressions_are_counted_before_they_are_compiled() {
        let expressions = |n: usize, actions: &[&str]| {
            let mut entry = entry("x");
            entry["resources"] = json!(vec!["secrets:a:<x+>"; n]);
            entry["actions"] = json!(actions);
            entry
        };
        let document = |last: Value| {
            let first = expressions(128, &["read"]);
            parse(&json!({"permissionDocument": [first, expressions(127, &["<re.d>"]), last]}))
        };
        let mut plain = entry("x");
        plain["resources"] = json!(vec!["secrets:a:<.*>"; 128]);
        plain["actions"] = json!(vec!["<read|list>"; 128]);
        assert!(document(plain).is_ok());
        for one_more in [expressions(1, &["read"]), expressions(0, &["<re.d>", "*"])] {
            assert!(
                document(one_more)
                    .unwrap_err()
                    .contains("at most 256 regular expressions")
            );
        }
        let mut matching = entry("x");
        matching["conditions"] =
            json!({"x": {"type": "StringMatchCondition", "options": {"matches": "^a"}}});
        assert!(
            document(matching)
                .unwrap_err()
                .contains("at most 256 regular expressions")
        );
    }

    fn any_entry() -> impl Strategy<Value = Value> {
        let words = |words: &'static [&'static str]| {
            prop::collection::vec(prop::sample::select(words).prop_map(str::to_owned), 1..4)
        };
        (
            prop::option::of("[a-zA-Z0-9_ -]{0,22}"),
            "\\PC{0,20}",
            words(&["users:Bob", "roles:<a|B>", "groups:west admins", "users:<[a-z]+>", r"users:<\w>"]),
            prop::sample::select(vec!["", "allow", "Deny"]),
            words(&["secrets:a", "secrets:a:<.*>", "secrets:a:<b|C>", "config:policies:secrets:a:<.*>"]),
            words(&["read", "LIST", "<Read|update>", "*", ".*", "<.*>", "<c.*e>"]),
            prop::bool::ANY,
        )
            .prop_map(|(id, description, subjects, effect, resources, actions, condition)| {
                let name = if effect == "Deny" { "remoteIP" } else { "x" };
                let condition = condition.then(|| json!({
                    "remoteIP": {"type": "CIDRCondition", "options": {"cidr": "10.1.0.0/8"}},
                    name: {"type": "StringMatchCondition", "options": {"matches": "^a"}},
                }));
                json!({
                    "id": id, "description": description, "subjects": subjects, "effect": effect,
                    "resources": resources, "actions": actions, "conditions": condition,
                })
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_answered_can_be_sent_back(entries in prop::collection::vec(any_entry(), 1..3)) {
            let document = parse(&json!({ "permissionDocument": entries })).unwrap();
            let text = edited(&document).to_string();
            prop_assert_eq!(&read(&text, Some("json")).unwrap(), &document);
            prop_assert_eq!(&read(&text, Some("yaml")).unwrap(), &document);
        }
    }
}
