//! The last admin: whatever is changed, somebody must be left who can change it back.
//!
//! The admins are those whom the config itself names and, by that name, lets change every rule, unconditionally, with no
//! deny of any policy in the way of them or of their groups. What would leave none of them is refused. So a group can
//! only take from an admin: leaving one, or its removal, needs no look at who is left.

use uuid::Uuid;

use crate::{
    access::{
        caller::key_of,
        policy::{Action, Effect, RuleSet},
        snapshot::Snapshot,
    },
    app::App,
    change::Change,
    domain::principal::Principal,
    error::Error,
    store::{
        schema::{Config, Key, Kind, MemberOf, Policy},
        writes::Only,
    },
};

/// The resource that an admin can update.
const POLICIES: &str = Policy::RESOURCE;
/// And the resource of the config.
const RESOURCE: &str = Config::RESOURCE;

/// Refuses `snapshot` unless under it an admin is left; that one must still be there when `change` is written.
/// `written` is the path of the policy that brought it about: it must be possible to change that very one again.
pub async fn stays(
    app: &App,
    change: &mut Change<'_>,
    snapshot: &Snapshot,
    written: Option<&str>,
) -> Result<(), Error> {
    let admin = left(app, snapshot, written, |_| Some(None)).await?;
    change.push(app.table.require(&admin.key, &admin.unchanged())?);
    Ok(())
}

/// Adds the condition under which `principal` may go: another admin is there and stays.
pub async fn may_go(
    app: &App,
    change: &mut Change<'_>,
    principal: &Principal,
) -> Result<(), Error> {
    let (snapshot, epoch) = app.rules.read().await?;
    if !named(&snapshot).contains(principal) {
        return Ok(());
    }
    let others = |admin: &Principal| (admin != principal).then_some(None);
    let admin = left(app, &snapshot, None, others).await?;
    change.push(app.table.require(&admin.key, &admin.unchanged())?);
    change.push(app.table.require(&Key::epoch(0), &Only::IfEpoch(epoch))?);
    Ok(())
}

/// Refuses `principals` as members of `group`, as policies write it, if a deny of that group would reach the last
/// admin through it; answers the conditions under which that holds.
pub async fn may_join(
    app: &App,
    principals: &[Principal],
    group: &str,
) -> Result<Vec<(Key, Only)>, Error> {
    let (snapshot, epoch) = app.rules.read().await?;
    let mut conditions = vec![(app.rules.epoch_key(), Only::IfEpoch(epoch))];
    let named = named(&snapshot);
    if principals.iter().any(|principal| named.contains(principal)) {
        let joined = |admin: &Principal| Some(principals.contains(admin).then(|| group.to_owned()));
        let admin = left(app, &snapshot, None, joined).await?;
        // One that joins itself is written with the membership, under a condition of its own.
        if !principals.contains(&admin.principal) {
            conditions.push((admin.key.clone(), admin.unchanged()));
        }
    }
    Ok(conditions)
}

/// Whether whoever acts as `subjects`, a principal and its groups, would be an admin under `snapshot`.
pub fn is_admin(snapshot: &Snapshot, subjects: &[String]) -> bool {
    let set = decisive(snapshot);
    let may = |resource| set.allows_surely(subjects, Action::Update, resource);
    [POLICIES, RESOURCE].into_iter().all(may)
}

/// An admin that lives.
struct Admin {
    principal: Principal,
    key: Key,
    standing: Standing,
}

impl Admin {
    fn unchanged(&self) -> Only {
        Only::IfUnchanged {
            id: self.standing.id,
            rev: self.standing.rev,
        }
    }
}

/// Of any principal's item, what tells whether it lives, and its groups.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    id: Uuid,
    rev: u64,
    #[serde(default)]
    deleted_at: Option<i64>,
    #[serde(flatten)]
    member_of: MemberOf,
}

/// The first admin that `snapshot` leaves among those whom `counts` lets count, each with one more group if it says so.
async fn left(
    app: &App,
    snapshot: &Snapshot,
    written: Option<&str>,
    counts: impl Fn(&Principal) -> Option<Option<String>>,
) -> Result<Admin, Error> {
    let set = decisive(snapshot);
    let written = written.map(|path| format!("{POLICIES}:{path}"));
    let needed: Vec<&str> = [POLICIES, RESOURCE]
        .into_iter()
        .chain(written.as_deref())
        .collect();
    for principal in named(snapshot) {
        let Some(joined) = counts(&principal) else {
            continue;
        };
        let key = key_of(&principal)?;
        let standing: Option<Standing> = app.table.get(&key).await?;
        let Some(standing) = standing.filter(|standing| standing.deleted_at.is_none()) else {
            continue;
        };
        let own = [principal.to_string()];
        let mut subjects = own.to_vec();
        subjects.extend(snapshot.groups_of(&standing.member_of));
        subjects.extend(joined);
        let may = |resource: &&str| {
            let surely = |subjects| set.allows_surely(subjects, Action::Update, resource);
            surely(own.as_slice()) && surely(subjects.as_slice())
        };
        if needed.iter().all(may) {
            return Ok(Admin {
                principal,
                key,
                standing,
            });
        }
    }
    Err(Error::Refused(
        "this would leave no admin: the config must let a user or role it names, which exists, update config \
         and config:policies without conditions, and no policy may deny that"
            .to_owned(),
    ))
}

/// The config's own rules, and what could stand in their way.
fn decisive(snapshot: &Snapshot) -> RuleSet {
    let denies = snapshot.policies.values().flatten();
    let denies = denies.filter(|rule| rule.effect == Effect::Deny);
    RuleSet::compile(snapshot.config.iter().chain(denies))
}

/// The principals that the config names literally. A group may be empty.
fn named(snapshot: &Snapshot) -> Vec<Principal> {
    let subjects = snapshot.config.iter().flat_map(|rule| &rule.subjects);
    let literal = subjects.filter(|subject| !subject.contains(['<', '>']));
    let mut all: Vec<Principal> = literal.filter_map(|subject| subject.parse().ok()).collect();
    all.dedup();
    all
}
