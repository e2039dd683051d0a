//! `Deployment`: the built functions as Lambda runs them, over a DynamoDB and a sandbox cloud of this process.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use axum::Router;
use dynoxide::Database;
use mayfly::{
    clock::SystemClock,
    routes::{self, ROUTES},
};
use mayfly_local::{
    embedded,
    sandbox::{Sandbox, SandboxUser},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    answer::Answer,
    events::{self, Sent, Shape},
    runtime_api::{Function, Outcome},
    vault::{ACCESS_KEY, ACCOUNT, ROLE, SECRET_KEY, role},
};

/// The functions' own access key.
const FUNCTION_KEY: &str = "AKIASANDBOXFUNCTIONS";
const FUNCTION_SECRET: &str = "sandboxSecretKeyOfTheFunctions+012345678";
/// The KMS key of the deployment.
const KMS_KEY: &str = "0d5b3c1e-5a57-4a3e-9f6d-2b6f0a7c1d11";

/// Everything that a deployed vault is made of.
pub struct Deployment {
    /// Signs in.
    pub token: Function,
    /// Writes and searches.
    pub crud: Function,
    /// Reads.
    pub dynamic_read: Function,
    /// Says who there is, and who may do what.
    pub access: Function,
    /// Takes back and removes what has ended.
    pub lease_worker: Function,
    /// The cloud: STS and KMS.
    pub sandbox: Sandbox,
    /// The table.
    pub database: Database,
    /// The environment of every function.
    pub env: Vec<(String, String)>,
    _servers: JoinSet<()>,
}

impl Deployment {
    /// Starts all functions, with more environment than they need if `more` says so.
    ///
    /// # Errors
    /// A function was not built, or a port cannot be had.
    pub async fn start(more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let sandbox = Sandbox::in_memory(Arc::new(SystemClock));
        sandbox.add_user(
            SandboxUser::new("base", ACCOUNT, ACCESS_KEY, SECRET_KEY.to_owned())
                .allowed_to_federate(),
        )?;
        sandbox.add_user(SandboxUser::new(
            "functions",
            ACCOUNT,
            FUNCTION_KEY,
            FUNCTION_SECRET.to_owned(),
        ))?;
        sandbox.add_role(role(ROLE))?;
        sandbox.add_key(KMS_KEY)?;
        let database = embedded::open(None)?;

        let mut servers = JoinSet::new();
        let cloud = serve(&mut servers, sandbox.router()).await?;
        let table = TcpListener::bind(("127.0.0.1", 0)).await?;
        let table_url = format!("http://{}", table.local_addr()?);
        let served = database.clone();
        servers.spawn(async move { dynoxide::server::serve_on(table, served).await });

        let mut env: Vec<(String, String)> = [
            ("MAYFLY_TABLE", embedded::TABLE),
            ("MAYFLY_KMS_KEY", KMS_KEY),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", FUNCTION_KEY),
            ("AWS_SECRET_ACCESS_KEY", FUNCTION_SECRET),
            ("AWS_ENDPOINT_URL_DYNAMODB", &table_url),
            ("AWS_ENDPOINT_URL_STS", &cloud),
            ("AWS_ENDPOINT_URL_KMS", &cloud),
            ("MAYFLY_AZURE_LOGIN_ENDPOINT", &cloud),
            ("MAYFLY_AZURE_GRAPH_ENDPOINT", &cloud),
            ("MAYFLY_AZURE_ARM_ENDPOINT", &cloud),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        env.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Ok(Self {
            token: function("token", &env)?,
            crud: function("crud", &env)?,
            dynamic_read: function("dynamic-read", &env)?,
            access: function("access", &env)?,
            lease_worker: function("lease-worker", &env)?,
            sandbox,
            database,
            env,
            _servers: servers,
        })
    }

    /// Another process of a function.
    ///
    /// # Errors
    /// It was not built.
    pub fn another(&self, name: &str) -> anyhow::Result<Function> {
        function(name, &self.env)
    }

    /// Makes the first admin and signs it in; answers a token.
    ///
    /// # Errors
    /// Either did not work.
    pub async fn first_token(&self) -> anyhow::Result<String> {
        let admin = self
            .token
            .invoke(json!({"bootstrap": {}}))
            .await?
            .answer()?;
        let grant = json!({
            "grant_type": "client_credentials",
            "client_id": admin["clientId"],
            "client_secret": admin["clientSecret"],
        });
        let answer = self
            .send(Shape::HttpApi, &Sent::new("POST", "/v1/token").json(&grant))
            .await?;
        let token = answer.json()["accessToken"].as_str().map(str::to_owned);
        token.with_context(|| answer.text())
    }

    /// Sends a request as `shape` carries it, to the function that the route table names.
    ///
    /// # Errors
    /// The function failed, or no route takes the request.
    pub async fn send(&self, shape: Shape, sent: &Sent) -> anyhow::Result<Answer> {
        let event = sent.event(shape);
        let function = match routed(&event)? {
            routes::Function::Token => &self.token,
            routes::Function::Crud => &self.crud,
            routes::Function::DynamicRead => &self.dynamic_read,
            routes::Function::Access => &self.access,
        };
        match function.invoke(event).await? {
            Outcome::Answer(answer) => events::answer(&answer),
            failed @ Outcome::Failed { .. } => anyhow::bail!("{failed:?}\n{}", function.logs()),
        }
    }
}

/// The function that a gateway would hand this event to.
fn routed(event: &Value) -> anyhow::Result<routes::Function> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let method = text("/requestContext/http/method")
        .or(text("/httpMethod"))
        .context("no method")?;
    let path = text("/rawPath").or(text("/path")).context("no path")?;
    let path = path
        .strip_prefix(&format!("/{}", events::STAGE))
        .unwrap_or(path);
    let route = ROUTES
        .iter()
        .find(|route| route.method == method && route.takes(path));
    Ok(route
        .with_context(|| format!("no route takes {method} {path}"))?
        .function)
}

fn function(name: &str, env: &[(String, String)]) -> anyhow::Result<Function> {
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Function::start(&binary(name)?, &env)
}

/// Where the functions were built: `MAYFLY_FUNCTIONS_DIR`, or beside this test.
///
/// # Errors
/// The binary is not there.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "says which build to test")]
    let dir = std::env::var("MAYFLY_FUNCTIONS_DIR").map(PathBuf::from);
    let dir = match dir {
        Ok(dir) => dir,
        Err(_) => std::env::current_exe()?
            .ancestors()
            .nth(2)
            .context("no target directory")?
            .to_owned(),
    };
    let binary = dir.join(name);
    anyhow::ensure!(
        binary.exists(),
        "{} was not built; `cargo test --workspace` builds it, or set MAYFLY_FUNCTIONS_DIR",
        binary.display()
    );
    Ok(binary)
}

async fn serve(servers: &mut JoinSet<()>, router: Router) -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    servers.spawn(async move {
        // Serving ends with the set.
        _ = axum::serve(listener, router).await;
    });
    Ok(url)
}
