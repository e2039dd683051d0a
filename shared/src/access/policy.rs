//! Rules and their evaluation, with the semantics of ory/ladon: deny by default, any matching deny wins, and the order
//! of rules means nothing.

use serde::{Deserialize, Serialize};

use crate::domain::{path::SecretPath, principal::Principal};

/// What a caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make something new.
    Create,
    /// See it.
    Read,
    /// Change it, roll it back.
    Update,
    /// Mark it for deletion, remove it, restore it.
    Delete,
    /// Search; granted on the bare entity, answers metadata only.
    List,
    /// Link to it or act as it, without seeing it.
    Assign,
}

impl Action {
    /// Its word in policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Assign => "assign",
        }
    }
}

/// The resource name of a secret.
pub fn secret_resource(path: &SecretPath) -> String {
    format!("secrets:{path}")
}

/// Whether a rule grants or takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Grants, unless a deny matches too.
    Allow,
    /// Takes away, whatever else grants.
    Deny,
}

/// One rule as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rule {
    /// Patterns of principals.
    pub subjects: Vec<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Patterns of resources.
    pub resources: Vec<String>,
    /// Patterns of action words.
    pub actions: Vec<String>,
}

/// The rules in a form that is quick to evaluate.
#[derive(Debug, Default)]
pub struct RuleSet(Vec<CompiledRule>);

#[derive(Debug)]
struct CompiledRule {
    subjects: Vec<Pattern>,
    effect: Effect,
    resources: Vec<Pattern>,
    actions: Vec<Pattern>,
}

impl RuleSet {
    /// Compiles stored rules. An allow that does not compile grants nothing; a deny that does not compile takes its
    /// resources from everyone, and says so in the log.
    pub fn compile(rules: &[Rule]) -> Self {
        Self(rules.iter().filter_map(CompiledRule::compile).collect())
    }

    /// Whether `principal` may do `action` on `resource`.
    pub fn allow(&self, principal: &Principal, action: Action, resource: &str) -> bool {
        let mut allowed = false;
        for rule in &self.0 {
            if rule.matches(principal, action, resource) {
                match rule.effect {
                    Effect::Deny => return false,
                    Effect::Allow => allowed = true,
                }
            }
        }
        allowed
    }
}

impl CompiledRule {
    fn compile(rule: &Rule) -> Option<Self> {
        let all = |texts: &[String]| {
            texts
                .iter()
                .map(|text| Pattern::parse(text))
                .collect::<Option<Vec<_>>>()
        };
        match (
            all(&rule.subjects),
            all(&rule.resources),
            all(&rule.actions),
        ) {
            (Some(subjects), Some(resources), Some(actions)) => Some(Self {
                subjects,
                effect: rule.effect,
                resources,
                actions,
            }),
            (_, resources, _) if rule.effect == Effect::Deny => {
                tracing::error!(
                    "a stored deny does not compile: its resources are denied to everyone"
                );
                let anything = || vec![Pattern::Anything];
                Some(Self {
                    subjects: anything(),
                    effect: Effect::Deny,
                    resources: resources.unwrap_or_else(anything),
                    actions: anything(),
                })
            }
            _ => {
                tracing::warn!("a stored allow does not compile: it grants nothing");
                None
            }
        }
    }

    fn matches(&self, principal: &Principal, action: Action, resource: &str) -> bool {
        let any =
            |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        any(&self.actions, action.word())
            && any(&self.subjects, principal.as_str())
            && any(&self.resources, resource)
    }
}

/// A pattern: literal text, or literal text with a last `<.*>` in place of any rest.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Exactly(String),
    Under(String),
    Anything,
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('<') {
            None if text.contains('>') => None,
            None => Some(Self::Exactly(text.to_owned())),
            Some(("", ".*>")) => Some(Self::Anything),
            Some((prefix, ".*>")) => Some(Self::Under(prefix.to_owned())),
            Some(_) => None,
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(literal) => text == literal,
            Self::Under(prefix) => text.starts_with(prefix.as_str()),
            Self::Anything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(effect: Effect, subject: &str, resource: &str, action: &str) -> Rule {
        let one = |text: &str| vec![text.to_owned()];
        Rule {
            subjects: one(subject),
            effect,
            resources: one(resource),
            actions: one(action),
        }
    }

    fn may(rules: &[Rule], who: &str, action: Action, resource: &str) -> bool {
        RuleSet::compile(rules).allow(&who.parse().unwrap(), action, resource)
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        assert!(!may(&[], "roles:admin", Action::Read, "secrets:a"));
    }

    #[test]
    fn a_rule_counts_for_its_subject_resource_and_action_only() {
        let rules = [rule(Effect::Allow, "roles:ops", "secrets:a:<.*>", "read")];
        assert!(may(&rules, "roles:ops", Action::Read, "secrets:a:b"));
        assert!(
            !may(&rules, "roles:ops", Action::Read, "secrets:a"),
            "the bare path is not covered"
        );
        assert!(!may(&rules, "roles:ops", Action::Update, "secrets:a:b"));
        assert!(!may(&rules, "roles:opsy", Action::Read, "secrets:a:b"));
    }

    #[test]
    fn any_deny_wins_in_any_order() {
        let mut rules = vec![
            rule(Effect::Allow, "<.*>", "<.*>", "<.*>"),
            rule(Effect::Deny, "roles:admin", "home:<.*>", "<.*>"),
        ];
        for _ in 0..2 {
            assert!(may(&rules, "roles:admin", Action::Read, "secrets:a"));
            assert!(!may(
                &rules,
                "roles:admin",
                Action::Read,
                "home:users:bob:x"
            ));
            rules.reverse();
        }
    }

    #[test]
    fn a_broken_allow_grants_nothing_and_a_broken_deny_denies_everyone() {
        let broken = "<(";
        assert!(!may(
            &[rule(Effect::Allow, "roles:a", broken, "read")],
            "roles:a",
            Action::Read,
            broken
        ));
        let rules = [
            rule(Effect::Allow, "roles:a", "<.*>", "<.*>"),
            rule(Effect::Deny, broken, "secrets:x", "read"),
        ];
        assert!(!may(&rules, "roles:a", Action::Update, "secrets:x"));
        assert!(may(&rules, "roles:a", Action::Update, "secrets:y"));
    }
}
