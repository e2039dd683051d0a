//! The deployed vault without AWS: release binaries behind a stand-in for API Gateway, for tests in other languages.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use mayfly_tests::gateway::{Gateway, routes};
use mayfly_tests::runtime_api::Function;
use serde_json::{Value, json};

const USAGE: &str =
    "usage: gateway --functions DIR --port N --ready-file FILE [--environment FILE]";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let environment = Environment::read(options.environment.as_deref())?;
    let mut functions = HashMap::new();
    for name in ["token", "crud", "dynamic-read", "access", "lease-worker"] {
        let env = environment.of(name);
        let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let function = Function::start(&options.functions.join(name), &env)?;
        functions.insert(name, Arc::new(function));
    }
    let alias = environment.gateway_alias();
    let gateway = Gateway::start(options.port, &routes(), functions.clone(), alias).await?;
    let ready = bootstrap(&functions["token"], &gateway.url()).await;
    let mut logs = Logs::new(functions);
    if ready.is_err() {
        logs.forward()?;
    }
    write_ready(&options.ready_file, &ready?)?;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        logs.forward()?;
    }
}

/// The command line.
struct Options {
    functions: PathBuf,
    port: u16,
    ready_file: PathBuf,
    environment: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut given = HashMap::new();
        while let Some(name) = arguments.next() {
            let value = arguments.next().context(USAGE)?;
            given.insert(name, value);
        }
        let mut take = |name: &str| given.remove(name).context(USAGE);
        let options = Self {
            functions: take("--functions")?.into(),
            port: take("--port")?.parse().context(USAGE)?,
            ready_file: take("--ready-file")?.into(),
            environment: take("--environment").ok().map(PathBuf::from),
        };
        if given.is_empty() {
            Ok(options)
        } else {
            bail!(USAGE)
        }
    }
}

/// What the functions find in their environment.
struct Environment {
    /// The variables of this process that are meant for them all.
    all: HashMap<String, String>,
    /// What each function is given beside, as its deployment says.
    own: HashMap<String, HashMap<String, String>>,
}

impl Environment {
    /// Takes this process's variables, and from a file an object from function to its own.
    fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "hands the environment on, reads none of it"
        )]
        let all = std::env::vars();
        let own = match file {
            Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
            None => HashMap::new(),
        };
        Ok(Self {
            all: all
                .filter(|(name, _)| name.starts_with("MAYFLY_") || name.starts_with("AWS_"))
                .collect(),
            own,
        })
    }

    fn of(&self, function: &str) -> HashMap<String, String> {
        let mut all = self.all.clone();
        all.extend(self.own.get(function).cloned().unwrap_or_default());
        all
    }

    /// The alias by which HTTP reaches the functions.
    fn gateway_alias(&self) -> Option<String> {
        self.of("token").remove("MAYFLY_GATEWAY_ALIAS")
    }
}

/// Makes the first admin client, as the owner of a new deployment does.
async fn bootstrap(token: &Function, url: &str) -> anyhow::Result<Value> {
    let outcome = token.invoke(json!({"bootstrap": {}})).await?;
    let client = outcome.answer().context("bootstrap failed")?;
    Ok(json!({
        "url": url,
        "clientId": client["clientId"].as_str().context("bootstrap gave no clientId")?,
        "clientSecret": client["clientSecret"].as_str().context("bootstrap gave no clientSecret")?,
    }))
}

/// Writes the file in one step: whoever waits for it never reads half of it.
fn write_ready(path: &Path, ready: &Value) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    file.write_all(ready.to_string().as_bytes())?;
    std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

/// What the functions have written, and how much of it has been passed on.
struct Logs(Vec<(Arc<Function>, usize)>);

impl Logs {
    fn new(functions: HashMap<&str, Arc<Function>>) -> Self {
        Self(
            functions
                .into_values()
                .map(|function| (function, 0))
                .collect(),
        )
    }

    /// Copies what is new to standard error.
    fn forward(&mut self) -> anyhow::Result<()> {
        for (function, forwarded) in &mut self.0 {
            let logs = function.logs();
            let new = logs.get(*forwarded..).unwrap_or_default();
            std::io::stderr().write_all(new.as_bytes())?;
            *forwarded = logs.len();
        }
        Ok(())
    }
}
