//! `mayfly`: the local vault.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Parser;
use mayfly::{
    app::App,
    config::{environment, level},
    error::Error,
    http::{edge::Edge, lambda::Direct},
    store::schema,
    telemetry,
};
use mayfly_local::{
    ahead,
    banner::Banner,
    cli::{Cli, Cloud, Command, Serve},
    data_dir::write_private,
    samples,
    sandbox::Sandbox,
    server, stopped,
    vault::{self, Vault},
};
use mayfly_token::{
    bootstrap::{self, Credential},
    recover,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // The terminal being gone is no reason to fail differently.
            _ = writeln!(std::io::stderr(), "mayfly: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Table { name }) => print(&schema::create_table_json(&name)),
        Some(Command::Sandbox {
            port,
            data_dir,
            clock_ahead,
        }) => serve_sandbox(port, &data_dir, clock_ahead.as_deref()).await,
        Some(Command::Reseal { data_dir }) => {
            telemetry::init_plain(level(&environment)?);
            print(&stopped::reseal(&data_dir).await?)
        }
        Some(Command::Reconcile { data_dir, delete }) => {
            telemetry::init_plain(level(&environment)?);
            print(&stopped::reconcile(&data_dir, delete).await?)
        }
        None => serve(&cli.serve).await,
    }
}

fn print(value: &Value) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{value:#}").context("cannot print")
}

/// Serves the vault and, if it mints, the sandbox cloud, until told to stop.
async fn serve(options: &Serve) -> anyhow::Result<()> {
    telemetry::init_plain(level(&environment)?);
    let listener = server::listen(options.port).await?;
    let url = server::url(&listener)?;
    let cloud_listener = match options.cloud {
        Cloud::Sandbox => Some(listen_beside(&listener).await?),
        Cloud::Real => None,
    };
    let sandbox_url = cloud_listener.as_ref().map(server::url).transpose()?;
    let mut vault = Vault::open(options, sandbox_url.as_deref())?;
    let embedded = vault.embedded.take();
    let edge = vault::edge(&vault.app);

    let serving = server::serve(listener, edge.clone(), vault.sandbox.is_some(), stop());
    let serving_cloud = vault.serve_sandbox(cloud_listener);
    let starting = async {
        Box::pin(start(options, &vault, &edge, &url, sandbox_url.as_deref())).await?;
        server::keep_house(&vault.app, embedded).await;
        anyhow::Ok(())
    };
    tokio::select! {
        served = serving => served,
        served = serving_cloud => served,
        started = starting => started,
    }
}

async fn stop() {
    if let Err(error) = server::told_to_stop().await {
        tracing::error!(%error, "signals cannot be heard");
        std::future::pending::<()>().await;
    }
}

/// The port after the vault's, so that it is the same at every start; any other if that is taken.
async fn listen_beside(listener: &TcpListener) -> anyhow::Result<TcpListener> {
    let next = listener.local_addr()?.port().checked_add(1).unwrap_or(0);
    match server::listen(next).await {
        Ok(listener) => Ok(listener),
        Err(_) => server::listen(0).await,
    }
}

/// Makes what a first start makes, reads samples, says where everything is.
async fn start(
    options: &Serve,
    vault: &Vault,
    edge: &Edge,
    url: &str,
    sandbox_url: Option<&str>,
) -> anyhow::Result<()> {
    let app = &vault.app;
    let (mut admin, is_new) = match first_admin(options, app).await? {
        Some(credential) => (Some(credential), true),
        None => (None, false),
    };
    if let (Some(admin), Some(sandbox), true) = (&admin, &vault.sandbox, is_new) {
        samples::seed(edge, sandbox, admin, app.clock.now())
            .await
            .context("cannot make the sample secrets")?;
    }
    if options.recover && !is_new {
        admin = Some(recover(app).await?);
    }
    if let Some(file) = &options.ready_file {
        admin = write_ready(app, edge, file, url, admin).await?;
    }
    let minted = match &vault.sandbox {
        Some(_) => read_samples(app).await,
        None => Vec::new(),
    };
    let banner = Banner {
        url,
        sandbox_url,
        cloud: options.cloud,
        data_dir: (!options.ephemeral).then(|| options.data_dir.display().to_string()),
        admin: admin.as_ref(),
        awaits_admin: matches!(app.rules.load().await, Err(Error::Unauthenticated)),
        minted: &minted,
    };
    banner.print().context("cannot print")
}

/// The first admin, if this is the first start and nobody else is to make it.
async fn first_admin(options: &Serve, app: &App) -> anyhow::Result<Option<Credential>> {
    if options.no_admin {
        return Ok(None);
    }
    let trail = bootstrap::trail("start".to_owned(), "bootstrap");
    match bootstrap::bootstrap(app, &trail).await {
        Ok(credential) => Ok(Some(credential)),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error).context("cannot initialise the vault"),
    }
}

async fn recover(app: &App) -> anyhow::Result<Credential> {
    Ok(recover::recover(app, &bootstrap::trail("start".to_owned(), "recover")).await?)
}

/// Writes the ready file with a client that works: the new one, the one that the file already names, or another.
async fn write_ready(
    app: &App,
    edge: &Edge,
    file: &Path,
    url: &str,
    admin: Option<Credential>,
) -> anyhow::Result<Option<Credential>> {
    let (credential, admin) = match (admin, named_in(file)) {
        (Some(admin), _) => (None, Some(admin)),
        (None, Some(named)) if samples::sign_in(edge, &named).await.is_ok() => (Some(named), None),
        (None, _) => (None, Some(recover(app).await?)),
    };
    let shown = credential
        .as_ref()
        .or(admin.as_ref())
        .context("no admin client")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the ready file hands the client over"
    )]
    let secret = shown.client_secret.expose();
    let text = json!({"url": url, "clientId": shown.client_id, "clientSecret": secret}).to_string();
    write_private(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(admin)
}

/// The client in a ready file of an earlier start.
fn named_in(file: &Path) -> Option<Credential> {
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    Some(Credential {
        client_id: ready["clientId"].as_str()?.to_owned(),
        client_secret: ready["clientSecret"].as_str()?.to_owned().into(),
        role: bootstrap::ADMIN.to_owned(),
    })
}

/// Reads samples as a direct invocation would, so that every start shows credentials. Those that someone removed, or that
/// an earlier release did not make, are left out.
async fn read_samples(app: &Arc<App>) -> Vec<(&'static str, Value)> {
    let mut minted = Vec::new();
    for path in samples::SHOWN {
        let direct = Direct {
            principal: Some(mayfly::domain::principal::Principal::role(bootstrap::ADMIN)),
            alias: Some("start".to_owned()),
            payload: json!({"path": path}),
            request_id: "start".to_owned(),
        };
        match mayfly_dynamic_read::invoke(app.clone(), direct).await {
            Ok(secret) => minted.push((path, secret)),
            Err(error) => tracing::info!(
                path,
                error = mayfly::error::chain(&error),
                "a sample dynamic secret was not read"
            ),
        }
    }
    minted
}

async fn serve_sandbox(
    port: u16,
    data_dir: &Path,
    clock_ahead: Option<&Path>,
) -> anyhow::Result<()> {
    telemetry::init_plain(level(&environment)?);
    let listener = server::listen(port).await?;
    let clock = ahead::clock(clock_ahead);
    let sandbox = Sandbox::open(data_dir, clock.clone())?;
    let key = samples::seed_cloud(&sandbox)?;
    let tenant = samples::azure::seed_cloud(&sandbox, clock.now())?;
    print(&json!({
        "url": server::url(&listener)?,
        "accessKey": key.access_key,
        "secretKey": key.secret_key,
        "roleArn": samples::ROLE,
        "azure": tenant,
    }))?;
    server::serve_router(listener, sandbox.router(), stop()).await
}
