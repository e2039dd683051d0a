//! `KeyWrapper`: what keeps branch keys, in AWS or on a laptop.

use uuid::Uuid;

use crate::{
    clock::BoxFuture,
    error::Error,
    seal::{Purpose, keyring::BranchKey},
};

/// What a wrapped key is bound to: it does not unwrap in another vault or for another purpose.
#[derive(Debug, Clone, Copy)]
pub struct WrapContext {
    /// The vault.
    pub vault: Uuid,
    /// The purpose.
    pub purpose: Purpose,
}

/// Wraps and unwraps branch keys.
pub trait KeyWrapper: Send + Sync {
    /// Makes a new branch key; answers it and its wrapped form.
    fn generate(&self, context: WrapContext) -> BoxFuture<'_, Result<(BranchKey, Vec<u8>), Error>>;

    /// Unwraps a branch key. `Unavailable` if that may work later, `Internal` if it is refused.
    fn unwrap(
        &self,
        context: WrapContext,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'_, Result<BranchKey, Error>>;
}
