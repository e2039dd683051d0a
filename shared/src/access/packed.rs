//! The snapshot as it is stored: compressed, every text once, and rules by the numbers of their texts. A process that
//! starts reads it before it answers, so it is made for being read.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    access::{
        policy::{Effect, Loader, Numbered, Rule},
        rules::Rules,
        snapshot::{PublicKey, Snapshot},
    },
    error::Error,
};

/// The largest compressed snapshot: eight copies fit one transaction and each an item.
const MAX_SNAPSHOT: usize = 300 * 1024;
/// No snapshot of that size is larger than this when it is unpacked.
const MAX_UNPACKED: u64 = 16 * 1024 * 1024;
/// The format of what this release writes.
const FORMAT: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    format: u8,
    vault: Uuid,
    #[serde(borrow)]
    texts: Vec<Text<'a>>,
    /// How many rules the config has: the first ones.
    config: usize,
    /// The path of each policy and how many rules it has, in order.
    policies: Vec<(u32, usize)>,
    /// All rules, one after the other: 1 for a deny; how many subjects, resources and actions; the number of its
    /// conditions plus one, or 0; then the numbers of its texts.
    rules: Vec<u32>,
    conditions: Vec<BTreeMap<String, Value>>,
    groups: BTreeMap<String, String>,
    keys: Vec<PublicKey>,
}

/// A text that is not copied while it is read.
#[derive(Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Packs a snapshot; one that would be too large is refused.
pub(super) fn pack(snapshot: &Snapshot) -> Result<Vec<u8>, Error> {
    let mut packing = Packing::default();
    for rule in snapshot.rules() {
        packing.rule(rule);
    }
    let policies = (snapshot.policies.iter())
        .map(|(path, rules)| (packing.number(path), rules.len()))
        .collect();
    let packed = Packed {
        format: FORMAT,
        vault: snapshot.vault,
        texts: packing
            .texts
            .iter()
            .map(|text| Text((*text).into()))
            .collect(),
        config: snapshot.config.len(),
        policies,
        rules: packing.rules,
        conditions: packing.conditions,
        groups: snapshot.groups.clone(),
        keys: snapshot.keys.clone(),
    };
    let text = serde_json::to_vec(&packed).map_err(|error| Error::internal(error.to_string()))?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| Error::internal(error.to_string()))?;
    // What one process could write and no other would read must not be written.
    if packed.len() > MAX_SNAPSHOT || text.len() as u64 >= MAX_UNPACKED {
        return Err(Error::Refused(format!(
            "all policies and groups together must be at most {MAX_SNAPSHOT} bytes when compressed"
        )));
    }
    Ok(packed)
}

/// Rules while they are packed.
#[derive(Default)]
struct Packing<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
    rules: Vec<u32>,
    conditions: Vec<BTreeMap<String, Value>>,
}

impl<'a> Packing<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        let next = count(self.texts.len());
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.texts.push(text);
        }
        number
    }

    fn rule(&mut self, rule: &'a Rule) {
        let lists = [&rule.subjects, &rule.resources, &rule.actions];
        self.rules.push(u32::from(rule.effect == Effect::Deny));
        self.rules.extend(lists.map(|list| count(list.len())));
        if rule.conditions.is_empty() {
            self.rules.push(0);
        } else {
            self.conditions.push(rule.conditions.clone());
            self.rules.push(count(self.conditions.len()));
        }
        for text in lists.into_iter().flatten() {
            let number = self.number(text);
            self.rules.push(number);
        }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// Reads a packed snapshot as it was.
pub(super) fn unpack(packed: &[u8]) -> Result<Snapshot, Error> {
    let text = inflate(packed)?;
    let packed = parse(&text)?;
    let named = |numbers: &[u32]| -> Result<Vec<String>, Error> {
        let text = |number: &u32| packed.text(*number).map(str::to_owned);
        numbers.iter().map(text).collect()
    };
    let mut rules = packed.rules().map(|rule| {
        let rule = rule?;
        Ok(Rule {
            effect: rule.effect,
            subjects: named(rule.subjects)?,
            resources: named(rule.resources)?,
            actions: named(rule.actions)?,
            conditions: rule.conditions.cloned().unwrap_or_default(),
        })
    });
    let config = rules
        .by_ref()
        .take(packed.config)
        .collect::<Result<_, Error>>()?;
    let mut policies = BTreeMap::new();
    for (path, count) in &packed.policies {
        let own = rules.by_ref().take(*count).collect::<Result<_, Error>>()?;
        policies.insert(packed.text(*path)?.to_owned(), own);
    }
    drop(rules);
    Ok(Snapshot {
        vault: packed.vault,
        config,
        policies,
        groups: packed.groups,
        keys: packed.keys,
    })
}

/// Reads a packed snapshot as rules of `epoch` that are ready to decide, without making a snapshot of it first.
pub(super) fn ready(packed: &[u8], epoch: String) -> Result<Rules, Error> {
    let text = inflate(packed)?;
    let packed = parse(&text)?;
    let texts: Vec<&str> = packed.texts.iter().map(|text| text.0.as_ref()).collect();
    let mut loader = Loader::new(&texts);
    for rule in packed.rules() {
        loader.add(&rule?);
    }
    let set = loader.done();
    Ok(Rules::new(
        epoch,
        packed.vault,
        set,
        packed.keys,
        packed.groups,
    ))
}

impl Packed<'_> {
    fn text(&self, number: u32) -> Result<&str, Error> {
        let text = self.texts.get(number as usize);
        text.map(|text| text.0.as_ref())
            .ok_or_else(|| broken("a rule without its text"))
    }

    /// The rules in order; after an error there are no more.
    fn rules(&self) -> impl Iterator<Item = Result<Numbered<'_>, Error>> {
        let mut rest = self.rules.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let rule = self.first_of(&mut rest);
            if rule.is_none() {
                rest = &[];
            }
            Some(rule.ok_or_else(|| broken("a rule that ends too early")))
        })
    }

    fn first_of<'r>(&'r self, rest: &mut &'r [u32]) -> Option<Numbered<'r>> {
        let [deny, subjects, resources, actions, conditions] = *rest.split_off(..5)? else {
            return None;
        };
        let conditions = match conditions {
            0 => None,
            number => Some(self.conditions.get(number as usize - 1)?),
        };
        Some(Numbered {
            effect: if deny != 0 {
                Effect::Deny
            } else {
                Effect::Allow
            },
            subjects: rest.split_off(..subjects as usize)?,
            resources: rest.split_off(..resources as usize)?,
            actions: rest.split_off(..actions as usize)?,
            conditions,
        })
    }
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::with_capacity(packed.len() * 8);
    ZlibDecoder::new(packed)
        .take(MAX_UNPACKED)
        .read_to_end(&mut text)
        .map_err(|error| broken(&error.to_string()))?;
    Ok(text)
}

fn parse(text: &[u8]) -> Result<Packed<'_>, Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u8,
    }
    let packed = serde_json::from_slice(text);
    packed.map_err(|error| match serde_json::from_slice(text) {
        Ok(Format { format }) if format != FORMAT => {
            broken(&format!("format {format} is not one of this release"))
        }
        _ => broken(&error.to_string()),
    })
}

fn broken(problem: &str) -> Error {
    Error::internal(format!("rules: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(rules: usize) -> Snapshot {
        let rule = |n: usize| Rule {
            subjects: vec![format!("roles:{n}"), r"users:<\w+>".to_owned()],
            effect: Effect::Allow,
            resources: vec![format!("secrets:{}", Uuid::new_v4())],
            actions: vec!["read".to_owned()],
            conditions: BTreeMap::default(),
        };
        let key = PublicKey {
            kid: String::new(),
            x: String::new(),
            from: 0,
        };
        let mut snapshot = Snapshot::new(Uuid::nil(), vec![rule(0)], key);
        for n in 0..rules {
            let path = format!("secrets:{n}");
            snapshot.policies.insert(path, vec![rule(n)]);
        }
        snapshot
    }

    #[test]
    fn a_snapshot_survives_packing() {
        let snapshot = snapshot(100);
        let unpacked = unpack(&pack(&snapshot).unwrap()).unwrap();
        let text = |snapshot: &Snapshot| format!("{snapshot:?}");
        assert_eq!(text(&unpacked), text(&snapshot));
    }

    #[test]
    fn too_many_rules_are_refused_with_the_limit() {
        let refused = pack(&snapshot(20_000)).unwrap_err().to_string();
        assert!(refused.contains("307200"), "{refused}");
    }

    #[test]
    fn damaged_or_foreign_rules_are_an_error() {
        assert!(unpack(b"nonsense").is_err());
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(br#"{"format": 1, "rules": []}"#).unwrap();
        let error = unpack(&encoder.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("format 1"), "{error}");
    }
}
