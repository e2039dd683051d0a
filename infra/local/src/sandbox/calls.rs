//! The record of answered calls, for tests and for the curious.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Calls remembered; older ones are forgotten so that a long-running sandbox does not grow for ever.
const KEPT: usize = 100_000;

/// Characters of an action name remembered; AWS has none nearly as long.
const ACTION_LENGTH: usize = 64;

/// One answered API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `sts`, `kms`, `entra`, `graph` or `arm`.
    pub service: &'static str,
    /// The action as the caller named it, cut to 64 characters; empty if it named none.
    pub action: String,
    /// `OK`, or the error code that was answered.
    pub outcome: String,
    /// The access key id the request claimed, in Azure the client id; none if it had none that could be read.
    pub access_key_id: Option<String>,
}

/// Calls in the order they were answered.
#[derive(Default)]
pub(super) struct CallLog {
    calls: Mutex<VecDeque<Call>>,
}

impl CallLog {
    pub(super) fn record(&self, mut call: Call) {
        if let Some((end, _)) = call.action.char_indices().nth(ACTION_LENGTH) {
            call.action.truncate(end);
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(super) fn list(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_calls_are_forgotten_and_names_are_cut() {
        let log = CallLog::default();
        for number in 0..=KEPT {
            log.record(Call {
                service: "sts",
                action: format!("{number}{}", "é".repeat(100)),
                outcome: "OK".into(),
                access_key_id: None,
            });
        }
        let calls = log.list();
        assert_eq!(calls.len(), KEPT);
        assert!(calls[0].action.starts_with('1'));
        assert_eq!(calls[0].action.chars().count(), ACTION_LENGTH);
    }
}
