//! `compare`: what a policy grants, held against what was asked for: what is missing, and what nobody needs.

use std::{
    collections::BTreeSet,
    fmt::{self, Display},
};

use crate::iam::{
    Arns, CONTEXT_KEYS, LEADING_KEYS, PURPOSE, Policy,
    asked::{Asked, Resource},
};

/// The smallest thing that can be granted: an action on a resource, for one value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The action.
    pub action: String,
    /// The resource's ARN.
    pub resource: String,
    /// The condition key.
    pub key: String,
    /// Its value, or a pattern; `*` where there is no condition on it.
    pub value: String,
}

impl Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            resource,
            key,
            value,
        } = self;
        write!(f, "{action} on {resource} with {key} {value}")
    }
}

/// How a policy stands to what was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What was asked for and is not allowed.
    pub refused: Vec<Asked>,
    /// The grants that would allow it.
    pub missing: BTreeSet<Grant>,
    /// What is granted, or granted twice, and nothing asks for.
    pub extra: BTreeSet<Grant>,
}

impl Comparison {
    /// Whether nothing is missing and nothing is extra.
    pub fn is_exact(&self) -> bool {
        *self == Self::default()
    }
}

/// Holds `policy` against what was `asked`.
pub fn compare(policy: &Policy, asked: &BTreeSet<Asked>) -> Comparison {
    let needed: BTreeSet<Grant> = asked
        .iter()
        .flat_map(|asked| needs(asked, &policy.arns))
        .collect();
    let (mut granted, mut extra) = (BTreeSet::new(), BTreeSet::new());
    for grant in grants(policy) {
        if !needed.contains(&grant) || granted.contains(&grant) {
            extra.insert(grant.clone());
        }
        granted.insert(grant);
    }
    let refused = asked.iter().filter(|asked| !policy.allows(asked));
    Comparison {
        refused: refused.cloned().collect(),
        missing: needed.difference(&granted).cloned().collect(),
        extra,
    }
}

/// The condition keys that a grant on a resource must have a value for.
fn bounded_by(resource: &Resource) -> &'static [&'static str] {
    match resource {
        Resource::Table | Resource::Index(_) => &[LEADING_KEYS],
        Resource::Key => &[PURPOSE, CONTEXT_KEYS],
    }
}

/// The grants that a policy is made of.
fn grants(policy: &Policy) -> Vec<Grant> {
    let anything = ["*".to_owned()];
    let mut grants = Vec::new();
    for statement in &policy.statements {
        for action in &statement.actions {
            let keys = if action.starts_with("kms:") {
                bounded_by(&Resource::Key)
            } else {
                bounded_by(&Resource::Table)
            };
            for resource in &statement.resources {
                for key in keys {
                    for value in statement.bound(key).unwrap_or(&anything) {
                        grants.push(Grant {
                            action: action.clone(),
                            resource: resource.clone(),
                            key: (*key).to_owned(),
                            value: value.clone(),
                        });
                    }
                }
            }
        }
    }
    grants
}

/// The narrowest grants that allow a call.
fn needs(asked: &Asked, arns: &Arns) -> Vec<Grant> {
    let resource = arns.of(&asked.resource);
    let mut needs = Vec::new();
    for key in bounded_by(&asked.resource) {
        for value in asked.context.get(*key).into_iter().flatten() {
            needs.push(Grant {
                action: asked.action.clone(),
                resource: resource.clone(),
                key: (*key).to_owned(),
                value: match *key {
                    LEADING_KEYS => narrowest(value),
                    _ => value.clone(),
                },
            });
        }
    }
    needs
}

/// Entities whose names are known beforehand: grants name each of them whole.
const CLOSED: [&str; 2] = ["KEYRING", "CONFIG"];

/// The narrowest pattern that allows a partition key and all others of its entity. Partitions of indexes are numbered,
/// so those of a closed entity are not known whole.
fn narrowest(key: &str) -> String {
    match key.split_once('#') {
        Some((entity, name)) if !CLOSED.contains(&entity) || name.parse::<u8>().is_ok() => {
            format!("{entity}#*")
        }
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_granted_whole_unless_its_names_are_known() {
        for (key, pattern) in [
            ("SECRET#a:b", "SECRET#*"),
            ("HOME#1-2#a", "HOME#*"),
            ("VAULT", "VAULT"),
            ("KEYRING#secret", "KEYRING#secret"),
            ("CONFIG#config", "CONFIG#config"),
            ("CONFIG#7", "CONFIG#*"),
        ] {
            assert_eq!(narrowest(key), pattern);
        }
    }
}
