//! What a test's own thread records of metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata,
    Recorder, SharedString, Unit,
};

/// Everything that this thread records until it is dropped.
pub struct Recorded {
    values: Values,
    _guard: LocalRecorderGuard<'static>,
}

/// Values by metric and the values of its dimensions, as in `Reads static ok`.
#[derive(Debug, Default, Clone)]
struct Values(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

/// One metric with the values of its dimensions.
struct Handle {
    name: String,
    values: Values,
}

/// Records from now on.
pub fn record() -> Recorded {
    let values = Values::default();
    let recorder: &'static Values = Box::leak(Box::new(values.clone()));
    Recorded {
        values,
        _guard: metrics::set_default_local_recorder(recorder),
    }
}

impl Recorded {
    /// What was recorded since the last look: the values of each metric, under its name and the values of its dimensions.
    ///
    /// # Panics
    /// If recording did.
    pub fn take(&self) -> BTreeMap<String, Vec<f64>> {
        std::mem::take(&mut self.values.0.lock().unwrap())
    }

    /// How often each was counted since the last look, of those whose names begin so.
    pub fn counts(&self, prefix: &str) -> Vec<(String, usize)> {
        let mut taken = self.take();
        taken.retain(|name, _| name.starts_with(prefix));
        let counts = taken.into_iter();
        counts.map(|(name, values)| (name, values.len())).collect()
    }
}

impl Values {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        let labels = key.labels().map(|label| label.value().to_owned());
        let name = std::iter::once(key.name().to_owned()).chain(labels);
        Arc::new(Handle {
            name: name.collect::<Vec<_>>().join(" "),
            values: self.clone(),
        })
    }
}

impl Handle {
    fn add(&self, value: f64) {
        let mut values = self.values.0.lock().unwrap();
        values.entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        for _ in 0..value {
            self.add(1.0);
        }
    }

    fn absolute(&self, value: u64) {
        self.increment(value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}
