//! A clock that is ahead of the machine's, so that what takes hours can be watched in seconds, by several processes alike.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use mayfly::clock::{BoxFuture, Clock, SystemClock};
use time::OffsetDateTime;

/// The machine's clock; or, with a file, one that is ahead of it by as many seconds as the file says at each look.
pub fn clock(file: Option<&Path>) -> Arc<dyn Clock> {
    match file {
        Some(file) => Arc::new(Ahead {
            file: file.to_owned(),
            seconds: AtomicI64::new(0),
        }),
        None => Arc::new(SystemClock),
    }
}

struct Ahead {
    file: PathBuf,
    /// The most that the file has said: time does not go back, whatever happens to the file.
    seconds: AtomicI64,
}

impl Clock for Ahead {
    fn now(&self) -> OffsetDateTime {
        let said = std::fs::read_to_string(&self.file).unwrap_or_default();
        let said = said.trim().parse().unwrap_or(0);
        let before = self.seconds.fetch_max(said, Ordering::Relaxed);
        SystemClock.now() + time::Duration::seconds(said.max(before))
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ahead_by_what_the_file_says_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ahead");
        let clock = clock(Some(&file));
        let ahead = || (clock.now() - SystemClock.now()).whole_seconds();
        assert_eq!(ahead(), 0);
        std::fs::write(&file, "3601\n").unwrap();
        assert!((3600..=3601).contains(&ahead()));
        for worse in ["", "60", "soon"] {
            std::fs::write(&file, worse).unwrap();
            assert!((3600..=3601).contains(&ahead()));
        }
    }
}
