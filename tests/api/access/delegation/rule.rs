//! The rule of linking, told from what is promised of it and not from the code that keeps it: whoever may read a base
//! links anything within the bounds that exist, and whoever may only assign it links only what a bound lists.

use mayfly_tests::vault::{POLICY, ROLE};
use serde_json::{Value, json};

pub(super) const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/other";
pub(super) const OTHER_POLICY: &str = "arn:aws:iam::aws:policy/ViewOnlyAccess";
/// The external id that a bounded base has.
pub(super) const EXTERNAL_ID: &str = "ext-of-the-base";
const MAX_TTL: u64 = 1000;

/// Some of a few words.
pub(super) type Words = &'static [&'static str];
/// The actions that somebody has on the base.
pub(super) const RIGHTS: [Words; 4] = [&[], &["read"], &["assign"], &["read", "assign"]];
/// The actions that somebody has on the dynamic secret.
pub(super) const OWN: [Words; 3] = [
    &[],
    &["create", "update"],
    &["create", "read", "update", "delete"],
];
/// Which bounds the base has.
pub(super) const BOUNDS: [Words; 7] = [
    &[],
    &["maxTtl"],
    &["allowedRoleArns"],
    &["allowedPolicyArns"],
    &["allowedSessionTags"],
    &["allowedRoleArns", "allowedSessionTags", "externalId"],
    &[
        "maxTtl",
        "allowedRoleArns",
        "allowedPolicyArns",
        "allowedSessionTags",
        "externalId",
    ],
];

/// The attributes of a base with these bounds; null where it has none.
pub(super) fn base_attributes(bounds: &[&str]) -> Value {
    let all = json!({
        "maxTtl": MAX_TTL, "allowedRoleArns": [ROLE], "allowedPolicyArns": [POLICY],
        "allowedSessionTags": {"team": ["blue"]}, "externalId": EXTERNAL_ID,
    });
    let fields = all.as_object().unwrap().iter();
    fields
        .map(|(name, value)| {
            let there = bounds.contains(&name.as_str());
            (
                name.clone(),
                if there { value.clone() } else { Value::Null },
            )
        })
        .collect()
}

/// A cell of the table, its operation aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) right: Words,
    pub(super) own: Words,
    pub(super) bounds: Words,
}

/// What must come of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done; a write leaves a link by this right.
    Done(Option<&'static str>),
    /// 403.
    Forbidden,
    /// 400 that names one of these attributes.
    Refused(Vec<&'static str>),
}

impl Cell {
    /// `action` on the dynamic secret, which leaves it with `attributes`.
    pub(super) fn write(&self, action: &str, attributes: &Value) -> Outcome {
        if !self.own.contains(&action) {
            return Outcome::Forbidden;
        }
        let right = match attributes["linkConfig"]["linkedSecret"].as_str() {
            None => return Outcome::Done(None),
            Some("aws:base") => ["read", "assign"]
                .into_iter()
                .find(|word| self.right.contains(word)),
            Some(_) => None,
        };
        match right {
            Some(right) => bounded(attributes, self.bounds, right),
            None => Outcome::Forbidden,
        }
    }

    /// Reading a dynamic secret with `attributes` that was linked by the right `linked`.
    pub(super) fn read(&self, attributes: &Value, linked: &'static str) -> Outcome {
        match attributes["linkConfig"]["linkedSecret"].as_str() {
            _ if !self.own.contains(&"read") => Outcome::Forbidden,
            None => Outcome::Done(None),
            Some("aws:base") => bounded(attributes, self.bounds, linked),
            Some(_) => bounded(attributes, &[], linked),
        }
    }
}

fn bounded(attributes: &Value, bounds: &[&str], right: &'static str) -> Outcome {
    let over = over(attributes, bounds, right == "read");
    if over.is_empty() {
        Outcome::Done(Some(right))
    } else {
        Outcome::Refused(over)
    }
}

/// The attributes that ask for more than may be had, or that make no sense together.
fn over(attributes: &Value, bounds: &[&str], reads: bool) -> Vec<&'static str> {
    let mut over = Vec::new();
    let bound = |name| bounds.contains(&name);
    let federates = attributes["providerType"] == "federate";
    if attributes["ttl"].as_u64().unwrap_or(900) > MAX_TTL && bound("maxTtl") {
        over.push("ttl");
    }
    if federates {
        let misplaced = ["roleArn", "externalId", "sourceIdentity"];
        over.extend(
            misplaced
                .iter()
                .filter(|name| !attributes[**name].is_null()),
        );
    } else {
        let listed = bound("allowedRoleArns") && attributes["roleArn"] == ROLE;
        let unbounded = !bound("allowedRoleArns") && reads;
        if !listed && !unbounded {
            over.push("roleArn");
        }
    }

    let more = attributes["policyArns"].as_array().into_iter().flatten();
    let mut arns = more.chain(
        [&attributes["policyArn"]]
            .into_iter()
            .filter(|arn| arn.is_string()),
    );
    let allows = attributes["policy"]["Statement"]["Effect"] == "Allow";
    let (count, listed) = (arns.clone().count(), arns.all(|arn| arn == POLICY));
    if bound("allowedPolicyArns") {
        // A base that lists policies wants each session cut by them, and nothing that could widen it again.
        if count == 0 || !listed {
            over.push("policyArn");
        }
        if allows {
            over.push("policy");
        }
    } else if federates && (!reads || (count == 0 && attributes["policy"].is_null())) {
        // What a federation may do is what its policies say; an assumed role's cut the role, which is listed.
        over.push("policyArn");
    }

    // Alone, a policy that allows nothing leaves nothing to do; beside ARNs, one that allows something adds to them.
    if !attributes["policy"].is_null() && allows == (count > 0) {
        over.push("policy");
    }

    let tags = attributes["sessionTags"].as_object();
    for (tag, value) in tags.into_iter().flatten() {
        let listed = tag == "team" && value == "blue";
        if (bound("allowedSessionTags") && !listed) || (!bound("allowedSessionTags") && !reads) {
            over.push("sessionTags");
        }
    }
    over
}

/// The external id that a mint must be asked with: the base's wins.
pub(super) fn external_id<'a>(attributes: &'a Value, bounds: &[&str]) -> &'a str {
    if bounds.contains(&"externalId") && attributes["linkConfig"]["linkedSecret"] == "aws:base" {
        return EXTERNAL_ID;
    }
    attributes["externalId"].as_str().unwrap_or_default()
}
