//! What a new vault on the sandbox cloud has in it: base secrets, and dynamic ones that mint from them.

pub mod azure;

use anyhow::Context;
use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use mayfly::{
    domain::sensitive::Sensitive,
    http::{
        edge::{Arrival, Edge},
        path::RawPath,
    },
    seal,
};
use mayfly_token::bootstrap::Credential;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::sandbox::{Sandbox, SandboxRole, SandboxUser};

/// The AWS base secret.
const BASE: &str = "samples/aws/base";
/// The dynamic secret that mints from it.
const DYNAMIC: &str = "samples/aws/reader";
/// The dynamic secrets that a start shows: one for each cloud.
pub const SHOWN: [&str; 2] = [DYNAMIC, azure::READER];

/// The sample's account, visibly made up.
const ACCOUNT: &str = "123456789012";
/// The role that samples assume.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/sample-reader";
const USER: &str = "mayfly-base";

/// The key of a sandbox user that may assume the sample role.
pub struct SandboxKey {
    /// Access key id.
    pub access_key: String,
    /// Secret access key; as fake as the cloud it is for.
    pub secret_key: String,
}

/// Gives the sandbox a user with a new key, and a role that the user may assume.
pub fn seed_cloud(sandbox: &Sandbox) -> anyhow::Result<SandboxKey> {
    let access_key = format!("AKIASANDBOX{}", random_word()?);
    let secret_key = random_secret()?;
    let user = SandboxUser::new(USER, ACCOUNT, access_key.as_str(), secret_key.clone());
    sandbox.add_user(user.allowed_to_federate())?;
    sandbox.add_role(SandboxRole {
        arn: ROLE.to_owned(),
        trusted_users: vec![format!("arn:aws:iam::{ACCOUNT}:user/{USER}")],
        max_duration: 3600,
        external_id: None,
        allow_tag_session: true,
        allow_source_identity: true,
    })?;
    Ok(SandboxKey {
        access_key,
        secret_key,
    })
}

/// Gives the sandbox what there is to mint from, and the vault base secrets with the keys to it and dynamic ones that
/// mint.
pub async fn seed(
    edge: &Edge,
    sandbox: &Sandbox,
    admin: &Credential,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let key = seed_cloud(sandbox)?;
    let tenant = azure::seed_cloud(sandbox, now)?;
    let token = sign_in(edge, admin).await?;
    for (path, body) in secrets(&key).into_iter().chain(tenant.secrets()) {
        let path = format!("/v1/secrets/{path}");
        ask(edge, Method::POST, &path, Some(&token), Some(&body)).await?;
    }
    Ok(())
}

/// A base secret with a user's key, and a dynamic one that assumes the role.
fn secrets(key: &SandboxKey) -> [(&'static str, Value); 2] {
    let base = json!({
        "description": "a sample base secret: the key of a user of the sandbox cloud",
        "data": {"accessKey": key.access_key, "secretKey": key.secret_key, "region": "us-east-1"},
        "attributes": {"type": "aws", "maxTtl": 3600, "allowedRoleArns": [ROLE]},
    });
    let dynamic = json!({
        "description": "a sample dynamic secret: reading it assumes a role",
        "attributes": {
            "linkConfig": {"linkType": "dynamic", "linkedSecret": BASE.replace('/', ":")},
            "providerType": "assumeRole",
            "roleArn": ROLE,
            "ttl": 900,
        },
    });
    [(BASE, base), (DYNAMIC, dynamic)]
}

/// A token for `credential`.
#[expect(
    clippy::disallowed_methods,
    reason = "provider: the vault signs in to itself"
)]
pub async fn sign_in(edge: &Edge, credential: &Credential) -> anyhow::Result<Sensitive> {
    let body = json!({
        "grant_type": "client_credentials",
        "client_id": credential.client_id,
        "client_secret": credential.client_secret.expose(),
    });
    let answer = ask(edge, Method::POST, "/v1/token", None, Some(&body)).await?;
    let token = answer["accessToken"]
        .as_str()
        .context("no token in the answer")?;
    Ok(Sensitive::new(token.to_owned()))
}

/// One request to the vault from inside. Anything but a success is an error.
async fn ask(
    edge: &Edge,
    method: Method,
    path: &str,
    token: Option<&Sensitive>,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        #[expect(clippy::disallowed_methods, reason = "provider: the vault asks itself")]
        let value = token.expose();
        request = request.header(header::AUTHORIZATION, value);
    }
    let request =
        request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
    let arrival = Arrival {
        request_id: Uuid::new_v4().to_string(),
        source: "127.0.0.1".to_owned(),
        origin: None,
        path: RawPath::Encoded(path.to_owned()),
    };
    let response = edge.handle(request, arrival).await;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    anyhow::ensure!(
        status.is_success(),
        "{path} answered {status}: {}",
        answer["message"]
    );
    Ok(answer)
}

/// The nine characters that make an access key id of 20.
fn random_word() -> anyhow::Result<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bytes: [u8; 9] = seal::random()?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

/// A secret access key of 40 characters.
fn random_secret() -> anyhow::Result<String> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    Ok(BASE64_STANDARD.encode(seal::random::<30>()?))
}
