//! Rules and their evaluation, with the semantics of ory/ladon: deny by default, any matching deny wins, and the order
//! of rules means nothing.

use std::{collections::BTreeMap, ops::Range, sync::OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::{
        condition::{Condition, ConditionError, Context},
        pattern::{Match, Pattern},
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

/// A stored rule, its texts by their numbers.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the same fields as Rule")]
pub struct Numbered<'a> {
    pub effect: Effect,
    pub subjects: &'a [u32],
    pub resources: &'a [u32],
    pub actions: &'a [u32],
    pub conditions: Option<&'a BTreeMap<String, Value>>,
}

/// The rules in a form that is quick to load and to evaluate: every pattern is kept once, whoever uses it.
///
/// Regular expressions are compiled when a rule's resources might mean what is asked for, and not before: rules about
/// something else cost next to nothing, whatever they hold. So it may only turn out then that a rule is *broken*, which
/// means that a pattern or condition of it does not compile. A broken allow grants nothing. A broken deny denies, for
/// everyone and every action, all that its resources mean; one that cannot be read means all that its literal text
/// outside the brackets leaves open.
#[derive(Debug, Default)]
pub struct RuleSet {
    patterns: Vec<Pattern>,
    /// Numbers of patterns, as one rule after the other uses them.
    used: Vec<u32>,
    rules: Vec<CompiledRule>,
}

#[derive(Debug)]
struct CompiledRule {
    effect: Effect,
    actions: Actions,
    resources: Used,
    subjects: Used,
    conditions: Conditions,
    /// Whether all of it compiles, once that is known.
    sound: OnceLock<bool>,
}

/// A part of [`RuleSet::used`].
type Used = Range<u32>;

/// All must hold, each of what is known under its name.
type Conditions = Box<[(Box<str>, Condition)]>;

/// The action words a rule means.
#[derive(Debug, Default)]
struct Actions {
    /// A bit for each action that is known to be meant.
    known: u8,
    /// Regular expressions: what they mean is known only once they are compiled.
    others: Used,
}

/// How far a rule reaches, conditions aside.
enum Reach {
    Never,
    IfConditionsHold,
    Always,
}

impl RuleSet {
    /// Compiles stored rules; see [`Loader::add`].
    pub fn compile<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let mut texts = Vec::new();
        let mut numbers = |more: &'a [String]| -> Vec<u32> {
            let first = texts.len();
            texts.extend(more.iter().map(String::as_str));
            (first..texts.len())
                .filter_map(|at| u32::try_from(at).ok())
                .collect()
        };
        let numbered: Vec<_> = (rules.iter())
            .map(|rule| {
                let (subjects, resources) = (numbers(&rule.subjects), numbers(&rule.resources));
                (subjects, resources, numbers(&rule.actions))
            })
            .collect();
        let mut loader = Loader::new(&texts);
        for (rule, (subjects, resources, actions)) in rules.iter().zip(&numbered) {
            loader.add(&Numbered {
                effect: rule.effect,
                subjects,
                resources,
                actions,
                conditions: Some(&rule.conditions),
            });
        }
        loader.done()
    }

    /// Whether the rules allow it.
    pub fn allow(&self, asking: &Asking<'_>) -> bool {
        let mut allowed = false;
        for rule in &self.rules {
            if allowed && rule.effect == Effect::Allow {
                continue;
            }
            let reach = self.reach(rule, asking.subjects, asking.action, asking.resource);
            let applies = match reach {
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
        for rule in &self.rules {
            match (rule.effect, self.reach(rule, subjects, action, resource)) {
                (_, Reach::Never) | (Effect::Allow, Reach::IfConditionsHold) => {}
                (Effect::Deny, Reach::IfConditionsHold | Reach::Always) => return false,
                (Effect::Allow, Reach::Always) => allowed = true,
            }
        }
        allowed
    }

    /// The patterns of a rule. Numbers come from the loader and are all there.
    fn of(&self, used: &Used) -> impl Iterator<Item = &Pattern> {
        let used = self.used.get(used.start as usize..used.end as usize);
        let numbers = used.unwrap_or_default().iter();
        numbers.filter_map(|number| self.patterns.get(*number as usize))
    }

    /// Cheapest first: no regular expression is compiled for a rule about something else.
    fn reach(
        &self,
        rule: &CompiledRule,
        subjects: &[String],
        action: Action,
        resource: &str,
    ) -> Reach {
        // A broken deny is about every action, so the actions of a deny count only once it is known to be sound.
        let actions_count = rule.effect == Effect::Allow || rule.sound.get() == Some(&true);
        if actions_count && !rule.actions.may_include(action) {
            return Reach::Never;
        }
        let mut resources = self.of(&rule.resources);
        if !resources.any(|pattern| pattern.matches(resource) != Match::No) {
            return Reach::Never;
        }
        if !self.is_sound(rule) {
            return match rule.effect {
                Effect::Allow => Reach::Never,
                Effect::Deny => Reach::Always,
            };
        }
        let means = |pattern: &Pattern| {
            let mut subjects = subjects.iter();
            subjects.any(|subject| pattern.matches(subject) == Match::Yes)
        };
        if !self.include(&rule.actions, action) || !self.of(&rule.subjects).any(means) {
            Reach::Never
        } else if rule.conditions.is_empty() {
            Reach::Always
        } else {
            Reach::IfConditionsHold
        }
    }

    fn include(&self, actions: &Actions, action: Action) -> bool {
        let means = |pattern: &Pattern| pattern.matches(action.word()) == Match::Yes;
        actions.known & bit(action) != 0 || self.of(&actions.others).any(means)
    }

    /// Whether all of a rule compiles: found out once, and said once if not.
    fn is_sound(&self, rule: &CompiledRule) -> bool {
        *rule.sound.get_or_init(|| {
            let patterns = self
                .of(&rule.actions.others)
                .chain(self.of(&rule.resources));
            let sound = patterns
                .chain(self.of(&rule.subjects))
                .all(Pattern::compiles)
                && rule.conditions.iter().all(|(_, one)| one.compiles());
            if !sound {
                report_broken(rule.effect);
            }
            sound
        })
    }
}

impl CompiledRule {
    fn conditions_hold(&self, asking: &Asking<'_>) -> bool {
        let principal = asking.subjects.first().map(String::as_str);
        self.conditions.iter().all(|(name, condition)| {
            asking
                .context
                .get(name)
                .is_some_and(|value| condition.holds(&value, principal, asking.resource))
        })
    }
}

impl Actions {
    fn may_include(&self, action: Action) -> bool {
        self.known & bit(action) != 0 || !self.others.is_empty()
    }
}

/// Makes a [`RuleSet`] of rules whose texts stand in one list.
pub struct Loader<'a> {
    set: RuleSet,
    texts: &'a [&'a str],
    /// The pattern of each text.
    found: Vec<Found>,
}

/// What a text was found to be.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// Nobody asked yet.
    Unknown,
    /// The pattern of this number.
    Pattern(u32),
    /// None.
    Nothing,
}

/// A text that is no pattern.
struct NoPattern;

impl<'a> Loader<'a> {
    /// A loader of rules over `texts`.
    pub fn new(texts: &'a [&'a str]) -> Self {
        Self {
            set: RuleSet::default(),
            texts,
            found: vec![Found::Unknown; texts.len()],
        }
    }

    /// Adds a rule. One that cannot even be read is broken: an allow is left out, a deny denies its resources to
    /// everyone, and the log says so.
    pub fn add(&mut self, rule: &Numbered<'_>) {
        let actions = self.actions(rule.actions);
        let resources = self.load(rule.resources);
        let subjects = self.load(rule.subjects);
        let conditions = load_conditions(rule.conditions);
        let compiled = match (actions, resources, subjects, conditions) {
            (Ok(actions), Ok(resources), Ok(subjects), Ok(conditions)) => CompiledRule {
                effect: rule.effect,
                sound: self.soundness(&actions, &resources, &subjects, &conditions),
                actions,
                resources,
                subjects,
                conditions,
            },
            (_, resources, _, _) => {
                report_broken(rule.effect);
                if rule.effect == Effect::Allow {
                    return;
                }
                CompiledRule {
                    effect: Effect::Deny,
                    actions: Actions::default(),
                    resources: resources.unwrap_or_else(|NoPattern| self.anything()),
                    subjects: Used::default(),
                    conditions: Box::default(),
                    sound: false.into(),
                }
            }
        };
        self.set.rules.push(compiled);
    }

    /// All that was added.
    pub fn done(self) -> RuleSet {
        self.set
    }

    /// What needs no regular expression is sound as it is.
    fn soundness(
        &self,
        actions: &Actions,
        resources: &Used,
        subjects: &Used,
        conditions: &Conditions,
    ) -> OnceLock<bool> {
        let set = &self.set;
        let mut patterns = set.of(resources).chain(set.of(subjects));
        let plain = actions.others.is_empty()
            && patterns.all(Pattern::is_plain)
            && conditions.iter().all(|(_, one)| one.is_plain());
        if plain { true.into() } else { OnceLock::new() }
    }

    fn anything(&mut self) -> Used {
        let number = position(self.set.patterns.len());
        self.set.patterns.push(Pattern::anything());
        self.set.used.push(number);
        let end = position(self.set.used.len());
        end - 1..end
    }

    fn load(&mut self, numbers: &[u32]) -> Result<Used, NoPattern> {
        let start = position(self.set.used.len());
        for number in numbers {
            let pattern = self.pattern(*number)?;
            self.set.used.push(pattern);
        }
        Ok(start..position(self.set.used.len()))
    }

    fn actions(&mut self, numbers: &[u32]) -> Result<Actions, NoPattern> {
        let start = position(self.set.used.len());
        let mut known = 0;
        for number in numbers {
            let text = self
                .texts
                .get(*number as usize)
                .copied()
                .unwrap_or_default();
            // Most are plain words.
            if let Some(action) = Action::ALL.into_iter().find(|one| one.word() == text) {
                known |= bit(action);
                continue;
            }
            let at = self.pattern(*number)?;
            let pattern = self.set.patterns.get(at as usize).ok_or(NoPattern)?;
            if !pattern.is_plain() {
                self.set.used.push(at);
                continue;
            }
            for action in Action::ALL {
                if pattern.matches(action.word()) == Match::Yes {
                    known |= bit(action);
                }
            }
        }
        let others = start..position(self.set.used.len());
        Ok(Actions { known, others })
    }

    /// The number of the pattern that a text is.
    fn pattern(&mut self, number: u32) -> Result<u32, NoPattern> {
        let text = self.texts.get(number as usize).ok_or(NoPattern)?;
        let found = self.found.get_mut(number as usize).ok_or(NoPattern)?;
        if matches!(found, Found::Unknown) {
            *found = match Pattern::load(text) {
                Ok(pattern) => {
                    self.set.patterns.push(pattern);
                    Found::Pattern(position(self.set.patterns.len() - 1))
                }
                Err(_) => Found::Nothing,
            };
        }
        match *found {
            Found::Pattern(at) => Ok(at),
            Found::Unknown | Found::Nothing => Err(NoPattern),
        }
    }
}

/// No stored snapshot holds four thousand million of anything.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn bit(action: Action) -> u8 {
    1 << action as u8
}

fn load_conditions(stored: Option<&BTreeMap<String, Value>>) -> Result<Conditions, ConditionError> {
    let stored = stored.into_iter().flatten();
    stored
        .map(|(name, value)| Ok((name.as_str().into(), Condition::load(value)?)))
        .collect()
}

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
