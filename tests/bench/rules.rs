//! Ten thousand rules: how long a process takes to load and to ask them, and what they take of its memory.

use std::{hint::black_box, time::Instant};

use anyhow::Context as _;
use mayfly::access::{
    condition::Context,
    policy::{Action, Asking, Effect, Rule},
    rules::RulesCache,
};
use mayfly_tests::Vault;
use serde_json::json;
use uuid::Uuid;

use crate::table::{print as print_table, row};

const POLICIES: usize = 500;
const ENTRIES: usize = 20;
const LOADS: u8 = 20;

pub(crate) async fn print() -> anyhow::Result<()> {
    let mut rows = vec![row([
        "10,000 rules",
        "stored KB",
        "load ms, median",
        "first asked ms",
        "asked ms, median",
        "MB",
    ])];
    for (name, pattern) in [("prefixes", "<.*>"), ("expressions", "<[a-z]+[0-9]*>")] {
        rows.push(measure(name, pattern).await?);
    }
    print_table(
        "Rules (bounds: loaded in 20 ms and 16 MB, asked in 1 ms)",
        &rows,
    )?;
    Ok(())
}

async fn measure(name: &str, pattern: &str) -> anyhow::Result<Vec<String>> {
    let vault = Vault::start().await;
    let stored = fill(&vault, pattern).await?;
    let mut loads = Vec::new();
    let cache = RulesCache::new(vault.app.table.clone());
    // All are kept, so that what each takes shows in the memory of the process.
    let mut kept = Vec::new();
    let before = memory()?;
    for _ in 0..LOADS {
        let started = now();
        kept.push(cache.load().await?);
        loads.push(millis(started));
    }
    let taken = f64::from(memory()?.saturating_sub(before)) / 1024.0 / f64::from(LOADS);
    let rules = kept.last().context("nothing was loaded")?;
    // What nobody may touch is asked of every rule.
    let subjects = [
        "users:bob",
        "groups:staff",
        "groups:team-7",
        "groups:everyone",
    ];
    let subjects = subjects.map(str::to_owned);
    let context = Context {
        remote_ip: "192.0.2.7".parse().ok(),
    };
    let ask = |resource: &str| {
        let started = now();
        black_box(rules.set.allow(&Asking {
            subjects: &subjects,
            action: Action::Read,
            resource,
            context: &context,
        }));
        millis(started)
    };
    let first = ask("secrets:team-7:app-3:env:db1");
    let asked = (0..200)
        .map(|n| ask(&format!("secrets:team-{n}:app-3:env:db{n}")))
        .collect();
    Ok(vec![
        name.to_owned(),
        (stored / 1024).to_string(),
        format!("{:.2}", median(loads)),
        format!("{first:.3}"),
        format!("{:.3}", median(asked)),
        format!("{taken:.1}"),
    ])
}

/// Writes the policies; answers how long a stored copy is.
async fn fill(vault: &Vault, pattern: &str) -> anyhow::Result<usize> {
    let (mut snapshot, epoch) = vault.app.rules.read().await?;
    for team in 0..POLICIES {
        let rules = (0..ENTRIES).map(|app| rule(team, app, pattern)).collect();
        snapshot
            .policies
            .insert(format!("secrets:team-{team}"), rules);
    }
    let writes = snapshot.writes(&vault.app.table, Some(&epoch))?;
    let written = vault.app.table.transact(Uuid::new_v4(), writes).await;
    written.map_err(mayfly::error::Error::from)?;
    let item = vault.items_of("RULES#0").remove(0);
    Ok(item["snapshot"]["B"].as_str().unwrap_or_default().len() / 4 * 3)
}

fn rule(team: usize, app: usize, pattern: &str) -> Rule {
    let condition = json!({"type": "CIDRCondition", "options": {"cidr": "10.0.0.0/8"}});
    let conditional = (team + app).is_multiple_of(10);
    Rule {
        subjects: vec![
            format!("roles:team-{team}-{app}"),
            format!("groups:team-{team}"),
        ],
        effect: if app == 0 {
            Effect::Deny
        } else {
            Effect::Allow
        },
        resources: vec![format!("secrets:team-{team}:app-{app}:env:{pattern}")],
        actions: vec!["read".to_owned(), "<list|update>".to_owned()],
        conditions: conditional
            .then(|| ("remoteIP".to_owned(), condition))
            .into_iter()
            .collect(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn millis(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What the system says that this process has in memory, in kilobytes.
fn memory() -> anyhow::Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .context("no such line")
}
