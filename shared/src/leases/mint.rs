//! Minting what must be taken back: intent, cloud, activation, in this order and never otherwise.
//!
//! | step | why |
//! | --- | --- |
//! | look at permissions, resolve the role's name | what is missing is told before anything is made |
//! | one transaction: the lease, the counts, the base as it was read, the lock | whatever happens next, the worker knows of it |
//! | cloud writes, each id saved before the next | what was made can be found |
//! | activation beside the audit record | nobody has a credential that neither lease nor audit knows |
//!
//! Whatever fails after the first cloud write sets the lease to be revoked; if even that fails, the intent is due soon.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::caller::Caller,
    app::App,
    audit::{Issuance, Trail},
    change::{Attempt, Change},
    clock::unix_millis,
    domain::{
        data::SecretData,
        lease::{INTENT_REST, Life, MINT_FOR, SETTLE, SHOWN_FOR, State, after},
        path::SecretPath,
    },
    error::Error,
    leases::{
        existing, lock,
        permissions::{self, Ready},
        rule::Rule,
        store::{self, Saved},
        temporary,
    },
    provider::{
        Base,
        azure::{Leased, Plan, Session, What},
    },
    store::{
        schema::{Assignment, Key, LEASE_FORMAT, LeaseKind, LeaseRecord, TaskRecord, TaskState},
        table::{Cancelled, TransactError, backoff},
        writes::Only,
    },
};

/// How long a reader waits for the lock of an application before it is told to come again.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How soon a reader who was turned away should come again, in seconds.
const COME_AGAIN: u32 = 5;

/// What a reader asked for.
pub struct Order<'a> {
    /// What the request leaves behind.
    pub trail: &'a Trail,
    /// Who asks.
    pub caller: &'a Caller,
    /// The dynamic secret.
    pub secret: &'a SecretPath,
    /// Its id.
    pub secret_id: Uuid,
    /// Where the base is.
    pub base_path: &'a SecretPath,
    /// The base as it was read.
    pub base: &'a Base,
    /// The plan.
    pub plan: &'a Plan,
    /// What of it is minted under a lease.
    pub leased: &'a Leased,
    /// When the request began: everything counts from there.
    pub started: OffsetDateTime,
}

/// A credential with its lease.
#[derive(Debug)]
pub struct Issued {
    /// What the reader gets as `data`.
    pub data: SecretData,
    /// The lease.
    pub lease: Uuid,
}

/// A mint under way.
pub(super) struct Minting<'a> {
    pub(super) app: &'a App,
    pub(super) order: &'a Order<'a>,
    pub(super) session: &'a Session<'a>,
    pub(super) lease: LeaseRecord,
    pub(super) ready: Ready,
    issuance: Issuance,
}

/// Mints. `Lost` if the base was changed since it was read.
pub async fn mint(app: &App, order: &Order<'_>) -> Result<Attempt<Issued>, Error> {
    let plan = order.plan;
    let session = app
        .providers
        .azure
        .session(&plan.credential, plan.base_id, plan.base_version);
    let until = order.started + MINT_FOR;
    let ready = permissions::require(app, &session, &order.leased.what, until).await?;
    let issuance = Issuance::begin(app.clock.now());
    let lease = intent(app, order, &issuance, &ready);
    let mut minting = Minting {
        app,
        order,
        session: &session,
        lease,
        ready,
        issuance,
    };
    if let Attempt::Lost = minting.begin().await? {
        return Ok(Attempt::Lost);
    }
    let outcome = match &order.leased.what {
        What::Existing { .. } => existing::mint(&mut minting).await,
        What::Rbac { .. } | What::AppRole { .. } => temporary::mint(&mut minting).await,
    };
    match outcome {
        Ok(data) => Ok(Attempt::Done(Issued {
            data,
            lease: minting.lease.id,
        })),
        Err(error) => {
            minting.give_up().await;
            Err(error)
        }
    }
}

/// The lease before anything is made: every name that will be used, and all that undoing needs.
fn intent(app: &App, order: &Order<'_>, issuance: &Issuance, ready: &Ready) -> LeaseRecord {
    let now = unix_millis(app.clock.now());
    let id = Uuid::new_v4();
    let (app_id, app_object_id) = match &order.leased.what {
        What::Existing {
            app_id,
            app_object_id,
            ..
        } => (Some(app_id.clone()), Some(app_object_id.clone())),
        What::Rbac { .. } | What::AppRole { .. } => (None, None),
    };
    LeaseRecord {
        key: Key::lease(id),
        format: LEASE_FORMAT,
        id,
        rev: 0,
        secret: order.secret.clone(),
        secret_id: order.secret_id,
        base: order.base_path.clone(),
        base_id: order.base.id,
        identity: order.plan.credential.identity(),
        principal: order.caller.principal.to_string(),
        principal_id: order.caller.principal_id,
        issuance: issuance.id.to_string(),
        what: kind(&order.leased.what, ready),
        app_object_id,
        app_id,
        service_principal_id: None,
        key_id: None,
        assignment: None,
        pruned: false,
        life: Life::intend(
            now,
            unix_millis(order.started + MINT_FOR),
            ends(now, order.leased),
        ),
        indexed: crate::store::schema::LeaseIndexKeys::default(),
    }
}

/// When a credential that begins `now` ends. Whole seconds: the cloud keeps no others, and the answer says the same.
fn ends(now: i64, leased: &Leased) -> i64 {
    let ttl = Duration::from_secs(leased.ttl.seconds().into());
    after(now, ttl) / 1000 * 1000
}

fn kind(what: &What, ready: &Ready) -> LeaseKind {
    match what {
        What::Existing { .. } => LeaseKind::Existing,
        What::Rbac { scope, .. } => {
            let role = ready.role.clone();
            let (role_id, role_name) = role.map(|role| (role.id, role.name)).unwrap_or_default();
            LeaseKind::Rbac {
                scope: scope.clone(),
                role_id,
                role_name,
            }
        }
        What::AppRole {
            resource_id,
            app_role_id,
        } => LeaseKind::AppRole {
            resource_id: resource_id.clone(),
            app_role_id: app_role_id.clone(),
        },
    }
}

impl Minting<'_> {
    /// Until when cloud calls may be sent.
    pub(super) fn until(&self) -> OffsetDateTime {
        if self.app.keeps(Rule::Deadline) {
            self.order.started + MINT_FOR
        } else {
            self.app.clock.now() + MINT_FOR
        }
    }

    /// The name of the password's `attempt`th try.
    pub(super) fn password_name(&self, attempt: u32) -> String {
        if self.app.keeps(Rule::NamedAttempts) {
            format!("{}{attempt}", self.lease.password_prefix())
        } else {
            "mayfly".to_owned()
        }
    }

    /// When the credential ends.
    pub(super) fn ends(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.lease.life.ends / 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Puts the ids that the cloud has answered on the lease.
    pub(super) async fn save(&mut self) -> Result<(), Error> {
        match store::save(self.app, &mut self.lease, Vec::new()).await? {
            Saved::Done => Ok(()),
            Saved::Lost => Err(taken_away()),
        }
    }

    /// Hands the credential over: the lease becomes active and the lock is free beside the record of it.
    pub(super) async fn activate(&mut self) -> Result<(), Error> {
        let now = unix_millis(self.app.clock.now());
        let waits = self.lease.assignment.as_ref();
        let due = match waits {
            Some(assignment) if assignment.state.is_open() => now,
            _ if !self.lease.pruned => after(self.lease.life.created, SETTLE),
            _ => self.lease.life.ends,
        };
        self.lease.life.activate(due).map_err(broken)?;
        let trail = self.order.trail;
        let issuance = self.issuance.clone();
        let app = self.app;
        let (activated, recorded) = tokio::join!(
            self.write_active(now),
            trail.write(app, 200, "issuing", Some(&issuance)),
        );
        if activated.is_err() {
            // The record of an issue that did not happen is followed by one of the real outcome.
            trail.reopen();
        }
        activated?;
        recorded
    }

    async fn write_active(&mut self, now: i64) -> Result<(), Error> {
        let app = self.app;
        let mut more = Vec::new();
        if self.lease.assignment.is_some() {
            let until = after(self.lease.life.ends, SHOWN_FOR);
            let wake = TaskRecord::wake(self.lease.task_id(), &self.lease, now, until);
            more.push(app.table.write(&wake, &Only::Always)?);
        }
        let Some(locked) = self.locked() else {
            return match store::save(app, &mut self.lease, more).await? {
                Saved::Done => Ok(()),
                Saved::Lost => Err(taken_away()),
            };
        };
        let unlock = lock::give_back(app, &locked, self.lease.id)?;
        if store::save(app, &mut self.lease, vec![unlock]).await? == Saved::Done {
            return Ok(());
        }
        // Perhaps the lock alone stood in the way: it had ended, and somebody else has it.
        match store::save(app, &mut self.lease, Vec::new()).await? {
            Saved::Done => Ok(()),
            Saved::Lost => Err(taken_away()),
        }
    }

    /// The application whose lock this mint holds.
    fn locked(&self) -> Option<String> {
        match &self.order.leased.what {
            What::Existing { app_object_id, .. } => Some(app_object_id.clone()),
            _ => None,
        }
    }

    /// Writes the intent, waiting for the application's lock if it needs one.
    async fn begin(&mut self) -> Result<Attempt<()>, Error> {
        if !self.app.keeps(Rule::IntentFirst) {
            return Ok(Attempt::Done(()));
        }
        let mut round = 0;
        loop {
            let stopped = match self.write_intent().await {
                Ok(()) => return Ok(Attempt::Done(())),
                Err(TransactError::Failed(error)) => return Err(error),
                Err(stopped) => stopped,
            };
            if matches!(stopped.at(1), Some(Cancelled::Condition(_))) {
                return Ok(Attempt::Lost);
            }
            if matches!(stopped.at(2), Some(Cancelled::Condition(_))) {
                return Err(too_many(self.order.leased.max_leases));
            }
            // The lock is taken, or many write the counts at once: whoever waits has a turn.
            let wait = backoff(round);
            if self.app.clock.now() + wait > self.order.started + LOCK_WAIT {
                return Err(Error::Throttled {
                    message: "others are changing the passwords of this application; try again"
                        .to_owned(),
                    retry_after: COME_AGAIN,
                });
            }
            self.app.clock.sleep(wait).await;
            round += 1;
        }
    }

    async fn write_intent(&mut self) -> Result<(), TransactError> {
        let (app, order) = (self.app, self.order);
        // Time has passed in the queue; the lease and the credential begin now.
        let now = unix_millis(app.clock.now());
        self.lease.life.created = now;
        self.lease.life.ends = ends(now, order.leased);
        self.lease.reindex();
        let table = &app.table;
        let unchanged = Only::IfUnchanged {
            id: order.base.id,
            rev: order.base.rev,
        };
        let base = crate::secrets::link::base_key(order.base_path);
        let most = Some(order.leased.max_leases);
        let writes = || {
            let mut writes = vec![
                table.write(&self.lease, &Only::IfNew)?,
                table.require(&base, &unchanged)?,
                table.count_leases(&Key::lease_count(order.secret_id), 1, most)?,
                table.count_leases(&Key::lease_count(order.base.id), 1, None)?,
            ];
            if let Some(locked) = self.locked() {
                writes.push(lock::take(app, &locked, self.lease.id)?);
            }
            Ok(writes)
        };
        let mut change = Change::new(app);
        change.extend(writes().map_err(TransactError::Failed)?);
        change.write().await?;
        store::stored(&mut self.lease);
        Ok(())
    }

    /// Sets the lease to be revoked now, whoever wrote it last. If that fails too, the intent is due soon.
    async fn give_up(&mut self) {
        if let Err(error) = self.try_to_give_up().await {
            tracing::warn!(
                lease.id = %self.lease.id,
                error = crate::error::chain(&error),
                "a failed mint is left to the worker"
            );
        }
    }

    async fn try_to_give_up(&mut self) -> Result<(), Error> {
        let app = self.app;
        if let Some(locked) = self.locked() {
            lock::release(app, &locked, self.lease.id).await?;
        }
        for _ in 0..GIVE_UP_TRIES {
            let Some(mut lease) = store::get(app, self.lease.id).await? else {
                return Ok(());
            };
            if !matches!(lease.life.state, State::Intent | State::Active) {
                return Ok(());
            }
            let now = unix_millis(app.clock.now());
            // What the cloud has answered and could not be saved is worth another try.
            lease.app_object_id = lease.app_object_id.or(self.lease.app_object_id.clone());
            lease.app_id = lease.app_id.or(self.lease.app_id.clone());
            lease.service_principal_id = lease
                .service_principal_id
                .or(self.lease.service_principal_id.clone());
            close_assignment(&mut lease, "the credential was not handed out");
            if lease.life.state == State::Intent {
                lease.life.give_up(now).map_err(broken)?;
            } else {
                lease.life.revoke(now, INTENT_REST).map_err(broken)?;
            }
            if store::save(app, &mut lease, Vec::new()).await? == Saved::Done {
                return Ok(());
            }
        }
        Err(Error::Conflict("the lease is being changed".to_owned()))
    }
}

/// How often a failed mint tries to say so.
const GIVE_UP_TRIES: u32 = 5;

/// Ends the giving of a role that will not happen any more.
pub(super) fn close_assignment(lease: &mut LeaseRecord, why: &str) {
    if let Some(assignment) = lease
        .assignment
        .as_mut()
        .filter(|assignment| assignment.state.is_open())
    {
        *assignment = Assignment {
            state: TaskState::Failure,
            error: why.to_owned(),
        };
    }
}

fn taken_away() -> Error {
    Error::Conflict("the lease was revoked while it was being issued".to_owned())
}

fn too_many(most: u32) -> Error {
    Error::Throttled {
        message: format!(
            "this secret has {most} unfinished leases, which is its maxLeases; wait until some have ended, or revoke some"
        ),
        retry_after: 60,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
pub(super) fn broken(error: crate::domain::lease::IllegalMove) -> Error {
    Error::internal(error.to_string())
}
