//! The resources of an entry: where a policy may reach.

use crate::{
    access::{
        document::{
            Object, Scope,
            entry::{ANYTHING, pattern},
        },
        pattern::Pattern,
    },
    domain::policy_path::{PolicyPath, at_or_under, check_case},
    error::Error,
};

/// Checks that they lie where the document may reach. A policy that names none is about all that lies under its path.
pub(super) fn resources(object: &Object, scope: Scope<'_>) -> Result<Vec<String>, Error> {
    let mut resources = Vec::new();
    for (place, text) in object.texts("resources")? {
        let pattern = pattern(&place, text)?;
        check_case(&place, text)?;
        match scope {
            Scope::Policy(path) if !contains(path, &pattern) => {
                return Err(Error::invalid(
                    place,
                    "must be the policy's path, or begin with it and a colon before the first <; or the same after \
                     config:policies:",
                ));
            }
            _ => resources.push(text.to_owned()),
        }
    }
    match scope {
        Scope::Policy(path) if resources.is_empty() => Ok(vec![format!("{path}:{ANYTHING}")]),
        Scope::Config if resources.is_empty() => Err(Error::invalid(
            object.place("resources"),
            "must be a list of at least one resource",
        )),
        _ => Ok(resources),
    }
}

/// Whether all that `pattern` can mean lies at or under a policy's path, or is a policy there.
///
/// A path followed at once by `<` is not enough: `secrets:a<.*>` also means `secrets:ab`.
fn contains(path: &PolicyPath, pattern: &Pattern) -> bool {
    let text = pattern.literal_prefix();
    [path.as_str(), &path.resource()]
        .into_iter()
        .any(|root| at_or_under(text, root) && (pattern.is_literal() || text != root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::pattern::Match;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn path(text: &str) -> PolicyPath {
        text.parse().unwrap()
    }

    fn given(resources: Value) -> Object {
        let mut entry = json!({});
        entry["resources"] = resources;
        Object::new("e".to_owned(), entry).unwrap()
    }

    fn in_policy(on: &str, resources: Value) -> Result<Vec<String>, String> {
        resources_of(resources, Scope::Policy(&path(on)))
    }

    fn in_config(resources: Value) -> Result<Vec<String>, String> {
        resources_of(resources, Scope::Config)
    }

    fn resources_of(resources: Value, scope: Scope<'_>) -> Result<Vec<String>, String> {
        super::resources(&given(resources), scope).map_err(|error| error.to_string())
    }

    #[test]
    fn a_policy_that_names_none_is_about_all_under_its_path() {
        for none in [json!([]), json!(null)] {
            assert_eq!(in_policy("secrets/a", none).unwrap(), ["secrets:a:<.*>"]);
        }
    }

    #[test]
    fn resources_lie_at_or_under_the_path() {
        for resource in [
            "secrets:a",
            "secrets:a:b",
            "secrets:a:<.*>",
            "secrets:a:b<.*>",
            "secrets:a:<b|c>:d",
            "config:policies:secrets:a",
            "config:policies:secrets:a:b",
            "config:policies:secrets:a:<.*>",
        ] {
            assert_eq!(
                in_policy("secrets:a", json!([resource])).unwrap(),
                [resource]
            );
        }
        for resource in [
            "secrets:ab",
            "secrets:a<.*>",
            "secrets:a<:.*>",
            "secrets:<a>",
            "secrets:<.*>",
            "<.*>",
            "secrets",
            "secrets/a",
            "SECRETS:a",
            "secrets:b:a",
            "config:policies:secrets:a<.*>",
            "config:policies:secrets:ab",
            "config:policies:<.*>",
            "config:secrets:a",
            "",
        ] {
            let problem = in_policy("secrets:a", json!([resource])).unwrap_err();
            assert!(
                problem.starts_with("e.resources[0]: must be the policy's path"),
                "{resource}: {problem}"
            );
        }
    }

    #[test]
    fn a_policy_on_a_whole_entity_covers_it() {
        for resource in [
            "secrets",
            "secrets:<.*>",
            "secrets:x",
            "config:policies:secrets",
        ] {
            assert!(
                in_policy("secrets", json!([resource])).is_ok(),
                "{resource}"
            );
        }
        for resource in ["secrets<.*>", "secretsx", "home:x"] {
            assert!(
                in_policy("secrets", json!([resource])).is_err(),
                "{resource}"
            );
        }
    }

    #[test]
    fn resources_that_are_no_patterns_are_refused() {
        for resource in [
            "secrets:a:<",
            "secrets:a:>",
            "secrets:a:<(>",
            "secrets:a:<x)|(.*>",
        ] {
            let problem = in_policy("secrets:a", json!([resource])).unwrap_err();
            assert!(problem.starts_with("e.resources[0]: "), "{problem}");
            assert!(in_config(json!([resource])).is_err());
        }
    }

    #[test]
    fn the_config_may_be_about_anything_but_must_say_what() {
        let resources = json!(["<.*>", "home:<.*>", "secrets:a"]);
        assert_eq!(in_config(resources).unwrap().len(), 3);
        for none in [json!([]), json!(null)] {
            assert_eq!(
                in_config(none).unwrap_err(),
                "e.resources: must be a list of at least one resource"
            );
        }
    }

    /// Pieces that, put together, are often a pattern or a name close to the border of a policy on `secrets:a`.
    fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        let start = prop::sample::select(vec![
            "secrets:a",
            "config:policies:secrets:a",
            "secrets",
            "",
        ]);
        let rest = prop::collection::vec(prop::sample::select(pieces), 0..6);
        (start, rest).prop_map(|(start, rest)| start.to_owned() + &rest.concat())
    }

    const PATTERN: &[&str] = &[
        ":", "a", "b", "<.*>", "<", ">", "|", "<|:>", "<a|b>", "<:b|b>", "<(?i)A>", ".*", "<.?>",
        "secrets:", "<x)|(.*>",
    ];
    const NAME: &[&str] = &[":", "a", "b", "A", "secrets:", "config:policies:"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_accepted_resource_means_a_name_outside_the_path(
            pattern in text(PATTERN),
            names in prop::collection::vec(text(NAME), 20),
        ) {
            let path = path("secrets:a");
            if let Ok(parsed) = Pattern::parse(&pattern) && contains(&path, &parsed) {
                for name in names.iter().filter(|name| parsed.matches(name) != Match::No) {
                    let own = name.strip_prefix("config:policies:").unwrap_or(name);
                    prop_assert!(own == "secrets:a" || own.starts_with("secrets:a:"), "{pattern} means {name}");
                }
            }
        }
    }
}
