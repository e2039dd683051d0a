//! One JSON file with state in it, replaced as a whole.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a state is kept, if anywhere.
pub(super) struct StateFile(Option<PathBuf>);

impl StateFile {
    /// A state that is forgotten.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The file of this name in a directory, and the state in it.
    pub(super) fn open<T: DeserializeOwned + Default>(
        dir: &Path,
        name: &str,
    ) -> anyhow::Result<(Self, T)> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let file = dir.join(name);
        let state = match fs::read(&file) {
            // The parser's own words may quote the file, which holds secrets; its position is enough.
            Ok(json) => serde_json::from_slice(&json).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                anyhow!(
                    "{} is no sandbox state at line {line}, column {column}",
                    file.display()
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => T::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        Ok((Self(Some(file)), state))
    }

    /// Replaces the file as a whole, so that a crash leaves either the old state or the new.
    pub(super) fn save<T: Serialize>(&self, state: &T) -> anyhow::Result<()> {
        let Some(file) = &self.0 else {
            return Ok(());
        };
        let fresh = file.with_extension("json.new");
        let write = || -> anyhow::Result<()> {
            // A leftover of a crash may have any mode; ours counts only for a file that is made here.
            if let Err(error) = fs::remove_file(&fresh)
                && error.kind() != ErrorKind::NotFound
            {
                return Err(error.into());
            }
            let mut options = OpenOptions::new();
            let mut out = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&fresh)?;
            out.write_all(&serde_json::to_vec(state)?)?;
            out.sync_all()?;
            fs::rename(&fresh, file)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn file_is_its_owners_and_survives_a_leftover() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.json.new"), "half").unwrap();
        let (file, state) = StateFile::open::<Vec<String>>(dir.path(), "a.json").unwrap();
        assert!(state.is_empty());
        file.save(&["kept"]).unwrap();
        let mode = fs::metadata(dir.path().join("a.json")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let (_, state) = StateFile::open::<Vec<String>>(dir.path(), "a.json").unwrap();
        assert_eq!(state, ["kept"]);
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.json"), r#"{"users":"marker"}"#).unwrap();
        let error = StateFile::open::<Vec<String>>(dir.path(), "a.json");
        assert!(!format!("{:#}", error.err().unwrap()).contains("marker"));
    }
}
