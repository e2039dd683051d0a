//! `Memory`: a bounded guess of a process. Being wrong costs one more read and never a stale decision.

use std::{hash::Hash, num::NonZeroUsize, sync::Mutex};

use lru::LruCache;

/// How many guesses a process keeps of each kind.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("above zero");

/// What was true when this process last looked.
pub struct Memory<K, V>(Mutex<LruCache<K, V>>);

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// What is remembered of `key`.
    pub fn recall(&self, key: &K) -> Option<V> {
        self.0.lock().ok()?.get(key).cloned()
    }

    /// Remembers.
    pub fn remember(&self, key: K, value: V) {
        if let Ok(mut cache) = self.0.lock() {
            cache.put(key, value);
        }
    }
}

impl<K: Hash + Eq, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}
