//! `Stop`: one upstream call at which a process dies, or sleeps, and what becomes of that call.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    result::ConnectorError,
};
use tokio::sync::Notify;

/// What becomes of the call that is under way when the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is never sent.
    Unsent,
    /// It is done; nobody hears the answer.
    Applied,
    /// It is on its way, and done when it is [let through](Stop::let_through).
    Late,
    /// It is done, and the process hears the answer when it [wakes up](Stop::wake).
    Asleep,
}

/// The stop of a process at its `n`th upstream call from now. Clones share it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    left: AtomicUsize,
    fate: Fate,
    reached: Notify,
    woken: Notify,
    late: Mutex<Option<(SharedHttpConnector, HttpRequest)>>,
}

impl Stop {
    pub(crate) fn new(n: usize, fate: Fate) -> Self {
        Self(Arc::new(Inner {
            left: AtomicUsize::new(n),
            fate,
            reached: Notify::new(),
            woken: Notify::new(),
            late: Mutex::default(),
        }))
    }

    /// Completes when the call is under way.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Does a late call now; answers whether there was one.
    pub async fn let_through(&self) -> bool {
        let late = self.0.late.lock().unwrap().take();
        match late {
            Some((connector, request)) => {
                // Nobody hears the answer, whatever it is.
                drop(connector.call(request).await);
                true
            }
            None => false,
        }
    }

    /// Lets a sleeping process go on.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Whether the call that begins now is the one.
    pub(crate) fn is_now(&self) -> bool {
        let counted = |left: usize| left.checked_sub(1);
        self.0
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted)
            == Ok(1)
    }

    /// Meets its fate. A process that is to die never hears of it again.
    pub(crate) async fn meet(
        &self,
        connector: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        match self.0.fate {
            Fate::Unsent => {}
            Fate::Applied => drop(connector.call(request).await),
            Fate::Late => {
                *self.0.late.lock().unwrap() = Some((connector.clone(), request));
            }
            Fate::Asleep => {
                let answer = connector.call(request).await;
                self.0.reached.notify_one();
                self.0.woken.notified().await;
                return answer;
            }
        }
        self.0.reached.notify_one();
        std::future::pending().await
    }
}
