//! Groups: principals that policies name together.

use http::StatusCode;
use mayfly::{
    access::{
        admin, heads,
        membership::{self, Joined},
        policy::Action,
        rules::Rules,
    },
    app::App,
    change::{Change, until_done},
    clock::unix_millis,
    domain::name::Name,
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::{
        schema::{Group, Head, MEMBER_PREFIX, MemberRecord, group_mark},
        table::Range,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    members::{Named, shown},
    policies::count,
    roles::fields,
    thing::{Thing, resource, wire},
    write::{make, make_room, open_for},
};

impl Thing for Group {
    fn name(text: &str) -> Result<String, Error> {
        Ok(Name::parse("name", text)?.as_str().to_owned())
    }

    /// Without its members, who may be many: only reading it alone tells them.
    fn wire(head: &Head<Self>, _: &Rules) -> Map<String, Value> {
        fields([
            ("groupName", json!(head.name)),
            ("members", Value::Null),
            ("metaData", Value::Null),
        ])
    }

    /// What policies say of the group counts for its members, who may be an admin.
    async fn arrives(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let (mut snapshot, epoch) = app.rules.read().await?;
        let mark = group_mark(head.id);
        snapshot.groups.insert(head.folded(), mark);
        admin::stays(app, change, &snapshot, None).await?;
        count(app, change, &snapshot, &epoch)
    }

    async fn leaves(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let (mut snapshot, epoch) = app.rules.read().await?;
        if snapshot.groups.get(&head.folded()) != Some(&group_mark(head.id)) {
            return Ok(());
        }
        snapshot.groups.remove(&head.folded());
        count(app, change, &snapshot, &epoch)
    }
}

/// `POST /v1/groups`: the group, then its members. Once the group is there, whoever could not be added is told of as such.
pub(crate) async fn post(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Fields::parse(&asked.body)?;
    let name = Name::parse("groupName", &sent.text("groupName")?.unwrap_or_default())?;
    let named = Named::read(&sent, "members")?;
    let (group, by) = until_done(app, || async {
        let name = name.as_str();
        let opened = open_for::<Group>(app, asked, name, Action::Create).await?;
        let taken = "a group with this name already exists";
        make_room::<Group>(app, &opened.items, name, taken).await?;
        // Asked again when they are added; but what cannot be must not leave a group behind.
        admin::may_join(app, &named.members, &resource::<Group>(name)).await?;
        let by = opened.caller.principal;
        let now = unix_millis(app.clock.now());
        let group = Head::new(name, Group {}, by.as_str(), now);
        let made = make(app, asked, Change::new(app), &group).await?;
        made.try_map(|()| Ok((group, by)))
    })
    .await?;
    let mut joined = Joined::default();
    let all = named.members.clone();
    let adding = membership::join(app, &asked.trail, &group, by.as_str(), all, &mut joined);
    if let Err(error) = adding.await {
        if !error.is_retryable() {
            return Err(error);
        }
        let why = format!("the group was made, but this member not added to it: {error}");
        joined.refuse_rest(&named.members, &why);
    }
    Ok(Reply::json(StatusCode::CREATED, &named.answer(joined)))
}

/// `GET /v1/groups/{name}`: with all its members.
pub(crate) async fn read(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = Group::name(name)?;
    let opened = open_for::<Group>(app, asked, &name, Action::Read).await?;
    let group = heads::live::<Group>(&opened.items, &name, app.clock.now())?;
    let members = members_of(app, &group).await?;
    let mut all = wire(app, &group, opened.caller.rules());
    all["total"] = json!(members.len());
    if !members.is_empty() {
        all["members"] = json!(members);
    }
    Ok(Reply::json(StatusCode::OK, &all))
}

async fn members_of(app: &App, group: &Head<Group>) -> Result<Vec<String>, Error> {
    let mark = group_mark(group.id);
    let range = Range {
        index: None,
        partition: &group.key.pk,
        from: MEMBER_PREFIX,
        to: &format!("{MEMBER_PREFIX}\u{7f}"),
        descending: false,
        limit: usize::MAX,
    };
    let found: Vec<MemberRecord> = app.table.query(range).await?;
    let members = found.iter().filter(|record| record.mark == mark);
    Ok(members.map(|record| shown(&record.member)).collect())
}
