//! The two STS calls, over one connection pool for all base secrets.

use std::{sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_sts::{
    Client,
    config::Region,
    error::{ProvideErrorMetadata, SdkError},
    primitives::DateTime,
    types::{PolicyDescriptorType, Tag},
};
use time::OffsetDateTime;

use crate::{
    audit::Issuance,
    clock::{Clock, wire_seconds},
    domain::{data::SecretData, principal::Principal, sensitive::Sensitive},
    error::Error,
    metrics::{self, Provider},
    provider::{
        Base, Minted,
        aws::{
            bounds::Bounds,
            credential::{Credential, uses_function},
            error::{Class, classify, failed},
            function::FunctionIdentity,
            plan::{Call, Plan},
        },
    },
};

/// A key younger than this may not be known everywhere in AWS yet.
const NEW_KEY: time::Duration = time::Duration::minutes(1);
/// How often, and how far apart, a new key is tried again.
const NEW_KEY_TRIES: u32 = 3;
const NEW_KEY_PAUSE: Duration = Duration::from_secs(1);
/// How much the two clocks may differ before a granted lifetime counts as another than the one asked for, in seconds.
const SKEW: i64 = 60;

/// AWS STS.
pub struct Sts {
    client: Client,
    clock: Arc<dyn Clock>,
    function: FunctionIdentity,
}

/// What both calls answer.
struct Granted {
    access_key: Sensitive,
    secret_key: Sensitive,
    session_token: Sensitive,
    expiration: OffsetDateTime,
}

impl Sts {
    /// STS behind `client`, which must not cache identities: every base secret is another one.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            function: FunctionIdentity::default(),
        }
    }

    /// The same, for bases without a key of their own too, as far as `function` is lent.
    #[must_use]
    pub fn lending(self, function: FunctionIdentity) -> Self {
        Self { function, ..self }
    }

    /// The function's identity, as far as it is lent.
    pub(in crate::provider) fn function(&self) -> &FunctionIdentity {
        &self.function
    }

    /// The roles of a base without a key of its own that the deployment does not lend the function's identity for. What
    /// else is wrong with it is said when it is used.
    pub fn unlent(&self, base: &Base) -> Vec<String> {
        match (
            uses_function(&base.data),
            Bounds::from_base(&base.attributes),
        ) {
            (Ok(true), Ok(bounds)) => bounds.unlent(&self.function),
            _ => Vec::new(),
        }
    }

    /// Mints. A base key that AWS does not know is tried again for a moment if it has just been written.
    pub(crate) async fn mint(
        &self,
        plan: &Plan,
        issuance: &Issuance,
        caller: &Principal,
    ) -> Result<Minted, Error> {
        let mut tries = NEW_KEY_TRIES;
        loop {
            let result = match &plan.call {
                Call::AssumeRole { .. } => self.assume_role(plan, issuance, caller).await,
                Call::FederationToken => self.federation_token(plan, issuance).await,
            };
            let is_new = self.clock.now() - plan.base_modified < NEW_KEY;
            match result {
                Ok(granted) => return Ok(granted.minted(plan, issuance)),
                Err(Failure {
                    class: Class::UnknownKey,
                    ..
                }) if is_new && tries > 0 => {
                    tries -= 1;
                    self.clock.sleep(NEW_KEY_PAUSE).await;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// Who the base secret's key, or the function's in its place, belongs to, as AWS says: an ARN. Needs no permission and
    /// changes nothing.
    pub async fn identity(&self, base: &Base) -> Result<String, Error> {
        let credential = Credential::from_data(&base.data, &self.function)?;
        let answer = self
            .client
            .get_caller_identity()
            .customize()
            .config_override(with_keys(&credential))
            .send();
        let answer = self.told("GetCallerIdentity", answer).await;
        let answer = answer.map_err(|failure| failure.error)?;
        Ok(answer.arn.unwrap_or_default())
    }

    async fn assume_role(
        &self,
        plan: &Plan,
        issuance: &Issuance,
        caller: &Principal,
    ) -> Result<Granted, Failure> {
        let Call::AssumeRole {
            role_arn,
            external_id,
            source_identity,
        } = &plan.call
        else {
            return Err(Failure::ours("not a plan to assume a role"));
        };
        // Leads a line in CloudTrail back to the caller and to the audit record: 34 + 1 + 26 of 64 characters.
        let session_name = format!("{}.{}", caller.cleaned(34), issuance.id);
        let answer = self
            .client
            .assume_role()
            .role_arn(role_arn)
            .role_session_name(session_name)
            .duration_seconds(seconds(plan))
            .set_external_id(external_id.clone())
            .set_source_identity(source_identity.then(|| caller.cleaned(64)))
            .set_policy(plan.policy.as_ref().map(|policy| policy.text.clone()))
            .set_policy_arns(policies(plan))
            .set_tags(tags(plan)?)
            .customize()
            .config_override(with_keys(&plan.credential))
            .send();
        let answer = self.told("AssumeRole", answer).await?;
        Granted::from_answer(answer.credentials)
    }

    async fn federation_token(&self, plan: &Plan, issuance: &Issuance) -> Result<Granted, Failure> {
        let answer = self
            .client
            .get_federation_token()
            .name(format!("mf-{}", issuance.id))
            .duration_seconds(seconds(plan))
            .set_policy(plan.policy.as_ref().map(|policy| policy.text.clone()))
            .set_policy_arns(policies(plan))
            .set_tags(tags(plan)?)
            .customize()
            .config_override(with_keys(&plan.credential))
            .send();
        let answer = self.told("GetFederationToken", answer).await?;
        Granted::from_answer(answer.credentials)
    }

    /// What a call answers, which is measured. What the client tries again within it is the same call.
    async fn told<T, E, R>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, Failure>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let measured = metrics::Call::begin(Provider::Sts, &*self.clock);
        let answer = call.await.map_err(|error| Failure::from_sdk(action, error));
        let class = answer.as_ref().err().map(|failure| &failure.class);
        measured.answered(matches!(class, Some(Class::Throttled | Class::Unavailable)));
        answer
    }
}

struct Failure {
    class: Class,
    error: Error,
}

impl Failure {
    fn ours(what: &str) -> Self {
        Self {
            class: Class::Refused,
            error: Error::internal(what),
        }
    }

    fn from_sdk<E, R>(action: &'static str, error: SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self {
            class: classify(error.code()),
            error: failed(action, error),
        }
    }
}

impl Granted {
    fn from_answer(credentials: Option<aws_sdk_sts::types::Credentials>) -> Result<Self, Failure> {
        let granted = credentials.ok_or_else(|| Failure::ours("STS answered no credentials"))?;
        let expiration = OffsetDateTime::from_unix_timestamp(DateTime::secs(&granted.expiration))
            .map_err(|_| Failure::ours("STS answered no expiration"))?;
        Ok(Self {
            access_key: Sensitive::new(granted.access_key_id),
            secret_key: Sensitive::new(granted.secret_access_key),
            session_token: Sensitive::new(granted.session_token),
            expiration,
        })
    }

    /// The wire form. `ttl` is what was granted: a difference of a few seconds to what was asked is the clocks'.
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the minted credential is what the reader asked for"
    )]
    fn minted(self, plan: &Plan, issuance: &Issuance) -> Minted {
        let asked = i64::from(plan.ttl.seconds());
        let granted = (self.expiration - issuance.started).whole_seconds();
        let ttl = if (granted - asked).abs() <= SKEW {
            asked
        } else {
            granted
        };
        let text = serde_json::json!({
            "accessKey": self.access_key.expose(),
            "secretKey": self.secret_key.expose(),
            "sessionToken": self.session_token.expose(),
            "expiration": wire_seconds(self.expiration),
            "ttl": ttl,
        });
        Minted {
            data: SecretData::from_stored(Sensitive::new(text.to_string())),
        }
    }
}

fn seconds(plan: &Plan) -> i32 {
    i32::try_from(plan.ttl.seconds()).unwrap_or(i32::MAX)
}

fn policies(plan: &Plan) -> Option<Vec<PolicyDescriptorType>> {
    let arns = plan
        .policy_arns
        .iter()
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build());
    Some(arns.collect::<Vec<_>>()).filter(|arns| !arns.is_empty())
}

fn tags(plan: &Plan) -> Result<Option<Vec<Tag>>, Failure> {
    let tags = plan
        .session_tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = tags
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Failure::ours("a session tag without a key"))?;
    Ok(Some(tags).filter(|tags| !tags.is_empty()))
}

/// The base's keys and region for this one call; the connections stay shared.
#[expect(
    clippy::disallowed_methods,
    reason = "provider: the base's credential, or the function's for it, signs the call"
)]
fn with_keys(credential: &Credential) -> aws_sdk_sts::config::Builder {
    let keys = Credentials::new(
        credential.access_key.expose(),
        credential.secret_key.expose(),
        credential
            .session_token
            .as_ref()
            .map(|token| token.expose().to_owned()),
        None,
        "base",
    );
    aws_sdk_sts::Config::builder()
        .credentials_provider(keys)
        .region(Region::from_static(credential.region.name))
}
