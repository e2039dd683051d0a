//! The sandbox cloud: a stand-in for AWS STS, a minimal AWS KMS, and Azure's Entra, Graph and Resource Manager, that behaves like the real ones.
//!
//! It checks what the clouds check (signatures, tokens, known keys and roles, trust, permissions, durations, policies), keeps what it issued,
//! and can be told to throttle, lag or fail. It is served over plain HTTP on loopback and is never linked into a Lambda binary.

mod api;
mod assume_role;
mod authentication;
mod azure;
mod calls;
mod ciphertext;
#[cfg(test)]
mod end_to_end;
mod faults;
mod federation_token;
#[cfg(test)]
mod fixture;
mod form;
mod iam;
mod kms;
mod principal;
mod random;
mod refusal;
mod region;
mod secret_text;
mod session;
mod session_policy;
mod sigv4;
mod state;
mod state_file;
mod sts;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::post;
use mayfly::clock::Clock;
use time::OffsetDateTime;

use calls::CallLog;
use state::Store;

pub use azure::{
    Azure, AzureApplication, AzureCloud, AzureResource, Lag, Limits, Overlap, built_in,
};
pub use calls::Call;
pub use faults::{Fault, Faults};
pub use iam::{SandboxRole, SandboxUser};

/// A sandbox cloud; clones share one state.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    store: Mutex<Store>,
    azure: Mutex<azure::Store>,
    faults: Faults,
    calls: CallLog,
}

impl Sandbox {
    /// An empty sandbox that forgets everything when dropped.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::over(Store::in_memory(), azure::Store::in_memory(), clock)
    }

    /// A sandbox kept in `{dir}/sandbox.json` and `{dir}/azure.json`, with all that an earlier one left there.
    ///
    /// # Errors
    /// The directory cannot be made, or a file cannot be read or understood.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self::over(
            Store::open(dir)?,
            azure::Store::open(dir)?,
            clock,
        ))
    }

    fn over(store: Store, azure: azure::Store, clock: Arc<dyn Clock>) -> Self {
        let shared = Inner {
            clock,
            store: Mutex::new(store),
            azure: Mutex::new(azure),
            faults: Faults::default(),
            calls: CallLog::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Adds a user, or replaces the one with the same access key id.
    ///
    /// # Errors
    /// The account or access key id is malformed, or the state cannot be written.
    pub fn add_user(&self, user: SandboxUser) -> anyhow::Result<()> {
        self.store().add_user(user)
    }

    /// Adds a role, or replaces the one with the same ARN.
    ///
    /// # Errors
    /// The ARN or maximum duration is one that IAM would refuse, or the state cannot be written.
    pub fn add_role(&self, role: SandboxRole) -> anyhow::Result<()> {
        self.store().add_role(role)
    }

    /// Adds a KMS key with random key material; a key that exists keeps its own.
    ///
    /// # Errors
    /// There is no randomness, or the state cannot be written.
    pub fn add_key(&self, key_id: &str) -> anyhow::Result<()> {
        self.store().add_key(key_id)
    }

    /// The Azure side: its tenants, subscriptions and habits.
    pub fn azure(&self) -> Azure {
        Azure::of(self.clone())
    }

    /// The faults to inject into coming calls.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The answered API calls, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.list()
    }

    /// The HTTP side: a POST to `/` is for AWS, told apart by its `X-Amz-Target` header; every other path is Azure's.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(api::answer))
            .merge(azure::routes())
            .layer(map_response_with_state(self.clone(), api::mark))
            .with_state(self.clone())
    }

    fn now(&self) -> OffsetDateTime {
        self.shared.clock.now()
    }

    /// The state, whole even if a thread died holding it: each change is a single insertion.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
