//! Strict YAML: the part of it that says the same as JSON, and nothing that grows when it is read.

use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::{
    Error as YamlError, Options, budget,
    budget::BudgetBreach,
    from_str_with_options, options,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
    with_deserializer_from_str_with_options,
};

use crate::{
    domain::json::{DUPLICATE, MAX_DEPTH, Strict, TOO_DEEP},
    error::Error,
};

/// Reads `text` as one YAML document. Empty text is null.
///
/// Anchors, aliases, merge keys and tags of one's own are refused: whoever reads the text must see what it says, and an
/// alias is all it takes to make a few lines expand without end. Only `true` and `false` are booleans; `no`, dates and
/// `0755` stay text. Duplicate keys and depth count as in JSON, and the message quotes nothing of the text either.
pub fn parse(field: &str, text: &str) -> Result<Value, Error> {
    // The first walk finds what two spellings of one key, `1` and "1", would silently turn into one.
    with_deserializer_from_str_with_options(text, strict(), |yaml| {
        Strict::default().deserialize(yaml)
    })
    .and_then(|()| from_str_with_options(text, strict()))
    .map_err(|error| Error::invalid(field, describe(&error)))
}

fn strict() -> Options {
    options! {
        budget: budget! {
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_anchors: 0,
            max_aliases: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn describe(error: &YamlError) -> String {
    let problem = match error {
        YamlError::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => TOO_DEEP,
            BudgetBreach::Documents { .. } => "is more than one YAML document",
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => ALIAS,
            _ => "is too large a YAML document",
        },
        YamlError::UnknownAnchor { .. } => ALIAS,
        YamlError::DuplicateMappingKey { .. } => DUPLICATE,
        YamlError::MergeKeyNotAllowed { .. } => "has a YAML merge key; none is allowed",
        YamlError::UnsupportedTag { .. } => "has a YAML tag; none is allowed",
        YamlError::NonFiniteFloat { .. } => "has a number that JSON cannot hold",
        YamlError::Message { msg, .. } if msg.starts_with(DUPLICATE) => DUPLICATE,
        _ => "is not YAML",
    };
    match error.location() {
        Some(place) => format!(
            "{problem} at line {} column {}",
            place.line(),
            place.column()
        ),
        None => problem.to_owned(),
    }
}

const ALIAS: &str = "has a YAML anchor or alias; none is allowed";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        parse("policy", text).unwrap()
    }

    fn problem(text: &str) -> String {
        let problem = parse("policy", text).unwrap_err().to_string();
        assert!(problem.starts_with("policy: "), "{problem}");
        problem
    }

    /// Nine levels of nine aliases each: 3.5 GB of text, were it expanded.
    fn bomb() -> String {
        (1..10).fold("a0: &a0 [laugh]\n".to_owned(), |text, n| {
            let inner = vec![format!("*a{}", n - 1); 9].join(",");
            format!("{text}a{n}: &a{n} [{inner}]\n")
        })
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let text = "permissionDocument:\n- subjects:\n  - groups:west admins\n  actions: [<.*>, <read|list>]\n  \
                    resources:\n    - secrets:a:<.*>\n  conditions: {}\n  meta:\nversion: 3\n";
        let expected = json!({
            "permissionDocument": [{
                "subjects": ["groups:west admins"],
                "actions": ["<.*>", "<read|list>"],
                "resources": ["secrets:a:<.*>"],
                "conditions": {},
                "meta": null,
            }],
            "version": 3,
        });
        assert_eq!(read(text), expected);
        assert_eq!(read(&expected.to_string()), expected, "JSON is YAML");
        assert_eq!(read(""), Value::Null);
    }

    #[test]
    fn words_that_look_like_something_else_stay_text() {
        let text = "[yes, No, on, 0755, 1_000, 2019-09-17, 2019-09-17T20:34:26Z, 1:30, $HOME]";
        for value in read(text).as_array().unwrap() {
            assert!(value.is_string(), "{value}");
        }
        assert_eq!(
            read("[true, False, ~, 0x1f, 1.5]"),
            json!([true, false, null, 31, 1.5])
        );
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the time it takes is what is tested"
    )]
    fn a_bomb_of_aliases_is_refused_before_it_grows() {
        let start = std::time::Instant::now();
        assert!(problem(&bomb()).contains("anchor or alias"));
        assert!(start.elapsed().as_secs() < 1);
        assert!(problem("a: &x 1").contains("anchor or alias"));
        assert!(problem("a: *x").contains("anchor or alias"));
    }

    #[test]
    fn depth_is_bounded_in_every_notation() {
        let flow = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let block = |n: usize| "- ".repeat(n);
        let keys = |n: usize| "? ".repeat(n);
        parse("policy", &flow(MAX_DEPTH)).unwrap();
        parse("policy", &block(MAX_DEPTH)).unwrap();
        for n in [MAX_DEPTH + 1, 200, 100_000] {
            for text in [block(n), keys(n)] {
                assert!(problem(&text).contains("nests deeper than 32"), "{n}");
            }
            problem(&flow(n));
        }
        assert!(problem(&flow(MAX_DEPTH + 1)).contains("nests deeper than 32"));
    }

    #[test]
    fn a_key_twice_is_refused_however_it_is_spelt() {
        for text in [
            "a: 1\na: 2",
            "a: 1\n'a': 2",
            "1: x\n'1': y",
            "b: [{a: 1, a: 2}]",
        ] {
            assert!(problem(text).contains("a key twice"), "{text}");
        }
    }

    #[test]
    fn what_json_has_no_words_for_is_refused() {
        for (text, words) in [
            ("a: 1\n---\nb: 2", "more than one YAML document"),
            ("<<: {a: 1}", "merge key"),
            ("a: !include /etc/passwd", "tag"),
            ("a: .nan", "number that JSON cannot hold"),
            ("a: 1e999", "number that JSON cannot hold"),
            ("~: x", "is not YAML"),
            ("[a]: x", "is not YAML"),
            ("a: [*]", "is not YAML"),
        ] {
            assert!(problem(text).contains(words), "{text}: {}", problem(text));
        }
    }

    #[test]
    fn the_message_never_quotes_the_text_but_says_where() {
        for text in [
            "a: \"hunter2",
            "hunter2: [",
            "a: !hunter2 x",
            "hunter2: 1\nhunter2: 2",
            "a: *hunter2",
            "hunter2: x: y",
        ] {
            let problem = problem(text);
            assert!(!problem.contains("hunter2"), "{problem}");
            assert!(problem.contains("at line "), "{problem}");
        }
    }
}
