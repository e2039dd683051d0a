//! What STS answers, in our words.

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, chain};

/// How many characters of the provider's sentence reach the caller.
const MAX_TEXT: usize = 300;

/// What to do about an STS error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Wait; the SDK has already tried again.
    Throttled,
    /// A key that AWS does not know: yet, if it is new.
    UnknownKey,
    /// Final.
    Refused,
    /// STS does not work as it should.
    Unavailable,
}

pub(super) fn classify(code: Option<&str>) -> Class {
    match code {
        Some(
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException",
        ) => Class::Throttled,
        Some("ServiceUnavailable" | "InternalFailure" | "ServiceFailure" | "InternalError")
        | None => Class::Unavailable,
        Some("InvalidClientTokenId") => Class::UnknownKey,
        Some(_) => Class::Refused,
    }
}

/// The error for the caller: code and sentence, never the raw body.
#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
pub(super) fn failed<E, R>(action: &'static str, error: SdkError<E, R>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match (classify(error.code()), error.code()) {
        (Class::Throttled, _) => Error::Throttled {
            message: "AWS STS is throttling this account; try again".to_owned(),
            retry_after: 5,
        },
        (Class::Refused | Class::UnknownKey, Some(code)) => Error::Provider {
            provider: "AWS STS",
            action,
            code: code.to_owned(),
            text: one_line(error.message().unwrap_or_default()),
        },
        (_, Some(code)) => Error::Unavailable {
            what: "AWS STS",
            source: code.to_owned().into(),
        },
        (_, None) => Error::Unavailable {
            what: "AWS STS",
            source: chain(&error).into(),
        },
    }
}

/// The first line alone: after it, AWS may quote the request it could not verify, session token included.
fn one_line(text: &str) -> String {
    let first = text.trim().lines().next().unwrap_or_default();
    first
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_classes() {
        for code in ["Throttling", "RequestLimitExceeded"] {
            assert_eq!(classify(Some(code)), Class::Throttled);
        }
        for code in ["ServiceUnavailable", "InternalFailure", "ServiceFailure"] {
            assert_eq!(classify(Some(code)), Class::Unavailable);
        }
        for code in [
            "AccessDenied",
            "ValidationError",
            "PackedPolicyTooLarge",
            "MalformedPolicyDocument",
            "RegionDisabledException",
            "ExpiredToken",
            "SignatureDoesNotMatch",
        ] {
            assert_eq!(classify(Some(code)), Class::Refused);
        }
        assert_eq!(classify(Some("InvalidClientTokenId")), Class::UnknownKey);
        assert_eq!(classify(None), Class::Unavailable);
    }

    #[test]
    fn the_providers_sentence_is_one_short_line() {
        assert_eq!(one_line("a\u{7}b\nc"), "a b");
        assert_eq!(one_line(&"x".repeat(1000)).len(), MAX_TEXT);
    }
}
