//! `Watched`: a key wrapper that counts, and fails on demand.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mayfly::{
    clock::BoxFuture,
    error::Error,
    seal::{BranchKey, KeyFile, KeyWrapper, WrapContext},
};

/// How unwrapping goes from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Works,
    /// Never answers.
    Hangs,
    /// The key is disabled.
    Refuses,
    /// Nobody there.
    Away,
}

/// A key file, watched.
pub(crate) struct Watched {
    inner: KeyFile,
    unwraps: AtomicUsize,
    mood: Mutex<Mood>,
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: KeyFile::ephemeral().unwrap(),
            unwraps: AtomicUsize::new(0),
            mood: Mutex::new(Mood::Works),
        })
    }

    /// How often something was to be unwrapped.
    pub(crate) fn unwraps(&self) -> usize {
        self.unwraps.load(Ordering::SeqCst)
    }

    pub(crate) fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl KeyWrapper for Watched {
    fn generate(&self, context: WrapContext) -> BoxFuture<'_, Result<(BranchKey, Vec<u8>), Error>> {
        self.inner.generate(context)
    }

    fn unwrap(
        &self,
        context: WrapContext,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'_, Result<BranchKey, Error>> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        match *self.mood.lock().unwrap() {
            Mood::Works => self.inner.unwrap(context, wrapped),
            Mood::Hangs => Box::pin(std::future::pending()),
            Mood::Refuses => Box::pin(async { Err(Error::internal("the key is disabled")) }),
            Mood::Away => Box::pin(async {
                Err(Error::Unavailable {
                    what: "KMS",
                    source: "nobody there".into(),
                })
            }),
        }
    }
}
