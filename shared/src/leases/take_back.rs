//! Taking back: password, role, principal, application, and both again from the recycle bin, in this order.
//!
//! One run is a sweep: it looks for everything the lease may have left, removes what it finds, and says whether it found
//! anything. Deleting an application does not remove its role assignments, and purging it does not purge its principal.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::{
    app::App,
    error::Error,
    leases::{
        lock,
        rule::Rule,
        store::{self, Saved},
    },
    provider::azure::{Application, Class, Failure, NewApplication, Session},
    store::schema::{LeaseKind, LeaseRecord},
};

/// Why a sweep stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A cloud call failed.
    Cloud(Failure),
    /// Another writer has the application's passwords; come back soon.
    Busy,
    /// Somebody else changed the lease.
    Lost,
    /// The table does not answer.
    Table(Error),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Cloud(failure)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Table(error)
    }
}

/// A sweep over what `lease` may have left; answers whether it found anything.
pub(super) async fn sweep(
    app: &App,
    session: &Session<'_>,
    lease: &mut LeaseRecord,
    until: OffsetDateTime,
) -> Result<bool, Stopped> {
    let mut sweep = Sweep {
        app,
        session,
        until,
        found: false,
    };
    if lease.owns_application() {
        sweep.temporary(lease).await?;
    } else {
        sweep.existing(lease).await?;
    }
    Ok(sweep.found)
}

/// Removes every password of `lease` but the one that was answered.
pub(super) async fn prune(
    app: &App,
    session: &Session<'_>,
    lease: &LeaseRecord,
    until: OffsetDateTime,
) -> Result<(), Stopped> {
    let Some(app_object_id) = &lease.app_object_id else {
        return Ok(());
    };
    let mut sweep = Sweep {
        app,
        session,
        until,
        found: false,
    };
    let keep = lease.key_id.as_deref();
    if lease.owns_application() {
        sweep.passwords(lease, app_object_id, keep).await
    } else {
        sweep.locked_passwords(lease, app_object_id, keep).await
    }
}

struct Sweep<'a> {
    app: &'a App,
    session: &'a Session<'a>,
    until: OffsetDateTime,
    found: bool,
}

impl Sweep<'_> {
    async fn existing(&mut self, lease: &LeaseRecord) -> Result<(), Stopped> {
        match &lease.app_object_id {
            Some(app_object_id) => self.locked_passwords(lease, app_object_id, None).await,
            None => Ok(()),
        }
    }

    async fn temporary(&mut self, lease: &mut LeaseRecord) -> Result<(), Stopped> {
        let made = self.application(lease).await?;
        if let (Some(made), Some(known)) = (&made, &lease.app_object_id)
            && made.id != *known
        {
            // A request that arrived late has made it again under the same name.
            self.remove_all(lease).await?;
            lease.app_object_id = None;
            lease.service_principal_id = None;
        }
        self.identify(lease, made).await?;
        self.remove_all(lease).await
    }

    /// The application that stands under the lease's unique name. It is looked up, never made: to make what is missing
    /// would bring back what was just deleted.
    async fn application(&self, lease: &LeaseRecord) -> Result<Option<Application>, Stopped> {
        let (name, until) = (lease.app_name(), self.until);
        if self.app.keeps(Rule::LookUpOnly) {
            let found = self.session.application_by_unique_name(&name, until);
            return Ok(found.await?);
        }
        let new = NewApplication {
            unique_name: name.clone(),
            display_name: name,
            tags: Vec::new(),
            notes: String::new(),
        };
        Ok(Some(self.session.upsert_application(&new, until).await?))
    }

    /// Puts the ids that the minter could not save on the lease before anything is deleted: afterwards the unique name
    /// finds nothing any more.
    async fn identify(
        &self,
        lease: &mut LeaseRecord,
        made: Option<Application>,
    ) -> Result<(), Stopped> {
        let before = lease.clone();
        if let Some(application) = made {
            lease.app_object_id = Some(application.id);
            lease.app_id = Some(application.app_id);
        }
        if let (None, Some(app_id)) = (&lease.service_principal_id, &lease.app_id) {
            let found = self.session.service_principal_by_app_id(app_id, self.until);
            lease.service_principal_id = found.await?;
        }
        if *lease == before || !self.app.keeps(Rule::KnownIds) {
            return Ok(());
        }
        match store::save(self.app, lease, Vec::new()).await? {
            Saved::Done => Ok(()),
            Saved::Lost => Err(Stopped::Lost),
        }
    }

    /// Removes everything that the lease names, in the one order that leaves nothing behind.
    async fn remove_all(&mut self, lease: &LeaseRecord) -> Result<(), Stopped> {
        let (session, until) = (self.session, self.until);
        if let Some(application) = &lease.app_object_id {
            self.passwords(lease, application, None).await?;
        }
        match &lease.what {
            LeaseKind::Rbac { scope, .. } => self.role_assignment(lease, scope).await?,
            LeaseKind::AppRole { .. } => self.app_role_assignments(lease).await?,
            LeaseKind::Existing => {}
        }
        if let Some(principal) = &lease.service_principal_id {
            self.gone(session.delete_service_principal(principal, until).await)?;
        }
        self.late_principal(lease).await?;
        if let Some(application) = &lease.app_object_id {
            self.gone(session.delete_application(application, until).await)?;
        }
        if self.app.keeps(Rule::BinPurge) {
            self.recycle_bin(lease).await?;
        }
        Ok(())
    }

    /// As [`passwords`](Self::passwords), as the only writer of this application if the lock can be had.
    async fn locked_passwords(
        &mut self,
        lease: &LeaseRecord,
        app_object_id: &str,
        keep: Option<&str>,
    ) -> Result<(), Stopped> {
        let listed = self.listed(lease, app_object_id, keep).await?;
        if listed.is_empty() {
            return Ok(());
        }
        if !lock::try_take(self.app, app_object_id, lease.id).await? {
            return Err(Stopped::Busy);
        }
        let removed = self.remove(app_object_id, &listed).await;
        lock::release(self.app, app_object_id, lease.id).await?;
        removed
    }

    /// Removes the lease's passwords but `keep`.
    async fn passwords(
        &mut self,
        lease: &LeaseRecord,
        app_object_id: &str,
        keep: Option<&str>,
    ) -> Result<(), Stopped> {
        let listed = self.listed(lease, app_object_id, keep).await?;
        self.remove(app_object_id, &listed).await
    }

    /// The keys of the lease's passwords but `keep`: those that the application lists under its names, and the one that
    /// was answered as long as a list may not show it yet.
    async fn listed(
        &self,
        lease: &LeaseRecord,
        app_object_id: &str,
        keep: Option<&str>,
    ) -> Result<Vec<String>, Stopped> {
        let application = self.session.application(app_object_id, self.until).await?;
        let prefix = lease.password_prefix();
        let mut keys: Vec<String> = application
            .iter()
            .flat_map(|application| &application.passwords)
            .filter(|password| password.display_name.starts_with(&prefix))
            .map(|password| password.key_id.clone())
            .collect();
        if let Some(answered) = lease
            .key_id
            .iter()
            .find(|_| lease.life.clean_since.is_none())
            && !keys.contains(answered)
        {
            keys.push(answered.clone());
        }
        keys.retain(|key| Some(key.as_str()) != keep);
        Ok(keys)
    }

    async fn remove(&mut self, app_object_id: &str, keys: &[String]) -> Result<(), Stopped> {
        for key in keys {
            let removed = self
                .session
                .remove_password(app_object_id, key, self.until)
                .await;
            self.gone(removed)?;
        }
        Ok(())
    }

    async fn role_assignment(&mut self, lease: &LeaseRecord, scope: &str) -> Result<(), Stopped> {
        let (session, until) = (self.session, self.until);
        let id = lease.id.to_string();
        match session.role_assignment(scope, &id, until).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => self.gone(session.remove_role_assignment(scope, &id, until).await),
            // A scope that is gone took its assignments with it.
            Err(failure) if failure.class == Class::NotThere => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn app_role_assignments(&mut self, lease: &LeaseRecord) -> Result<(), Stopped> {
        let (session, until) = (self.session, self.until);
        let Some(principal) = &lease.service_principal_id else {
            return Ok(());
        };
        let given = match session.app_role_assignments(principal, until).await {
            Ok(given) => given,
            Err(failure) if failure.class == Class::NotThere => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        for one in given {
            let removed = session.remove_app_role_assignment(principal, &one.id, until);
            self.gone(removed.await)?;
        }
        Ok(())
    }

    /// A principal that a late request made for the application since: deleting the application would put it into the bin
    /// under an id that nobody knows.
    async fn late_principal(&mut self, lease: &LeaseRecord) -> Result<(), Stopped> {
        let (session, until) = (self.session, self.until);
        let Some(app_id) = &lease.app_id else {
            return Ok(());
        };
        let Some(late) = session.service_principal_by_app_id(app_id, until).await? else {
            return Ok(());
        };
        self.gone(session.delete_service_principal(&late, until).await)?;
        self.gone(session.purge(&late, until).await)
    }

    /// Purges both objects, and whatever else lies there under the lease's name: the bin keeps an application and its
    /// principal apart, and what was made twice was deleted twice.
    async fn recycle_bin(&mut self, lease: &LeaseRecord) -> Result<(), Stopped> {
        let (session, until, name) = (self.session, self.until, lease.app_name());
        let known = [&lease.app_object_id, &lease.service_principal_id];
        let mut deleted: BTreeSet<String> = known.into_iter().flatten().cloned().collect();
        if self.app.keeps(Rule::KnownIds) {
            let applications = session.deleted_applications(&name, until).await?;
            let principals = session.deleted_service_principals(&name, until).await?;
            deleted.extend(
                applications
                    .into_iter()
                    .chain(principals)
                    .map(|item| item.id),
            );
        }
        for id in deleted {
            self.gone(session.purge(&id, until).await)?;
        }
        Ok(())
    }

    /// What was removed was there; what is not there needs no removing.
    fn gone(&mut self, removed: Result<(), Failure>) -> Result<(), Stopped> {
        match removed {
            Ok(()) => {
                self.found = true;
                Ok(())
            }
            Err(failure) if failure.class == Class::NotThere => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}
