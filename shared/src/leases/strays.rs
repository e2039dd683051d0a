//! Strays: what carries this vault's marks in a cloud and has no unfinished lease, as after the table was restored to an
//! earlier point in time.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    app::App,
    domain::{attributes::Attributes, cloud::Cloud},
    error::{Error, chain},
    leases::store::Stored,
    provider::azure::{ApplicationDetail, Credential, Failure, Session},
    secrets::{link, stored},
    store::{
        schema::{
            BROWSE, Key, LINKS, LeaseRecord, SECRET, SecretRecord, SecretSummary, links_prefix,
        },
        search::{Walk, page},
    },
};

/// How many secrets are looked at in one step.
const STEP: usize = 100;

/// What a look at everything found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Base secrets that were looked at.
    pub bases: u64,
    /// Base secrets whose cloud could not be asked.
    pub unreachable: u64,
    /// What has no unfinished lease.
    pub strays: Vec<Stray>,
    /// How many of them were deleted.
    pub deleted: u64,
}

/// Something without a lease.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stray {
    /// The base secret that can reach it.
    pub base: String,
    /// The lease that its name tells.
    pub lease: Uuid,
    /// The application's object id.
    pub application: String,
    /// The password's key; none if the whole application is the stray.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Looks at every Azure base secret until `until`; deletes what it finds only if told to.
pub async fn reconcile(app: &App, delete: bool, until: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::default();
    let vault = app.sealer.keys().vault_id().await?;
    let tag = format!("mayfly:{vault}");
    let mut walk = all(BROWSE, String::new());
    while app.clock.now() < until {
        let page = page(&app.table, &walk, STEP, |_: &SecretSummary| true).await?;
        for summary in page.found {
            let head: Option<SecretRecord> = app.table.get(&link::base_key(&summary.path)).await?;
            let Some(head) = head.filter(|head| stored::cloud(head) == Some(Cloud::Azure)) else {
                continue;
            };
            report.bases += 1;
            if let Err(error) = look(app, &head, &tag, delete, until, &mut report).await {
                report.unreachable += 1;
                tracing::warn!(base = %head.at.path, error = chain(&error), "strays could not be looked for");
            }
        }
        match page.next {
            Some(next) => walk.after = Some(next),
            None => break,
        }
    }
    Ok(report)
}

fn all(index: crate::store::schema::Index, prefix: String) -> Walk<'static> {
    Walk {
        index,
        entity: SECRET,
        prefix,
        whole: false,
        descending: false,
        after: None,
    }
}

/// Looks at what one base can reach: the applications it owns, and those its dynamic secrets name.
async fn look(
    app: &App,
    base: &SecretRecord,
    tag: &str,
    delete: bool,
    until: OffsetDateTime,
    report: &mut Report,
) -> Result<(), Error> {
    let opened = stored::open_base(&app.sealer, base).await?;
    let credential = Credential::from_data(&opened.data)?;
    let azure = &app.providers.azure;
    let session = azure.session(&credential, base.id, base.version);
    let call_until = || until.min(app.clock.now() + std::time::Duration::from_secs(30));
    let owned = session
        .owned_applications(call_until())
        .await
        .map_err(told)?;
    let mut strays = Vec::new();
    // What another vault has made is its own to look after, whatever the base it shares with us may reach.
    let ours = |application: &&ApplicationDetail| {
        let mut marks = application
            .tags
            .iter()
            .filter(|one| one.starts_with("mayfly:"));
        marks.all(|mark| mark == tag)
    };
    for application in owned.iter().filter(ours) {
        let lease = application
            .display_name
            .strip_prefix("dsv-")
            .and_then(|id| Uuid::try_parse(id).ok());
        if let Some(lease) = lease.filter(|_| application.tags.iter().any(|one| one == tag)) {
            if !is_unfinished(app, lease).await? {
                strays.push(stray(base, lease, application, None));
            }
        } else {
            strays.extend(passwords(app, base, application).await?);
        }
    }
    for id in named_applications(app, base).await? {
        if owned.iter().any(|application| application.id == id) {
            continue;
        }
        let found = session.application(&id, call_until()).await.map_err(told)?;
        if let Some(application) = found {
            strays.extend(passwords(app, base, &application).await?);
        }
    }
    for stray in strays {
        tracing::warn!(
            base = stray.base,
            lease.id = %stray.lease,
            application = stray.application,
            "a stray without a lease"
        );
        if delete {
            remove(&session, &stray, call_until()).await.map_err(told)?;
            report.deleted += 1;
        }
        report.strays.push(stray);
    }
    Ok(())
}

/// The passwords with our names that no unfinished lease has.
async fn passwords(
    app: &App,
    base: &SecretRecord,
    application: &ApplicationDetail,
) -> Result<Vec<Stray>, Error> {
    let mut strays = Vec::new();
    for password in &application.passwords {
        let name = password.display_name.strip_prefix("mayfly-");
        let id = name
            .and_then(|rest| rest.get(..36))
            .and_then(|id| Uuid::try_parse(id).ok());
        if let Some(lease) = id
            && !is_unfinished(app, lease).await?
        {
            strays.push(stray(
                base,
                lease,
                application,
                Some(password.key_id.clone()),
            ));
        }
    }
    Ok(strays)
}

fn stray(
    base: &SecretRecord,
    lease: Uuid,
    application: &ApplicationDetail,
    password: Option<String>,
) -> Stray {
    Stray {
        base: base.at.path.to_string(),
        lease,
        application: application.id.clone(),
        password,
    }
}

async fn is_unfinished(app: &App, id: Uuid) -> Result<bool, Error> {
    let found: Option<Stored<LeaseRecord>> = app.table.get(&Key::lease(id)).await?;
    Ok(match found {
        Some(Stored::Known(lease)) => lease.life.state.is_unfinished(),
        // What a newer release knows of is no stray.
        Some(Stored::Newer | Stored::Unreadable) => true,
        None => false,
    })
}

/// The object ids of applications that dynamic secrets of this base name.
async fn named_applications(app: &App, base: &SecretRecord) -> Result<BTreeSet<String>, Error> {
    let mut walk = all(LINKS, links_prefix(&base.at.path));
    let mut named = BTreeSet::new();
    loop {
        let page = page(&app.table, &walk, STEP, |_: &SecretSummary| true).await?;
        for summary in page.found {
            let attributes = summary.attributes.unwrap_or_default();
            let fields = serde_json::from_str(&attributes).unwrap_or_default();
            let attributes = Attributes::new(fields);
            let id = attributes
                .get("appObjectId")
                .and_then(serde_json::Value::as_str);
            named.extend(id.map(str::to_owned));
        }
        match page.next {
            Some(next) => walk.after = Some(next),
            None => return Ok(named),
        }
    }
}

/// Deletes a stray. What is gone meanwhile is gone.
async fn remove(
    session: &Session<'_>,
    stray: &Stray,
    until: OffsetDateTime,
) -> Result<(), Failure> {
    let gone = |result: Result<(), Failure>| match result {
        Err(failure) if failure.class == crate::provider::azure::Class::NotThere => Ok(()),
        other => other,
    };
    if let Some(key) = &stray.password {
        return gone(
            session
                .remove_password(&stray.application, key, until)
                .await,
        );
    }
    let detail = session.application(&stray.application, until).await?;
    let principal = match detail {
        Some(detail) => {
            session
                .service_principal_by_app_id(&detail.app_id, until)
                .await?
        }
        None => None,
    };
    if let Some(principal) = &principal {
        // Where its role was given only the lease knew, but the cloud can be asked.
        for [scope, name] in session.role_assignments_of(principal, until).await? {
            gone(session.remove_role_assignment(&scope, &name, until).await)?;
        }
        gone(session.delete_service_principal(principal, until).await)?;
    }
    gone(session.delete_application(&stray.application, until).await)?;
    for id in principal.iter().chain([&stray.application]) {
        gone(session.purge(id, until).await)?;
    }
    Ok(())
}

fn told(failure: Failure) -> Error {
    failure.error
}
