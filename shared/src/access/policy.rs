//! Rules and their evaluation, with the semantics of ory/ladon: deny by default, any matching deny wins, and the order
//! of rules means nothing.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{
        condition::{Condition, ConditionError, Context},
        pattern::{Match, Pattern, PatternError},
    },
    domain::path::SecretPath,
};

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
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Delete,
        Self::List,
        Self::Assign,
    ];

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
    /// Patterns of principals and groups.
    pub subjects: Vec<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Patterns of resources.
    pub resources: Vec<String>,
    /// Patterns of action words.
    pub actions: Vec<String>,
    /// Conditions by the name of what they are about, each as [`Condition`] writes it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, Value>,
}

/// A question to the rules.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who asks: the principal first, then its groups, as rules write them.
    pub subjects: &'a [String],
    /// What it wants to do.
    pub action: Action,
    /// To what.
    pub resource: &'a str,
    /// What else is known about the request.
    pub context: &'a Context,
}

/// The rules in a form that is quick to load and to evaluate.
///
/// Regular expressions are compiled when a rule's resources might mean what is asked for, and not before: rules about
/// something else cost next to nothing, whatever they hold. So it may only turn out then that a rule is *broken*, which
/// means that a pattern or condition of it does not compile. A broken allow grants nothing. A broken deny denies, for
/// everyone and every action, all that its resources mean; one that cannot be read means all that its literal text
/// outside the brackets leaves open.
#[derive(Debug, Default)]
pub struct RuleSet(Vec<CompiledRule>);

#[derive(Debug)]
struct CompiledRule {
    effect: Effect,
    actions: Actions,
    resources: Box<[Pattern]>,
    subjects: Box<[Pattern]>,
    conditions: Conditions,
    /// Whether all of it compiles, once that is known.
    sound: OnceLock<bool>,
}

/// All must hold, each of what is known under its name.
type Conditions = Box<[(Box<str>, Condition)]>;

/// The action words a rule means.
#[derive(Debug, Default)]
struct Actions {
    /// A bit for each action that is known to be meant.
    known: u8,
    /// The patterns that need a regular expression.
    others: Vec<Pattern>,
}

/// Whether a rule applies, its conditions aside.
enum Reach {
    Never,
    IfConditionsHold,
    Always,
}

impl RuleSet {
    /// Takes over stored rules.
    pub fn compile<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        Self(
            rules
                .into_iter()
                .filter_map(CompiledRule::compile)
                .collect(),
        )
    }

    /// Whether the rules allow it.
    pub fn allow(&self, asking: &Asking<'_>) -> bool {
        let mut allowed = false;
        for rule in &self.0 {
            if allowed && rule.effect == Effect::Allow {
                continue;
            }
            let applies = match rule.reach(asking.subjects, asking.action, asking.resource) {
                Reach::Never => false,
                Reach::IfConditionsHold => rule.conditions_hold(asking),
                Reach::Always => true,
            };
            match rule.effect {
                Effect::Deny if applies => return false,
                Effect::Allow if applies => allowed = true,
                Effect::Deny | Effect::Allow => {}
            }
        }
        allowed
    }

    /// Whether the rules allow it wherever the request comes from: an allow without conditions applies, and no deny
    /// does, even if all conditions hold.
    pub fn allows_surely(&self, subjects: &[String], action: Action, resource: &str) -> bool {
        let mut allowed = false;
        for rule in &self.0 {
            match (rule.effect, rule.reach(subjects, action, resource)) {
                (_, Reach::Never) | (Effect::Allow, Reach::IfConditionsHold) => {}
                (Effect::Deny, Reach::IfConditionsHold | Reach::Always) => return false,
                (Effect::Allow, Reach::Always) => allowed = true,
            }
        }
        allowed
    }
}

impl CompiledRule {
    fn compile(rule: &Rule) -> Option<Self> {
        let parts = (
            Actions::load(&rule.actions),
            load(&rule.resources),
            load(&rule.subjects),
            load_conditions(&rule.conditions),
        );
        match (parts, rule.effect) {
            ((Ok(actions), Ok(resources), Ok(subjects), Ok(conditions)), effect) => {
                let mut patterns = resources.iter().chain(&subjects);
                let plain = actions.others.is_empty()
                    && patterns.all(Pattern::is_plain)
                    && conditions.iter().all(|(_, one)| one.is_plain());
                Some(Self {
                    effect,
                    actions,
                    resources,
                    subjects,
                    conditions,
                    sound: if plain { true.into() } else { OnceLock::new() },
                })
            }
            ((_, resources, _, _), Effect::Deny) => {
                report_broken(Effect::Deny);
                Some(Self {
                    effect: Effect::Deny,
                    actions: Actions::default(),
                    resources: match resources {
                        Ok(resources) => resources,
                        Err(_) => [Pattern::anything()].into(),
                    },
                    subjects: Box::default(),
                    conditions: Box::default(),
                    sound: false.into(),
                })
            }
            (_, Effect::Allow) => {
                report_broken(Effect::Allow);
                None
            }
        }
    }

    /// Cheapest first, and no regular expression before the resource might be meant.
    fn reach(&self, subjects: &[String], action: Action, resource: &str) -> Reach {
        // A broken deny is about every action, so the actions of a deny count only once it is known to be sound.
        let actions_count = self.effect == Effect::Allow || self.sound.get() == Some(&true);
        if actions_count && !self.actions.may_include(action) {
            return Reach::Never;
        }
        let means = |pattern: &Pattern| pattern.matches(resource) != Match::No;
        if !self.resources.iter().any(means) {
            return Reach::Never;
        }
        if !self.is_sound() {
            return match self.effect {
                Effect::Allow => Reach::Never,
                Effect::Deny => Reach::Always,
            };
        }
        if !self.actions.include(action) || !any_means(&self.subjects, subjects) {
            Reach::Never
        } else if self.conditions.is_empty() {
            Reach::Always
        } else {
            Reach::IfConditionsHold
        }
    }

    fn conditions_hold(&self, asking: &Asking<'_>) -> bool {
        let principal = asking.subjects.first().map(String::as_str);
        self.conditions.iter().all(|(name, condition)| {
            asking
                .context
                .get(name)
                .is_some_and(|value| condition.holds(&value, principal, asking.resource))
        })
    }

    fn is_sound(&self) -> bool {
        *self.sound.get_or_init(|| {
            let patterns = self.actions.others.iter().chain(&self.resources);
            let sound = patterns.chain(&self.subjects).all(Pattern::compiles)
                && self.conditions.iter().all(|(_, one)| one.compiles());
            if !sound {
                report_broken(self.effect);
            }
            sound
        })
    }
}

impl Actions {
    fn load(texts: &[String]) -> Result<Self, PatternError> {
        let mut actions = Self::default();
        for text in texts {
            let pattern = Pattern::load(text)?;
            if !pattern.is_plain() {
                actions.others.push(pattern);
                continue;
            }
            for action in Action::ALL {
                if pattern.matches(action.word()) == Match::Yes {
                    actions.known |= bit(action);
                }
            }
        }
        Ok(actions)
    }

    /// Answered without a regular expression.
    fn may_include(&self, action: Action) -> bool {
        self.known & bit(action) != 0 || !self.others.is_empty()
    }

    fn include(&self, action: Action) -> bool {
        self.known & bit(action) != 0
            || self
                .others
                .iter()
                .any(|pattern| pattern.matches(action.word()) == Match::Yes)
    }
}

fn bit(action: Action) -> u8 {
    1 << action as u8
}

fn load(texts: &[String]) -> Result<Box<[Pattern]>, PatternError> {
    texts.iter().map(|text| Pattern::load(text)).collect()
}

fn load_conditions(stored: &BTreeMap<String, Value>) -> Result<Conditions, ConditionError> {
    stored
        .iter()
        .map(|(name, value)| Ok((name.as_str().into(), Condition::load(value)?)))
        .collect()
}

fn any_means(patterns: &[Pattern], texts: &[String]) -> bool {
    patterns
        .iter()
        .any(|pattern| texts.iter().any(|text| pattern.matches(text) == Match::Yes))
}

/// Said once for each broken rule, when it is loaded or when it first matters.
fn report_broken(effect: Effect) {
    let meaning = match effect {
        Effect::Allow => "it grants nothing",
        Effect::Deny => "its resources are denied to everyone",
    };
    tracing::error!(?effect, "a stored rule does not compile: {meaning}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ADDRESS: &str = "10.0.0.1";

    fn rule(effect: Effect, subject: &str, resource: &str, action: &str) -> Rule {
        let one = |text: &str| vec![text.to_owned()];
        Rule {
            subjects: one(subject),
            effect,
            resources: one(resource),
            actions: one(action),
            conditions: BTreeMap::new(),
        }
    }

    fn within(cidr: &str, mut rule: Rule) -> Rule {
        let condition = json!({"type": "CIDRCondition", "options": {"cidr": cidr}});
        rule.conditions.insert("remoteIP".to_owned(), condition);
        rule
    }

    fn everything() -> Rule {
        rule(Effect::Allow, "<.*>", "<.*>", "<.*>")
    }

    fn ask(rules: &[Rule], who: &[&str], action: Action, resource: &str) -> bool {
        ask_from(rules, who, action, resource, Some(ADDRESS))
    }

    /// Twice in one set and once in another order: what was compiled meanwhile and the order make no difference.
    fn ask_from(
        rules: &[Rule],
        who: &[&str],
        action: Action,
        resource: &str,
        from: Option<&str>,
    ) -> bool {
        let subjects: Vec<String> = who.iter().map(ToString::to_string).collect();
        let remote_ip = from.map(|ip| ip.parse().unwrap());
        let context = Context { remote_ip };
        let asking = Asking {
            subjects: &subjects,
            action,
            resource,
            context: &context,
        };
        let set = RuleSet::compile(rules);
        let allowed = set.allow(&asking);
        assert_eq!(set.allow(&asking), allowed);
        assert_eq!(RuleSet::compile(rules.iter().rev()).allow(&asking), allowed);
        allowed
    }

    fn surely(rules: &[Rule], who: &str) -> bool {
        RuleSet::compile(rules).allows_surely(&[who.to_owned()], Action::Update, "config")
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        assert!(!ask(&[], &["roles:admin"], Action::Read, "secrets:a"));
        let mut none = everything();
        none.actions.clear();
        assert!(!ask(&[none], &["roles:admin"], Action::Read, "secrets:a"));
    }

    #[test]
    fn a_rule_counts_for_its_subject_resource_and_action_only() {
        let rules = [rule(Effect::Allow, "roles:ops", "secrets:a:<.*>", "read")];
        assert!(ask(&rules, &["roles:ops"], Action::Read, "secrets:a:b"));
        assert!(
            !ask(&rules, &["roles:ops"], Action::Read, "secrets:a"),
            "the bare path is not covered"
        );
        assert!(!ask(&rules, &["roles:ops"], Action::Update, "secrets:a:b"));
        assert!(!ask(&rules, &["roles:opsy"], Action::Read, "secrets:a:b"));
    }

    #[test]
    fn any_of_several_patterns_and_any_group_will_do() {
        let mut both = rule(Effect::Allow, "roles:ops", "secrets:a", "read");
        both.subjects.push("groups:<west|east> admins".to_owned());
        both.resources.push("secrets:b:<[0-9]+>".to_owned());
        both.actions.push("<upd.*>".to_owned());
        let rules = [both];
        let bob = ["users:bob", "groups:all", "groups:east admins"];
        assert!(ask(&rules, &bob, Action::Update, "secrets:b:1"));
        assert!(ask(&rules, &["roles:ops"], Action::Read, "secrets:a"));
        assert!(!ask(&rules, &bob, Action::Delete, "secrets:b:1"));
        assert!(!ask(&rules, &bob[..2], Action::Update, "secrets:b:1"));
        assert!(!ask(&rules, &[], Action::Update, "secrets:b:1"));
    }

    #[test]
    fn each_action_has_its_word() {
        for granted in Action::ALL {
            let rules = [rule(Effect::Allow, "<.*>", "<.*>", granted.word())];
            for asked in Action::ALL {
                let allowed = ask(&rules, &["users:bob"], asked, "secrets:a");
                assert_eq!(allowed, asked == granted);
            }
        }
        for (pattern, count) in [("<.*>", 6), ("<read|list>", 2), ("<.*e>", 3), ("share", 0)] {
            let rules = [rule(Effect::Allow, "<.*>", "<.*>", pattern)];
            let allowed = |action: &Action| ask(&rules, &["users:bob"], *action, "secrets:a");
            assert_eq!(Action::ALL.iter().filter(|one| allowed(one)).count(), count);
        }
    }

    #[test]
    fn any_deny_wins() {
        let rules = [
            everything(),
            rule(Effect::Deny, "roles:admin", "home:<.*>", "<.*>"),
        ];
        assert!(ask(&rules, &["roles:admin"], Action::Read, "secrets:a"));
        assert!(!ask(
            &rules,
            &["roles:admin"],
            Action::Read,
            "home:users:bob:x"
        ));
    }

    #[test]
    fn a_rule_applies_only_if_all_its_conditions_hold() {
        let who = ["users:bob"];
        let mut rules = [within("10.0.0.0/8", everything())];
        let allowed = |rules: &[Rule], from| ask_from(rules, &who, Action::Read, "secrets:a", from);
        assert!(allowed(&rules, Some("10.1.1.1")));
        assert!(allowed(&rules, Some("::ffff:10.1.1.1")));
        assert!(!allowed(&rules, Some("11.1.1.1")));
        assert!(!allowed(&rules, None));
        let unknown = json!({"type": "BooleanCondition", "options": {"value": true}});
        rules[0].conditions.insert("mfa".to_owned(), unknown);
        assert!(
            !allowed(&rules, Some("10.1.1.1")),
            "nothing is known of mfa"
        );
        let denied = [
            everything(),
            within("10.0.0.0/8", rule(Effect::Deny, "<.*>", "<.*>", "<.*>")),
        ];
        assert!(!allowed(&denied, Some("10.1.1.1")));
        assert!(allowed(&denied, Some("11.1.1.1")));
        assert!(allowed(&denied, None));
    }

    /// Changes that break a rule for `roles:a` and `read`, found at once and found when needed.
    fn broken(whole: &Rule) -> Vec<Rule> {
        let with = |change: &dyn Fn(&mut Rule)| {
            let mut rule = whole.clone();
            change(&mut rule);
            rule
        };
        let condition = |value: Value| {
            with(&|rule: &mut Rule| {
                rule.conditions.insert("remoteIP".to_owned(), value.clone());
            })
        };
        let mut all = vec![
            condition(json!({"type": "Unheard"})),
            condition(json!(null)),
            condition(json!({"type": "StringMatchCondition", "options": {"matches": "("}})),
        ];
        for pattern in [
            "<",
            "roles:a>",
            "<(>",
            "<a)|(.*>",
            "<(a{1000}){1000}>",
            "a\n",
        ] {
            all.push(with(&|rule| rule.subjects.push(pattern.to_owned())));
            all.push(with(&|rule| rule.actions.push(pattern.to_owned())));
        }
        all
    }

    #[test]
    fn a_broken_allow_grants_nothing() {
        let whole = rule(Effect::Allow, "roles:a", "secrets:x", "read");
        assert!(ask(
            std::slice::from_ref(&whole),
            &["roles:a"],
            Action::Read,
            "secrets:x"
        ));
        for rule in broken(&whole) {
            let rules = [rule];
            assert!(
                !ask(&rules, &["roles:a"], Action::Read, "secrets:x"),
                "{rules:?}"
            );
            assert!(!RuleSet::compile(&rules).allows_surely(
                &["roles:a".to_owned()],
                Action::Read,
                "secrets:x"
            ));
        }
        for resource in ["secrets:<(>", "secrets:<"] {
            let mut rule = whole.clone();
            rule.resources.push(resource.to_owned());
            assert!(!ask(&[rule], &["roles:a"], Action::Read, "secrets:x"));
        }
    }

    #[test]
    fn a_broken_deny_denies_its_resources_to_everyone() {
        let mut whole = rule(Effect::Deny, "roles:a", "secrets:x", "read");
        whole.resources.push("secrets:<[yz]>".to_owned());
        let sound = [everything(), whole.clone()];
        assert!(ask(&sound, &["roles:b"], Action::Read, "secrets:x"));
        assert!(ask(&sound, &["roles:a"], Action::Update, "secrets:x"));
        for broken in broken(&whole) {
            let rules = [everything(), broken];
            for resource in ["secrets:x", "secrets:y"] {
                assert!(
                    !ask(&rules, &["roles:a"], Action::Read, resource),
                    "{rules:?}"
                );
                assert!(
                    !ask(&rules, &["roles:b"], Action::Update, resource),
                    "{rules:?}"
                );
                assert!(
                    !ask_from(&rules, &[], Action::List, resource, None),
                    "{rules:?}"
                );
            }
            assert!(
                ask(&rules, &["roles:a"], Action::Read, "secrets:a"),
                "{rules:?}"
            );
        }
    }

    #[test]
    fn a_deny_of_broken_resources_denies_all_that_they_might_have_meant() {
        for (resource, denied, allowed) in [
            (
                "secrets:x:<(>",
                vec!["secrets:x:", "secrets:x:y"],
                vec!["secrets:x", "home:x"],
            ),
            ("secrets:<(>:x", vec!["secrets:a:x"], vec!["secrets:a:y"]),
            ("<(>", vec!["secrets:x", "config"], vec![]),
            ("secrets:x:<", vec!["secrets:x:y", "config"], vec![]),
        ] {
            let rules = [
                everything(),
                rule(Effect::Deny, "roles:a", resource, "read"),
            ];
            for text in denied {
                assert!(
                    !ask(&rules, &["roles:b"], Action::Update, text),
                    "{resource} {text}"
                );
            }
            for text in allowed {
                assert!(
                    ask(&rules, &["roles:b"], Action::Update, text),
                    "{resource} {text}"
                );
            }
        }
    }

    #[test]
    fn what_is_allowed_surely_depends_on_no_condition() {
        assert!(!surely(&[], "roles:a"));
        assert!(surely(&[everything()], "roles:a"));
        assert!(!surely(&[within("0.0.0.0/0", everything())], "roles:a"));
        let deny = rule(Effect::Deny, "roles:a", "config", "update");
        for deny in [deny.clone(), within("10.0.0.0/8", deny)] {
            assert!(!surely(&[everything(), deny.clone()], "roles:a"));
            assert!(surely(&[everything(), deny], "roles:b"));
        }
        let broken = rule(Effect::Deny, "<(>", "config", "read");
        assert!(!surely(&[everything(), broken], "roles:b"));
    }

    #[test]
    fn a_stored_rule_is_read_even_if_a_condition_in_it_is_broken() {
        let plain =
            json!({"subjects": ["a"], "effect": "deny", "resources": ["b"], "actions": ["read"]});
        let rule: Rule = serde_json::from_value(plain.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rule).unwrap(), plain);
        let mut broken = plain;
        broken["conditions"] = json!({"remoteIP": 5});
        let rule: Rule = serde_json::from_value(broken.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rule).unwrap(), broken);
    }
}
