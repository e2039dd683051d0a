//! Session policies: what narrows a session, and the trap in it.
//!
//! AWS cuts a session by *the set of* policies that are passed: an inline policy beside managed ones adds to them. An
//! inline policy that allows anything could therefore widen what the managed ones alone would give, so beside managed
//! ones only Deny statements are accepted.

use serde_json::Value;

use crate::error::Error;

/// The longest inline policy in characters.
const MAX_POLICY: usize = 2048;

/// An inline session policy, ready to send.
#[derive(Debug, Clone)]
pub(super) struct InlinePolicy {
    pub(super) text: String,
    /// Whether any statement allows.
    pub(super) allows: bool,
}

/// Reads `attributes.policy`: a JSON object, or its text.
pub(super) fn read(value: Option<&Value>) -> Result<Option<InlinePolicy>, Error> {
    let wrong = |problem: &str| Error::invalid("attributes.policy", problem);
    let document = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => {
            crate::domain::json::check("attributes.policy", text.as_bytes())?;
            serde_json::from_str(text).map_err(|_| wrong("must be an IAM policy document"))?
        }
        Some(other) => other.clone(),
    };
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => return Err(wrong("must be an IAM policy document with a Statement")),
    };
    let mut allows = false;
    for statement in statements {
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => allows = true,
            Some("Deny") => {}
            _ => return Err(wrong("each Statement must have an Effect, Allow or Deny")),
        }
    }
    let text = document.to_string();
    if text.chars().count() > MAX_POLICY {
        return Err(wrong("must be at most 2048 characters"));
    }
    Ok(Some(InlinePolicy { text, allows }))
}

/// Refuses a narrowing that would widen, and one that leaves nothing.
pub(super) fn check_together(
    inline: Option<&InlinePolicy>,
    managed: &[String],
) -> Result<(), Error> {
    match inline {
        Some(inline) if inline.allows && !managed.is_empty() => Err(Error::invalid(
            "attributes.policy",
            "may hold only Deny beside policyArn or policyArns: AWS adds session policies together, so an Allow \
             could widen what those give",
        )),
        Some(inline) if !inline.allows && managed.is_empty() => Err(Error::invalid(
            "attributes.policy",
            "must Allow something when there is no policyArn: the session could do nothing at all",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(effect: &str) -> Value {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "*", "Resource": "*"}]})
    }

    #[test]
    fn an_allow_beside_managed_policies_is_refused_and_a_deny_is_not() {
        let managed = ["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()];
        let allow = read(Some(&policy("Allow"))).unwrap().unwrap();
        let deny = read(Some(&policy("Deny"))).unwrap().unwrap();
        assert!(
            check_together(Some(&allow), &managed)
                .unwrap_err()
                .to_string()
                .contains("widen")
        );
        check_together(Some(&deny), &managed).unwrap();
        check_together(Some(&allow), &[]).unwrap();
        assert!(check_together(Some(&deny), &[]).is_err());
    }

    #[test]
    fn text_and_object_are_the_same_policy() {
        let object = read(Some(&policy("Allow"))).unwrap().unwrap();
        let text = read(Some(&Value::String(policy("Allow").to_string())))
            .unwrap()
            .unwrap();
        assert_eq!(object.text, text.text);
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name() {
        for bad in [
            json!(7),
            json!("x"),
            json!({}),
            json!({"Statement": []}),
            json!({"Statement": [{"Effect": "allow"}]}),
            json!({"Statement": "x"}),
            json!("{\"Statement\":{\"Effect\":\"Deny\",\"Effect\":\"Allow\"}}"),
        ] {
            let text = read(Some(&bad)).unwrap_err().to_string();
            assert!(text.starts_with("attributes.policy: "), "{text}");
        }
        let long = json!({"Statement": {"Effect": "Allow", "Resource": "x".repeat(2048)}});
        assert!(read(Some(&long)).unwrap_err().to_string().contains("2048"));
    }
}
