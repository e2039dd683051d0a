//! What DynamoDB answers, in our words.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};

use crate::{error::Error, store::table::Item};

/// Why a transaction wrote nothing.
#[derive(Debug)]
pub enum TransactError {
    /// One reason for each write, in order.
    Cancelled(Vec<Cancelled>),
    /// The table does not answer, or refused the request as a whole.
    Failed(Error),
}

/// Why one write of a transaction stood in the way.
#[derive(Debug)]
pub enum Cancelled {
    /// It did not.
    No,
    /// Its condition did not hold; the item as it is, if there is one.
    Condition(Option<Item>),
    /// Another request was writing the same item.
    Conflict,
    /// Something else, by its code.
    Other(String),
}

impl From<TransactError> for Error {
    fn from(error: TransactError) -> Self {
        match error {
            TransactError::Failed(error) => error,
            TransactError::Cancelled(reasons) => {
                let codes: Vec<&str> = reasons.iter().map(Cancelled::code).collect();
                Self::internal(format!(
                    "unexpected transaction outcome: {}",
                    codes.join(", ")
                ))
            }
        }
    }
}

impl TransactError {
    /// Whether nothing stood in the way but other transactions: the very same writes may succeed yet.
    pub fn is_only_conflict(&self) -> bool {
        match self {
            Self::Cancelled(reasons) => reasons
                .iter()
                .all(|reason| matches!(reason, Cancelled::Conflict | Cancelled::No)),
            Self::Failed(_) => false,
        }
    }

    /// What stood in the way of the write at `position`.
    pub fn at(&self, position: usize) -> Option<&Cancelled> {
        match self {
            Self::Cancelled(reasons) => reasons.get(position),
            Self::Failed(_) => None,
        }
    }
}

impl Cancelled {
    fn code(&self) -> &str {
        match self {
            Self::No => "none",
            Self::Condition(_) => "condition",
            Self::Conflict => "conflict",
            Self::Other(code) => code,
        }
    }

    fn from_reason(reason: CancellationReason) -> Self {
        match reason.code() {
            None | Some("None") => Self::No,
            Some("ConditionalCheckFailed") => Self::Condition(reason.item),
            Some("TransactionConflict") => Self::Conflict,
            Some(code) => Self::Other(code.to_owned()),
        }
    }
}

/// A failed call, with the code in front of the chain.
#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
pub(crate) fn failed<E, R>(error: SdkError<E, R>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error.code() {
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded",
        ) => Error::Throttled {
            message: "the vault's table is busy; try again".to_owned(),
            retry_after: 1,
        },
        Some("ValidationException" | "ResourceNotFoundException" | "AccessDeniedException") => {
            Error::internal(format!("DynamoDB: {}", summary(&error)))
        }
        _ => Error::Unavailable {
            what: "the table",
            source: summary(&error).into(),
        },
    }
}

/// Code and message only: the debug form of an SDK error holds the raw response.
fn summary<E, R>(error: &SdkError<E, R>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => crate::error::chain(error),
    }
}

pub(crate) fn transact_failed(
    error: SdkError<
        TransactWriteItemsError,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
) -> TransactError {
    match error {
        SdkError::ServiceError(inner) if inner.err().is_transaction_canceled_exception() => {
            let TransactWriteItemsError::TransactionCanceledException(cancelled) = inner.into_err()
            else {
                return TransactError::Failed(Error::internal(
                    "a cancelled transaction is no cancelled transaction",
                ));
            };
            let reasons = cancelled.cancellation_reasons.unwrap_or_default();
            TransactError::Cancelled(reasons.into_iter().map(Cancelled::from_reason).collect())
        }
        SdkError::ServiceError(inner)
            if inner.err().is_idempotent_parameter_mismatch_exception() =>
        {
            TransactError::Failed(Error::internal(
                "one transaction token was used for two transactions",
            ))
        }
        other
            if matches!(
                other.code(),
                Some("TransactionConflictException" | "TransactionInProgressException")
            ) =>
        {
            TransactError::Cancelled(vec![Cancelled::Conflict])
        }
        other => TransactError::Failed(failed(other)),
    }
}
