//! The conditions of an entry, in the one form in which they are saved and answered.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    access::{condition::Condition, document::Object},
    error::Error,
};

/// The most conditions an entry may have.
const MAX_CONDITIONS: usize = 16;
/// The longest condition, in bytes.
const MAX_CONDITION: usize = 1024;
/// The longest name of one.
const MAX_NAME: usize = 64;

/// Checks conditions, by the names of what they are about; none if absent.
pub(super) fn conditions(object: &Object) -> Result<BTreeMap<String, Value>, Error> {
    let place = object.place("conditions");
    let map = match object.get("conditions") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) if map.len() <= MAX_CONDITIONS => map,
        Some(_) => {
            return Err(Error::invalid(
                place,
                format!("must be an object of at most {MAX_CONDITIONS} conditions"),
            ));
        }
    };
    let mut conditions = BTreeMap::new();
    for (name, value) in map {
        if !is_condition_name(name) {
            return Err(Error::invalid(
                place,
                "must be named by 1 to 64 letters, digits and . _ -",
            ));
        }
        conditions.insert(name.clone(), condition(format!("{place}.{name}"), value)?);
    }
    Ok(conditions)
}

fn is_condition_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn condition(place: String, value: &Value) -> Result<Value, Error> {
    let condition = Condition::parse(value).map_err(|error| {
        let place = match error.field {
            "" => place.clone(),
            field => format!("{place}.{field}"),
        };
        Error::invalid(place, error.problem)
    })?;
    let value = serde_json::to_value(condition)
        .map_err(|error| Error::internal(format!("a condition has no JSON form: {error}")))?;
    if value.to_string().len() > MAX_CONDITION {
        return Err(Error::invalid(
            place,
            format!("must be at most {MAX_CONDITION} bytes long"),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn saved(conditions: Value) -> Result<Value, String> {
        let mut entry = json!({});
        entry["conditions"] = conditions;
        let object = Object::new("e".to_owned(), entry).unwrap();
        let conditions = super::conditions(&object).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(conditions).unwrap())
    }

    #[test]
    fn no_conditions_are_an_empty_object() {
        for none in [json!(null), json!({})] {
            assert_eq!(saved(none).unwrap(), json!({}));
        }
    }

    #[test]
    fn conditions_are_checked_and_saved_in_one_form() {
        let conditions = json!({
            "remoteIP": {"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/8"}},
            "who": {"type": "EqualsSubjectCondition", "options": null},
        });
        assert_eq!(
            saved(conditions).unwrap(),
            json!({
                "remoteIP": {"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/8"}},
                "who": {"type": "EqualsSubjectCondition", "options": {}},
            })
        );
    }

    #[test]
    fn wrong_conditions_are_refused_by_name() {
        let problem = |conditions: Value| saved(conditions).unwrap_err();
        let cidr = json!({"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/64"}});
        assert!(
            problem(json!({ "remoteIP": cidr }))
                .starts_with("e.conditions.remoteIP.options.cidr: must")
        );
        assert!(problem(json!({"x": {"type": "Cidr"}})).starts_with("e.conditions.x.type: must"));
        assert!(problem(json!({"x": 1})).starts_with("e.conditions.x: must be an object"));
        assert!(problem(json!([])).starts_with("e.conditions: must be an object"));
        let good = json!({"type": "EqualsSubjectCondition"});
        for name in ["", "a b", "<x>", &"x".repeat(65)] {
            assert!(problem(json!({ name: good })).starts_with("e.conditions: must be named by"));
        }
        let many: serde_json::Map<String, Value> =
            (0..17).map(|n| (n.to_string(), good.clone())).collect();
        assert!(problem(Value::Object(many)).contains("at most 16"));
        let long = json!({"type": "StringEqualCondition", "options": {"equals": "x".repeat(1024)}});
        assert!(problem(json!({ "x": long })).contains("at most 1024 bytes"));
    }
}
