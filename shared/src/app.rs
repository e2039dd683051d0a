//! `App`: everything a function is given, built once per cold start.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{
    access::rules::RulesCache,
    clock::Clock,
    domain::{location::Location, path::SecretPath, sensitive::Sensitive},
    leases::rule::Rule,
    provider::Providers,
    seal::{Keyrings, Sealer},
    store::{memory::Memory, table::Table},
};

/// The ports and the memories of one process.
pub struct App {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The vault's table.
    pub table: Table,
    /// Seals and opens.
    pub sealer: Sealer,
    /// The clouds.
    pub providers: Providers,
    /// Rules in memory.
    pub rules: RulesCache,
    /// From a dynamic secret to the base it linked to when last read.
    pub bases: Memory<SecretPath, SecretPath>,
    /// From a client to its role when it last signed in.
    pub roles: Memory<String, String>,
    /// From a secret's id to where it is.
    pub locations: Memory<uuid::Uuid, Location>,
    /// Bounds how often unknown signing keys are looked up.
    pub unknown_keys: Pace,
    /// Bounds how many failures to open a one-time address are recorded.
    pub failed_openings: Pace,
    /// Who may ask for the first admin over HTTP.
    pub setup: Setup,
    /// The rule of leases that a proof breaks.
    pub(crate) broken: Option<Rule>,
}

/// Who may make a new vault's first admin over HTTP.
#[derive(Debug, Default)]
pub enum Setup {
    /// Nobody: it is made by a direct invocation.
    #[default]
    Closed,
    /// Whoever has the deployment's code.
    Code(Sensitive),
    /// Anybody who reaches it: a vault that listens on this machine alone.
    Open,
}

impl App {
    /// An app over these ports.
    pub fn new(
        clock: Arc<dyn Clock>,
        table: Table,
        keys: Arc<Keyrings>,
        providers: Providers,
    ) -> Self {
        Self {
            rules: RulesCache::new(table.clone()),
            sealer: Sealer::new(keys),
            clock,
            table,
            providers,
            bases: Memory::default(),
            roles: Memory::default(),
            locations: Memory::default(),
            unknown_keys: Pace::default(),
            failed_openings: Pace::default(),
            setup: Setup::default(),
            broken: None,
        }
    }

    /// The same, with the first admin made as `setup` says.
    #[must_use]
    pub fn with_setup(self, setup: Setup) -> Self {
        Self { setup, ..self }
    }

    /// Warms up connections, rules and branch keys all at once, within `limit`. Never fails: what is not warm is
    /// loaded when it is needed.
    pub async fn warm_up(&self, limit: std::time::Duration) {
        let work = async {
            let (rules, keys) = tokio::join!(self.rules.load(), self.sealer.keys().warm_up());
            if let Some(error) = rules.err().or(keys.err()) {
                tracing::info!(error = crate::error::chain(&error), "not warmed up");
            }
        };
        if tokio::time::timeout(limit, work).await.is_err() {
            tracing::info!("not warmed up in time");
        }
    }
}

/// Lets something happen once in a while.
#[derive(Debug, Default)]
pub struct Pace(AtomicI64);

impl Pace {
    /// Whether it may happen now, the last time being at least `every` milliseconds ago.
    pub fn may_look(&self, now_millis: i64, every: i64) -> bool {
        let last = self.0.load(Ordering::SeqCst);
        now_millis - last >= every
            && self
                .0
                .compare_exchange(last, now_millis, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }
}
