//! Envelope encryption of everything secret at rest.
//!
//! The wrapper (KMS, or a key file on a laptop) wraps one *branch key* per purpose. From a branch key and a random salt
//! every stored item version gets an AES-256-GCM key of its own. The associated data say where the item belongs, so a
//! ciphertext that was moved to another item, or whose attributes were edited in the table, does not open.

mod envelope;
mod key_file;
mod keyring;
mod kms;
mod wrapper;

use std::sync::Arc;

use crate::{domain::sensitive::Sensitive, error::Error, store::table::Table};

pub use envelope::Binding;
pub use key_file::KeyFile;
pub use keyring::{BranchKey, Keyrings};
pub use kms::Kms;
pub use wrapper::{KeyWrapper, WrapContext};

/// What a branch key is for. A function can unwrap only the purposes it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Secret data, and the cursors of searching it.
    Secret,
    /// Private signing keys of tokens.
    TokenSigning,
    /// Keyed hashes of client secrets.
    Verifier,
}

impl Purpose {
    /// Its word in keys, contexts and policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::TokenSigning => "token-signing",
            Self::Verifier => "verifier",
        }
    }
}

/// Seals and opens, and makes keyed hashes.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<Keyrings>,
}

/// A keyed hash and the branch key it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedHash {
    /// Number of the branch key.
    pub key: u32,
    /// HMAC-SHA256.
    pub hash: Vec<u8>,
}

impl Sealer {
    /// A sealer over `keys`.
    pub fn new(keys: Arc<Keyrings>) -> Self {
        Self { keys }
    }

    /// Seals `secret` with the newest branch key of `purpose`, bound to `binding`.
    pub async fn seal(
        &self,
        purpose: Purpose,
        binding: &Binding<'_>,
        secret: &Sensitive,
    ) -> Result<Vec<u8>, Error> {
        let (number, key) = self.keys.newest(purpose).await?;
        envelope::seal(number, &key, binding, secret)
    }

    /// Opens what was sealed for exactly this `binding`; anything else is an `Internal` error.
    pub async fn open(
        &self,
        purpose: Purpose,
        binding: &Binding<'_>,
        sealed: &[u8],
    ) -> Result<Sensitive, Error> {
        let key = self
            .keys
            .numbered(purpose, envelope::branch_key_of(sealed)?)
            .await?;
        envelope::open(&key, binding, sealed)
    }

    /// Whether `sealed` was made with the newest branch key of `purpose`.
    pub async fn is_newest(&self, purpose: Purpose, sealed: &[u8]) -> Result<bool, Error> {
        Ok(self.keys.newest(purpose).await?.0 == envelope::branch_key_of(sealed)?)
    }

    /// A keyed hash of `message` with the newest branch key of `purpose`. `label` keeps uses apart.
    pub async fn hash(
        &self,
        purpose: Purpose,
        label: &str,
        message: &[u8],
    ) -> Result<KeyedHash, Error> {
        let (number, key) = self.keys.newest(purpose).await?;
        Ok(KeyedHash {
            key: number,
            hash: envelope::keyed_hash(&key, label, message)?
                .as_ref()
                .to_vec(),
        })
    }

    /// Whether `claimed` is the keyed hash of `message`; compared in constant time.
    pub async fn is_hash_of(
        &self,
        purpose: Purpose,
        label: &str,
        message: &[u8],
        claimed: &KeyedHash,
    ) -> Result<bool, Error> {
        let key = self.keys.numbered(purpose, claimed.key).await?;
        envelope::verify_hash(&key, label, message, &claimed.hash)
    }

    /// Adds a branch key to `purpose` and uses it from now on. Items under older keys keep opening.
    ///
    /// Other warm processes notice within 15 minutes, or at the first item that was sealed with the new key.
    pub async fn rotate(&self, purpose: Purpose) -> Result<u32, Error> {
        self.keys.rotate(purpose).await
    }

    /// The keyrings, for warming up and for renewal.
    pub fn keys(&self) -> &Arc<Keyrings> {
        &self.keys
    }

    /// The table the keyrings live in.
    pub fn table(&self) -> &Table {
        self.keys.table()
    }
}

/// `N` bytes from the operating system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    Ok(bytes)
}
