//! The operations on a dynamic secret, and the states they find it in.

use http::Method;
use mayfly_tests::{
    Answer, Vault,
    vault::{POLICY, ROLE, dynamic},
};
use serde_json::{Value, json};

use super::{
    READER,
    rule::{Cell, OTHER_POLICY, OTHER_ROLE, Outcome},
};

/// A state of the dynamic secret: the attributes of its versions, and by which right it was linked.
pub(super) struct Start {
    pub(super) name: &'static str,
    pub(super) versions: Vec<Value>,
    pub(super) deleted: bool,
    pub(super) by: &'static str,
}

pub(super) enum Act {
    Create(Value),
    Update(Value),
    RollBack(usize),
    Restore,
    Read,
}

pub(super) struct Operation {
    pub(super) start: &'static str,
    pub(super) act: Act,
}

fn with(value: &Value, more: &Value) -> Value {
    let mut value = value.clone();
    for (key, one) in more.as_object().unwrap() {
        value[key] = one.clone();
    }
    value
}

fn linked(to: &str, attributes: &Value) -> Value {
    dynamic(to, attributes.clone())["attributes"].clone()
}

/// Within every bound that does not want more of it.
fn plain() -> Value {
    linked(
        "aws:base",
        &json!({"providerType": "assumeRole", "roleArn": ROLE}),
    )
}

/// Within every bound.
fn good() -> Value {
    let more = json!({"policyArn": POLICY, "ttl": 900, "sessionTags": {"team": "blue"}});
    with(&plain(), &more)
}

/// Over every bound.
fn wide() -> Value {
    let more = json!({
        "roleArn": OTHER_ROLE, "policyArns": [OTHER_POLICY], "ttl": 2000,
        "sessionTags": {"team": "red"}, "externalId": "ext-of-the-app",
    });
    with(&plain(), &more)
}

pub(super) fn starts() -> Vec<Start> {
    let start = |name, versions: &[Value], deleted, by| Start {
        name,
        versions: versions.to_vec(),
        deleted,
        by,
    };
    let unlinked = with(&plain(), &json!({"linkConfig": null}));
    let elsewhere = linked("aws:other", &plain_of(&good()));
    vec![
        start("nothing", &[], false, ""),
        start("plain", &[good(), plain()], false, "read"),
        start("good", &[wide(), good()], false, "read"),
        start("wide", &[plain(), wide()], false, "read"),
        start("unlinked", &[good(), unlinked], false, "read"),
        start("elsewhere", &[plain(), elsewhere], false, "read"),
        start("assigned plain", &[plain()], false, "assign"),
        start("assigned good", &[good()], false, "assign"),
        start("assigned wide", &[wide()], false, "assign"),
        start("deleted plain", &[plain()], true, "read"),
        start("deleted good", &[good()], true, "read"),
        start("deleted wide", &[wide()], true, "read"),
    ]
}

/// The attributes without the link.
fn plain_of(attributes: &Value) -> Value {
    let mut attributes = attributes.clone();
    attributes.as_object_mut().unwrap().remove("linkConfig");
    attributes
}

/// Changes of one attribute, and the few that make sense only together.
fn changes() -> Vec<Value> {
    let statement =
        |effect: &str| json!({"Statement": {"Effect": effect, "Action": "*", "Resource": "*"}});
    let link = |to: &str| json!({"linkConfig": {"linkType": "dynamic", "linkedSecret": to}});
    vec![
        link("aws:base"),
        link("aws:other"),
        link("aws:missing"),
        json!({"linkConfig": null}),
        json!({"providerType": "federate"}),
        json!({"providerType": "federate", "roleArn": null, "externalId": null}),
        json!({"roleArn": ROLE}),
        json!({"roleArn": OTHER_ROLE}),
        json!({"policyArn": POLICY}),
        json!({"policyArn": OTHER_POLICY}),
        json!({"policyArns": [POLICY, OTHER_POLICY]}),
        json!({"policyArn": null, "policyArns": null}),
        json!({"policy": statement("Allow")}),
        json!({"policy": statement("Deny")}),
        json!({"ttl": 1000}),
        json!({"ttl": 1001}),
        json!({"externalId": "ext-of-another"}),
        json!({"sourceIdentity": true}),
        json!({"sessionTags": {"team": "blue"}}),
        json!({"sessionTags": {"team": "red"}}),
        json!({"sessionTags": {}}),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    let mut add = |start, act| all.push(Operation { start, act });
    for attributes in [plain(), good(), wide()] {
        add("nothing", Act::Create(attributes.clone()));
        for start in ["good", "unlinked"] {
            let body = json!({"attributes": attributes, "overwrite": true});
            add(start, Act::Update(body));
        }
    }
    for change in changes() {
        add("good", Act::Update(json!({ "attributes": change })));
        // What is listed already makes no difference here.
        if !["ttl", "sourceIdentity", "roleArn"]
            .iter()
            .any(|name| !change[name].is_null())
        {
            add("plain", Act::Update(json!({ "attributes": change })));
        }
    }
    for start in ["wide", "unlinked", "elsewhere"] {
        let link = json!({"linkConfig": {"linkType": "dynamic", "linkedSecret": "aws:base"}});
        for change in [link, json!({"roleArn": ROLE}), json!({"ttl": 900})] {
            add(start, Act::Update(json!({ "attributes": change })));
        }
    }
    for start in ["plain", "good", "wide", "unlinked", "elsewhere"] {
        add(start, Act::Update(json!({"description": "told"})));
        add(start, Act::RollBack(0));
        add(start, Act::RollBack(1));
        add(start, Act::Read);
    }
    for start in ["assigned plain", "assigned good", "assigned wide"] {
        add(start, Act::Update(json!({"description": "told"})));
        add(start, Act::Read);
    }
    for start in ["deleted plain", "deleted good", "deleted wide"] {
        add(start, Act::Restore);
    }
    all
}

impl Operation {
    /// Whether it changes the table when it is done.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.act, Act::Read)
    }

    /// The attributes that it leaves the dynamic secret with.
    pub(super) fn resulting(&self, start: &Start) -> Value {
        let now = start.versions.last();
        match &self.act {
            Act::Create(attributes) => attributes.clone(),
            Act::RollBack(version) => start.versions[*version].clone(),
            Act::Update(body) if body["attributes"].is_null() => now.unwrap().clone(),
            Act::Update(body) if body["overwrite"] == true => body["attributes"].clone(),
            Act::Update(body) => with(now.unwrap(), &body["attributes"]),
            Act::Restore | Act::Read => now.unwrap().clone(),
        }
    }

    pub(super) fn expected(&self, start: &Start, cell: Cell) -> Outcome {
        let attributes = self.resulting(start);
        match &self.act {
            Act::Create(_) => cell.write("create", &attributes),
            Act::Update(_) | Act::RollBack(_) => cell.write("update", &attributes),
            Act::Restore => cell.write("delete", &attributes),
            Act::Read => cell.read(&attributes, start.by),
        }
    }

    pub(super) async fn ask(&self, vault: &Vault, token: &str) -> Answer {
        let (method, tail, body) = match &self.act {
            Act::Create(attributes) => (
                Method::POST,
                String::new(),
                Some(json!({ "attributes": attributes })),
            ),
            Act::Update(body) => (Method::PUT, String::new(), Some(body.clone())),
            Act::RollBack(version) => (Method::PUT, format!("/rollback/{version}"), None),
            Act::Restore => (Method::PUT, "/restore".to_owned(), None),
            Act::Read => (Method::GET, String::new(), None),
        };
        let target = format!("{READER}{tail}");
        vault.ask_as(token, method, &target, body.as_ref()).await
    }

    pub(super) fn told(&self) -> String {
        match &self.act {
            Act::Create(attributes) => format!("create {attributes}"),
            Act::Update(body) => format!("{}: update {body}", self.start),
            Act::RollBack(version) => format!("{}: roll back to {version}", self.start),
            Act::Restore => format!("{}: restore", self.start),
            Act::Read => format!("{}: read", self.start),
        }
    }
}
