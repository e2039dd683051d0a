//! What can go wrong, named by what the reader can do about it. Knows nothing of HTTP.

use std::error::Error as StdError;

/// A cause kept for the log, never shown to a caller.
pub type Source = Box<dyn StdError + Send + Sync>;

/// The one error of every use case.
///
/// The wording of the caller's variants goes to the caller; that of `Unavailable` and `Internal` only to the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller sent something that cannot be. Names the field and what is allowed; never echoes the value.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field as the caller knows it, e.g. `attributes.ttl`.
        field: String,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The request cannot be done as things stand; says why.
    #[error("{0}")]
    Refused(String),
    /// No usable token.
    #[error("unable to authenticate")]
    Unauthenticated,
    /// No grant, whether or not the thing exists.
    #[error("Invalid permissions")]
    Forbidden,
    /// The caller may know, and there is nothing there.
    #[error("unable to find item with specified identifier")]
    NotFound,
    /// The thing is soft-deleted; the word says what kind of thing.
    #[error("{0} marked for deletion and will be removed in about 72 hours")]
    MarkedForDeletion(&'static str),
    /// No route, or no such method on it.
    #[error("no such route")]
    NoRoute,
    /// Somebody else changed the thing at the same time, again and again.
    #[error("{0}")]
    Conflict(String),
    /// Too many requests, here or upstream. Try again after so many seconds.
    #[error("{message}")]
    Throttled {
        /// Who is too busy.
        message: String,
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The cloud refused: its code and its own sentence, never its raw body.
    #[error("{action} was refused by {provider}: {code}: {text}")]
    Provider {
        /// `AWS STS`, …
        provider: &'static str,
        /// The API call.
        action: &'static str,
        /// The provider's error code.
        code: String,
        /// The provider's sentence.
        text: String,
    },
    /// Something Mayfly needs does not answer.
    #[error("{what} is unavailable")]
    Unavailable {
        /// The dependency.
        what: &'static str,
        /// Why, for the log.
        #[source]
        source: Source,
    },
    /// A broken invariant of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// A caller's mistake in `field`.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// A broken invariant of ours.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal(what.into())
    }

    /// Whether doing the same again later may work.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Conflict(_) => true,
            Self::Invalid { .. }
            | Self::Refused(_)
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::MarkedForDeletion(_)
            | Self::NoRoute
            | Self::Provider { .. }
            | Self::Internal(_) => false,
        }
    }
}

/// The whole chain of causes on one line, for the log.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
