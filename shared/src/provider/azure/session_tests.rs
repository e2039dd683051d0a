//! Calls against a connector that answers from a list.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::{
    clock::FixedClock,
    config::Endpoints,
    domain::sensitive::Sensitive,
    provider::azure::{Environment, NewApplication, Plan, plan::Kind},
};

const ID: &str = "11111111-2222-3333-4444-555555555555";
const SECRET: &str = "hunter2-client-secret";

/// Answers in order, and remembers what it was asked.
#[derive(Debug, Clone, Default)]
struct Canned(Arc<Mutex<(VecDeque<HttpResponse>, Vec<HttpRequest>)>>);

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut inner = self.0.lock().unwrap();
        inner.1.push(request);
        HttpConnectorFuture::ready(
            inner
                .0
                .pop_front()
                .ok_or_else(|| ConnectorError::io("the connection broke".into())),
        )
    }
}

impl Canned {
    fn then(&self, status: u16, body: &str) -> &Self {
        self.then_with(status, body, &[])
    }

    fn then_with(
        &self,
        status: u16,
        body: &str,
        headers: &[(&'static str, &'static str)],
    ) -> &Self {
        let status = StatusCode::try_from(status).unwrap();
        let mut answer = HttpResponse::new(status, SdkBody::from(body));
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        self.0.lock().unwrap().0.push_back(answer);
        self
    }

    fn then_token(&self, token: &str) -> &Self {
        let body = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token});
        self.then(200, &body.to_string())
    }

    /// Method and address of each request.
    fn asked(&self) -> Vec<String> {
        let requests = &self.0.lock().unwrap().1;
        requests
            .iter()
            .map(|request| format!("{} {}", request.method(), request.uri()))
            .collect()
    }

    fn header(&self, index: usize, name: &str) -> Option<String> {
        let inner = self.0.lock().unwrap();
        inner.1[index].headers().get(name).map(str::to_owned)
    }

    fn body(&self, index: usize) -> String {
        let inner = self.0.lock().unwrap();
        let body = inner.1[index].body().bytes().unwrap_or_default();
        String::from_utf8(body.to_vec()).unwrap()
    }
}

struct World {
    canned: Canned,
    clock: Arc<FixedClock>,
    azure: Azure,
    credential: Credential,
}

impl World {
    fn at(endpoints: &Endpoints) -> Self {
        let (canned, clock) = (Canned::default(), Arc::new(FixedClock::at(0)));
        let connector = SharedHttpConnector::new(canned.clone());
        Self {
            azure: Azure::new(connector, endpoints, clock.clone()),
            canned,
            clock,
            credential: Credential {
                tenant_id: "contoso.example".to_owned(),
                client_id: ID.to_owned(),
                client_secret: Sensitive::new(SECRET.to_owned()),
                subscription_id: ID.to_owned(),
                environment: Environment::Public,
                secret_expires: None,
            },
        }
    }

    fn new() -> Self {
        Self::at(&Endpoints::default())
    }

    fn session(&self) -> Session<'_> {
        self.azure.session(&self.credential, Uuid::nil(), 1)
    }

    fn until(&self) -> OffsetDateTime {
        use crate::clock::Clock;
        self.clock.now() + time::Duration::seconds(25)
    }
}

fn jwt(claims: &Value) -> String {
    let part = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{part}.x")
}

const APP: &str = r#"{"id":"o-1","appId":"a-1"}"#;

#[tokio::test]
async fn one_token_serves_many_calls_until_it_nears_its_end() {
    let world = World::new();
    world.canned.then_token("t-1").then(200, APP).then(200, APP);
    let session = world.session();
    for _ in 0..2 {
        let found = session
            .application_by_unique_name("dsv-x", world.until())
            .await
            .unwrap();
        assert_eq!(found.unwrap().app_id, "a-1");
    }
    world.clock.advance(std::time::Duration::from_mins(56));
    world.canned.then_token("t-2").then(200, APP);
    session
        .application_by_unique_name("it's", world.until())
        .await
        .unwrap();
    assert_eq!(
        world.canned.asked(),
        [
            "POST https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
            "GET https://graph.microsoft.com/v1.0/applications(uniqueName='dsv-x')?$select=id,appId",
            "GET https://graph.microsoft.com/v1.0/applications(uniqueName='dsv-x')?$select=id,appId",
            "POST https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
            "GET https://graph.microsoft.com/v1.0/applications(uniqueName='it%27%27s')?$select=id,appId",
        ]
    );
    assert_eq!(
        world.canned.header(1, "authorization").unwrap(),
        "Bearer t-1"
    );
    assert_eq!(
        world.canned.header(4, "authorization").unwrap(),
        "Bearer t-2"
    );
    assert!(
        world
            .canned
            .body(0)
            .contains("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default")
    );
}

#[tokio::test]
async fn a_kept_token_that_became_void_is_replaced_and_a_new_one_is_not() {
    let world = World::new();
    world.canned.then_token("t-1").then(200, APP);
    let session = world.session();
    session
        .application_by_unique_name("x", world.until())
        .await
        .unwrap();
    world
        .canned
        .then(401, "{}")
        .then_token("t-2")
        .then(200, APP);
    session
        .application_by_unique_name("x", world.until())
        .await
        .unwrap();
    session.forget_tokens();
    world.canned.then_token("t-3").then(401, "{}");
    let failure = session
        .application_by_unique_name("x", world.until())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Refused);
    assert_eq!(world.canned.asked().len(), 7);
}

#[tokio::test]
async fn an_upsert_takes_what_was_made_or_looks_it_up() {
    let world = World::new();
    let new = NewApplication {
        unique_name: "dsv-x".to_owned(),
        display_name: "dsv-x".to_owned(),
        tags: vec!["mayfly:v".to_owned()],
        notes: "n".to_owned(),
    };
    world.canned.then_token("t").then(201, APP);
    world.canned.then(204, "").then(200, APP);
    let session = world.session();
    for _ in 0..2 {
        let made = session
            .upsert_application(&new, world.until())
            .await
            .unwrap();
        assert_eq!(made.id, "o-1");
    }
    assert_eq!(
        world.canned.header(1, "prefer").unwrap(),
        "create-if-missing"
    );
    assert!(world.canned.header(3, "prefer").is_none());
    assert!(
        world
            .canned
            .body(1)
            .contains(r#""signInAudience":"AzureADMyOrg""#)
    );
}

#[tokio::test]
async fn lists_are_followed_on_the_same_host_only() {
    let world = World::new();
    let page = |next: &str| json!({"value": [{"id": "1"}], "@odata.nextLink": next}).to_string();
    let good = "https://graph.microsoft.com/v1.0/directory/deletedItems/x?$skiptoken=1";
    world.canned.then_token("t").then(200, &page(good));
    world
        .canned
        .then(200, r#"{"value":[{"id":"2","displayName":null}]}"#);
    let session = world.session();
    let found = session
        .deleted_applications("d'x", world.until())
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        world.canned.asked()[1]
            .ends_with("?$filter=displayName%20eq%20%27d%27%27x%27&$select=id,displayName,appId")
    );
    for bad in [
        "https://evil.example/v1.0/x",
        "http://graph.microsoft.com/v1.0/x",
        "https://management.azure.com/x",
        "/v1.0/x",
    ] {
        world.canned.then(200, &page(bad));
        let failure = session
            .deleted_applications("x", world.until())
            .await
            .unwrap_err();
        assert_eq!(failure.class, Class::Unknown, "{bad}");
    }
}

#[tokio::test]
async fn nothing_is_sent_that_could_be_under_way_at_the_deadline() {
    let world = World::new();
    let session = world.session();
    let near = world.until() - time::Duration::seconds(21);
    let failure = session.purge("x", near).await.unwrap_err();
    assert_eq!(failure.class, Class::Late);
    assert!(world.canned.asked().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_nothing_is_sent_again() {
    let world = World::new();
    world.canned.then_token("t");
    let failure = world
        .session()
        .add_password("o-1", "mayfly-x-1", world.until(), world.until())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Unknown);
    assert!(failure.error.is_retryable());
    assert_eq!(world.canned.asked().len(), 2);
}

#[tokio::test]
async fn waits_and_refusals_are_read_from_answers() {
    let world = World::new();
    world.canned.then_token("t");
    world.canned.then_with(429, "{}", &[("retry-after", "1.5")]);
    let session = world.session();
    let failure = session.purge("x", world.until()).await.unwrap_err();
    assert_eq!(failure.class, Class::Throttled);
    assert_eq!(failure.retry_after.unwrap().as_millis(), 1500);
    world.canned.then(
        404,
        r#"{"error":{"code":"Request_ResourceNotFound","message":"m"}}"#,
    );
    assert!(
        session
            .application("x", world.until())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_base_that_cannot_sign_in_says_why() {
    let world = World::new();
    let refused = |number: u32| {
        json!({
            "error": "invalid_client",
            "error_description": format!("AADSTS{number}: It's \"no\".\r\nTrace ID: 1"),
            "error_codes": [number],
        })
        .to_string()
    };
    let session = world.session();
    for (number, status, says) in [
        (7_000_215, 401, "the base's client secret is wrong"),
        (700_016, 400, "the base's clientId"),
        (7_000_222, 401, "data.clientSecret: of the base has expired"),
        (90_002, 400, "the tenant does not exist"),
        (53_003, 403, "AADSTS53003: It's \"no\"."),
    ] {
        world.canned.then(status, &refused(number));
        let failure = session.graph_roles(world.until()).await.unwrap_err();
        let text = failure.error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("Trace") && !text.contains(SECRET), "{text}");
        assert_eq!(failure.class, Class::Refused, "{number}");
    }
    world
        .canned
        .then_with(503, "<html>", &[("retry-after", "3")]);
    let failure = session.graph_roles(world.until()).await.unwrap_err();
    assert_eq!(failure.class, Class::Throttled);
    world.canned.then(500, "<html>");
    let failure = session.graph_roles(world.until()).await.unwrap_err();
    assert_eq!(failure.class, Class::Unknown);
    // Of somebody else's secret, which was just made, the same code means not yet.
    world.canned.then(401, &refused(7_000_215));
    let who = SignIn::from(&world.credential);
    let failure = world
        .azure
        .sign_in(&who, "x/.default", world.until())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::NotYet);
}

#[tokio::test]
async fn roles_are_read_from_the_token_if_it_can_be_read() {
    let world = World::new();
    world
        .canned
        .then_token(&jwt(&json!({"roles": ["Application.ReadWrite.OwnedBy"]})));
    let session = world.session();
    let roles = session.graph_roles(world.until()).await.unwrap();
    assert_eq!(
        roles.into_iter().collect::<Vec<_>>(),
        ["Application.ReadWrite.OwnedBy"]
    );
    session.forget_tokens();
    world.canned.then_token(&jwt(&json!({})));
    let known = session.known_graph_roles(world.until()).await.unwrap();
    assert!(known.unwrap().is_empty());
    session.forget_tokens();
    world.canned.then_token("opaque");
    assert!(
        session
            .known_graph_roles(world.until())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_token_is_minted_anew_and_tried_again_when_entra_is_busy() {
    let world = World::new();
    let plan = Plan {
        credential: world.credential.clone(),
        base_id: Uuid::nil(),
        base_version: 1,
        kind: Kind::Token {
            scope: "x/.default".to_owned(),
        },
    };
    world.canned.then_with(429, "{}", &[("retry-after", "2")]);
    world.canned.then_token("t-1").then_token("t-2");
    for token in ["t-1", "t-2"] {
        let minted = world.azure.mint_token(&plan, "x/.default").await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test looks at what it minted")]
        let data: Value = serde_json::from_str(minted.data.text().expose()).unwrap();
        assert_eq!(data["accessToken"], token);
        assert_eq!(data["tokenType"], "Bearer");
        assert_eq!(data["ttl"], 3600);
        assert_eq!(data["expiration"], "1970-01-01T01:00:02Z");
        assert_eq!(data["clientId"], ID);
    }
    world.canned.then_with(429, "{}", &[("retry-after", "60")]);
    let error = world
        .azure
        .mint_token(&plan, "x/.default")
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Throttled {
            retry_after: 60,
            ..
        }
    ));
}

#[tokio::test]
async fn roles_in_azure_are_looked_up_assigned_and_removed() {
    let world = World::new();
    let scope = format!("/subscriptions/{ID}");
    let role = |name: &str| json!({"id": "/r", "name": "guid", "properties": {"roleName": name}});
    let found = json!({"value": [role("Reader"), role("Reader 2")], "nextLink": null}).to_string();
    world
        .canned
        .then_token("t")
        .then(200, &found)
        .then(201, "{}")
        .then(204, "");
    let session = world.session();
    let roles = session
        .roles_named(&scope, "reader", world.until())
        .await
        .unwrap();
    assert_eq!(roles.len(), 1);
    session
        .assign_role(&scope, ID, "/r", "p", world.until())
        .await
        .unwrap();
    session
        .remove_role_assignment(&scope, ID, world.until())
        .await
        .unwrap();
    let base = format!("https://management.azure.com{scope}/providers/Microsoft.Authorization");
    let asked = world.canned.asked();
    assert_eq!(
        asked.last().unwrap(),
        &format!("DELETE {base}/roleAssignments/{ID}?api-version=2022-04-01")
    );
    assert_eq!(
        asked[1],
        format!(
            "GET {base}/roleDefinitions?api-version=2022-04-01&$filter=roleName%20eq%20%27reader%27"
        )
    );
    assert!(
        world
            .canned
            .body(2)
            .contains(r#""principalType":"ServicePrincipal""#)
    );
}

#[tokio::test]
async fn ids_cannot_leave_their_part_of_the_path() {
    let world = World::new();
    world.canned.then_token("t");
    let session = world.session();
    for bad in ["..", "."] {
        assert!(session.purge(bad, world.until()).await.is_err());
    }
    assert_eq!(world.canned.asked().len(), 1);
    world.canned.then(204, "");
    session.purge("a/../b?c#d", world.until()).await.unwrap();
    assert_eq!(
        world.canned.asked()[1],
        "DELETE https://graph.microsoft.com/v1.0/directory/deletedItems/a%2F..%2Fb%3Fc%23d"
    );
}

/// What was logged, at any level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_library_logs_secrets_even_when_it_may_log_everything() {
    let lines = Lines::default();
    let writer = lines.clone();
    let everything = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(everything);
    let guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, lines that another thread meets first would never be logged.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let world = World::new();
    world.canned.then_token("hunter3-token");
    world
        .canned
        .then(200, r#"{"keyId":"k","secretText":"hunter4-password"}"#);
    let session = world.session();
    session
        .add_password("o-1", "mayfly-x-1", world.until(), world.until())
        .await
        .unwrap();
    world.canned.then(
        200,
        r#"{"keyId":"k","secretText":7,"x":"hunter4-password"}"#,
    );
    let failure = session
        .add_password("o-1", "mayfly-x-2", world.until(), world.until())
        .await
        .unwrap_err();
    tracing::info!(error = crate::error::chain(&failure.error), "{failure:?}");
    drop(guard);
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("o-1"), "{logged}");
    for secret in [SECRET, "hunter3", "hunter4"] {
        assert!(!logged.contains(secret), "{secret}: {logged}");
    }
}
