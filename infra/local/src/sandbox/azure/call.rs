//! The way of one call: read it, authenticate it, bend it by a planned fault, do it, record it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{any, get, post};
use bytes::Bytes;
use time::OffsetDateTime;

use super::answer::{Answer, render};
use super::graph::PasswordsRead;
use super::late::Late;
use super::refusal::{Refusal, Service};
use super::request::{Operation, Request};
use super::state::Store;
use super::token::Caller;
use super::{Azure, Scene, arm, entra, graph, millis, token};
use crate::sandbox::calls::Call;
use crate::sandbox::{Fault, Sandbox};

/// How often a call that waits on a clock without a real wait lets others go on, so that they overlap.
const TURNS: u32 = 64;

/// The paths of all three services.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(answer))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(answer),
        )
        .route("/v1.0/{*path}", any(answer))
        .route("/subscriptions/{*path}", any(answer))
        .route("/providers/{*path}", any(answer))
}

/// Answers one call and records how.
async fn answer(
    Shared(sandbox): Shared<Sandbox>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let azure = sandbox.azure();
    azure.settle();
    let request = Arc::new(Request::read(&method, &uri, &headers, body));
    let caller = azure.authenticate(&request, azure.now());
    let client = match &caller {
        Ok(caller) => caller.client_id.clone(),
        Err(_) => None,
    };
    let outcome = match caller {
        Ok(caller) => azure.respond(&request, &caller).await,
        Err(refusal) => Err(refusal),
    };
    sandbox.shared.calls.record(Call {
        service: request.service.name(),
        action: request.action().to_owned(),
        outcome: match &outcome {
            Ok(_) => "OK".to_owned(),
            Err(refusal) => refusal.code.to_string(),
        },
        access_key_id: client,
    });
    let retry_after = azure.store().settings.retry_after.clone();
    render(&request, outcome, &retry_after, millis(azure.now()))
}

impl Azure {
    /// Finds who sent a request, or says as the service does why nobody did. Entra is asked by anyone.
    pub(super) fn authenticate(
        &self,
        request: &Request,
        now: OffsetDateTime,
    ) -> Result<Caller, Refusal> {
        let store = self.store();
        match request.service {
            Service::Entra => Ok(entra::claimed(request)),
            Service::Graph | Service::Arm => token::authenticate(&store.directory, request, now),
        }
    }

    /// Does one call, bent by the next planned fault if there is one.
    async fn respond(&self, request: &Arc<Request>, caller: &Caller) -> Result<Answer, Refusal> {
        let service = request.service;
        match self.sandbox.shared.faults.take(request.action()) {
            None => self.work(request, caller).await,
            Some(Fault::Throttle) => Err(Refusal::throttled(service)),
            Some(Fault::Refuse { code, message }) => Err(Refusal::planned(service, code, message)),
            Some(Fault::FailAfterSuccess) => {
                self.work(request, caller).await?;
                Err(Refusal::internal(service))
            }
            Some(Fault::Delay(delay)) => {
                let outcome = self.work(request, caller).await;
                tokio::time::sleep(delay).await;
                outcome
            }
            Some(Fault::Late(span)) => {
                let late = Late {
                    due: self.now() + span,
                    request: request.clone(),
                };
                self.store().late.push(late);
                Err(Refusal::timed_out())
            }
        }
    }

    /// Does one call, with the set latency between what it reads first and what it does.
    async fn work(&self, request: &Request, caller: &Caller) -> Result<Answer, Refusal> {
        let (read, latency) = {
            let store = self.store();
            (passwords(&store, request, caller), store.settings.latency)
        };
        if !latency.is_zero() {
            self.sandbox.shared.clock.sleep(latency).await;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        }
        self.perform(request, caller, read, self.now())
    }

    /// Does what a request asks for, at a time.
    pub(super) fn perform(
        &self,
        request: &Request,
        caller: &Caller,
        read: Option<PasswordsRead>,
        now: OffsetDateTime,
    ) -> Result<Answer, Refusal> {
        let mut store = self.store();
        let Store {
            directory,
            settings,
            ..
        } = &mut *store;
        let mut scene = Scene {
            directory,
            settings,
            caller,
            request,
            now: millis(now),
        };
        let (outcome, writes) = match &request.operation {
            None => (Err(no_such_path(request.service)), false),
            Some(Operation::Token(tenant)) => (entra::token(&scene, tenant, now), false),
            Some(Operation::Discovery(tenant)) => (entra::discovery(&scene, tenant), false),
            Some(Operation::Graph(operation)) => {
                let outcome = graph::perform(&mut scene, operation, read);
                (outcome, operation.writes())
            }
            Some(Operation::Arm(operation)) => {
                let outcome = arm::perform(&mut scene, operation);
                (outcome, operation.writes())
            }
        };
        if writes && outcome.is_ok() && store.save().is_err() {
            return Err(Refusal::internal(request.service));
        }
        outcome
    }
}

/// The passwords that a change of them starts from.
fn passwords(store: &Store, request: &Request, caller: &Caller) -> Option<PasswordsRead> {
    match &request.operation {
        Some(Operation::Graph(operation)) => {
            let tenant = store.directory.tenants.get(&caller.tenant)?;
            graph::read_passwords(tenant, operation)
        }
        _ => None,
    }
}

fn no_such_path(service: Service) -> Refusal {
    match service {
        Service::Graph => Refusal::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "Resource not found for the segment, or the method is not allowed on it.",
        ),
        Service::Entra | Service::Arm => Refusal::new(
            StatusCode::NOT_FOUND,
            "InvalidResourceType",
            "The resource type could not be found in the namespace.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::fixture::{BASE_SECRET, World};
    use crate::sandbox::Fault;

    const LIST: &str = "/v1.0/applications";

    #[tokio::test]
    async fn every_answer_says_it_is_a_sandbox_and_has_an_id() {
        // Microsoft Learn, "Microsoft Graph error responses and resource types": request-id; Resource Manager has x-ms-request-id.
        let world = World::new();
        for reply in [
            world.graph("GET", LIST, None).await,
            world.graph("GET", "/v1.0/nonsense", None).await,
            world.arm("GET", world.in_group("permissions"), None).await,
            world.sign_in("nobody", "x").await,
        ] {
            assert_eq!(reply.sandbox_header.as_deref(), Some("true"));
            assert_eq!(reply.request_id.map(|id| id.len()), Some(36));
        }
    }

    #[tokio::test]
    async fn calls_are_listed_with_outcome_and_client() {
        let world = World::new();
        world.graph("GET", LIST, None).await;
        world.sign_in(&world.base.app_id, "wrong").await;
        world.arm("GET", world.assignment(1), None).await;
        world.send("GET", LIST, None, None).await;
        let client = Some(world.base.app_id.clone());
        let calls: Vec<_> = world
            .sandbox
            .calls()
            .into_iter()
            .map(|call| (call.service, call.action, call.outcome, call.access_key_id))
            .collect();
        let expected = [
            ("entra", "Token", "OK", client.clone()),
            ("graph", "ListApplications", "OK", client.clone()),
            ("entra", "Token", "AADSTS7000215", client.clone()),
            ("entra", "Token", "OK", client.clone()),
            ("arm", "GetRoleAssignment", "RoleAssignmentNotFound", client),
            (
                "graph",
                "ListApplications",
                "InvalidAuthenticationToken",
                None,
            ),
        ]
        .map(|(service, action, outcome, client)| {
            (service, action.to_owned(), outcome.to_owned(), client)
        });
        assert_eq!(calls, expected);
    }

    #[tokio::test]
    async fn throttling_says_when_to_come_back() {
        // Microsoft Learn, "Microsoft Graph throttling guidance" and "Understand how Azure Resource Manager throttles requests".
        let world = World::new();
        world.azure.set_retry_after("2.5");
        let faults = world.sandbox.faults();
        let retry = Some("2.5".to_owned());
        faults.next("ListApplications", 1, Fault::Throttle);
        let reply = world.graph("GET", LIST, None).await;
        assert_eq!((reply.status, reply.code()), (429, "TooManyRequests"));
        assert_eq!(reply.retry_after, retry);
        faults.next("ListPermissions", 1, Fault::Throttle);
        let reply = world.arm("GET", world.in_group("permissions"), None).await;
        assert_eq!((reply.status, reply.retry_after), (429, retry.clone()));
        faults.next("Token", 1, Fault::Throttle);
        let reply = world.sign_in(&world.base.app_id, BASE_SECRET).await;
        assert_eq!((reply.status, reply.retry_after), (429, retry));
        assert_eq!(world.graph("GET", LIST, None).await.retry_after, None);
    }

    #[tokio::test]
    async fn failure_after_success_leaves_the_object_behind() {
        let world = World::new();
        let faults = world.sandbox.faults();
        faults.next("UpsertApplication", 1, Fault::FailAfterSuccess);
        let path = "/v1.0/applications(uniqueName='a')";
        let reply = world.upsert(path, json!({"displayName": "a"})).await;
        assert_eq!(
            (reply.status, reply.code()),
            (500, "Service_InternalServerError")
        );
        assert_eq!(world.graph("GET", path, None).await.status, 200);
    }

    #[tokio::test]
    async fn a_delay_holds_the_answer_not_the_work() {
        let world = World::new();
        let app = world.make_app("a").await;
        let id = app["id"].as_str().unwrap();
        let delay = Fault::Delay(Duration::from_secs(30));
        world.sandbox.faults().next("AddPassword", 1, delay);
        let impatient = tokio::time::timeout(Duration::ZERO, world.add_password(id, "a"));
        assert!(impatient.await.is_err());
        assert_eq!(world.passwords(id).len(), 1);
    }

    #[tokio::test]
    async fn a_planned_refusal_has_the_status_of_its_code() {
        let world = World::new();
        let plan = |action: &str, code: &str| {
            let refusal = Fault::Refuse {
                code: code.to_owned(),
                message: "planned".to_owned(),
            };
            world.sandbox.faults().next(action, 1, refusal);
        };
        plan("ListApplications", "Authorization_RequestDenied");
        let reply = world.graph("GET", LIST, None).await;
        assert_eq!((reply.status, reply.message()), (403, "planned"));
        plan("ListApplications", "Directory_ConcurrencyViolation");
        assert_eq!(world.graph("GET", LIST, None).await.status, 409);
        plan(
            "ListApplications",
            "CredentialInvalidLifetimeAsPerAppPolicy",
        );
        assert_eq!(world.graph("GET", LIST, None).await.status, 400);
        plan("AssignRole", "ScopeLocked");
        assert_eq!(world.assign_reader(1, "x").await.status, 409);
        plan("Token", "AADSTS7000215");
        let reply = world.sign_in(&world.base.app_id, BASE_SECRET).await;
        assert_eq!((reply.status, reply.aadsts()), (401, 7_000_215));
    }
}
