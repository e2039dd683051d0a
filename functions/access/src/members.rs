//! Members: who is in a group, asked of the group or of the user.

use std::collections::{BTreeMap, HashSet};

use http::StatusCode;
use mayfly::{
    access::{
        heads,
        membership::{self, Joined},
        policy::Action,
    },
    app::App,
    clock::wire_millis,
    domain::{name::Name, principal::Principal},
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::schema::{Group, Head, Key, MAX_GROUPS, MemberRecord, User, group_mark},
};
use serde_json::{Value, json};

use crate::{
    thing::{Thing, key, resource},
    write::{open, open_for},
};

/// How many members one request may name: as many as are surely changed before its answer is due.
const MAX_NAMED: usize = 10_000;

/// Members as a body names them, each once.
pub(crate) struct Named {
    pub(crate) members: Vec<Principal>,
    /// What cannot be a member, and why.
    wrong: BTreeMap<String, Vec<String>>,
}

impl Named {
    /// Reads the list `field`: `bob` and `users:bob` are a user, `roles:ops` is a role.
    pub(crate) fn read(sent: &Fields<'_>, field: &str) -> Result<Self, Error> {
        let texts = sent.texts(field)?.unwrap_or_default();
        if texts.len() > MAX_NAMED {
            let problem = format!("may name at most {MAX_NAMED} members at once");
            return Err(Error::invalid(field, problem));
        }
        let mut named = Self {
            members: Vec::new(),
            wrong: BTreeMap::new(),
        };
        let mut seen = HashSet::new();
        for text in texts {
            match principal(&text) {
                Ok(member) if seen.insert(member.clone()) => named.members.push(member),
                Ok(_) => {}
                Err(error) => {
                    named.wrong.insert(text, vec![error.to_string()]);
                }
            }
        }
        Ok(named)
    }

    /// As [`read`](Self::read), of a request that is about nothing else.
    fn some(sent: &Fields<'_>, field: &str) -> Result<Self, Error> {
        let named = Self::read(sent, field)?;
        if named.members.is_empty() && named.wrong.is_empty() {
            return Err(Error::invalid(field, "must name at least one member"));
        }
        Ok(named)
    }

    /// The answer to adding them.
    pub(crate) fn answer(self, joined: Joined) -> Value {
        let added: Vec<String> = (joined.members.iter())
            .map(|member| shown(member.as_str()))
            .collect();
        let mut errors = self.wrong;
        for (member, why) in joined.refused {
            errors.insert(shown(member.as_str()), vec![why]);
        }
        json!({"addedMemberNames": added, "errors": errors})
    }
}

/// A member as answers show it.
pub(crate) fn shown(member: &str) -> String {
    member.strip_prefix("users:").unwrap_or(member).to_owned()
}

/// `POST /v1/groups/{name}/members`
pub(crate) async fn add(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = Group::name(name)?;
    let named = Named::some(&Fields::parse(&asked.body)?, "memberNames")?;
    let opened = open_for::<Group>(app, asked, &name, Action::Update).await?;
    let group = heads::live::<Group>(&opened.items, &name, app.clock.now())?;
    let by = opened.caller.principal.as_str();
    let mut joined = Joined::default();
    let all = named.members.clone();
    membership::join(app, &asked.trail, &group, by, all, &mut joined).await?;
    Ok(Reply::json(StatusCode::OK, &named.answer(joined)))
}

/// `DELETE /v1/groups/{name}/members`: afterwards nobody whom the body names is a member, whoever was one before.
pub(crate) async fn remove(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = Group::name(name)?;
    let named = Named::some(&Fields::parse(&asked.body)?, "memberNames")?;
    let opened = open_for::<Group>(app, asked, &name, Action::Update).await?;
    let group = heads::live::<Group>(&opened.items, &name, app.clock.now())?;
    let mark = group_mark(group.id);
    let group = (group.name.as_str(), mark.as_str());
    membership::leave(app, Some(&asked.trail), group, &named.members).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `GET /v1/users/{name}/groups`: one's own need no right.
pub(crate) async fn groups_of(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = User::name(name)?;
    let opened = open(app, asked, [key::<User>(&name)]).await?;
    let principal = Principal::user(&name);
    if opened.caller.principal != principal {
        opened.caller.may(Action::Read, &resource::<User>(&name))?;
    }
    let user = heads::live::<User>(&opened.items, &name, app.clock.now())?;
    let live = opened.caller.rules().groups_of(&user.body.member_of);
    let keys: Vec<Key> = (live.iter())
        .filter_map(|group| group.strip_prefix("groups:"))
        .map(|group| Key::member(group, principal.as_str()))
        .collect();
    let items = app.table.batch_get(keys.iter().cloned()).await?;
    let mut groups = Vec::new();
    for key in &keys {
        if let Some(record) = items.record::<MemberRecord>(key)? {
            groups.push(json!({
                "groupName": record.group_name,
                "created": wire_millis(record.created),
                "createdBy": record.created_by,
            }));
        }
    }
    let all = json!({"name": user.name, "total": groups.len(), "groups": groups});
    Ok(Reply::json(StatusCode::OK, &all))
}

/// `POST /v1/users/{name}/groups`: needs the right to change each of them.
pub(crate) async fn join_groups(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = User::name(name)?;
    let groups = group_names(&Fields::parse(&asked.body)?)?;
    let mut keys = vec![key::<User>(&name)];
    keys.extend(groups.keys().map(|group| key::<Group>(group)));
    let opened = open(app, asked, keys).await?;
    for group in groups.keys() {
        opened
            .caller
            .may(Action::Update, &resource::<Group>(group))?;
    }
    let now = app.clock.now();
    heads::live::<User>(&opened.items, &name, now)?;
    let by = opened.caller.principal.as_str();
    let mut errors: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (group, sent) in &groups {
        let group: Head<Group> = match heads::live(&opened.items, group, now) {
            Ok(group) => group,
            Err(error) => {
                errors.insert(sent, vec![error.to_string()]);
                continue;
            }
        };
        let mut joined = Joined::default();
        let user = vec![Principal::user(&name)];
        membership::join(app, &asked.trail, &group, by, user, &mut joined).await?;
        for (_, why) in joined.refused {
            errors.insert(sent, vec![why]);
        }
    }
    Ok(Reply::json(StatusCode::OK, &json!({ "errors": errors })))
}

/// Whom a member's name names.
fn principal(text: &str) -> Result<Principal, Error> {
    let (kind, name) = text.split_once(':').unwrap_or(("users", text));
    let name = Name::parse("member", name)?;
    if kind.eq_ignore_ascii_case("users") {
        Ok(Principal::user(name.as_str()))
    } else if kind.eq_ignore_ascii_case("roles") {
        Ok(Principal::role(name.as_str()))
    } else {
        let problem = "must be a user's name, users:{name} or roles:{name}";
        Err(Error::invalid("member", problem))
    }
}

/// `groupNames`: each as it was sent, by what it is compared as.
fn group_names(sent: &Fields<'_>) -> Result<BTreeMap<String, String>, Error> {
    let field = "groupNames";
    let texts = sent.texts(field)?.unwrap_or_default();
    if texts.is_empty() || texts.len() > MAX_GROUPS {
        let problem = format!("must name 1 to {MAX_GROUPS} groups");
        return Err(Error::invalid(field, problem));
    }
    let folded = |text: String| Ok((Name::parse(field, &text)?.folded(), text));
    texts.into_iter().map(folded).collect()
}
