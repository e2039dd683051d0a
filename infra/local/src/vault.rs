//! Builds the vault: the same routers as the Lambda functions, over local parts.

use std::sync::Arc;

use anyhow::Context;
use aws_sdk_dynamodb::config::SharedHttpClient;
use axum::Router;
use dynoxide::Database;
use mayfly::{
    app::{App, Setup},
    clients,
    clock::Clock,
    config::{AwsAccess, Endpoints, environment},
    domain::sensitive::Sensitive,
    http::edge::Edge,
    provider::Providers,
    seal::{KeyFile, KeyWrapper, Keyrings, Purpose},
    store::table::Table,
};
use tokio::net::TcpListener;

use crate::{
    ahead,
    cli::{Cloud, Serve},
    data_dir::DataDir,
    embedded::{self, Embedded},
    sandbox::Sandbox,
    server,
    stream::{self, Stream},
};

/// All purposes: in one process there is nobody to keep them from.
pub const PURPOSES: [Purpose; 3] = [Purpose::Secret, Purpose::TokenSigning, Purpose::Verifier];

/// A vault, ready to be served.
pub struct Vault {
    /// Its parts.
    pub app: Arc<App>,
    /// The sandbox cloud, if it mints.
    pub sandbox: Option<Sandbox>,
    /// The embedded table and its stream, unless the table is elsewhere.
    pub embedded: Option<(Database, Stream)>,
    /// Held for its lock.
    _dir: Option<DataDir>,
}

impl Vault {
    /// Opens the vault that the command line asks for. `sandbox_url` is where its sandbox will answer.
    pub fn open(serve: &Serve, sandbox_url: Option<&str>) -> anyhow::Result<Self> {
        let dir = if serve.ephemeral {
            None
        } else {
            Some(DataDir::open(&serve.data_dir, serve.cloud)?)
        };
        let clock = ahead::clock(serve.clock_ahead.as_deref());
        let sandbox = match serve.cloud {
            Cloud::Sandbox => Some(open_sandbox(dir.as_ref(), &clock)?),
            Cloud::Real => None,
        };
        let mut endpoints = match serve.cloud {
            Cloud::Sandbox => Endpoints::default(),
            Cloud::Real => Endpoints::read(&environment)?,
        };
        if let Some(url) = sandbox_url {
            for endpoint in [
                &mut endpoints.sts,
                &mut endpoints.azure_login,
                &mut endpoints.azure_graph,
                &mut endpoints.azure_arm,
            ] {
                *endpoint = Some(url.to_owned());
            }
        }
        anyhow::ensure!(
            !(serve.ephemeral && endpoints.dynamodb.is_some()),
            "--ephemeral would forget the key of a table that stays: AWS_ENDPOINT_URL_DYNAMODB needs --data-dir"
        );
        let http = clients::https_with_system_roots()?;
        let (table, embedded) = open_table(dir.as_ref(), &endpoints, &http, &clock)?;
        let keys: Arc<dyn KeyWrapper> = Arc::new(match &dir {
            Some(dir) => KeyFile::open_or_create(&dir.file("key"))?,
            None => KeyFile::ephemeral()?,
        });
        let app = app(table, keys, http, &endpoints, clock);
        Ok(Self {
            app,
            sandbox,
            embedded,
            _dir: dir,
        })
    }

    /// Serves the sandbox cloud on `listener`, if there are both; for ever.
    pub async fn serve_sandbox(&self, listener: Option<TcpListener>) -> anyhow::Result<()> {
        match (listener, &self.sandbox) {
            (Some(listener), Some(sandbox)) => {
                server::serve_router(listener, sandbox.router(), std::future::pending()).await
            }
            _ => std::future::pending().await,
        }
    }
}

/// An app that may do everything the functions may together.
pub fn app(
    table: Table,
    keys: Arc<dyn KeyWrapper>,
    http: SharedHttpClient,
    endpoints: &Endpoints,
    clock: Arc<dyn Clock>,
) -> Arc<App> {
    let keyrings = Keyrings::new(table.clone(), keys, clock.clone(), PURPOSES.to_vec());
    let aws = clients::sts(http, "us-east-1", endpoints, clock.clone());
    let azure = clients::azure(endpoints, clock.clone());
    let app = App::new(clock, table, Arc::new(keyrings), Providers { aws, azure });
    // It listens on this machine alone.
    Arc::new(app.with_setup(Setup::Open))
}

/// Every function's routes behind one edge.
pub fn edge(app: &Arc<App>) -> Edge {
    // Where several functions share a path, each takes its own methods; axum merges them.
    let router = Router::new()
        .merge(mayfly_access::router(app.clone()))
        .merge(mayfly_crud::router(app.clone()))
        .merge(mayfly_dynamic_read::router(app.clone()))
        .merge(mayfly_token::router(app.clone()));
    Edge::new(router, app.clone())
}

fn open_sandbox(dir: Option<&DataDir>, clock: &Arc<dyn Clock>) -> anyhow::Result<Sandbox> {
    let clock = clock.clone();
    match dir {
        Some(dir) => {
            Sandbox::open(&dir.file("cloud.d"), clock).context("cannot open the sandbox cloud")
        }
        None => Ok(Sandbox::in_memory(clock)),
    }
}

/// The embedded table, or the one that the deployment names.
fn open_table(
    dir: Option<&DataDir>,
    endpoints: &Endpoints,
    http: &SharedHttpClient,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Table, Option<(Database, Stream)>)> {
    if endpoints.dynamodb.is_some() {
        let aws = AwsAccess {
            region: environment("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            access_key: Sensitive::new(
                environment("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "local".to_owned()),
            ),
            secret_key: Sensitive::new(
                environment("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "local".to_owned()),
            ),
            session_token: environment("AWS_SESSION_TOKEN").map(Sensitive::new),
        };
        let name = environment("MAYFLY_TABLE").unwrap_or_else(|| embedded::TABLE.to_owned());
        let client = clients::dynamodb(http.clone(), &aws, endpoints);
        return Ok((Table::new(client, name, clock.clone()), None));
    }
    let file = dir.map(|dir| dir.file("table.db"));
    let database = embedded::open(file.as_deref())?;
    let (tap, stream) = stream::channel();
    let http = SharedHttpClient::new(Embedded::new(database.clone()).telling(tap));
    let table = Table::new(embedded::client(http), embedded::TABLE, clock.clone());
    Ok((table, Some((database, stream))))
}
