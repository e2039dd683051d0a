//! The data directory: owned by one process at a time, and by one cloud for ever.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::cli::Cloud;

/// A data directory that this process owns until it is dropped.
pub struct DataDir {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl DataDir {
    /// Takes `path`, making it (mode 0700) if it is new. Refuses one that another process owns, or that was made for
    /// another cloud: secrets of the sandbox must not meet the real one, nor the other way round.
    pub fn open(path: &Path, cloud: Cloud) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| format!("cannot write to the data directory {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another process owns the data directory {}; stop it, or choose another with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the data directory");
            }
        }
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        dir.check_cloud(cloud)?;
        Ok(dir)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn check_cloud(&self, cloud: Cloud) -> anyhow::Result<()> {
        let file = self.file("cloud");
        match fs::read_to_string(&file) {
            Ok(word) if word.trim() == cloud.word() => Ok(()),
            Ok(word) => bail!(
                "the data directory {} was made with --cloud {}; use that, or choose another directory with --data-dir",
                self.path.display(),
                word.trim()
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_private(&file, cloud.word()).context("cannot write to the data directory")
            }
            Err(error) => Err(error).context("cannot read the data directory"),
        }
    }
}

/// Writes a file that only its owner can read; it appears whole or not at all.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::open(&path, Cloud::Sandbox).unwrap();
        let text = DataDir::open(&path, Cloud::Sandbox)
            .err()
            .unwrap()
            .to_string();
        assert!(
            text.contains("another process owns") && text.contains("--data-dir"),
            "{text}"
        );
        drop(first);
        DataDir::open(&path, Cloud::Sandbox).unwrap();
    }

    #[test]
    fn a_directory_keeps_its_cloud() {
        let parent = tempfile::tempdir().unwrap();
        drop(DataDir::open(parent.path(), Cloud::Sandbox).unwrap());
        let text = DataDir::open(parent.path(), Cloud::Real)
            .err()
            .unwrap()
            .to_string();
        assert!(text.contains("--cloud sandbox"), "{text}");
    }
}
