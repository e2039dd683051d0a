//! `Entry`: who may or may not do what to what, and when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{
        condition::{Condition, REMOTE_IP},
        document::{Object, Scope, conditions::conditions, resources::resources},
        pattern::{Match, Pattern},
        policy::{Action, Effect, Rule},
    },
    domain::name::fold,
    error::Error,
    seal::random,
};

/// The longest id that is kept.
const MAX_ID: usize = 64;
/// Everything: what a wildcard is saved as.
pub(super) const ANYTHING: &str = "<.*>";

/// One entry of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Opaque, unique within the document.
    pub id: String,
    /// Free text.
    pub description: String,
    /// Patterns of users, roles and groups, in lower case.
    pub subjects: Vec<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Patterns of resources.
    pub resources: Vec<String>,
    /// Patterns of action words, in lower case.
    pub actions: Vec<String>,
    /// What must hold besides, by names that mean nothing.
    pub conditions: BTreeMap<String, Value>,
    /// Always null: clients of the original know the field.
    #[serde(default)]
    pub meta: (),
}

/// The fields of an entry.
const FIELDS: [&str; 8] = [
    "id",
    "description",
    "subjects",
    "effect",
    "resources",
    "actions",
    "conditions",
    "meta",
];

impl Entry {
    /// Checks an entry that somebody wrote. A field that it does not know may be a misspelt one, and a deny without its
    /// effect would be an allow.
    pub(super) fn parse(object: &Object, scope: Scope<'_>) -> Result<Self, Error> {
        object.only(&FIELDS)?;
        let entry = Self {
            id: id(object)?,
            description: object.text("description")?.to_owned(),
            subjects: subjects(object)?,
            effect: effect(object)?,
            resources: resources(object, scope)?,
            actions: actions(object)?,
            conditions: conditions(object)?,
            meta: (),
        };
        entry.check_deny_can_apply(object)?;
        Ok(entry)
    }

    /// An allow on something that no request knows grants nothing, which is safe; a deny on it would deny nothing.
    fn check_deny_can_apply(&self, object: &Object) -> Result<(), Error> {
        let known = |name: &String| name == REMOTE_IP;
        if self.effect == Effect::Deny && !self.conditions.keys().all(known) {
            let problem = format!("a deny may have conditions on {REMOTE_IP} only");
            return Err(Error::invalid(object.place("conditions"), problem));
        }
        Ok(())
    }

    /// What is evaluated.
    pub(super) fn rule(&self) -> Rule {
        Rule {
            subjects: self.subjects.clone(),
            effect: self.effect,
            resources: self.resources.clone(),
            actions: self.actions.clone(),
            conditions: self.conditions.clone(),
        }
    }
}

/// How many regular expressions an entry would have compiled.
pub(super) fn expressions(object: &Object) -> Result<usize, Error> {
    let mut count = 0;
    for name in ["subjects", "resources", "actions"] {
        let texts = object.texts(name)?.into_iter();
        let patterns = texts.filter_map(|(_, text)| Pattern::load(text).ok());
        count += patterns.filter(|pattern| !pattern.is_plain()).count();
    }
    if let Some(Value::Object(conditions)) = object.get("conditions") {
        let conditions = conditions
            .values()
            .filter_map(|value| Condition::load(value).ok());
        count += conditions.filter(|condition| !condition.is_plain()).count();
    }
    Ok(count)
}

/// An id of the kind that the original gives: 96 random bits as 20 digits of lower-case base32hex.
pub(super) fn new_id() -> Result<String, Error> {
    let bits = random::<12>()?
        .into_iter()
        .fold(0_u128, |bits, byte| bits << 8 | u128::from(byte))
        << 4;
    let digit = |at: u32| u32::try_from(bits >> (95 - 5 * at) & 31).unwrap_or_default();
    Ok((0..20)
        .filter_map(|at| char::from_digit(digit(at), 32))
        .collect())
}

fn id(object: &Object) -> Result<String, Error> {
    let opaque = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    match object.get("id") {
        Some(Value::String(id)) if (1..=MAX_ID).contains(&id.len()) && id.bytes().all(opaque) => {
            Ok(id.clone())
        }
        _ => new_id(),
    }
}

fn subjects(object: &Object) -> Result<Vec<String>, Error> {
    let mut subjects = Vec::new();
    for (place, text) in object.texts("subjects")? {
        let subject = lowered(&place, text)?;
        let named = ["users:", "roles:", "groups:"]
            .iter()
            .filter_map(|kind| subject.strip_prefix(kind))
            .any(|name| !name.is_empty());
        if !named {
            return Err(Error::invalid(
                place,
                "must be users:, roles: or groups: and a name or pattern",
            ));
        }
        pattern(&place, &subject)?;
        subjects.push(subject);
    }
    if subjects.is_empty() {
        return Err(Error::invalid(
            object.place("subjects"),
            "must be a list of at least one of users:{name}, roles:{name}, groups:{name}",
        ));
    }
    Ok(subjects)
}

fn effect(object: &Object) -> Result<Effect, Error> {
    match object.text("effect")?.to_ascii_lowercase().as_str() {
        "" | "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        _ => Err(Error::invalid(
            object.place("effect"),
            "must be allow or deny",
        )),
    }
}

fn actions(object: &Object) -> Result<Vec<String>, Error> {
    let mut actions = Vec::new();
    for (place, text) in object.texts("actions")? {
        let action = match lowered(&place, text)?.as_str() {
            "*" | ".*" => ANYTHING.to_owned(),
            action => action.to_owned(),
        };
        let pattern = pattern(&place, &action)?;
        let matches = |action: &Action| pattern.matches(action.word()) == Match::Yes;
        if !Action::ALL.iter().any(matches) {
            return Err(Error::invalid(place, ALLOWED_ACTIONS));
        }
        actions.push(action);
    }
    if actions.is_empty() {
        return Err(Error::invalid(object.place("actions"), ALLOWED_ACTIONS));
    }
    if actions.iter().any(|action| action == ANYTHING) {
        actions = vec![ANYTHING.to_owned()];
    }
    Ok(actions)
}

const ALLOWED_ACTIONS: &str = "must be create, read, update, delete, list, assign or a pattern such as <read|update>, at least one";

pub(super) fn pattern(place: &str, text: &str) -> Result<Pattern, Error> {
    Pattern::parse(text).map_err(|error| Error::invalid(place, error.to_string()))
}

/// `text` in lower case, as subjects and actions are compared.
///
/// In a regular expression that must not turn one class into its opposite, as it would `\S`, `\D` or `\W`.
fn lowered(place: &str, text: &str) -> Result<String, Error> {
    let mut escaped = false;
    for c in text.chars().filter(|_| text.contains('<')) {
        if escaped && c.is_ascii_uppercase() {
            return Err(Error::invalid(
                place,
                "is saved in lower case and must not hold an escape in upper case",
            ));
        }
        escaped = c == '\\' && !escaped;
    }
    Ok(fold(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A valid entry with some fields replaced.
    fn with(fields: Value) -> Object {
        let mut entry = json!({"subjects": ["users:bob"], "actions": ["read"]});
        let Value::Object(fields) = fields else {
            unreachable!("tests replace fields")
        };
        for (name, value) in fields {
            entry[name] = value;
        }
        Object::new("e".to_owned(), entry).unwrap()
    }

    fn parse(fields: Value) -> Result<Entry, String> {
        Entry::parse(&with(fields), Scope::Policy(&"secrets:a".parse().unwrap()))
            .map_err(|e| e.to_string())
    }

    fn saved_actions(actions: &Value) -> Vec<String> {
        parse(json!({ "actions": actions })).unwrap().actions
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        for empty in [
            json!({}),
            json!({"id": null, "description": null, "effect": null, "resources": null, "conditions": null}),
            json!({"id": "", "effect": "", "resources": [], "conditions": {}, "meta": {"any": 1}}),
        ] {
            let mut entry = parse(empty).unwrap();
            assert_eq!(entry.id.len(), 20);
            entry.id = "x".to_owned();
            assert_eq!(
                serde_json::to_value(&entry).unwrap(),
                json!({
                    "id": "x", "description": "", "subjects": ["users:bob"], "effect": "allow",
                    "resources": ["secrets:a:<.*>"], "actions": ["read"], "conditions": {}, "meta": null,
                })
            );
        }
    }

    #[test]
    fn fields_count_in_any_case_and_unknown_ones_are_refused() {
        let entry = parse(json!({"Effect": "DENY"})).unwrap();
        assert_eq!(entry.effect, Effect::Deny);
        let misspelt = parse(json!({"efect": "deny"})).unwrap_err();
        assert!(
            misspelt.starts_with("e: may have only the fields id,"),
            "{misspelt}"
        );
        assert_eq!(
            parse(json!({"effect": "refuse"})).unwrap_err(),
            "e.effect: must be allow or deny"
        );
    }

    #[test]
    fn a_deny_on_what_no_request_knows_would_deny_nothing() {
        let on = |name: &str| json!({name: {"type": "StringEqualCondition", "options": {"equals": "x"}}});
        assert!(parse(json!({"effect": "deny", "conditions": on("remoteIP")})).is_ok());
        assert!(parse(json!({"effect": "allow", "conditions": on("shift")})).is_ok());
        let refused = parse(json!({"effect": "deny", "conditions": on("shift")})).unwrap_err();
        assert!(refused.starts_with("e.conditions: "), "{refused}");
    }

    #[test]
    fn opaque_ids_are_kept_and_others_replaced() {
        for id in ["bnmj7sogcgok8a1g4hm0", "A-b_1", &"x".repeat(MAX_ID)] {
            assert_eq!(parse(json!({ "id": id })).unwrap().id, id);
        }
        for id in [
            json!("a b"),
            json!("ä"),
            json!(7),
            json!("x".repeat(MAX_ID + 1)),
        ] {
            let given = parse(json!({ "id": id })).unwrap().id;
            assert_eq!(given.len(), 20);
            assert!(
                given
                    .bytes()
                    .all(|b| b"0123456789abcdefghijklmnopqrstuv".contains(&b))
            );
            assert_ne!(given, parse(json!({ "id": id })).unwrap().id);
        }
    }

    #[test]
    fn subjects_say_their_kind_and_are_saved_in_lower_case() {
        let subjects = json!([
            "Users:aws-dev:Bob",
            "ROLES:<Ops|Dev>",
            "groups:West Admins",
            "users:<.*>"
        ]);
        assert_eq!(
            parse(json!({ "subjects": subjects })).unwrap().subjects,
            [
                "users:aws-dev:bob",
                "roles:<ops|dev>",
                "groups:west admins",
                "users:<.*>"
            ]
        );
        for subject in [
            "bob",
            "users:",
            "<.*>",
            "<users|roles>:x",
            "clients:x",
            " users:x",
            "user:x",
        ] {
            assert_eq!(
                parse(json!({ "subjects": [subject] })).unwrap_err(),
                "e.subjects[0]: must be users:, roles: or groups: and a name or pattern"
            );
        }
        for none in [json!([]), json!(null)] {
            assert!(
                parse(json!({ "subjects": none }))
                    .unwrap_err()
                    .contains("at least one of users:")
            );
        }
    }

    #[test]
    fn lower_case_never_turns_an_expression_into_its_opposite() {
        for subject in [r"users:<\S+>", r"users:<[^\W]+>", r"users:<\\\D>"] {
            assert!(
                parse(json!({ "subjects": [subject] }))
                    .unwrap_err()
                    .contains("must not hold an escape in upper case"),
                "{subject}"
            );
        }
        for subject in [r"users:<\w+>", r"users:<\\S>", r"users:a\B"] {
            assert!(parse(json!({ "subjects": [subject] })).is_ok(), "{subject}");
        }
        assert!(parse(json!({"actions": [r"<\Dead>"]})).is_err());
    }

    #[test]
    fn actions_are_the_six_words_or_patterns_that_match_one() {
        for action in Action::ALL {
            assert_eq!(
                saved_actions(&json!([action.word().to_uppercase()])),
                [action.word()]
            );
        }
        assert_eq!(
            saved_actions(&json!(["<Read|Update>", "list"])),
            ["<read|update>", "list"]
        );
        for action in ["share", "", "reads", "<x>", "<reads?>s", "read ", "<.*"] {
            let problem = parse(json!({"actions": ["read", action]})).unwrap_err();
            assert!(
                problem.starts_with("e.actions[1]: must "),
                "{action}: {problem}"
            );
        }
        for none in [json!([]), json!(null)] {
            assert!(
                parse(json!({ "actions": none }))
                    .unwrap_err()
                    .starts_with("e.actions: must be create")
            );
        }
    }

    #[test]
    fn a_wildcard_replaces_the_other_actions() {
        for wildcard in ["*", ".*", "<.*>"] {
            assert_eq!(saved_actions(&json!(["read", wildcard, "list"])), ["<.*>"]);
        }
        assert!(
            parse(json!({"actions": ["<.*>", "share"]})).is_err(),
            "others are checked all the same"
        );
    }

    #[test]
    fn lists_and_strings_are_bounded_and_of_one_type() {
        let long = "x".repeat(1025);
        for (fields, problem) in [
            (
                json!({ "description": long }),
                "e.description: must be at most 1024 bytes long",
            ),
            (json!({"description": 7}), "e.description: must be a string"),
            (
                json!({ "subjects": [long] }),
                "e.subjects[0]: must be at most 1024 bytes long",
            ),
            (
                json!({"subjects": "users:bob"}),
                "e.subjects: must be a list",
            ),
            (
                json!({"subjects": ["users:bob", null]}),
                "e.subjects[1]: must be a string",
            ),
            (
                json!({"subjects": vec!["users:bob"; 129]}),
                "e.subjects: must hold at most 128",
            ),
            (
                json!({"resources": vec!["secrets:a"; 129]}),
                "e.resources: must hold at most 128",
            ),
            (
                json!({"actions": vec!["read"; 129]}),
                "e.actions: must hold at most 128",
            ),
            (json!({"effect": true}), "e.effect: must be a string"),
        ] {
            assert_eq!(parse(fields).unwrap_err(), problem);
        }
    }

    #[test]
    fn no_refusal_repeats_a_value() {
        for fields in [
            json!({"effect": "zebra"}),
            json!({"subjects": ["zebra"]}),
            json!({"actions": ["zebra"]}),
            json!({"resources": ["zebra"]}),
            json!({"resources": ["secrets:a:<zebra("]}),
            json!({"conditions": {"zebra <>": {}}}),
            json!({"conditions": {"x": {"type": "zebra"}}}),
            json!({"conditions": "zebra"}),
        ] {
            assert!(!parse(fields).unwrap_err().contains("zebra"));
        }
    }
}
