//! The hunt for secret values where Azure is concerned: reading, checking, revoking and taking back, in good times and bad,
//! with every event of Azure's own libraries in the log.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use mayfly::clock::Clock;
use mayfly_local::sandbox::Fault;
use mayfly_tests::{
    Vault,
    azure::{BASE_SECRET, Kind, SCOPE, Tenant},
    vault::dynamic,
    wire::Trouble,
};
use serde_json::{Value, json};
use tracing::{Level, Subscriber};
use tracing_subscriber::{Registry, filter::Targets, fmt, layer::SubscriberExt};

use crate::hunt::{Hunt, Log, TYPED, assert_unmarked};

const WRONG_SECRET: &str = "MARK-a-wrong-client-secret-6f";
/// Where the token kind is.
const TOKEN: &str = "azure/token";

/// Everything of ours and of Azure's libraries, and warnings of all others.
fn subscriber(log: &Log) -> impl Subscriber + Send + Sync + use<> {
    let all = ["mayfly", "azure", "typespec"].map(|name| (name, Level::TRACE));
    let filter = Targets::new().with_targets(all).with_default(Level::WARN);
    let log = log.clone();
    let lines = fmt::layer().json().with_writer(move || log.clone());
    Registry::default().with(filter).with(lines)
}

/// A hunt, and what is told to whoever looks after leases.
struct Drive {
    hunt: Hunt,
    told: Vec<String>,
}

impl Drive {
    /// Asks, and plants what is minted.
    async fn read(&mut self, path: &str) -> u16 {
        let target = format!("/v1/secrets/{path}");
        let answer = self.hunt.ask(Method::GET, &target, None).await;
        let data = answer.json()["data"].clone();
        for name in ["clientSecret", "accessToken"] {
            if let Some(minted) = data[name].as_str() {
                self.hunt.plant(minted);
            }
        }
        answer.status
    }

    async fn read_all(&mut self) {
        for kind in Kind::ALL {
            self.read(kind.path()).await;
        }
        self.read(TOKEN).await;
    }

    /// Looks at everything that is told about secrets, leases and tasks.
    async fn look(&mut self) {
        let mut targets = vec!["/v1/leases".to_owned(), "/v1/leases?state=stuck".to_owned()];
        for path in ["azure/base", TOKEN]
            .into_iter()
            .chain(Kind::ALL.map(Kind::path))
        {
            targets.push(format!("/v1/secrets/{path}::check"));
            targets.push(format!("/v1/secrets/{path}::description"));
        }
        let leases = self.hunt.vault.items_of("LEASE#");
        for lease in &leases {
            let id = lease["id"]["S"].as_str().unwrap();
            targets.push(format!("/v1/task/status/task_{id}"));
        }
        for target in targets {
            let answer = self.hunt.ask(Method::GET, &target, None).await;
            self.told.push(answer.text());
        }
    }

    /// One run of the worker for this event.
    async fn work(&mut self, event: Value) {
        let vault = &self.hunt.vault;
        let until = vault.clock.now() + Duration::from_mins(1);
        let done = vault.work(event, until).await;
        match done {
            Ok(done) => self.told.push(done.to_string()),
            Err(error) => self.hunt.errors.push(format!("{error:?}")),
        }
    }

    /// What the table's stream would tell now.
    async fn stream(&mut self) {
        let tasks = self.hunt.vault.items_of("TASK#");
        let records: Vec<Value> = tasks
            .iter()
            .map(|task| {
                let keys = json!({"pk": task["pk"], "sk": task["sk"]});
                json!({
                    "eventSource": "aws:dynamodb",
                    "dynamodb": {"Keys": keys, "SequenceNumber": "1"},
                })
            })
            .chain([json!({"eventSource": "aws:dynamodb", "clientSecret": TYPED})])
            .collect();
        self.work(json!({ "Records": records })).await;
    }

    async fn sweep(&mut self) {
        self.work(json!({"mayfly": "sweep"})).await;
    }

    /// Lets the worker go on until all is over, or until nothing helps.
    async fn pass(&mut self, span: Duration, times: u32) {
        for _ in 0..times {
            self.hunt.vault.wait(span).await;
            let token = self.hunt.vault.token.clone();
            self.hunt.plant(token);
            self.sweep().await;
        }
    }
}

/// What a caller or an owner does wrong.
async fn mistakes(drive: &mut Drive, tenant: &Tenant) {
    let data = |field: &str| {
        let mut data = tenant.base_data();
        data[field] = json!(TYPED);
        json!({"data": data, "attributes": {"type": "azure"}})
    };
    let linked = |attributes: Value| dynamic("azure:base", attributes);
    for body in [
        data("tenantId"),
        data("clientId"),
        data("subscriptionId"),
        data("environment"),
        linked(json!({"appId": TYPED, "appObjectId": TYPED})),
        linked(json!({"scope": TYPED, "roleName": "Reader"})),
        linked(json!({"scope": SCOPE, "roleId": TYPED})),
        linked(json!({"msApiType": TYPED})),
        linked(json!({"msApiType": "msgraph", "resourceId": TYPED, "appRoleId": TYPED})),
        linked(json!({"providerType": "token", "scopes": [TYPED]})),
        linked(json!({"providerType": "token", "scopes": [["x"]], "ttl": TYPED})),
        linked(json!({"scope": SCOPE, "roleName": "Reader", "readiness": TYPED})),
    ] {
        let target = "/v1/secrets/azure/wrong";
        let answer = drive.hunt.ask(Method::POST, target, Some(&body)).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    for body in [
        json!({"prefix": [TYPED]}),
        json!({"principal": TYPED}),
        json!({"base": "::"}),
    ] {
        let target = "/v1/leases/revoke";
        let answer = drive.hunt.ask(Method::POST, target, Some(&body)).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    for target in [
        "/v1/leases/nonsense/revoke",
        "/v1/leases/11111111-2222-4333-8444-555555555555/revoke",
    ] {
        let token = drive.hunt.vault.token.clone();
        drive.hunt.raw(target, &token, "{}").await;
    }
    for query in ["state", "secret", "principal", "cursor"] {
        let target = format!("/v1/leases?{query}={TYPED}::");
        drive.hunt.ask(Method::GET, &target, None).await;
    }
}

/// Whatever the cloud does wrong, while reading and while taking back. Only its first line may be told.
async fn bad_times(drive: &mut Drive) {
    let refusal = |code: &str| Fault::Refuse {
        code: code.to_owned(),
        message: format!("no\nAuthorization: Bearer {TYPED}, client_secret={TYPED}"),
    };
    let actions = [
        ("Token", refusal("AADSTS90002")),
        ("Token", Fault::FailAfterSuccess),
        ("AddPassword", refusal("Request_BadRequest")),
        ("AddPassword", Fault::FailAfterSuccess),
        ("AddPassword", Fault::Throttle),
        ("UpsertApplication", refusal("Directory_QuotaExceeded")),
        (
            "UpsertServicePrincipal",
            refusal("Authorization_RequestDenied"),
        ),
        ("AssignAppRole", refusal("Request_BadRequest")),
        ("ListPermissions", refusal("AuthorizationFailed")),
        ("AssignRole", refusal("RoleAssignmentLimitExceeded")),
        ("GetApplication", refusal("Request_BadRequest")),
        ("RemovePassword", refusal("Authorization_RequestDenied")),
        ("DeleteApplication", Fault::FailAfterSuccess),
        ("RemoveRoleAssignment", refusal("ScopeLocked")),
    ];
    for (action, fault) in actions {
        let sandbox = drive.hunt.vault.sandbox.clone();
        sandbox.faults().always(action, fault);
        // Another process has no token yet, so that signing in can fail too.
        drive.hunt.vault = drive.hunt.vault.another();
        drive.read_all().await;
        drive.stream().await;
        drive.look().await;
        drive.pass(Duration::from_mins(16), 2).await;
        sandbox.faults().clear();
    }
    let vault = &drive.hunt.vault;
    for operation in [
        "POST token",
        "POST addPassword",
        "PATCH applications",
        "PUT roleAssignments",
    ] {
        for trouble in [
            Trouble::Unreachable,
            Trouble::LostAnswer,
            Trouble::AccessDenied,
        ] {
            vault.wire.next(operation, trouble);
        }
    }
    for operation in ["TransactWriteItems", "PutItem", "BatchGetItem"] {
        for _ in 0..4 {
            vault.wire.next(operation, Trouble::AccessDenied);
        }
    }
    drive.read_all().await;
    drive.read_all().await;
    drive.sweep().await;
    // One without the troubles that nobody met.
    drive.hunt.vault = drive.hunt.vault.another();
}

/// A vault with a secret of each kind, and what must not be found.
async fn start() -> (Drive, Tenant) {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let tenant = Tenant::seed(&vault);
    tenant.create_base(&vault, json!({})).await.expect(201);
    for kind in Kind::ALL {
        let ready = json!({"readiness": "token"});
        tenant.create(&vault, kind, ready).await.expect(201);
    }
    let scopes = json!({"providerType": "token", "scopes": ["https://vault.azure.net/.default"]});
    let made = vault.create(TOKEN, dynamic("azure:base", scopes));
    made.await.expect(201);
    let token_head = br#"{"typ":"JWT","alg":"HS256","kid":"mayfly-sandbox"}"#;
    let marks = vec![
        TYPED.to_owned(),
        BASE_SECRET.to_owned(),
        WRONG_SECRET.to_owned(),
        // Every token of the sandbox begins so, those that the vault keeps for itself too.
        BASE64_URL_SAFE_NO_PAD.encode(token_head),
        vault.token.clone(),
        vault.client_secret.clone(),
    ];
    let hunt = Hunt {
        vault,
        marks,
        errors: Vec::new(),
    };
    let told = Vec::new();
    (Drive { hunt, told }, tenant)
}

/// The base has another client secret now.
async fn rotate(drive: &mut Drive, secret: &str) {
    let change = json!({"data": {"clientSecret": secret}});
    let target = "/v1/secrets/azure/base";
    let answer = drive.hunt.ask(Method::PUT, target, Some(&change)).await;
    answer.expect(200);
}

async fn drive(log: &Log) -> Drive {
    let _logging = tracing::subscriber::set_default(subscriber(log));
    // While there is only one subscriber, a test on another thread, which has none, could switch a log line off for all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let (mut drive, tenant) = start().await;
    for path in [TOKEN].into_iter().chain(Kind::ALL.map(Kind::path)) {
        assert_eq!(drive.read(path).await, 200, "{path}");
    }
    drive.stream().await;
    drive.look().await;
    mistakes(&mut drive, &tenant).await;
    bad_times(&mut drive).await;

    rotate(&mut drive, WRONG_SECRET).await;
    drive.read_all().await;
    drive.look().await;
    drive.sweep().await;
    rotate(&mut drive, BASE_SECRET).await;
    drive.read_all().await;
    let all = json!({"base": "azure:base"});
    let target = "/v1/leases/revoke";
    let answer = drive.hunt.ask(Method::POST, target, Some(&all)).await;
    drive.told.push(answer.expect(202).text());
    let strays = json!({"mayfly": "reconcile", "delete": true});
    drive.work(strays).await;
    drive.work(json!({"mayfly": TYPED})).await;
    drive.pass(Duration::from_mins(11), 3).await;
    drive.look().await;
    drive
}

#[tokio::test]
async fn no_secret_of_azure_is_logged_stored_in_the_clear_or_told() {
    let log = Log::default();
    let Drive { hunt, told } = drive(&log).await;

    let lines = log.text();
    for word in [
        "azure_identity",
        "typespec_client_core",
        "lease_stuck",
        "woken",
        "swept",
    ] {
        assert!(lines.contains(word), "the log holds {word:?}");
    }
    assert!(hunt.marks.len() >= 30, "{} marks", hunt.marks.len());
    assert!(hunt.errors.len() >= 60, "{} errors", hunt.errors.len());
    assert!(told.len() >= 100, "{} told", told.len());
    let audit: Vec<String> = hunt.vault.audit().iter().map(Value::to_string).collect();
    let items: Vec<String> = hunt.vault.items().iter().map(Value::to_string).collect();
    assert!(audit.len() >= 100 && items.len() > audit.len());
    for (where_, text) in [
        ("the log", lines),
        ("an error", hunt.errors.join("\n")),
        ("what is told", told.join("\n")),
        ("the audit", audit.join("\n")),
        ("the table", items.join("\n")),
    ] {
        assert_unmarked(where_, &text, &hunt.marks);
        // So begins every client secret of the sandbox, also those whose answers were lost.
        assert!(!text.contains("sandbox~"), "{where_} holds a client secret");
    }
}
