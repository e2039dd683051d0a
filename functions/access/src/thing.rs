//! `Thing`: what the verbs of this function need to know of a role, a user, a group, a client or a policy.

use std::future::{Future, ready};

use mayfly::{
    access::rules::Rules,
    app::App,
    change::Change,
    clock::{unix_millis, wire_millis},
    error::Error,
    store::schema::{Head, Key, Kind},
};
use serde_json::{Map, Value, json};

/// Something with a head that the verbs of this function work on.
pub(crate) trait Thing: Kind {
    /// Its name from what a URL or a body says.
    fn name(text: &str) -> Result<String, Error>;

    /// What is its own in an answer, beside what all heads have.
    fn wire(head: &Head<Self>, rules: &Rules) -> Map<String, Value>;

    /// How it stands at `_now`, in milliseconds since 1970, if that changes by itself.
    fn status(_head: &Head<Self>, _now: i64) -> Option<&'static str> {
        None
    }

    /// Adds what it means beyond its own items that this head is about to count, again or for the first time.
    fn arrives(
        _app: &App,
        _change: &mut Change<'_>,
        _head: &Head<Self>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        ready(Ok(()))
    }

    /// Adds what it means beyond its own items that this head is about to count no more.
    fn leaves(
        _app: &App,
        _change: &mut Change<'_>,
        _head: &Head<Self>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        ready(Ok(()))
    }
}

/// The resource of the `T` that is called `name`, as policies write it.
pub(crate) fn resource<T: Thing>(name: &str) -> String {
    format!("{}:{}", T::RESOURCE, T::folded(name))
}

/// A head as clients read it.
pub(crate) fn wire<T: Thing>(app: &App, head: &Head<T>, rules: &Rules) -> Value {
    Value::Object(whole(app, head, T::wire(head, rules)))
}

/// What is a head's own, with what all heads have.
pub(crate) fn whole<T: Thing>(
    app: &App,
    head: &Head<T>,
    mut all: Map<String, Value>,
) -> Map<String, Value> {
    if let Some(status) = T::status(head, unix_millis(app.clock.now())) {
        all.insert("status".to_owned(), json!(status));
    }
    for (key, value) in [
        ("id", json!(head.id)),
        ("created", json!(wire_millis(head.created))),
        ("createdBy", json!(head.created_by)),
        ("lastModified", json!(wire_millis(head.modified))),
        ("lastModifiedBy", json!(head.modified_by)),
        ("version", json!(head.version.to_string())),
    ] {
        all.insert(key.to_owned(), value);
    }
    all
}

/// The key of the head that is called `name`.
pub(crate) fn key<T: Thing>(name: &str) -> Key {
    Key::head::<T>(name)
}
