//! Direct invocation: `{"path": "…", "version"?: …}` as the principal that the invoked alias is mapped to.

use std::sync::Arc;

use mayfly::{
    access::{
        caller::{Identity, Proof},
        policy::Action,
    },
    app::App,
    audit::Trail,
    clock::BoxFuture,
    error::Error,
    http::{asked::settle, lambda::Direct, reply::Reply, wire},
    metrics::Kind,
    secrets::{
        locate::{Target, locate},
        stored,
    },
    store::schema::{Key, SecretRecord},
};
use serde::Deserialize;
use serde_json::Value;

use crate::read::{self, Read};

/// The payload. Anything else in it is refused, so that a typo does not read another version than was meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    path: String,
    version: Option<u64>,
}

/// Answers a direct invocation with the secret, as `GET` would, and with a `leaseId` where that has a header for it. Who
/// invokes an alias that is mapped to no principal is refused: IAM says who may invoke, the map says as whom.
pub fn invoke(app: Arc<App>, direct: Direct) -> BoxFuture<'static, Result<Value, Error>> {
    Box::pin(invoked(app, direct))
}

async fn invoked(app: Arc<App>, direct: Direct) -> Result<Value, Error> {
    let principal = direct.principal.ok_or(Error::Forbidden)?;
    let payload: Payload = serde_json::from_value(direct.payload).map_err(|_| {
        Error::invalid(
            "payload",
            "must be {\"path\": \"…\"}, with a whole number \"version\" if wanted",
        )
    })?;
    let target: Target = payload.path.parse().map(Target::in_vault)?;
    let source = direct
        .alias
        .map(|alias| format!("alias:{alias}"))
        .unwrap_or_default();
    let trail = Trail::new(direct.request_id, Trail::INVOKE, target.resource(), source);
    let identity = Identity {
        proof: Proof::Alias(principal),
        source: None,
    };
    let read = match payload.version {
        None => read::read(&app, &identity, &trail, &target, false).await,
        Some(version) => version_of(&app, &identity, &trail, &target, version).await,
    };
    let (reply, body) = match read.and_then(|read| answer(&read)) {
        Ok(body) => (Ok(Reply::empty(http::StatusCode::OK)), body),
        Err(error) => (Err(error), Value::Null),
    };
    settle(&app, &trail, reply).await?;
    Ok(body)
}

/// The secret as `GET` answers it, and beside it what a header would say.
fn answer(read: &Read) -> Result<Value, Error> {
    let body = wire::secret(&read.description, Some(&read.data))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the mapped principal may read this secret"
    )]
    let body = serde_json::from_str(body.expose());
    let mut body: Value = body.map_err(|error| Error::internal(error.to_string()))?;
    if let (Some(lease), Some(fields)) = (read.lease, body.as_object_mut()) {
        fields.insert("leaseId".to_owned(), lease.to_string().into());
    }
    Ok(body)
}

/// One version as it was stored.
async fn version_of(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    version: u64,
) -> Result<Read, Error> {
    trail.reads(Kind::Static);
    let located = locate(app, identity, trail, target, Action::Read).await?;
    let head = stored::live(located.head()?, app.clock.now())?;
    let record = if head.version == version {
        head
    } else {
        let key = Key::version(&head.at, head.id, version);
        app.table
            .get::<SecretRecord>(&key)
            .await?
            .ok_or(Error::NotFound)?
    };
    let content = stored::open(&app.sealer, &record).await?;
    Ok(Read {
        description: stored::describe(&record)?,
        data: content.data,
        lease: None,
    })
}
