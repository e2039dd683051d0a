//! The rules that make leases safe, and how a proof breaks one of them.

use crate::app::App;

/// A rule of minting and taking back. The crash proof breaks each in turn and must fail: a rule that could be left out
/// would be ballast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The lease is in the table before anything is in the cloud.
    IntentFirst,
    /// After `mintUntil` the minter sends nothing.
    Deadline,
    /// Only a second clean sweep, ten minutes after the first, ends a lease.
    SecondSweep,
    /// What is found is on the lease before it is deleted, and what is unknown is searched for in the recycle bin.
    KnownIds,
    /// What was deleted is purged from the recycle bin too.
    BinPurge,
    /// The worker looks things up and never makes them: only the minter creates what is missing.
    LookUpOnly,
    /// Each try of a password has a name of its own that begins with the lease's.
    NamedAttempts,
    /// A base secret stays what it is while it has unfinished leases.
    BaseGuard,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::IntentFirst,
        Self::Deadline,
        Self::SecondSweep,
        Self::KnownIds,
        Self::BinPurge,
        Self::LookUpOnly,
        Self::NamedAttempts,
        Self::BaseGuard,
    ];
}

impl App {
    /// Whether `rule` is kept. In a release build it always is.
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        !(cfg!(debug_assertions) && self.broken == Some(rule))
    }

    /// The same app with one rule broken, for the proof that it is needed. Has no effect in a release build.
    #[must_use]
    pub fn breaking(self, rule: Rule) -> Self {
        Self {
            broken: Some(rule),
            ..self
        }
    }
}
