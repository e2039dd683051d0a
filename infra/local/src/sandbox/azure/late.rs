//! Requests that arrive late: answered as timed out, done when their time has come.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Azure;
use super::request::Request;

/// A request under way.
pub(crate) struct Late {
    pub(super) due: OffsetDateTime,
    pub(super) request: Arc<Request>,
}

impl Azure {
    /// Does what has arrived by now, in the order it arrived. Nobody is told how it went.
    pub(super) fn settle(&self) {
        let now = self.now();
        let mut arrived: Vec<Late> = {
            let mut store = self.store();
            let (arrived, under_way) = std::mem::take(&mut store.late)
                .into_iter()
                .partition(|late| late.due <= now);
            store.late = under_way;
            arrived
        };
        arrived.sort_by_key(|late| late.due);
        for Late { due, request } in arrived {
            _ = self
                .authenticate(&request, due)
                .and_then(|caller| self.perform(&request, &caller, None, due));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::World;
    use crate::sandbox::Fault;

    #[tokio::test]
    async fn a_late_request_is_done_when_it_arrives() {
        // Microsoft Learn, "Microsoft Graph error responses": after a 504 nobody can tell whether the request was received.
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let late = Fault::Late(Duration::from_secs(30));
        world.sandbox.faults().next("AddPassword", 1, late);
        let reply = world.add_password(id, "late").await;
        assert_eq!((reply.status, reply.code()), (504, "GatewayTimeout"));
        assert!(world.passwords(id).is_empty());
        world.advance(29);
        assert!(world.passwords(id).is_empty());
        world.advance(1);
        assert_eq!(world.passwords(id), ["late"]);
        world.advance(60);
        assert_eq!(world.passwords(id), ["late"], "it arrives once");
    }

    #[tokio::test]
    async fn a_late_request_is_judged_by_what_it_finds() {
        let world = World::new();
        let late = Fault::Late(Duration::from_secs(5));
        world.sandbox.faults().next("AssignRole", 1, late);
        let principal = world.make_principal("a").await;
        assert_eq!(world.assign_reader(1, &principal).await.status, 504);
        world.azure.remove_scope(&world.group()).unwrap();
        let removed = world.azure.snapshot();
        world.advance(5);
        assert_eq!(world.azure.snapshot(), removed);
    }
}
