//! What is done to a vault that is stopped.

use std::path::Path;

use anyhow::Context;
use mayfly::{leases::strays, seal::Purpose, secrets::reseal::reseal_all};
use serde_json::{Value, json};

use crate::{
    cli::{Cloud, Serve},
    server,
    vault::Vault,
};

/// How long strays may be looked for.
const RECONCILE_FOR: time::Duration = time::Duration::minutes(30);

/// Adds a branch key and moves every secret to it.
pub async fn reseal(data_dir: &Path) -> anyhow::Result<Value> {
    let vault = Vault::open(&options(data_dir)?, None)?;
    let number = vault.app.sealer.rotate(Purpose::Secret).await?;
    let done = reseal_all(&vault.app).await?;
    Ok(json!({
        "branchKey": number,
        "moved": done.moved,
        "missed": done.missed,
        "unreadable": done.unreadable,
    }))
}

/// Lists what carries the vault's marks in the cloud and has no unfinished lease; deletes it if told to. The sandbox cloud
/// of a data directory is served for as long as this takes.
pub async fn reconcile(data_dir: &Path, delete: bool) -> anyhow::Result<Value> {
    let options = options(data_dir)?;
    let listener = match options.cloud {
        Cloud::Sandbox => Some(server::listen(0).await?),
        Cloud::Real => None,
    };
    let url = listener.as_ref().map(server::url).transpose()?;
    let vault = Vault::open(&options, url.as_deref())?;
    let until = vault.app.clock.now() + RECONCILE_FOR;
    tokio::select! {
        report = strays::reconcile(&vault.app, delete, until) => {
            serde_json::to_value(report?).context("cannot show the report")
        }
        served = vault.serve_sandbox(listener) => {
            served?;
            anyhow::bail!("the sandbox cloud stopped")
        }
    }
}

/// The vault of this directory with the cloud that it was made for.
fn options(data_dir: &Path) -> anyhow::Result<Serve> {
    anyhow::ensure!(
        data_dir.exists(),
        "there is no vault in {}",
        data_dir.display()
    );
    let cloud = match std::fs::read_to_string(data_dir.join("cloud")) {
        Ok(word) if word.trim() == Cloud::Real.word() => Cloud::Real,
        _ => Cloud::Sandbox,
    };
    Ok(Serve {
        port: 0,
        data_dir: data_dir.to_owned(),
        ephemeral: false,
        cloud,
        ready_file: None,
        recover: false,
        no_admin: false,
        clock_ahead: None,
    })
}
