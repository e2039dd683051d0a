//! Faults on demand: what to do to the coming calls of an action.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happens to an authenticated call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused as one too many (with a `Retry-After` header in Azure), and nothing is done.
    Throttle,
    /// The call is done at once, and its answer held back this long: a caller that gives up has still changed the cloud.
    Delay(Duration),
    /// The call is done, then answered with a 500: the caller cannot know that it worked.
    FailAfterSuccess,
    /// The call is refused as told, and nothing is done.
    Refuse {
        /// The error code, which also decides the HTTP status.
        code: String,
        /// The text beside it.
        message: String,
    },
    /// The call is answered now as timed out, and done when this much time has passed on the clock: a request that arrives late. Azure only;
    /// AWS, where no late call could leave anything behind, is unavailable instead.
    Late(Duration),
}

/// The planned faults, by action name (`AssumeRole`, `Decrypt`, `AddPassword`, …).
///
/// Each call takes the first fault planned for its action; faults planned for one action are used up in the order they were planned.
#[derive(Default)]
pub struct Faults {
    planned: Mutex<HashMap<String, VecDeque<Planned>>>,
}

struct Planned {
    fault: Fault,
    /// Calls still to hit; none means until cleared.
    left: Option<u32>,
}

impl Faults {
    /// Plans a fault for the next `calls` calls of an action.
    pub fn next(&self, action: &str, calls: u32, fault: Fault) {
        if calls > 0 {
            self.plan(action, fault, Some(calls));
        }
    }

    /// Plans a fault for every call of an action until [`Faults::clear`].
    pub fn always(&self, action: &str, fault: Fault) {
        self.plan(action, fault, None);
    }

    /// Forgets all planned faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault for the call being made, used up by it.
    pub(super) fn take(&self, action: &str) -> Option<Fault> {
        let mut planned = self.lock();
        let queue = planned.get_mut(action)?;
        let first = queue.front_mut()?;
        let fault = first.fault.clone();
        if let Some(left) = &mut first.left {
            *left -= 1;
            if *left == 0 {
                queue.pop_front();
            }
        }
        Some(fault)
    }

    fn plan(&self, action: &str, fault: Fault, left: Option<u32>) {
        let planned = Planned { fault, left };
        let mut queues = self.lock();
        queues
            .entry(action.to_owned())
            .or_default()
            .push_back(planned);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, VecDeque<Planned>>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up_in_order_and_only_by_their_action() {
        let faults = Faults::default();
        faults.next("AssumeRole", 2, Fault::Throttle);
        faults.next("AssumeRole", 0, Fault::Delay(Duration::ZERO));
        faults.always("AssumeRole", Fault::FailAfterSuccess);
        assert_eq!(faults.take("Decrypt"), None);
        assert_eq!(faults.take("AssumeRole"), Some(Fault::Throttle));
        assert_eq!(faults.take("AssumeRole"), Some(Fault::Throttle));
        assert_eq!(faults.take("AssumeRole"), Some(Fault::FailAfterSuccess));
        assert_eq!(faults.take("AssumeRole"), Some(Fault::FailAfterSuccess));
        faults.clear();
        assert_eq!(faults.take("AssumeRole"), None);
    }
}
