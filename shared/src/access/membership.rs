//! Membership: who is in which group. Two items say so and change together: the one under the group lists its members,
//! and the set on the principal's own head is read with every request anyway.
//!
//! Many members change a few at a time. Each transaction carries its own audit record, and the item under the group
//! keeps who made it, so there is no membership without a record of who added it.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    access::{admin, caller::key_of},
    app::App,
    audit::Trail,
    change::{Change, TRIES, lost_or_failed},
    clock::unix_millis,
    domain::principal::Principal,
    error::Error,
    store::{
        schema::{Group, Head, Key, MAX_GROUPS, MemberOf, MemberRecord, group_mark},
        table::{Cancelled, Item, TransactError, backoff, decode},
        writes::Only,
    },
};

/// How many members change in one transaction: two writes each, and four for what must hold meanwhile and the record.
pub const CHUNK: usize = 48;

/// How many such transactions go on beside each other where they have no item in common.
pub const LANES: usize = 4;

/// What became of those who were to join.
#[derive(Debug, Default)]
pub struct Joined {
    /// Who is a member now, whether or not they were before.
    pub members: Vec<Principal>,
    /// Who could not be added, and why.
    pub refused: Vec<(Principal, String)>,
}

impl Joined {
    /// Says `why` of all others of `members`.
    pub fn refuse_rest(&mut self, members: &[Principal], why: &str) {
        let told: HashSet<&Principal> = (self.members.iter())
            .chain(self.refused.iter().map(|(member, _)| member))
            .collect();
        let rest: Vec<Principal> = (members.iter())
            .filter(|member| !told.contains(member))
            .cloned()
            .collect();
        self.refused
            .extend(rest.into_iter().map(|member| (member, why.to_owned())));
    }
}

/// Makes all of `waiting` members of a live group. What is done stands in `joined`, also if the rest fails.
///
/// One transaction after the other: all of them check the same group, and checks of one item conflict.
pub async fn join(
    app: &App,
    trail: &Trail,
    group: &Head<Group>,
    by: &str,
    waiting: Vec<Principal>,
    joined: &mut Joined,
) -> Result<(), Error> {
    let done = join_all(app, trail, group, by, waiting, joined).await;
    if done.is_err() {
        trail.reopen();
    }
    done
}

/// Ends the membership of `members` in the group that had this name and mark. Whoever is no member stays none. Without
/// a trail the vault does it on its own.
pub async fn leave(
    app: &App,
    trail: Option<&Trail>,
    (name, mark): (&str, &str),
    members: &[Principal],
) -> Result<(), Error> {
    let chunks: Vec<Vec<Principal>> = members.chunks(CHUNK).map(<[_]>::to_vec).collect();
    let left = stream::iter(chunks)
        .map(|chunk| leave_together(app, trail, (name, mark), chunk))
        .buffer_unordered(LANES)
        .try_collect::<Vec<()>>();
    match (left.await, trail) {
        (Err(error), Some(trail)) => {
            trail.reopen();
            Err(error)
        }
        (left, _) => left.map(|_| ()),
    }
}

async fn join_all(
    app: &App,
    trail: &Trail,
    group: &Head<Group>,
    by: &str,
    mut waiting: Vec<Principal>,
    joined: &mut Joined,
) -> Result<(), Error> {
    let subject = format!("groups:{}", group.folded());
    let mut conditions = admin::may_join(app, &waiting, &subject).await?;
    let mut lost = 0;
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(CHUNK));
        let (change, first) = joining(app, group, by, &waiting, &conditions)?;
        match change.record(trail, 200, &summary("added", &waiting)).await {
            Ok(()) => joined.members.append(&mut waiting),
            Err(error) => {
                let before = waiting.len();
                set_aside(app, &error, first, group, &mut waiting, joined).await?;
                if waiting.len() == before {
                    wait(app, error, &mut lost).await?;
                    check_live(app, group).await?;
                    conditions = admin::may_join(app, &waiting, &subject).await?;
                }
            }
        }
        waiting.extend(rest);
    }
    Ok(())
}

/// The change that makes all of `members` what they are to be, and the position of the first one's.
fn joining<'a>(
    app: &'a App,
    group: &Head<Group>,
    by: &str,
    members: &[Principal],
    conditions: &[(Key, Only)],
) -> Result<(Change<'a>, usize), Error> {
    let mark = group_mark(group.id);
    let entry = MemberOf::entry(&group.name, &mark);
    let mut change = Change::new(app);
    change.push(app.table.require(&group.key, &Only::IfLive(group.id))?);
    for (key, only) in conditions {
        change.push(app.table.require(key, only)?);
    }
    for member in members {
        let record = MemberRecord {
            key: Key::member(&group.name, member.as_str()),
            mark: mark.clone(),
            member: member.to_string(),
            group_name: group.name.clone(),
            created: unix_millis(app.clock.now()),
            created_by: by.to_owned(),
        };
        change.push(app.table.join(&key_of(member)?, &entry)?);
        change.push(app.table.write(&record, &Only::IfMarked(mark.clone()))?);
    }
    Ok((change, 1 + conditions.len()))
}

/// Takes out of `waiting` whoever stood in the way. Where it was what is left of a group that had the same name, that
/// is removed.
async fn set_aside(
    app: &App,
    error: &TransactError,
    first: usize,
    group: &Head<Group>,
    waiting: &mut Vec<Principal>,
    joined: &mut Joined,
) -> Result<(), Error> {
    let entry = MemberOf::entry(&group.name, &group_mark(group.id));
    let mut rest = Vec::new();
    for (number, member) in waiting.drain(..).enumerate() {
        let position = first + 2 * number;
        if let Some(Cancelled::Condition(item)) = error.at(position) {
            match hindrance(&member, item.as_ref(), &entry)? {
                Some(why) => joined.refused.push((member, why)),
                None => joined.members.push(member),
            }
            continue;
        }
        if let Some(Cancelled::Condition(Some(item))) = error.at(position + 1) {
            let old: MemberRecord = decode(item.clone())?;
            leave_together(app, None, (&group.name, &old.mark), vec![member.clone()]).await?;
        }
        rest.push(member);
    }
    *waiting = rest;
    Ok(())
}

/// What a principal's item says of its memberships.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    #[serde(default)]
    deleted_at: Option<i64>,
    #[serde(flatten)]
    member_of: MemberOf,
}

/// Why `member` cannot join; nothing if it did long ago.
fn hindrance(
    member: &Principal,
    item: Option<&Item>,
    entry: &str,
) -> Result<Option<String>, Error> {
    let word = member.role_name().map_or("user", |_| "role");
    let Some(item) = item else {
        return Ok(Some(Error::NotFound.to_string()));
    };
    let standing: Standing = decode(item.clone())?;
    if standing.deleted_at.is_some() {
        return Ok(Some(Error::MarkedForDeletion(word).to_string()));
    }
    let is_member = standing.member_of.groups.contains(entry);
    Ok((!is_member).then(|| format!("the {word} is in {MAX_GROUPS} groups, which is the most")))
}

/// Refuses a group that is gone.
async fn check_live(app: &App, group: &Head<Group>) -> Result<(), Error> {
    let now: Option<Head<Group>> = app.table.get(&group.key).await?;
    match now.filter(|now| now.id == group.id) {
        None => Err(Error::NotFound),
        Some(now) if now.deleted_at.is_some() => Err(Error::MarkedForDeletion("group")),
        Some(_) => Ok(()),
    }
}

async fn leave_together(
    app: &App,
    trail: Option<&Trail>,
    (name, mark): (&str, &str),
    mut members: Vec<Principal>,
) -> Result<(), Error> {
    let entry = MemberOf::entry(name, mark);
    let mut lost = 0;
    while !members.is_empty() {
        let mut change = Change::new(app);
        for member in &members {
            let record = Key::member(name, member.as_str());
            change.push(app.table.leave(&key_of(member)?, &entry)?);
            change.push(
                app.table
                    .remove(&record, &Only::IfMarked(mark.to_owned()))?,
            );
        }
        let written = match trail {
            Some(trail) => {
                change
                    .record(trail, 204, &summary("removed", &members))
                    .await
            }
            None => change.write().await,
        };
        let Err(error) = written else {
            return Ok(());
        };
        let stood = |position| matches!(error.at(position), Some(Cancelled::Condition(_)));
        let others: HashSet<Principal> = (members.iter().enumerate())
            .filter(|(number, _)| stood(2 * number) || stood(2 * number + 1))
            .map(|(_, member)| member.clone())
            .collect();
        if others.is_empty() {
            wait(app, error, &mut lost).await?;
        }
        members.retain(|member| !others.contains(member));
    }
    Ok(())
}

/// Waits until a lost race can be run again; too many are a `Conflict`.
async fn wait(app: &App, error: TransactError, lost: &mut u32) -> Result<(), Error> {
    lost_or_failed::<()>(error)?;
    *lost += 1;
    if *lost == TRIES {
        let problem = "the group is being changed by others; try again";
        return Err(Error::Conflict(problem.to_owned()));
    }
    app.clock.sleep(backoff(*lost)).await;
    Ok(())
}

/// What a record says was done to whom; the longest part of the names that has room.
fn summary(what: &str, members: &[Principal]) -> String {
    let names: Vec<&str> = members.iter().map(Principal::as_str).collect();
    format!("{what} {}: {}", members.len(), names.join(", "))
}
