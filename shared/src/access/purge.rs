//! Removing what access was made of, and what belongs to it: earlier versions, memberships, a role's clients.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{
    access::{
        heads,
        membership::{self, CHUNK, LANES},
    },
    app::App,
    change::Change,
    domain::{location::Home, principal::Principal},
    error::Error,
    secrets,
    store::{
        schema::{
            BROWSE, Client, ClientRecord, Group, Head, HeadSummary, Key, Kind, MEMBER_PREFIX,
            MemberRecord, Policy, RemovalRecord, Role, User, group_mark,
        },
        search::{Walk, page},
        table::{Range, TransactError},
        writes::Only,
    },
};

/// How many items are looked up at a time.
const PAGE: usize = 45;

/// Adds the removal of `old`. Its memberships go with it: the name may soon be somebody else's.
pub fn remove<T: Kind>(change: &mut Change<'_>, app: &App, old: &Head<T>) -> Result<(), Error> {
    let groups: BTreeSet<String> = (old.body.groups().into_iter())
        .map(|(group, _)| group)
        .collect();
    for group in groups {
        let key = Key::member(&group, &format!("{}:{}", T::RESOURCE, old.folded()));
        change.push(app.table.remove(&key, &Only::Always)?);
    }
    heads::remove(change, app, old)
}

/// Removes what is over at a name where something new is to be made.
pub async fn clear<T: Kind>(app: &App, over: &Head<T>) -> Result<(), Error> {
    let mut change = Change::new(app);
    remove(&mut change, app, over)?;
    match change.write().await {
        Ok(()) => remove_rest(app, T::ENTITY, &over.folded(), over.id).await,
        Err(TransactError::Cancelled(_)) => Ok(()), // somebody else cleared it, or brought it back
        Err(error) => Err(error.into()),
    }
}

/// Removes one soft-deleted head whose 72 hours are over; answers whether there was one.
pub async fn purge(app: &App, due: &RemovalRecord) -> Result<bool, Error> {
    match due.entity.as_str() {
        Role::ENTITY => purge_kind::<Role>(app, due).await,
        User::ENTITY => purge_kind::<User>(app, due).await,
        Group::ENTITY => purge_kind::<Group>(app, due).await,
        Client::ENTITY => purge_kind::<Client>(app, due).await,
        Policy::ENTITY => purge_kind::<Policy>(app, due).await,
        _ => {
            tracing::warn!("a removal of an unknown kind is left alone");
            Ok(false)
        }
    }
}

async fn purge_kind<T: Kind>(app: &App, due: &RemovalRecord) -> Result<bool, Error> {
    let head: Option<Head<T>> = app.table.get(&Key::head::<T>(&due.name)).await?;
    let over = |head: &Head<T>| head.id == due.id && heads::is_over(head, app.clock.now());
    match head.filter(over) {
        Some(head) => clear(app, &head).await.map(|()| true),
        None => app
            .table
            .delete_all([due.key.clone()])
            .await
            .map(|()| false),
    }
}

/// Removes what belonged to a removed head, then the task that says so. May be run any number of times.
pub async fn remove_rest(app: &App, entity: &str, name: &str, id: Uuid) -> Result<(), Error> {
    app.table
        .delete_versions(&format!("{entity}#{name}"), id)
        .await?;
    if entity == Group::ENTITY {
        remove_members(app, name, id).await?;
    }
    if entity == Role::ENTITY {
        remove_clients(app, name, id).await?;
        remove_home(app, Principal::role(name), id).await?;
    }
    if entity == User::ENTITY {
        remove_home(app, Principal::user(name), id).await?;
    }
    app.table.delete_all([Key::task(id)]).await
}

async fn remove_home(app: &App, owner: Principal, id: Uuid) -> Result<(), Error> {
    secrets::purge::remove_home(app, Home { owner, id }).await
}

/// Members of the group that was removed; one made again under its name keeps its own.
async fn remove_members(app: &App, name: &str, id: Uuid) -> Result<(), Error> {
    let mark = group_mark(id);
    let mut from = MEMBER_PREFIX.to_owned();
    loop {
        let range = Range {
            index: None,
            partition: &format!("{}#{name}", Group::ENTITY),
            from: &from,
            to: &format!("{MEMBER_PREFIX}\u{7f}"),
            descending: false,
            limit: CHUNK * LANES,
        };
        let found: Vec<MemberRecord> = app.table.query(range).await?;
        let Some(last) = found.last() else {
            return Ok(());
        };
        from = format!("{}\u{1}", last.key.sk);
        let members: Vec<Principal> = (found.iter())
            .filter(|member| member.mark == mark)
            .filter_map(|member| member.member.parse().ok())
            .collect();
        membership::leave(app, None, (name, &mark), &members).await?;
    }
}

/// Clients of the role that was removed. They could sign in no more.
async fn remove_clients(app: &App, role: &str, id: Uuid) -> Result<(), Error> {
    let mut walk = Walk {
        index: BROWSE,
        entity: Client::ENTITY,
        prefix: format!("{role}#"),
        whole: false,
        descending: false,
        after: None,
    };
    loop {
        let found = page(&app.table, &walk, PAGE, |_: &HeadSummary| true).await?;
        for summary in &found.found {
            let client: Option<ClientRecord> = app.table.get(&summary.key).await?;
            if let Some(client) = client.filter(|client| client.body.role_id == id) {
                Box::pin(clear(app, &client)).await?; // a client has no clients
            }
        }
        if found.next.is_none() {
            return Ok(());
        }
        walk.after = found.next;
    }
}
