//! Cold and warm times of the release binaries under the Runtime API, against a bare handler of the same profile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use mayfly::{
    access::rules::RulesCache,
    clients,
    clock::SystemClock,
    config::{AwsAccess, Endpoints},
    seal::{KeyWrapper, Purpose, WrapContext},
    store::table::Table,
};
use mayfly_local::embedded;
use mayfly_tests::{
    deployment::{Deployment, binary},
    events::{Sent, Shape},
    runtime_api::Function,
    vault::{assume_role, base, dynamic},
};
use serde_json::{Value, json};

use crate::table::{print as print_table, row};

/// Cold starts of each kind, taken in turns so that a busy moment hits all alike.
const COLD: usize = 31;
/// Warm invocations.
const WARM: usize = 400;

/// What was measured.
#[derive(Default)]
struct Measured {
    bare_next: Duration,
    read_next: Duration,
    first_answer: Duration,
    slowest: Duration,
    bare_warm: Duration,
    plain_warm: Duration,
    reader_warm: Duration,
}

pub(crate) async fn print() -> anyhow::Result<()> {
    let vault = Deployment::start(&[]).await?;
    let token = vault.first_token().await?;
    for (path, body) in [
        ("plain", json!({"data": {"a": 1}})),
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        let create = Sent::new("POST", format!("/v1/secrets/{path}"))
            .header("authorization", &token)
            .json(&body);
        vault.send(Shape::HttpApi, &create).await?.expect(201);
    }
    let event = |path: &str| {
        let sent = Sent::new("GET", format!("/v1/secrets/{path}")).header("authorization", &token);
        sent.event(Shape::HttpApi)
    };
    let measured = measure(&vault, &event("plain"), &event("reader")).await?;
    show(&measured)?;
    Ok(())
}

async fn measure(vault: &Deployment, plain: &Value, reader: &Value) -> anyhow::Result<Measured> {
    let (bare, read) = (bare()?, binary("dynamic-read")?);
    let warm_on: Vec<(&str, &str)> = vault
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut warm_off = warm_on.clone();
    warm_off.push(("MAYFLY_WARM_UP", "off"));

    let (mut bare_next, mut read_next, mut first_answer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..COLD {
        bare_next.push(Function::start(&bare, &[])?.first_next().await?);
        read_next.push(Function::start(&read, &warm_off)?.first_next().await?);
        first_answer.push(cold_answer(&read, &warm_on, plain).await?);
    }
    let bare = Function::start(&bare, &[])?;
    let read = Function::start(&read, &warm_on)?;
    Ok(Measured {
        bare_next: median(bare_next),
        read_next: median(read_next),
        first_answer: median(first_answer),
        slowest: slowest_round_trip(vault).await?,
        bare_warm: warm(&bare, plain).await?,
        plain_warm: warm(&read, plain).await?,
        reader_warm: warm(&read, reader).await?,
    })
}

fn show(measured: &Measured) -> std::io::Result<()> {
    let ratio = measured.read_next.as_secs_f64() / measured.bare_next.as_secs_f64();
    let beyond = measured
        .first_answer
        .saturating_sub(measured.plain_warm)
        .saturating_sub(measured.slowest);
    print_table(
        "dynamic-read under the Runtime API (medians, this machine)",
        &[
            row(["measure", "value", "bound"]),
            row([
                "start to first /next, bare handler",
                &millis(measured.bare_next),
                "",
            ]),
            row([
                "start to first /next, warm-up off",
                &millis(measured.read_next),
                "",
            ]),
            row(["  ratio", &format!("{ratio:.2}"), "1.7"]),
            row([
                "start to first answer, static read",
                &millis(measured.first_answer),
                "",
            ]),
            row([
                "slowest single warm-up round trip",
                &millis(measured.slowest),
                "",
            ]),
            row([
                "  first answer beyond that and a warm one",
                &millis(beyond),
                "5 ms",
            ]),
            row(["warm answer, bare handler", &millis(measured.bare_warm), ""]),
            row(["warm answer, static read", &millis(measured.plain_warm), ""]),
            row([
                "warm answer, dynamic AWS read",
                &millis(measured.reader_warm),
                "",
            ]),
        ],
    )
}

/// The bare handler, built as an example beside the functions.
fn bare() -> anyhow::Result<std::path::PathBuf> {
    let functions = binary("dynamic-read")?;
    let bare = functions
        .parent()
        .context("no directory")?
        .join("examples/bare");
    anyhow::ensure!(
        bare.exists(),
        "{} was not built; build with --example bare",
        bare.display()
    );
    Ok(bare)
}

/// From the start of a process to its answer to an invocation that was waiting for it.
async fn cold_answer(
    binary: &std::path::Path,
    env: &[(&str, &str)],
    event: &Value,
) -> anyhow::Result<Duration> {
    let started = now();
    let function = Function::start(binary, env)?;
    let answer = function.invoke(event.clone()).await?.answer()?;
    let took = started.elapsed();
    anyhow::ensure!(answer["statusCode"] == 200, "answered {answer}");
    Ok(took)
}

async fn warm(function: &Function, event: &Value) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..WARM {
        let started = now();
        function.invoke(event.clone()).await?.answer()?;
        times.push(started.elapsed());
    }
    Ok(median(times))
}

/// The slowest of the calls that warming up makes, each on a connection of its own as warming up makes it.
async fn slowest_round_trip(vault: &Deployment) -> anyhow::Result<Duration> {
    let setting = |name: &str| {
        let found = vault.env.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.clone())
            .with_context(|| format!("no {name}"))
    };
    let access = AwsAccess {
        region: setting("AWS_REGION")?,
        access_key: setting("AWS_ACCESS_KEY_ID")?.into(),
        secret_key: setting("AWS_SECRET_ACCESS_KEY")?.into(),
        session_token: None,
    };
    let endpoints = Endpoints {
        dynamodb: Some(setting("AWS_ENDPOINT_URL_DYNAMODB")?),
        kms: Some(setting("AWS_ENDPOINT_URL_KMS")?),
        sts: None,
        ..Endpoints::default()
    };
    let key = setting("MAYFLY_KMS_KEY")?;
    let context = WrapContext {
        vault: uuid::Uuid::nil(),
        purpose: Purpose::Secret,
    };
    let kms = || Ok::<_, anyhow::Error>(clients::kms(clients::https()?, &access, &endpoints, &key));
    let (_, wrapped) = kms()?.generate(context).await?;
    let (mut unwrapping, mut loading) = (Vec::new(), Vec::new());
    for _ in 0..COLD {
        let (kms, wrapped) = (kms()?, wrapped.clone());
        let started = now();
        kms.unwrap(context, wrapped).await?;
        unwrapping.push(started.elapsed());

        let client = clients::dynamodb(clients::https()?, &access, &endpoints);
        let table = Table::new(client, embedded::TABLE, Arc::new(SystemClock));
        let rules = RulesCache::new(table);
        let started = now();
        rules.load().await?;
        loading.push(started.elapsed());
    }
    Ok(median(unwrapping).max(median(loading)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
