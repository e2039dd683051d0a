//! Removing what access was made of, and what belongs to it: earlier versions, memberships, a role's clients.

use std::{collections::BTreeSet, time::Duration};

use time::OffsetDateTime;
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

/// How long a request may take to remove what stands in its way.
const WITHIN_A_REQUEST: Duration = Duration::from_secs(10);

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
    let until = app.clock.now() + WITHIN_A_REQUEST;
    remove_head(app, over, until).await.map(|_| ())
}

/// Removes what belonged to `old`, which was just removed. Whoever waits for this does not wait for a large home or group:
/// the task remembers what is left.
pub async fn remove_rest_of<T: Kind>(app: &App, old: &Head<T>) -> Result<(), Error> {
    let until = app.clock.now() + WITHIN_A_REQUEST;
    remove_rest(app, T::ENTITY, &old.folded(), old.id, until)
        .await
        .map(|_| ())
}

/// Removes one soft-deleted head whose 72 hours are over; answers whether it is gone with all that belonged to it.
/// Nothing new is begun after `until`; a task remembers what is left.
pub async fn purge(app: &App, due: &RemovalRecord, until: OffsetDateTime) -> Result<bool, Error> {
    match due.entity.as_str() {
        Role::ENTITY => purge_kind::<Role>(app, due, until).await,
        User::ENTITY => purge_kind::<User>(app, due, until).await,
        Group::ENTITY => purge_kind::<Group>(app, due, until).await,
        Client::ENTITY => purge_kind::<Client>(app, due, until).await,
        Policy::ENTITY => purge_kind::<Policy>(app, due, until).await,
        _ => Err(unknown()),
    }
}

/// Of a later version, perhaps: it is left alone.
fn unknown() -> Error {
    Error::internal("a removal of an unknown kind")
}

async fn purge_kind<T: Kind>(
    app: &App,
    due: &RemovalRecord,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    let head: Option<Head<T>> = app.table.get(&Key::head::<T>(&due.name)).await?;
    let over = |head: &Head<T>| head.id == due.id && heads::is_over(head, app.clock.now());
    match head.filter(over) {
        Some(head) => remove_head(app, &head, until).await,
        None => app
            .table
            .delete_all([due.key.clone()])
            .await
            .map(|()| false),
    }
}

async fn remove_head<T: Kind>(
    app: &App,
    over: &Head<T>,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    let mut change = Change::new(app);
    remove(&mut change, app, over)?;
    match change.write().await {
        Ok(()) => remove_rest(app, T::ENTITY, &over.folded(), over.id, until).await,
        Err(TransactError::Cancelled(_)) => Ok(false), // somebody else cleared it, or brought it back
        Err(error) => Err(error.into()),
    }
}

/// Removes what belonged to a removed head, then the task that says so; answers whether that was all of it. May be run
/// any number of times.
pub async fn remove_rest(
    app: &App,
    entity: &str,
    name: &str,
    id: Uuid,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    let all = match entity {
        Group::ENTITY => remove_members(app, name, id, until).await?,
        Role::ENTITY => {
            remove_clients(app, name, id, until).await?
                && remove_home(app, Principal::role(name), id, until).await?
        }
        User::ENTITY => remove_home(app, Principal::user(name), id, until).await?,
        Client::ENTITY | Policy::ENTITY => true,
        _ => return Err(unknown()),
    };
    if all {
        let partition = format!("{entity}#{name}");
        app.table.delete_versions(&partition, id).await?;
        app.table.delete_all([Key::task(id)]).await?;
    }
    Ok(all)
}

async fn remove_home(
    app: &App,
    owner: Principal,
    id: Uuid,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    secrets::purge::remove_home(app, Home { owner, id }, until).await
}

/// Members of the group that was removed; one made again under its name keeps its own.
async fn remove_members(
    app: &App,
    name: &str,
    id: Uuid,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    let mark = group_mark(id);
    let mut from = MEMBER_PREFIX.to_owned();
    while app.clock.now() < until {
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
            return Ok(true);
        };
        from = format!("{}\u{1}", last.key.sk);
        let members: Vec<Principal> = (found.iter())
            .filter(|member| member.mark == mark)
            .filter_map(|member| member.member.parse().ok())
            .collect();
        membership::leave(app, None, (name, &mark), &members).await?;
    }
    Ok(false)
}

/// Clients of the role that was removed. They could sign in no more.
async fn remove_clients(
    app: &App,
    role: &str,
    id: Uuid,
    until: OffsetDateTime,
) -> Result<bool, Error> {
    let mut walk = Walk {
        index: BROWSE,
        entity: Client::ENTITY,
        prefix: format!("{role}#"),
        whole: false,
        descending: false,
        after: None,
    };
    while app.clock.now() < until {
        let found = page(&app.table, &walk, PAGE, |_: &HeadSummary| true).await?;
        for summary in &found.found {
            let client: Option<ClientRecord> = app.table.get(&summary.key).await?;
            if let Some(client) = client.filter(|client| client.body.role_id == id) {
                Box::pin(clear(app, &client)).await?; // a client has no clients
            }
        }
        if found.next.is_none() {
            return Ok(true);
        }
        walk.after = found.next;
    }
    Ok(false)
}
