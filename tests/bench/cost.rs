//! What a million dynamic AWS reads cost at list prices, and a vault that nobody uses: every term, from what was counted
//! and measured and from what is assumed.

use std::time::Duration;

use anyhow::Context as _;
use mayfly::clock::Clock;
use mayfly_tests::{
    Vault,
    deployment::Deployment,
    events::{Sent, Shape, scheduled},
    runtime_api::Function,
    vault::{assume_role, base, dynamic},
};
use serde_json::{Value, json};

use crate::{
    prices::{self, Price},
    table::{print as print_table, row},
    units::{Units, taken},
};

const READS: f64 = 1e6;
const BOUND: f64 = 3.00;
const BOUND_WITH_LOGS: f64 = 4.00;

// Assumed. What AWS takes cannot be measured here.
const MEMORY_GB: f64 = 0.25;
/// Of the function itself, at a seventh of a processor.
const OWN_MS: f64 = 10.0;
const TABLE_MS: f64 = 5.0;
const STS_MS: f64 = 60.0;
/// One read in so many finds no process waiting, and its initialisation is billed too.
const COLD_ONE_IN: f64 = 200.0;
const INIT_MS: f64 = 300.0;
/// Status line, headers and what TLS adds.
const AROUND_ANSWER: f64 = 600.0;
/// A line of the gateway's access log.
const ACCESS_LINE: f64 = 400.0;
/// What CloudWatch counts for each line beside its bytes.
const PER_LINE: f64 = 26.0;
/// Processes that are warm all month, each renewing its branch keys.
const PROCESSES: f64 = 2.0;
const MINUTES: f64 = 43_200.0;
/// A branch key is renewed after 10 to 15 minutes; DynamoDB keeps the table's key for 5, for each role.
const RENEWALS: f64 = MINUTES / 12.5;
const TABLE_KEY: f64 = MINUTES / 5.0;
/// What `infra/aws/alarms.tf` makes, each of one metric.
const ALARMS: f64 = 18.0;
const GB: f64 = 1e9;

/// What is counted and measured here.
struct Measured {
    read: Units,
    answer: f64,
    /// Bytes and lines that a read leaves in the log, and a sweep.
    read_log: (f64, f64),
    sweep_log: (f64, f64),
    sweep: Units,
    /// How many calls of a sweep wait for one another.
    sweep_depth: f64,
    record: f64,
}

struct Term {
    what: String,
    quantity: f64,
    price: Price,
}

fn term(what: impl Into<String>, quantity: f64, price: Price) -> Term {
    Term {
        what: what.into(),
        quantity,
        price,
    }
}

pub(crate) async fn print() -> anyhow::Result<()> {
    let measured = measure().await?;
    let (terms, logs) = (reads(&measured), read_logs(&measured));
    let mut rows = vec![row([
        "a million dynamic AWS reads",
        "quantity",
        "list price",
        "USD",
    ])];
    let without = add(&mut rows, &terms);
    rows.push(total("without logs", without, Some(BOUND)));
    let with = without + add(&mut rows, &logs);
    rows.push(total("with logs", with, Some(BOUND_WITH_LOGS)));
    print_table(
        &format!(
            "Cost (us-east-1, arm64, {MEMORY_GB} GB, no free tiers; assumed: own work {OWN_MS} ms, DynamoDB {TABLE_MS} ms, \
             STS {STS_MS} ms, one cold start in {COLD_ONE_IN} of {INIT_MS} ms)"
        ),
        &rows,
    )?;

    let mut rows = vec![row(["a month of nothing", "quantity", "list price", "USD"])];
    let idle = add(&mut rows, &month(&measured));
    rows.push(total("idle", idle, None));
    let kept = prices::STORED.of(1.0) + prices::RECOVERABLE.of(1.0);
    print_table(
        &format!(
            "Idle (beside it, {kept:.2} for each GB in the table, where a million reads leave {:.2} GB of audit records; in use, \
             {:.2} for each other metric that is told)",
            measured.record * READS / GB,
            prices::METRIC.usd,
        ),
        &rows,
    )?;
    Ok(())
}

fn reads(measured: &Measured) -> Vec<Term> {
    let billed = OWN_MS + TABLE_MS + STS_MS.max(TABLE_MS);
    vec![
        term("API Gateway", READS, prices::HTTP_API),
        term("Lambda requests", READS, prices::LAMBDA_REQUESTS),
        term(
            format!("Lambda, {billed} ms a read"),
            READS * MEMORY_GB * billed / 1e3,
            prices::LAMBDA_DURATION,
        ),
        term(
            "Lambda, initialisations",
            READS / COLD_ONE_IN * MEMORY_GB * INIT_MS / 1e3,
            prices::LAMBDA_DURATION,
        ),
        term(
            format!("DynamoDB, {} units a read", measured.read.read),
            READS * measured.read.read,
            prices::READ_UNITS,
        ),
        term(
            format!("DynamoDB, {} units a record", measured.read.write),
            READS * measured.read.write,
            prices::WRITE_UNITS,
        ),
        term("STS", READS, prices::STS),
        term(
            "KMS, branch keys and the table's",
            PROCESSES * RENEWALS + TABLE_KEY,
            prices::KMS_CALLS,
        ),
        term(
            format!("Data out, {:.0} bytes a read", measured.answer),
            READS * measured.answer / GB,
            prices::DATA_OUT,
        ),
    ]
}

fn read_logs(measured: &Measured) -> [Term; 2] {
    let (bytes, lines) = measured.read_log;
    [
        term(
            format!("Log, {bytes:.0} bytes in {lines:.0} lines a read"),
            READS * (bytes + lines * PER_LINE) / GB,
            prices::LOGS,
        ),
        term(
            format!("Access log, {ACCESS_LINE} bytes a request"),
            READS * (ACCESS_LINE + PER_LINE) / GB,
            prices::LOGS,
        ),
    ]
}

fn month(measured: &Measured) -> Vec<Term> {
    let billed = OWN_MS + measured.sweep_depth * TABLE_MS;
    let (bytes, lines) = measured.sweep_log;
    vec![
        term(
            "KMS key; each of its first two rotations adds one",
            1.0,
            prices::KEY,
        ),
        term(
            "KMS, branch keys of two purposes, and the table's",
            2.0 * RENEWALS + TABLE_KEY,
            prices::KMS_CALLS,
        ),
        term("Schedules", MINUTES + 30.0, prices::SCHEDULER),
        term("Worker, requests", MINUTES + 30.0, prices::LAMBDA_REQUESTS),
        term(
            format!("Worker, {billed} ms a sweep"),
            MINUTES * MEMORY_GB * billed / 1e3,
            prices::LAMBDA_DURATION,
        ),
        term(
            format!("DynamoDB, {} units a sweep", measured.sweep.read),
            MINUTES * measured.sweep.read,
            prices::READ_UNITS,
        ),
        term(
            format!("DynamoDB, {} written units a sweep", measured.sweep.write),
            MINUTES * measured.sweep.write,
            prices::WRITE_UNITS,
        ),
        term(
            format!("Log, {bytes:.0} bytes a sweep"),
            MINUTES * (bytes + lines * PER_LINE) / GB,
            prices::LOGS,
        ),
        term("Custom metric: how late the worker is", 1.0, prices::METRIC),
        term("Alarms", ALARMS, prices::ALARM),
        term("Dashboard", 1.0, prices::DASHBOARD),
    ]
}

/// Adds the terms' rows; answers their sum.
fn add(rows: &mut Vec<Vec<String>>, terms: &[Term]) -> f64 {
    let mut sum = 0.0;
    for Term {
        what,
        quantity,
        price,
    } in terms
    {
        let cost = price.of(*quantity);
        sum += cost;
        let shown = if *quantity < 100.0 { 3 } else { 0 };
        rows.push(vec![
            what.clone(),
            format!("{quantity:.shown$}"),
            format!("{} per {}", price.usd, price.unit),
            format!("{cost:.3}"),
        ]);
    }
    sum
}

fn total(what: &str, sum: f64, bound: Option<f64>) -> Vec<String> {
    let verdict = match bound {
        Some(bound) if sum <= bound => format!("at most {bound:.2}: holds"),
        Some(bound) => format!("at most {bound:.2}: EXCEEDED"),
        None => String::new(),
    };
    vec![
        format!("total {what}"),
        String::new(),
        verdict,
        format!("{sum:.3}"),
    ]
}

async fn measure() -> anyhow::Result<Measured> {
    let vault = Vault::start().await;
    vault.create("base", base(json!({}))).await.expect(201);
    vault
        .create("reader", dynamic("base", assume_role()))
        .await
        .expect(201);
    vault.read("reader").await.expect(200);
    vault.wire.clear();
    let answer = vault.read("reader").await.expect(200).text().len();
    let calls = vault.wire.calls();
    let record = calls.iter().find(|call| call.operation == "PutItem");
    let record = record.context("no record was written")?.body.len();
    let read = taken(&vault, &calls)?;

    let until = vault.clock.now() + Duration::from_secs(50);
    let sweep = || vault.work(json!({"mayfly": "sweep"}), until);
    sweep().await?;
    vault.wire.clear();
    sweep().await?;
    let (sweep, sweep_depth) = (taken(&vault, &vault.wire.calls())?, vault.wire.depth());
    let (read_log, sweep_log) = logs().await?;
    Ok(Measured {
        read,
        answer: count(answer) + AROUND_ANSWER,
        read_log,
        sweep_log,
        sweep,
        sweep_depth: count(sweep_depth),
        record: count(record),
    })
}

/// What a read and a sweep leave in the log, at the level that is the default.
async fn logs() -> anyhow::Result<((f64, f64), (f64, f64))> {
    let vault = Deployment::start(&[]).await?;
    let token = vault.first_token().await?;
    for (path, body) in [
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        let create = Sent::new("POST", format!("/v1/secrets/{path}"))
            .header("authorization", &token)
            .json(&body);
        vault.send(Shape::HttpApi, &create).await?.expect(201);
    }
    let read = Sent::new("GET", "/v1/secrets/reader").header("authorization", &token);
    let read = read.event(Shape::HttpApi);
    Ok((
        logged(&vault.dynamic_read, &read).await?,
        logged(&vault.lease_worker, &scheduled()).await?,
    ))
}

/// Bytes and lines that one more of the same event leaves.
async fn logged(function: &Function, event: &Value) -> anyhow::Result<(f64, f64)> {
    const TIMES: usize = 20;
    function.invoke(event.clone()).await?.answer()?;
    settled().await;
    let before = function.logs();
    for _ in 0..TIMES {
        function.invoke(event.clone()).await?.answer()?;
    }
    let after = function.stop().await?.logs;
    let each = |of: fn(&str) -> usize| count(of(&after) - of(&before)) / count(TIMES);
    Ok((each(str::len), each(|text| text.lines().count())))
}

/// What a function has written may still be on its way here.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn count(many: usize) -> f64 {
    u32::try_from(many).map_or(f64::MAX, f64::from)
}
