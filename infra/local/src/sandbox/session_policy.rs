//! What every request for a session must satisfy: its name, length, policies and tags.

use std::collections::HashSet;

use serde_json::Value;

use super::form::Form;
use super::principal::{Principal, iam_arn, is_account, is_name, is_name_byte};
use super::refusal::Refusal;

/// Characters that inline and managed session policies may have together.
const POLICY_SPACE: usize = 2048;
const MAX_POLICY_ARNS: usize = 10;
const MAX_TAGS: usize = 50;

/// The session policies of a request, found to be in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionPolicy {
    /// Percent of the space that the policies take; none if there are none.
    pub(super) packed_size: Option<usize>,
}

/// Checks `Policy` and `PolicyArns` for a session in the account of `owner`, the role or user it is made from.
pub(super) fn policies(form: &Form, owner: &Principal) -> Result<SessionPolicy, Refusal> {
    let inline = form.text("Policy");
    let arns: Vec<&str> = form.members("PolicyArns", ".arn").collect();
    if arns.len() > MAX_POLICY_ARNS {
        return Err(too_many("policyArns", MAX_POLICY_ARNS));
    }
    if let Some(wrong) = arns.iter().find(|arn| !is_policy_arn(arn, owner)) {
        return Err(Refusal::validation(format!("{wrong} is invalid")));
    }
    let length = |text: &str| text.chars().count();
    let used = inline.map_or(0, length) + arns.iter().map(|arn| length(arn)).sum::<usize>();
    let percent = (used * 100).div_ceil(POLICY_SPACE);
    if percent > 100 {
        return Err(Refusal::new(
            "PackedPolicyTooLarge",
            format!(
                "Packed policy consumes {percent}% of allotted space, please use smaller policy."
            ),
        ));
    }
    if let Some(document) = inline {
        check_document(document)?;
    }
    Ok(SessionPolicy {
        packed_size: (used > 0).then_some(percent),
    })
}

/// Checks `Tags`, and tells whether there are any.
pub(super) fn tags(form: &Form) -> Result<bool, Refusal> {
    let keys: Vec<&str> = form.members("Tags", ".Key").collect();
    let values: Vec<&str> = form.members("Tags", ".Value").collect();
    if keys.len() > MAX_TAGS {
        return Err(too_many("tags", MAX_TAGS));
    }
    for (number, (key, value)) in (1..).zip(keys.iter().zip(&values)) {
        tag_text(&format!("tags.{number}.member.key"), key, 1, 128)?;
        tag_text(&format!("tags.{number}.member.value"), value, 0, 256)?;
    }
    let distinct: HashSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    if distinct.len() < keys.len() {
        return Err(Refusal::new(
            "InvalidParameterValue",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    Ok(!keys.is_empty())
}

/// A parameter that must be a name, `[\w+=,.@-]`, of so many characters.
pub(super) fn name<'a>(
    form: &'a Form,
    parameter: &str,
    shortest: usize,
    longest: usize,
) -> Result<&'a str, Refusal> {
    let field = lower_camel(parameter);
    let value = form
        .text(parameter)
        .ok_or_else(|| Refusal::constraint(&field, None, "not be null"))?;
    if !value.bytes().all(is_name_byte) {
        let constraint = "satisfy regular expression pattern: [\\w+=,.@-]*";
        return Err(Refusal::constraint(&field, Some(value), constraint));
    }
    length(&field, value, shortest, longest)?;
    Ok(value)
}

/// The seconds asked for, within what the service model allows for the action.
pub(super) fn duration(form: &Form, default: u32, longest: u32) -> Result<u32, Refusal> {
    let Some(sent) = form.text("DurationSeconds") else {
        return Ok(default);
    };
    let seconds: i64 = sent
        .parse()
        .map_err(|_| Refusal::new("MalformedInput", "DurationSeconds is not an integer"))?;
    let bound = |word: &str, bound: u32| {
        let constraint = format!("have value {word} than or equal to {bound}");
        Refusal::constraint("durationSeconds", Some(sent), &constraint)
    };
    if seconds < 900 {
        return Err(bound("greater", 900));
    }
    u32::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds <= longest)
        .ok_or_else(|| bound("less", longest))
}

/// A text that must have so many characters.
pub(super) fn length(
    field: &str,
    value: &str,
    shortest: usize,
    longest: usize,
) -> Result<(), Refusal> {
    let bound = |word: &str, bound: usize| {
        let constraint = format!("have length {word} than or equal to {bound}");
        Err(Refusal::constraint(field, Some(value), &constraint))
    };
    match value.chars().count() {
        count if count < shortest => bound("greater", shortest),
        count if count > longest => bound("less", longest),
        _ => Ok(()),
    }
}

fn lower_camel(parameter: &str) -> String {
    let mut characters = parameter.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn too_many(field: &str, most: usize) -> Refusal {
    Refusal::validation(format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: \
         Member must have length less than or equal to {most}"
    ))
}

/// A managed policy of AWS's, or of the account the session belongs to.
fn is_policy_arn(arn: &str, owner: &Principal) -> bool {
    iam_arn(arn).is_some_and(|(partition, account, resource)| {
        let name = resource
            .strip_prefix("policy/")
            .and_then(|path| path.rsplit('/').next());
        let named = name.is_some_and(|name| is_name(name, 128));
        let local = account == "aws" || is_account(account) && account == owner.account;
        named && local && partition == owner.partition
    })
}

fn tag_text(field: &str, text: &str, shortest: usize, longest: usize) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    if !text.chars().all(allowed) {
        let constraint = "satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";
        return Err(Refusal::constraint(field, Some(text), constraint));
    }
    length(field, text, shortest, longest)
}

/// Checks the grammar of a policy document as far as a session policy can break it.
fn check_document(document: &str) -> Result<(), Refusal> {
    let malformed = |message| Err(Refusal::new("MalformedPolicyDocument", message));
    let Ok(Value::Object(policy)) = serde_json::from_str(document) else {
        return malformed("The policy is not in the valid JSON format.");
    };
    let version = policy.get("Version").is_none_or(|version| {
        version
            .as_str()
            .is_some_and(|version| ["2012-10-17", "2008-10-17"].contains(&version))
    });
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return malformed("Syntax errors in policy."),
    };
    if version && statements.iter().all(is_statement) {
        Ok(())
    } else {
        malformed("Syntax errors in policy.")
    }
}

fn is_statement(statement: &Value) -> bool {
    let has = |name: &str| statement.get(name).is_some();
    let effect = statement.get("Effect").and_then(Value::as_str);
    matches!(effect, Some("Allow" | "Deny"))
        && has("Action") != has("NotAction")
        && has("Resource") != has("NotResource")
        && !has("Principal")
        && !has("NotPrincipal")
}

#[cfg(test)]
mod tests {
    use super::super::principal::Kind;
    use super::*;

    const POLICY: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form::parse(serde_urlencoded::to_string(fields).unwrap().as_bytes())
    }

    fn numbered(list: &str, suffix: &str, count: usize, value: &str) -> Form {
        let fields: Vec<_> = (1..=count)
            .map(|n| (format!("{list}.member.{n}{suffix}"), format!("{value}{n}")))
            .collect();
        Form::parse(serde_urlencoded::to_string(fields).unwrap().as_bytes())
    }

    fn checked(form: &Form) -> Result<Option<usize>, String> {
        let owner = Principal {
            partition: "aws".into(),
            account: "000000000000".into(),
            kind: Kind::FederatedUser { name: "f".into() },
        };
        policies(form, &owner)
            .map(|policy| policy.packed_size)
            .map_err(|refusal| refusal.code.to_string())
    }

    #[test]
    fn policy_must_be_a_session_policy() {
        // The IAM policy grammar; MalformedPolicyDocument is the code of AssumeRole and GetFederationToken.
        assert_eq!(checked(&form(&[("Policy", POLICY)])), Ok(Some(5)));
        for bad in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2026-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Maybe","Action":"*","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#,
        ] {
            let expected = Err("MalformedPolicyDocument".to_owned());
            assert_eq!(checked(&form(&[("Policy", bad)])), expected, "{bad}");
        }
    }

    #[test]
    fn policies_have_2048_characters_together() {
        // Policy of AssumeRole: inline and managed policies have 2,048 characters together.
        let policy = |length: usize| format!("{POLICY:length$}");
        assert_eq!(checked(&form(&[("Policy", &policy(2048))])), Ok(Some(100)));
        let expected = Err("PackedPolicyTooLarge".to_owned());
        assert_eq!(checked(&form(&[("Policy", &policy(2049))])), expected);
        let (arn, policy) = ("arn:aws:iam::aws:policy/ReadOnlyAccess", policy(2048));
        let both = form(&[("Policy", &policy), ("PolicyArns.member.1.arn", arn)]);
        assert_eq!(checked(&both), expected);
    }

    #[test]
    fn at_most_ten_policy_arns() {
        // PolicyArns of AssumeRole: up to 10 managed policy ARNs.
        let arns = |count| numbered("PolicyArns", ".arn", count, "arn:aws:iam::aws:policy/P");
        assert_eq!(checked(&arns(10)), Ok(Some(13)));
        assert_eq!(checked(&arns(11)), Err("ValidationError".to_owned()));
    }

    #[test]
    fn policy_arns_are_of_the_account_or_of_aws() {
        // PolicyArns of GetFederationToken: the policies must exist in the same account as the user.
        for (arn, good) in [
            ("arn:aws:iam::000000000000:policy/team/Reader", true),
            ("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", true),
            ("arn:aws:iam::111111111111:policy/Reader", false),
            ("arn:aws-cn:iam::aws:policy/ReadOnlyAccess", false),
            ("arn:aws:iam::aws:role/ReadOnlyAccess", false),
            ("ReadOnlyAccess", false),
            ("", false),
        ] {
            let outcome = checked(&form(&[("PolicyArns.member.1.arn", arn)]));
            assert_eq!(outcome.is_ok(), good, "{arn}");
        }
    }

    #[test]
    fn no_policy_takes_no_space() {
        assert_eq!(checked(&form(&[])), Ok(None));
    }

    #[test]
    fn tags_are_few_short_and_distinct() {
        // Tags of AssumeRole: 50 of them, keys of 128 and values of 256 characters.
        let tag = |key: &str, value: &str| {
            tags(&form(&[
                ("Tags.member.1.Key", key),
                ("Tags.member.1.Value", value),
            ]))
        };
        assert_eq!(tags(&form(&[])), Ok(false));
        assert_eq!(tag(&"k".repeat(128), &"v".repeat(256)), Ok(true));
        assert_eq!(tag("Größe / x", ""), Ok(true));
        assert!(tag(&"k".repeat(129), "").is_err());
        assert!(tag("k", &"v".repeat(257)).is_err());
        assert!(tag("", "v").is_err());
        assert!(tag("a#b", "v").is_err());
        assert_eq!(tags(&numbered("Tags", ".Key", 50, "k")), Ok(true));
        assert!(tags(&numbered("Tags", ".Key", 51, "k")).is_err());
        let twice = form(&[("Tags.member.1.Key", "a"), ("Tags.member.2.Key", "A")]);
        assert_eq!(tags(&twice).unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn durations_are_bounded_in_the_words_of_aws() {
        // DurationSeconds of GetFederationToken: 900 to 129600, 43200 when nothing is asked.
        let asked = |text: &str| duration(&form(&[("DurationSeconds", text)]), 43200, 129_600);
        assert_eq!(duration(&form(&[]), 43200, 129_600), Ok(43200));
        assert_eq!(asked("900"), Ok(900));
        assert_eq!(asked("129600"), Ok(129_600));
        assert_eq!(
            asked("899").unwrap_err().message,
            "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: \
             Member must have value greater than or equal to 900"
        );
        for bad in ["-1", "129601", "99999999999", "an hour", ""] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_bounded() {
        // Name of GetFederationToken: 2 to 32 characters of [\w+=,.@-].
        let named = |text: &str| name(&form(&[("Name", text)]), "Name", 2, 32).is_ok();
        assert!(named("a_+=,.@-Z9"));
        assert!(named(&"n".repeat(32)));
        for bad in ["", "n", "a b", "a/b", "é2", &"n".repeat(33)] {
            assert!(!named(bad), "{bad}");
        }
        let missing = name(&form(&[]), "RoleSessionName", 2, 64).unwrap_err();
        assert!(missing.message.contains("Value null at 'roleSessionName'"));
    }
}
