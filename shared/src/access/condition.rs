//! `Condition`: what must hold of a request, beside who asks what, for a rule to apply. The types are those of ory/ladon.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::access::pattern::{self, Lazy};

/// The name of the one thing that is known about a request: the address it came from.
pub const REMOTE_IP: &str = "remoteIP";

/// What is known about a request. Conditions on anything else do not hold.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The address it came from, if that is known.
    pub remote_ip: Option<IpAddr>,
}

impl Context {
    /// What is known under the name that conditions use. An IPv4 address is one however it was written.
    pub fn get(&self, name: &str) -> Option<Value> {
        let ip = self.remote_ip.filter(|_| name == REMOTE_IP)?;
        Some(Value::String(ip.to_canonical().to_string()))
    }
}

/// Why something is no condition, and what is allowed. Values are not in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConditionError {
    /// The part of the condition, e.g. `options.cidr`; empty for the condition itself.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// One condition on one value of the context.
#[derive(Debug)]
pub enum Condition {
    /// The value is an address in this network.
    Cidr(IpNet),
    /// The value is this text.
    StringEqual(String),
    /// The value is the principal who asks.
    EqualsSubject,
    /// The value is a list of pairs of equal texts.
    StringPairsEqual,
    /// The value is a text in which this regular expression finds something.
    StringMatch(Search),
    /// The value is an object whose `value` is a part of the resource, between its `delimiter`s if it has one.
    ResourceContains,
    /// The value is this boolean.
    Boolean(bool),
}

/// A regular expression that is looked for anywhere in a text.
#[derive(Debug)]
pub struct Search {
    text: Box<str>,
    regex: Lazy,
}

impl Condition {
    /// Takes a condition that somebody writes: all of it must be right.
    pub fn parse(value: &Value) -> Result<Self, ConditionError> {
        let condition = Self::load(value)?;
        if let Self::StringMatch(search) = &condition {
            pattern::expression(&search.text)
                .map_err(|problem| refuse("options.matches", problem.to_string()))?;
        }
        Ok(condition)
    }

    /// Takes a condition that was stored: a regular expression is compiled when it is first needed.
    pub fn load(value: &Value) -> Result<Self, ConditionError> {
        let object = value
            .as_object()
            .ok_or_else(|| refuse("", "must be an object with `type` and `options`"))?;
        if object.keys().any(|key| key != "type" && key != "options") {
            return Err(refuse("", "may have `type` and `options` only"));
        }
        let none = Map::new();
        let options = match object.get("options") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(options)) => options,
            Some(_) => return Err(refuse("options", "must be an object")),
        };
        match object.get("type").and_then(Value::as_str) {
            Some("CIDRCondition") => cidr(options).map(Self::Cidr),
            Some("StringEqualCondition") => text(options, "equals", "options.equals")
                .map(|equals| Self::StringEqual(equals.to_owned())),
            Some("EqualsSubjectCondition") => no_options(options).map(|()| Self::EqualsSubject),
            Some("StringPairsEqualCondition") => {
                no_options(options).map(|()| Self::StringPairsEqual)
            }
            Some("StringMatchCondition") => {
                text(options, "matches", "options.matches").map(|text| {
                    Self::StringMatch(Search {
                        text: text.into(),
                        regex: Lazy::default(),
                    })
                })
            }
            Some("ResourceContainsCondition") => {
                no_options(options).map(|()| Self::ResourceContains)
            }
            Some("BooleanCondition") => only_option(options, "value", "options.value")?
                .as_bool()
                .map(Self::Boolean)
                .ok_or_else(|| refuse("options.value", "must be true or false")),
            _ => Err(refuse(
                "type",
                "must be one of CIDRCondition, StringEqualCondition, EqualsSubjectCondition, \
                 StringPairsEqualCondition, StringMatchCondition, ResourceContainsCondition and BooleanCondition",
            )),
        }
    }

    /// Whether it holds of what the context knows under its name, for this principal and this resource.
    pub fn holds(&self, value: &Value, principal: Option<&str>, resource: &str) -> bool {
        match self {
            Self::Cidr(network) => value
                .as_str()
                .and_then(|ip| ip.parse::<IpAddr>().ok())
                .is_some_and(|ip| plain_network(network).contains(&ip.to_canonical())),
            Self::StringEqual(equals) => value.as_str() == Some(equals),
            Self::EqualsSubject => value.as_str().is_some_and(|value| principal == Some(value)),
            Self::StringPairsEqual => value
                .as_array()
                .is_some_and(|pairs| pairs.iter().all(is_equal_pair)),
            Self::StringMatch(search) => match (search.regex(), value.as_str()) {
                (Some(regex), Some(value)) => regex.is_match(value),
                _ => false,
            },
            Self::ResourceContains => contains(resource, value),
            Self::Boolean(expected) => value.as_bool() == Some(*expected),
        }
    }

    /// Whether its regular expression compiles, if it has one, which is found out now if it was not known.
    pub fn compiles(&self) -> bool {
        match self {
            Self::StringMatch(search) => search.regex().is_some(),
            _ => true,
        }
    }

    /// Whether it has no regular expression.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Self::StringMatch(_))
    }
}

impl Search {
    fn regex(&self) -> Option<&regex::Regex> {
        self.regex.get(|| pattern::expression(&self.text))
    }
}

/// As `parse` takes it, with empty `options` where the type has none.
impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, options) = match self {
            Self::Cidr(network) => ("CIDRCondition", json!({"cidr": network.to_string()})),
            Self::StringEqual(equals) => ("StringEqualCondition", json!({ "equals": equals })),
            Self::EqualsSubject => ("EqualsSubjectCondition", json!({})),
            Self::StringPairsEqual => ("StringPairsEqualCondition", json!({})),
            Self::StringMatch(search) => {
                ("StringMatchCondition", json!({"matches": &*search.text}))
            }
            Self::ResourceContains => ("ResourceContainsCondition", json!({})),
            Self::Boolean(value) => ("BooleanCondition", json!({ "value": value })),
        };
        json!({"type": kind, "options": options}).serialize(serializer)
    }
}

fn cidr(options: &Map<String, Value>) -> Result<IpNet, ConditionError> {
    text(options, "cidr", "options.cidr")?.parse().map_err(|_| {
        refuse(
            "options.cidr",
            "must be an address range such as 10.0.0.0/8 or 2001:db8::/32",
        )
    })
}

fn text<'a>(
    options: &'a Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<&'a str, ConditionError> {
    only_option(options, name, field)?
        .as_str()
        .ok_or_else(|| refuse(field, "must be a text"))
}

fn only_option<'a>(
    options: &'a Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<&'a Value, ConditionError> {
    let value = options
        .get(name)
        .ok_or_else(|| refuse(field, "is required for this type of condition"))?;
    if options.len() > 1 {
        return Err(refuse("options", format!("may have `{name}` only")));
    }
    Ok(value)
}

fn no_options(options: &Map<String, Value>) -> Result<(), ConditionError> {
    if options.is_empty() {
        Ok(())
    } else {
        Err(refuse(
            "options",
            "must be empty for this type of condition",
        ))
    }
}

fn refuse(field: &'static str, problem: impl Into<String>) -> ConditionError {
    ConditionError {
        field,
        problem: problem.into(),
    }
}

/// A range of IPv4 addresses that are written as IPv6 is that range of IPv4 addresses: addresses are compared as such.
fn plain_network(network: &IpNet) -> IpNet {
    if let IpNet::V6(six) = network
        && let Some(ip) = six.addr().to_ipv4_mapped()
        && let Some(prefix) = six.prefix_len().checked_sub(96)
        && let Ok(four) = Ipv4Net::new(ip, prefix)
    {
        return IpNet::V4(four);
    }
    *network
}

fn is_equal_pair(pair: &Value) -> bool {
    match pair.as_array().map(Vec::as_slice) {
        Some([Value::String(one), Value::String(other)]) => one == other,
        _ => false,
    }
}

/// Delimiters around both keep `a:1` from being found in `a:10`.
fn contains(resource: &str, wanted: &Value) -> bool {
    let part = |name| wanted.get(name).and_then(Value::as_str).unwrap_or_default();
    let (value, delimiter) = (part("value"), part("delimiter"));
    let between = |text: &str| [delimiter, text, delimiter].concat();
    !value.is_empty() && between(resource).contains(&between(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, options: Value) -> Condition {
        let mut value = json!({ "type": kind });
        value["options"] = options;
        Condition::parse(&value).unwrap()
    }

    fn holds(condition: &Condition, value: &Value) -> bool {
        condition.holds(value, Some("users:bob"), "secrets:a:10:b")
    }

    fn refusal(value: &Value) -> ConditionError {
        assert!(Condition::load(value).is_err() || value.to_string().contains("matches"));
        Condition::parse(value).map(|_| value).unwrap_err()
    }

    #[test]
    fn an_address_is_in_its_network() {
        let network = condition("CIDRCondition", json!({"cidr": "10.0.0.0/8"}));
        assert!(holds(&network, &json!("10.255.0.1")));
        assert!(holds(&network, &json!("::ffff:10.0.0.1")));
        for value in [
            json!("11.0.0.1"),
            json!("::10.0.0.1"),
            json!("x"),
            json!(10),
            json!(null),
        ] {
            assert!(!holds(&network, &value), "{value}");
        }
        let network = condition("CIDRCondition", json!({"cidr": "2001:db8::/32"}));
        assert!(holds(&network, &json!("2001:db8:1::2")));
        assert!(!holds(&network, &json!("2001:db9::1")));
        assert!(!holds(&network, &json!("10.0.0.1")));
        assert!(!holds(
            &condition("CIDRCondition", json!({"cidr": "::/0"})),
            &json!("10.0.0.1")
        ));
        assert!(!holds(
            &condition("CIDRCondition", json!({"cidr": "0.0.0.0/0"})),
            &json!("::1")
        ));
    }

    #[test]
    fn host_bits_of_a_network_mean_nothing_and_mapped_networks_are_ipv4() {
        for cidr in ["10.1.2.3/8", "::ffff:10.0.0.0/104"] {
            let network = condition("CIDRCondition", json!({ "cidr": cidr }));
            assert!(holds(&network, &json!("10.255.0.1")), "{cidr}");
            assert!(!holds(&network, &json!("11.0.0.1")), "{cidr}");
        }
    }

    #[test]
    fn texts_are_equal_to_the_letter() {
        let equal = condition("StringEqualCondition", json!({"equals": "10.0.0.1"}));
        assert!(holds(&equal, &json!("10.0.0.1")));
        for value in [json!("10.0.0.10"), json!(["10.0.0.1"]), json!(null)] {
            assert!(!holds(&equal, &value), "{value}");
        }
    }

    #[test]
    fn the_subject_is_the_principal() {
        let subject = condition("EqualsSubjectCondition", json!({}));
        assert!(holds(&subject, &json!("users:bob")));
        for value in [json!("users:alice"), json!(1), json!(null)] {
            assert!(!holds(&subject, &value), "{value}");
        }
        assert!(!subject.holds(&json!("users:bob"), None, ""));
    }

    #[test]
    fn every_pair_must_be_two_equal_texts() {
        let pairs = condition("StringPairsEqualCondition", json!({}));
        assert!(holds(&pairs, &json!([["a", "a"], ["b", "b"]])));
        assert!(holds(&pairs, &json!([])));
        for value in [
            json!([["a", "a"], ["a", "b"]]),
            json!([["a"]]),
            json!([["a", "a", "a"]]),
            json!([[1, 1]]),
            json!(["a", "a"]),
            json!("a"),
            json!(null),
        ] {
            assert!(!holds(&pairs, &value), "{value}");
        }
    }

    #[test]
    fn an_expression_is_found_anywhere_unless_it_says_otherwise() {
        let found = condition("StringMatchCondition", json!({"matches": "b+c"}));
        assert!(holds(&found, &json!("abbcd")));
        for value in [json!("ac"), json!(["bc"]), json!(null)] {
            assert!(!holds(&found, &value), "{value}");
        }
        let whole = condition("StringMatchCondition", json!({"matches": "^bc$"}));
        assert!(holds(&whole, &json!("bc")) && !holds(&whole, &json!("abc")));
    }

    #[test]
    fn a_resource_contains_a_value_between_delimiters() {
        let contains = condition("ResourceContainsCondition", json!({}));
        for value in [
            json!({"value": "ets:a:1"}),
            json!({"value": "10", "delimiter": ":"}),
            json!({"value": "b", "delimiter": ":"}),
            json!({"value": "secrets", "delimiter": ":"}),
            json!({"value": "1", "delimiter": 5}),
        ] {
            assert!(holds(&contains, &value), "{value}");
        }
        for value in [
            json!({"value": "1", "delimiter": ":"}),
            json!({"value": ""}),
            json!({"value": "x"}),
            json!({"delimiter": ":"}),
            json!({"value": 10}),
            json!("10"),
            json!(null),
        ] {
            assert!(!holds(&contains, &value), "{value}");
        }
    }

    #[test]
    fn a_boolean_is_what_is_expected() {
        for expected in [true, false] {
            let boolean = condition("BooleanCondition", json!({ "value": expected }));
            assert!(holds(&boolean, &json!(expected)));
            for value in [json!(!expected), json!(expected.to_string()), json!(null)] {
                assert!(!holds(&boolean, &value), "{value}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_part() {
        for (value, field) in [
            (json!("CIDRCondition"), ""),
            (json!({"type": "EqualsSubjectCondition", "x": 1}), ""),
            (json!({"options": {}}), "type"),
            (json!({"type": 1}), "type"),
            (json!({"type": "equalssubjectcondition"}), "type"),
            (json!({"type": "CIDRCondition", "options": []}), "options"),
            (json!({"type": "CIDRCondition"}), "options.cidr"),
        ] {
            assert_eq!(refusal(&value).field, field, "{value}");
        }
    }

    #[test]
    fn a_refusal_names_the_option() {
        for (kind, options, field) in [
            ("CIDR", json!({"cidr": 8}), "options.cidr"),
            ("CIDR", json!({"cidr": "10.0.0.1"}), "options.cidr"),
            ("CIDR", json!({"cidr": "10.0.0.0/33"}), "options.cidr"),
            ("CIDR", json!({"cidr": "::/0", "x": 1}), "options"),
            ("StringEqual", json!({"equal": "a"}), "options.equals"),
            ("StringEqual", json!({"equals": null}), "options.equals"),
            ("StringMatch", json!({"matches": "("}), "options.matches"),
            (
                "StringMatch",
                json!({"matches": "(a{999}){999}"}),
                "options.matches",
            ),
            ("StringMatch", json!({"matches": "a\n"}), "options.matches"),
            ("Boolean", json!({"value": "true"}), "options.value"),
            ("EqualsSubject", json!({"x": 1}), "options"),
            ("StringPairsEqual", json!({"x": 1}), "options"),
            ("ResourceContains", json!({"value": "x"}), "options"),
        ] {
            let value = json!({"type": format!("{kind}Condition"), "options": options});
            assert_eq!(refusal(&value).field, field, "{value}");
        }
    }

    #[test]
    fn what_is_stored_is_what_was_written() {
        for (kind, options) in [
            ("CIDRCondition", json!({"cidr": "10.1.2.3/8"})),
            ("StringEqualCondition", json!({"equals": "a"})),
            ("StringMatchCondition", json!({"matches": "a+"})),
            ("BooleanCondition", json!({"value": false})),
            ("EqualsSubjectCondition", json!({})),
            ("StringPairsEqualCondition", json!({})),
            ("ResourceContainsCondition", json!({})),
        ] {
            let written = json!({"type": kind, "options": options});
            let condition = Condition::parse(&written).unwrap();
            assert_eq!(serde_json::to_value(&condition).unwrap(), written);
            assert!(condition.compiles());
        }
        for none in [
            json!({"type": "EqualsSubjectCondition"}),
            json!({"type": "EqualsSubjectCondition", "options": null}),
        ] {
            let stored = serde_json::to_value(Condition::parse(&none).unwrap()).unwrap();
            assert_eq!(
                stored,
                json!({"type": "EqualsSubjectCondition", "options": {}})
            );
        }
    }

    #[test]
    fn a_stored_expression_that_does_not_compile_is_found_out() {
        let stored =
            Condition::load(&json!({"type": "StringMatchCondition", "options": {"matches": "("}}))
                .unwrap();
        assert!(!holds(&stored, &json!("(")));
        assert!(!stored.compiles());
    }

    #[test]
    fn only_the_remote_address_is_known() {
        let remote_ip = Some("::ffff:10.0.0.1".parse().unwrap());
        let context = Context { remote_ip };
        assert_eq!(context.get("remoteIP"), Some(json!("10.0.0.1")));
        assert_eq!(context.get("remoteip"), None);
        assert_eq!(Context::default().get("remoteIP"), None);
    }
}
