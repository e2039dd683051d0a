//! `GET /v1/secrets/{path}::check`: what stands between a secret and its first mint. Makes read-only calls and creates
//! nothing.

use std::time::Duration;

use http::StatusCode;
use mayfly::{
    access::{caller::Identity, policy::Action},
    app::App,
    audit::Trail,
    clock::wire_seconds,
    domain::cloud::Cloud,
    error::Error,
    http::reply::Reply,
    leases::permissions::{self, Survey},
    provider::{
        Base, Plan,
        azure::{Credential, Kind, Session, SignIn},
    },
    secrets::{
        locate::{Located, Target, locate},
        stored,
    },
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::read;

/// How long a check may take.
const CHECK_FOR: Duration = Duration::from_secs(25);

/// Checks a dynamic secret or a base. Needs `update` on the path: the answer tells more than a read would.
pub(crate) async fn check(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
) -> Result<Reply, Error> {
    let until = app.clock.now() + CHECK_FOR;
    let located = locate(app, identity, trail, target, Action::Update).await?;
    let head = stored::live(located.head()?, app.clock.now())?;
    stored::open(&app.sealer, &head).await?;
    let report = match (&head.link, stored::cloud(&head)) {
        (Some(_), _) => Box::pin(dynamic(app, &located, until)).await?,
        (None, Some(cloud)) => {
            let base = stored::open_base(&app.sealer, &head).await?;
            let mut report = Box::pin(self::base(app, cloud, &base, until)).await?;
            report.missing.extend(unlent(app, cloud, &base));
            report
        }
        (None, None) => {
            return Err(Error::Refused(
                "there is nothing to check: this is neither a dynamic nor a base secret".to_owned(),
            ));
        }
    };
    Ok(Reply::json(StatusCode::OK, &report.wire()))
}

/// What a check has found.
#[derive(Default)]
struct Report {
    provider: &'static str,
    identity: Value,
    ttl: Option<u32>,
    granted: Option<Vec<String>>,
    secret_expires: Option<OffsetDateTime>,
    missing: Vec<String>,
    problems: Vec<String>,
}

impl Report {
    fn wire(&self) -> Value {
        json!({
            "ok": self.missing.is_empty() && self.problems.is_empty(),
            "provider": self.provider,
            "identity": self.identity,
            "ttl": self.ttl,
            "granted": self.granted,
            "clientSecretExpires": self.secret_expires.map(wire_seconds),
            "missing": self.missing,
            "problems": self.problems,
        })
    }

    /// Keeps what the owner can put right; what nobody knows is the answer's own error.
    fn problem(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Invalid { .. } | Error::Refused(_) | Error::Provider { .. } => {
                self.problems.push(error.to_string());
                Ok(())
            }
            other => Err(other),
        }
    }

    fn found(&mut self, survey: Survey) -> Result<(), Error> {
        self.missing.extend(survey.missing);
        for problem in survey.problems {
            self.problem(problem)?;
        }
        Ok(())
    }
}

async fn dynamic(app: &App, located: &Located, until: OffsetDateTime) -> Result<Report, Error> {
    let head = stored::live(located.head()?, app.clock.now())?;
    let description = stored::describe(&head)?;
    let Some(link) = &head.link else {
        return Err(Error::internal("a dynamic secret without a link"));
    };
    let (base, plan) = match read::plan(app, located, &description, link).await {
        Ok(found) => found,
        Err(error) => {
            let mut report = Report::default();
            report.problem(error)?;
            return Ok(report);
        }
    };
    let plan = match plan {
        Plan::Aws(plan) => {
            let mut report = self::base(app, Cloud::Aws, &base, until).await?;
            report.ttl = Some(plan.ttl());
            return Ok(report);
        }
        Plan::Azure(plan) => plan,
    };
    let mut report = self::base(app, Cloud::Azure, &base, until).await?;
    if !report.problems.is_empty() {
        return Ok(report);
    }
    match &plan.kind {
        Kind::Token { scope } => {
            let sign_in = sign_in(&plan.credential);
            let token = app.providers.azure.sign_in(&sign_in, scope, until).await;
            if let Err(failure) = token {
                report.problem(failure.error)?;
            }
        }
        Kind::Leased(leased) => {
            report.ttl = Some(leased.ttl.seconds());
            let azure = &app.providers.azure;
            let session = azure.session(&plan.credential, plan.base_id, plan.base_version);
            match permissions::survey_whole(app, &session, &leased.what, until).await {
                Ok(survey) => report.found(survey)?,
                Err(error) => report.problem(error)?,
            }
        }
    }
    Ok(report)
}

/// Who the base is, by asking its cloud as it.
async fn base(
    app: &App,
    cloud: Cloud,
    base: &Base,
    until: OffsetDateTime,
) -> Result<Report, Error> {
    let mut report = Report {
        provider: cloud.word(),
        ..Report::default()
    };
    match cloud {
        Cloud::Aws => match app.providers.aws.identity(base).await {
            Ok(arn) => report.identity = json!({ "arn": arn }),
            Err(error) => report.problem(error)?,
        },
        Cloud::Azure => azure_base(app, base, &mut report, until).await?,
    }
    Ok(report)
}

/// What the deployment must list before the function assumes each of the base's roles for it.
fn unlent(app: &App, cloud: Cloud, base: &Base) -> Vec<String> {
    let roles = match cloud {
        Cloud::Aws => app.providers.aws.unlent(base),
        Cloud::Azure => Vec::new(),
    };
    let told = |arn: String| format!("{arn} in MAYFLY_ASSUMABLE_ROLES");
    roles.into_iter().map(told).collect()
}

async fn azure_base(
    app: &App,
    base: &Base,
    report: &mut Report,
    until: OffsetDateTime,
) -> Result<(), Error> {
    let credential = match Credential::from_data(&base.data) {
        Ok(credential) => credential,
        Err(error) => return report.problem(error),
    };
    report.identity = json!({
        "tenantId": credential.tenant_id,
        "clientId": credential.client_id,
        "subscriptionId": credential.subscription_id,
    });
    let known = known_end(base);
    if let Some(end) = known.filter(|end| *end <= app.clock.now()) {
        let problem = format!("of the base was {}", wire_seconds(end));
        report.problem(Error::invalid("attributes.clientSecretExpires", problem))?;
    }
    let azure = &app.providers.azure;
    let session = azure.session(&credential, base.id, base.version);
    session.forget_tokens();
    match session.known_graph_roles(until).await {
        Ok(roles) => report.granted = roles.map(|roles| roles.into_iter().collect()),
        Err(failure) => return report.problem(failure.error),
    }
    report.secret_expires = match known {
        Some(known) => Some(known),
        None => last_end(&session, &credential, until).await,
    };
    Ok(())
}

/// When the base's client secret ends by the base's own word.
fn known_end(base: &Base) -> Option<OffsetDateTime> {
    let text = base.attributes.get("clientSecretExpires")?.as_str()?;
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// When the last of the base's own client secrets ends, if it may read that of itself.
async fn last_end(
    session: &Session<'_>,
    credential: &Credential,
    until: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let found = session.application_by_app_id(&credential.client_id, until);
    let passwords = found.await.ok()??.passwords;
    passwords.iter().filter_map(|password| password.ends).max()
}

fn sign_in(credential: &Credential) -> SignIn {
    SignIn {
        tenant_id: credential.tenant_id.clone(),
        client_id: credential.client_id.clone(),
        client_secret: credential.client_secret.clone(),
        environment: credential.environment,
    }
}
