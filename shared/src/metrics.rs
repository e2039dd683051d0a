//! What operators watch: each metric's name, unit and dimensions, and one small function that records it.
//!
//! In Lambda a line in CloudWatch's embedded metric format leaves for each set of dimensions that an invocation has recorded
//! something for; without [`install`] nothing is kept and nothing written. No name and no dimension comes from a user: a
//! path or a principal would be told to everyone who may look at metrics, and each new one would be a new metric to pay for.
//!
//! A static read writes one such line of about 225 bytes, a dynamic AWS read two, of about 465 together, each beside a log
//! line of about 265; longer names of the vault make them longer.

use std::{
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ::metrics::{Counter, Histogram, Label, Unit, counter, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use time::OffsetDateTime;

use crate::{
    clock::Clock,
    domain::lease::State,
    error::Error,
    provider::{
        Plan,
        azure::{Kind as AzureKind, What},
    },
};

/// The namespace in CloudWatch.
pub const NAMESPACE: &str = "Mayfly";
/// The dimension that every metric has: the name of the vault's table.
pub const VAULT: &str = "Vault";

/// A metric. Beside [`VAULT`] it has these dimensions, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its own dimensions.
    pub dimensions: &'static [&'static str],
}

impl Metric {
    const fn count(name: &'static str, dimensions: &'static [&'static str]) -> Self {
        Self {
            name,
            unit: Unit::Count,
            dimensions,
        }
    }
}

/// Reads of a secret's data whose caller had a token, by what was read and by how that ended.
const READS: Metric = Metric::count("Reads", &["Kind", "Outcome"]);
/// How long each call to a cloud took. What AWS's own client tries again is one call.
const UPSTREAM_LATENCY: Metric = Metric {
    name: "UpstreamLatency",
    unit: Unit::Milliseconds,
    dimensions: &["Provider"],
};
/// Calls to a cloud that were throttled, not answered, or failed by the cloud's own fault.
const UPSTREAM_ERRORS: Metric = Metric::count("UpstreamErrors", &["Provider"]);
/// Processes that began.
const COLD_STARTS: Metric = Metric::count("ColdStarts", &["Function"]);
/// Leases that entered a state.
const LEASES: Metric = Metric::count("Leases", &["State"]);
/// Tries in vain to take back what is stuck; there is one every six hours for each such lease.
const LEASES_STUCK: Metric = Metric::count("LeasesStuck", &[]);
/// How long the oldest thing that a sweep found due had been due, for each of its lists; 0 if there was none.
const WORKER_LAG: Metric = Metric {
    name: "WorkerLag",
    unit: Unit::Seconds,
    dimensions: &[],
};
/// Records that the worker passed because it cannot read them, or because a newer release wrote them.
const UNREADABLE_RECORDS: Metric = Metric::count("UnreadableRecords", &[]);
/// Audit records that could not be written, or whose fate is unknown.
const AUDIT_FAILURES: Metric = Metric::count("AuditFailures", &[]);
/// Admins that were made by recovery.
const ADMIN_RECOVERIES: Metric = Metric::count("AdminRecoveries", &[]);
/// Grants that were refused.
const FAILED_SIGN_INS: Metric = Metric::count("FailedSignIns", &[]);
/// Requests without a token that counts.
const REFUSED_TOKENS: Metric = Metric::count("RefusedTokens", &[]);

/// All of them.
pub const METRICS: &[Metric] = &[
    READS,
    UPSTREAM_LATENCY,
    UPSTREAM_ERRORS,
    COLD_STARTS,
    LEASES,
    LEASES_STUCK,
    WORKER_LAG,
    UNREADABLE_RECORDS,
    AUDIT_FAILURES,
    ADMIN_RECOVERIES,
    FAILED_SIGN_INS,
    REFUSED_TOKENS,
];

/// What a read is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused before that was known.
    Unknown,
    /// Stored data.
    Static,
    /// A session of AWS STS.
    Aws,
    /// An access token of Microsoft Entra.
    AzureToken,
    /// A client secret of an existing application.
    AzureExisting,
    /// A principal with a role in Azure.
    AzureRole,
    /// A principal with an application role.
    AzureAppRole,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Static => "static",
            Self::Aws => "aws",
            Self::AzureToken => "azure-token",
            Self::AzureExisting => "azure-existing",
            Self::AzureRole => "azure-role",
            Self::AzureAppRole => "azure-app-role",
        }
    }
}

impl From<&Plan> for Kind {
    fn from(plan: &Plan) -> Self {
        let kind = match plan {
            Plan::Aws(_) => return Self::Aws,
            Plan::Azure(plan) => &plan.kind,
        };
        match kind {
            AzureKind::Token { .. } => Self::AzureToken,
            AzureKind::Leased(leased) => match leased.what {
                What::Existing { .. } => Self::AzureExisting,
                What::Rbac { .. } => Self::AzureRole,
                What::AppRole { .. } => Self::AzureAppRole,
            },
        }
    }
}

/// Whom the vault calls to mint and to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// AWS STS.
    Sts,
    /// Microsoft Entra.
    Entra,
    /// Microsoft Graph.
    Graph,
    /// Azure Resource Manager.
    Arm,
}

impl Provider {
    fn word(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Entra => "entra",
            Self::Graph => "graph",
            Self::Arm => "arm",
        }
    }
}

/// A read ended with that status.
pub fn read(kind: Kind, status: u16) {
    count(&READS, [kind.word(), outcome(status)]);
}

fn outcome(status: u16) -> &'static str {
    match status {
        ..400 => "ok",
        400..500 => "refused",
        _ => "failed",
    }
}

/// A call to a cloud, measured from here until it is answered. One that is given up, as by a timeout, was not.
pub struct Call<'a> {
    provider: Provider,
    clock: &'a dyn Clock,
    started: OffsetDateTime,
    failed: bool,
}

impl<'a> Call<'a> {
    /// A call that begins now.
    pub fn begin(provider: Provider, clock: &'a dyn Clock) -> Self {
        Self {
            provider,
            clock,
            started: clock.now(),
            failed: true,
        }
    }

    /// It was answered. A refusal is an answer too; `failed` is what is the cloud's own fault, and throttling.
    pub fn answered(mut self, failed: bool) {
        self.failed = failed;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let values = [self.provider.word()];
        if self.failed {
            count(&UPSTREAM_ERRORS, values);
        }
        let took = self.clock.now() - self.started;
        sample(&UPSTREAM_LATENCY, values, took.as_seconds_f64() * 1000.0);
    }
}

/// A lease entered that state.
pub fn lease(state: State) {
    count(&LEASES, [state.word()]);
}

/// What is stuck was tried again in vain.
pub fn stuck_lease() {
    count(&LEASES_STUCK, []);
}

/// What is due longest of one list was due for that long, in milliseconds.
pub fn worker_lag(millis: i64) {
    let lag = time::Duration::milliseconds(millis);
    sample(&WORKER_LAG, [], lag.as_seconds_f64());
}

/// The worker passed a record.
pub fn unreadable_record() {
    count(&UNREADABLE_RECORDS, []);
}

/// An audit record is not known to be safe.
pub fn audit_failure() {
    count(&AUDIT_FAILURES, []);
}

/// An admin was made by recovery.
pub fn admin_recovery() {
    count(&ADMIN_RECOVERIES, []);
}

/// A grant was refused.
pub fn failed_sign_in() {
    count(&FAILED_SIGN_INS, []);
}

/// A request had no token that counts.
pub fn refused_token() {
    count(&REFUSED_TOKENS, []);
}

/// How many values may wait in memory: the format takes a hundred of a metric in one line.
const MOST_SAMPLES: usize = 100;

/// Where what is recorded goes.
static EMITTER: OnceLock<Emitter> = OnceLock::new();

struct Emitter {
    collector: &'static Collector,
    function: &'static str,
    began: AtomicBool,
    samples: AtomicUsize,
}

/// From now on, keeps what is recorded in this process, which is `function` of the vault on the table `vault`.
pub fn install(vault: &str, function: &str) -> Result<(), Error> {
    let twice = || Error::internal("metrics are kept already");
    let collector = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension(VAULT, vault.to_owned())
        .init()
        .map_err(|_| twice())?;
    for metric in METRICS {
        ::metrics::describe_counter!(metric.name, metric.unit, "");
    }
    let emitter = Emitter {
        collector,
        function: function.to_owned().leak(),
        began: AtomicBool::new(false),
        samples: AtomicUsize::new(0),
    };
    EMITTER.set(emitter).map_err(|_| twice())
}

/// Writes what was recorded since the last time to standard output. Lambda freezes the process when it has answered, so
/// this comes before.
pub fn flush() {
    if let Some(emitter) = EMITTER.get()
        && let Err(error) = std::io::stdout().lock().write_all(&emitter.lines())
    {
        tracing::warn!(%error, "metrics were not written");
    }
}

impl Emitter {
    fn lines(&self) -> Vec<u8> {
        if !self.began.swap(true, Ordering::Relaxed) {
            count(&COLD_STARTS, [self.function]);
        }
        self.samples.store(0, Ordering::Relaxed);
        let mut lines = Vec::new();
        if let Err(error) = self.collector.flush(&mut lines) {
            tracing::warn!(%error, "metrics cannot be told");
        }
        lines
    }
}

fn count<const N: usize>(metric: &Metric, values: [&'static str; N]) {
    let counter: Counter = counter!(metric.name, labels(metric, values));
    counter.increment(1);
}

fn sample<const N: usize>(metric: &Metric, values: [&'static str; N], value: f64) {
    let histogram: Histogram = histogram!(metric.name, labels(metric, values));
    histogram.record(value);
    if let Some(emitter) = EMITTER.get()
        && emitter.samples.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_SAMPLES
    {
        flush();
    }
}

fn labels<const N: usize>(metric: &Metric, values: [&'static str; N]) -> Vec<Label> {
    debug_assert_eq!(metric.dimensions.len(), N, "{}", metric.name);
    let dimensions = metric.dimensions.iter().copied();
    dimensions
        .zip(values)
        .map(|(dimension, value)| Label::from_static_parts(dimension, value))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::clock::FixedClock;

    /// A metric as a line tells it.
    struct Told {
        unit: String,
        dimensions: Vec<(String, String)>,
        value: Value,
    }

    /// Each metric of these lines.
    fn told(lines: &[u8]) -> BTreeMap<String, Told> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut told = BTreeMap::new();
        for line in std::str::from_utf8(lines).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["_aws"]["Timestamp"].is_u64());
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], NAMESPACE);
            for metric in directive["Metrics"].as_array().unwrap() {
                let dimensions = directive["Dimensions"][0].as_array().unwrap();
                let name = text(&metric["Name"]);
                let metric = Told {
                    unit: text(&metric["Unit"]),
                    dimensions: dimensions
                        .iter()
                        .map(|name| (text(name), text(&line[text(name)])))
                        .collect(),
                    value: line[&name].clone(),
                };
                told.insert(name, metric);
            }
        }
        told
    }

    /// The only test that installs: a process has one recorder, and other tests of this process record as well.
    #[test]
    fn every_metric_is_told_with_its_unit_and_its_dimensions() {
        install("vault-1", "vault-1-crud").unwrap();
        assert!(install("vault-1", "vault-1-crud").is_err());
        let clock = FixedClock::at(0);
        read(Kind::AzureAppRole, 429);
        let call = Call::begin(Provider::Sts, &clock);
        clock.advance(std::time::Duration::from_millis(1500));
        drop(call);
        lease(State::Active);
        stuck_lease();
        worker_lag(90_500);
        unreadable_record();
        audit_failure();
        admin_recovery();
        failed_sign_in();
        refused_token();
        let emitter = EMITTER.get().unwrap();
        let lines = emitter.lines();
        let told = told(&lines);
        for metric in METRICS {
            let told = &told[metric.name];
            assert_eq!(told.unit, format!("{:?}", metric.unit));
            let names = told.dimensions.iter().map(|(name, _)| name.as_str());
            let expected = [VAULT].into_iter().chain(metric.dimensions.iter().copied());
            assert!(names.eq(expected), "{}", metric.name);
            assert_eq!(told.dimensions[0].1, "vault-1");
        }
        assert_eq!(told.len(), METRICS.len());
        let of = |name: &str, at: usize| told[name].dimensions[at].1.clone();
        assert_eq!(
            (of("Reads", 1), of("Reads", 2)),
            ("azure-app-role".into(), "refused".into())
        );
        assert_eq!(of("ColdStarts", 1), "vault-1-crud");
        assert_eq!(told["UpstreamLatency"].value, serde_json::json!([1500.0]));
        assert_eq!(told["WorkerLag"].value, serde_json::json!([90.5]));

        let again = String::from_utf8(emitter.lines()).unwrap();
        assert!(
            !again.contains("ColdStarts") && !again.contains("vault-1-crud"),
            "{again}"
        );
    }

    #[test]
    fn outcomes_are_told_apart_by_status() {
        for (status, expected) in [
            (200, "ok"),
            (304, "ok"),
            (400, "refused"),
            (499, "refused"),
            (500, "failed"),
            (503, "failed"),
        ] {
            assert_eq!(outcome(status), expected, "{status}");
        }
    }
}
