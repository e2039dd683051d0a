//! A key file in place of KMS, for a vault on one machine.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};

use crate::{
    clock::BoxFuture,
    error::Error,
    seal::{KeyWrapper, WrapContext, keyring::BranchKey, random},
};

const NONCE: usize = 12;

/// Wraps with a 256-bit key kept in a file that only its owner may read.
pub struct KeyFile(RandomizedNonceKey);

impl KeyFile {
    /// A key that lives as long as the process.
    pub fn ephemeral() -> Result<Self, Error> {
        Self::from_bytes(&random::<32>()?)
    }

    /// Reads the key at `path`, or makes one there (mode 0600) if there is none.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        let failed = |what: &str, error: &std::io::Error| {
            Error::internal(format!("{what} key file {}: {error}", path.display()))
        };
        match std::fs::read(path) {
            Ok(bytes) => Self::from_bytes(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes: [u8; 32] = random()?;
                write_private(path, &bytes).map_err(|error| failed("cannot write", &error))?;
                Self::from_bytes(&bytes)
            }
            Err(error) => Err(failed("cannot read", &error)),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map(Self)
            .map_err(|_| Error::internal("a key file must hold exactly 32 bytes"))
    }
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let partial = path.with_extension("partial");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

fn associated(context: WrapContext) -> Vec<u8> {
    format!("{} {}", context.vault, context.purpose.word()).into_bytes()
}

impl KeyWrapper for KeyFile {
    fn generate(&self, context: WrapContext) -> BoxFuture<'_, Result<(BranchKey, Vec<u8>), Error>> {
        Box::pin(async move {
            let bytes: [u8; 32] = random()?;
            let mut text = bytes.to_vec();
            let nonce = self
                .0
                .seal_in_place_append_tag(Aad::from(associated(context)), &mut text)
                .map_err(|_| Error::internal("wrapping failed"))?;
            let mut wrapped = nonce.as_ref().to_vec();
            wrapped.extend(text);
            Ok((BranchKey::new(bytes), wrapped))
        })
    }

    fn unwrap(
        &self,
        context: WrapContext,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'_, Result<BranchKey, Error>> {
        Box::pin(async move {
            let refused = || Error::internal("a branch key does not unwrap with this key file");
            let (nonce, text) = wrapped.split_at_checked(NONCE).ok_or_else(refused)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
            let mut text = text.to_vec();
            let opened = self
                .0
                .open_in_place(nonce, Aad::from(associated(context)), &mut text)
                .map_err(|_| refused())?;
            let bytes: [u8; 32] = (&*opened).try_into().map_err(|_| refused())?;
            Ok(BranchKey::new(bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Purpose;
    use uuid::Uuid;

    const CONTEXT: WrapContext = WrapContext {
        vault: Uuid::from_u128(1),
        purpose: Purpose::Secret,
    };

    #[tokio::test]
    async fn a_key_unwraps_only_in_its_own_context() {
        let file = KeyFile::ephemeral().unwrap();
        let (key, wrapped) = file.generate(CONTEXT).await.unwrap();
        assert_eq!(
            file.unwrap(CONTEXT, wrapped.clone()).await.unwrap().bytes(),
            key.bytes()
        );
        let other = WrapContext {
            purpose: Purpose::Verifier,
            ..CONTEXT
        };
        assert!(file.unwrap(other, wrapped.clone()).await.is_err());
        let other = WrapContext {
            vault: Uuid::nil(),
            ..CONTEXT
        };
        assert!(file.unwrap(other, wrapped.clone()).await.is_err());
        assert!(
            KeyFile::ephemeral()
                .unwrap()
                .unwrap(CONTEXT, wrapped)
                .await
                .is_err()
        );
    }

    #[test]
    fn the_file_is_private_and_kept() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("mayfly-key-{}", Uuid::new_v4()));
        KeyFile::open_or_create(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        KeyFile::open_or_create(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::write(&path, b"short").unwrap();
        assert!(KeyFile::open_or_create(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
