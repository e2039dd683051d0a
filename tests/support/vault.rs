//! `Vault`: a whole vault in this process, with a clock that stands still and a sandbox cloud. Each function has a process
//! of its own, with the privileges that it is deployed with.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use axum::body::Body;
use dynoxide::Database;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use mayfly::{
    access::{
        client,
        policy::{Effect, Rule},
        rules::RulesCache,
    },
    app::{App, Setup},
    audit::Issuance,
    clients,
    clock::{BoxFuture, Clock, FixedClock},
    config::{AwsAccess, Endpoints},
    domain::{
        attributes::Attributes, cloud::Cloud, data::SecretData, link::LinkRight,
        sensitive::Sensitive,
    },
    error::Error,
    http::{
        edge::{Arrival, Edge},
        lambda::Direct,
        path::RawPath,
    },
    leases::rule::Rule as LeaseRule,
    provider::{
        Base, Plan, Providers, Way,
        aws::{AssumableRoles, FunctionIdentity},
        azure::Azure,
    },
    routes::ROUTES,
    seal::{KeyFile, KeyWrapper, Keyrings, Purpose},
    secrets::purge,
    store::{
        schema::{Head, MemberOf, Role, new_stamp},
        table::Table,
    },
};
use mayfly_local::{
    embedded::{self, Embedded},
    sandbox::{Sandbox, SandboxRole, SandboxUser},
    vault::PURPOSES,
};
use mayfly_token::bootstrap;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    answer::Answer,
    privileges::{Deployed, Held, Privileges, Record},
    wire::{InProcess, Wire},
};

/// When a test vault's clock starts: 2026-01-01T00:00:00Z, in milliseconds.
pub const START: i64 = 1_767_225_600_000;
/// Where a test vault is reached.
pub const ORIGIN: &str = "https://vault.test";
/// Where requests come from.
pub const SOURCE: &str = "192.0.2.7";
/// Where all services of Azure are, for a vault in this process.
const CLOUD: &str = "https://cloud.test";
/// The sandbox account.
pub const ACCOUNT: &str = "123456789012";
/// A role that the sandbox user may assume, for at most two hours.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
/// The role that the functions run as, for tests that lend it.
pub const FUNCTION_ROLE: &str = "arn:aws:iam::123456789012:role/mayfly-functions";
/// A managed policy.
pub const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
/// The sandbox user's access key.
pub const ACCESS_KEY: &str = "AKIASANDBOXTESTUSER2";
/// The sandbox user's secret key.
pub const SECRET_KEY: &str = "sandboxSecretKeyOfTheTestUser+0123456789";

/// A clock that flows as tokio's does.
struct Flowing(tokio::time::Instant);

impl Flowing {
    fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for Flowing {
    fn now(&self) -> OffsetDateTime {
        FixedClock::at(START).now() + self.0.elapsed()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A vault with its first admin signed in.
pub struct Vault {
    /// A process that may do everything, for tests that look at or change things behind the vault's back.
    pub app: Arc<App>,
    /// Its clock; stands still until it is moved.
    pub clock: Arc<FixedClock>,
    /// Every upstream call it makes.
    pub wire: Wire,
    /// The cloud it mints from.
    pub sandbox: Sandbox,
    /// The table, for tests that look at or edit what is stored.
    pub database: Database,
    /// The admin's client id.
    pub client_id: String,
    /// The admin's client secret.
    pub client_secret: String,
    /// The admin's token.
    pub token: String,
    keys: Arc<dyn KeyWrapper>,
    time: Arc<dyn Clock>,
    broken: Option<LeaseRule>,
    record: Option<Record>,
    /// Each starts when it is first needed.
    processes: BTreeMap<Deployed, OnceLock<Process>>,
}

/// One function as it runs.
struct Process {
    app: Arc<App>,
    /// None of a function that takes events only.
    edge: Option<Edge>,
}

impl Vault {
    /// Starts a vault in memory, makes its first admin and signs it in. The sandbox knows one user and one role.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        Self::start_with(Arc::new(KeyFile::ephemeral().unwrap())).await
    }

    /// Starts a vault whose branch keys are wrapped by `keys`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(keys: Arc<dyn KeyWrapper>) -> Self {
        Self::empty(keys).started().await
    }

    /// Starts a vault whose time, and that of its cloud, flows as tokio's does: paused, it goes on as fast as everybody
    /// waits.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_flowing() -> Self {
        let keys = Arc::new(KeyFile::ephemeral().unwrap());
        Self::over(keys, Some(Arc::new(Flowing::new())))
            .started()
            .await
    }

    /// Starts a vault where every function may do everything, and `record` has what they asked for.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_recording(record: Record) -> Self {
        let vault = Self::empty(Arc::new(KeyFile::ephemeral().unwrap()));
        vault.recording(record).started().await
    }

    async fn started(self) -> Self {
        let mut vault = self;
        let trail = bootstrap::trail("test".to_owned(), "bootstrap");
        let token = vault.function(Deployed::Token);
        let admin = bootstrap::bootstrap(token, &trail).await.unwrap();
        vault.client_id = admin.client_id;
        vault.client_secret = shown(&admin.client_secret);
        let answer = vault
            .sign_in(&vault.client_id, &vault.client_secret)
            .await
            .expect(200);
        vault.token = access_token(&answer);
        vault.warm_up().await;
        if std::env::var_os("MAYFLY_TEST_WEATHER").is_some() {
            vault.wire.bad_weather(7);
        }
        vault.wire.clear();
        vault
    }

    /// A vault on an empty table: it has no admin yet, and nobody is signed in.
    ///
    /// # Panics
    /// If its parts cannot be made.
    pub fn empty(keys: Arc<dyn KeyWrapper>) -> Self {
        Self::over(keys, None)
    }

    fn over(keys: Arc<dyn KeyWrapper>, time: Option<Arc<dyn Clock>>) -> Self {
        let clock = Arc::new(FixedClock::at(START));
        let time = time.unwrap_or_else(|| clock.clone());
        let sandbox = Sandbox::in_memory(time.clone());
        sandbox
            .add_user(
                SandboxUser::new("base", ACCOUNT, ACCESS_KEY, SECRET_KEY.to_owned())
                    .allowed_to_federate(),
            )
            .unwrap();
        sandbox.add_role(role(ROLE)).unwrap();
        let wire = Wire::default();
        let database = embedded::open(None).unwrap();
        let app = assemble(
            &database,
            &wire,
            &sandbox,
            keys.clone(),
            time.clone(),
            &PURPOSES,
        );
        Self {
            app: Arc::new(app),
            clock,
            wire,
            sandbox,
            database,
            client_id: String::new(),
            client_secret: String::new(),
            token: String::new(),
            keys,
            time,
            broken: None,
            record: None,
            processes: not_started(),
        }
    }

    /// The same vault, and every [`another`](Self::another) of it, with one rule of leases broken.
    #[must_use]
    pub fn breaking(mut self, rule: LeaseRule) -> Self {
        self.broken = Some(rule);
        self.another()
    }

    /// The same vault, and every [`another`](Self::another) of it, where every function may do everything, and `record`
    /// has what they asked for.
    #[must_use]
    pub fn recording(mut self, record: Record) -> Self {
        self.record = Some(record);
        self.another()
    }

    /// The same vault, whose first admin is made as `setup` says.
    ///
    /// # Panics
    /// If its parts cannot be made.
    #[must_use]
    pub fn with_setup(mut self, setup: Setup) -> Self {
        let token = self.app_of(Deployed::Token).with_setup(setup);
        let process = Process::new(Deployed::Token, token);
        self.processes.insert(Deployed::Token, process.into());
        self
    }

    /// The same vault, deployed with `access` in the environment of its functions and lending that for `roles`.
    ///
    /// # Panics
    /// If one is no ARN of a role.
    #[must_use]
    pub fn with_function_identity(mut self, access: &AwsAccess, roles: &[&str]) -> Self {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        for function in [Deployed::Crud, Deployed::DynamicRead] {
            let mut app = self.app_of(function);
            let roles = AssumableRoles::new(roles.clone()).unwrap();
            let identity = FunctionIdentity::new(access, roles);
            app.providers.aws = app.providers.aws.lending(identity);
            self.processes
                .insert(function, Process::new(function, app).into());
        }
        self
    }

    /// Makes [`FUNCTION_ROLE`], lets it assume [`ROLE`], and answers a session of it, as Lambda gives one to a function.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn function_access(&self) -> AwsAccess {
        let mut own = role(FUNCTION_ROLE);
        own.max_duration = 43_200;
        self.sandbox.add_role(own).unwrap();
        let mut assumed = role(ROLE);
        assumed.trusted_users.push(FUNCTION_ROLE.to_owned());
        self.sandbox.add_role(assumed).unwrap();

        let (now, read) = (self.time.now(), LinkRight::Read);
        let base: SecretData = serde_json::from_value(base(json!({}))["data"].take()).unwrap();
        let base = Base::unwritten(base, Attributes::default(), now);
        let asked = json!({"providerType": "assumeRole", "roleArn": FUNCTION_ROLE, "ttl": 43_200});
        let asked = Attributes::new(asked.as_object().unwrap().clone());
        let providers = &self.app.providers;
        let plan: Plan = providers
            .plan(Cloud::Aws, &asked, &base, read, now)
            .unwrap();
        let Way::AtOnce(call) = plan.way() else {
            unreachable!("a session leaves nothing")
        };
        let (issuance, lambda) = (Issuance::begin(now), "roles:lambda".parse().unwrap());
        let minted = providers
            .mint(&call, &issuance, &lambda)
            .await
            .unwrap()
            .data;
        self.wire.clear();
        AwsAccess {
            region: "us-east-1".to_owned(),
            access_key: minted.string("accessKey").unwrap(),
            secret_key: minted.string("secretKey").unwrap(),
            session_token: minted.string("sessionToken"),
        }
    }

    /// What a function is given, in its own process.
    ///
    /// # Panics
    /// Never: there is one for each.
    pub fn function(&self, function: Deployed) -> &Arc<App> {
        &self.process(function).app
    }

    fn process(&self, function: Deployed) -> &Process {
        self.processes[&function].get_or_init(|| Process::new(function, self.app_of(function)))
    }

    /// The app of a function, over this vault's parts, with its own privileges.
    fn app_of(&self, function: Deployed) -> App {
        let privileges = Privileges::new(function, self.record.clone());
        let wire = self.wire.with(privileges.clone());
        let keys = Arc::new(Held {
            keys: self.keys.clone(),
            privileges,
        });
        let (purposes, time) = (function.purposes(), self.time.clone());
        let app = assemble(&self.database, &wire, &self.sandbox, keys, time, purposes);
        match self.broken {
            Some(rule) => app.breaking(rule),
            None => app,
        }
    }

    /// Warms every function up, as each of them does when it starts.
    async fn warm_up(&self) {
        for function in Deployed::ALL {
            let app = self.function(function);
            app.warm_up(Duration::from_mins(1)).await;
        }
    }

    /// Makes a role with a client, and signs that in; answers its token. No rule names the role yet.
    ///
    /// # Panics
    /// If the role cannot be made.
    pub async fn make_role(&self, name: &str) -> String {
        let body = Role {
            description: String::new(),
            stamp: new_stamp(),
            member_of: MemberOf::default(),
        };
        let role = Head::new(name, body, "system", START);
        let (client, secret) = client::generate(&self.app, &role, "system").await.unwrap();
        self.app.table.put(&role).await.unwrap();
        self.app.table.put(&client).await.unwrap();
        let answer = self
            .sign_in(&client.name, &shown(&secret))
            .await
            .expect(200);
        access_token(&answer)
    }

    /// Replaces all rules in the table, behind this process's back. The admin keeps its own.
    ///
    /// # Panics
    /// If they cannot be written.
    pub async fn set_rules(&self, more: Vec<Rule>) {
        let table = &self.app.table;
        let (mut snapshot, epoch) = RulesCache::new(table.clone()).read().await.unwrap();
        snapshot.config = vec![rule(Effect::Allow, "roles:admin", "<.*>", "<.*>")];
        snapshot.config.extend(more);
        let writes = snapshot.writes(table, Some(&epoch)).unwrap();
        table.transact(Uuid::new_v4(), writes).await.unwrap();
    }

    /// Lets time pass, then signs the admin in again: a token ends after an hour.
    ///
    /// # Panics
    /// If the admin cannot sign in.
    pub async fn wait(&mut self, span: Duration) {
        self.clock.advance(span);
        let signed_in = self.sign_in(&self.client_id, &self.client_secret).await;
        signed_in.expect(200).json()["accessToken"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.token);
    }

    /// Other processes on the same table, cloud and key: their own memories, their own record of calls.
    #[must_use]
    pub fn another(&self) -> Self {
        let (wire, time) = (Wire::default(), self.time.clone());
        let (database, sandbox) = (&self.database, &self.sandbox);
        let app = assemble(database, &wire, sandbox, self.keys.clone(), time, &PURPOSES);
        Self {
            app: Arc::new(app),
            clock: self.clock.clone(),
            wire,
            sandbox: self.sandbox.clone(),
            database: self.database.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            token: self.token.clone(),
            keys: self.keys.clone(),
            time: self.time.clone(),
            broken: self.broken,
            record: self.record.clone(),
            processes: not_started(),
        }
    }

    /// The worker's answer to an event.
    ///
    /// # Errors
    /// What the function answers.
    pub async fn work(&self, event: Value, until: OffsetDateTime) -> Result<Value, Error> {
        let worker = self.function(Deployed::LeaseWorker).clone();
        mayfly_lease_worker::handle(worker, event, until).await
    }

    /// Purges everything that is due.
    pub async fn purge(&self) -> purge::Swept {
        let worker = self.function(Deployed::LeaseWorker);
        purge::sweep(worker, self.clock.now() + Duration::from_mins(1)).await
    }

    /// Sends any request.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        self.send_from(SOURCE, method, target, headers, body).await
    }

    /// Sends any request from an address.
    ///
    /// # Panics
    /// If the request cannot be made.
    pub async fn send_from(
        &self,
        source: &str,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        // The path goes by the arrival, as bytes nobody has touched; the request line is a placeholder for it.
        let line = query.map_or_else(|| "/".to_owned(), |query| format!("/?{query}"));
        let edge = self.edge(&method, path);
        let mut request = Request::builder().method(method).uri(line);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let arrival = Arrival {
            request_id: Uuid::new_v4().to_string(),
            source: source.to_owned(),
            origin: Some(ORIGIN.to_owned()),
            path: RawPath::Encoded(path.to_owned()),
        };
        let request = request.body(Body::from(body)).unwrap();
        let response = edge.handle(request, arrival).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// The function that a gateway hands a request to: what no route takes goes to `access`.
    fn edge(&self, method: &Method, path: &str) -> &Edge {
        let mut routes = ROUTES.iter();
        let route = routes.find(|route| route.method == method && route.takes(path));
        let function = route.map_or(Deployed::Access, |route| route.function.into());
        self.process(function).edge.as_ref().unwrap()
    }

    /// Sends a request as the admin.
    pub async fn ask(&self, method: Method, target: &str, body: Option<&Value>) -> Answer {
        self.ask_as(&self.token, method, target, body).await
    }

    /// Sends a request with `token`.
    pub async fn ask_as(
        &self,
        token: &str,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default();
        self.send(
            method,
            target,
            &[(header::AUTHORIZATION.as_str(), token)],
            body,
        )
        .await
    }

    /// `GET /v1/secrets/{rest}` as the admin.
    pub async fn read(&self, rest: &str) -> Answer {
        self.ask(Method::GET, &format!("/v1/secrets/{rest}"), None)
            .await
    }

    /// `POST /v1/secrets/{path}` as the admin.
    pub async fn create(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, &format!("/v1/secrets/{path}"), Some(&body))
            .await
    }

    /// `PUT /v1/secrets/{rest}` as the admin.
    pub async fn update(&self, rest: &str, body: Value) -> Answer {
        self.ask(Method::PUT, &format!("/v1/secrets/{rest}"), Some(&body))
            .await
    }

    /// `PUT /v1/secrets/{rest}` without a body, as roll back and restore are sent.
    pub async fn put(&self, rest: &str) -> Answer {
        self.ask(Method::PUT, &format!("/v1/secrets/{rest}"), None)
            .await
    }

    /// `DELETE /v1/secrets/{rest}` as the admin.
    pub async fn delete(&self, rest: &str) -> Answer {
        self.ask(Method::DELETE, &format!("/v1/secrets/{rest}"), None)
            .await
    }

    /// `GET /v1/secrets?{query}` as the admin.
    pub async fn search(&self, query: &str) -> Answer {
        self.ask(Method::GET, &format!("/v1/secrets?{query}"), None)
            .await
    }

    /// Signs a client in.
    pub async fn sign_in(&self, client_id: &str, client_secret: &str) -> Answer {
        let body = json!({
            "grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret,
        });
        self.send(
            Method::POST,
            "/v1/token",
            &[],
            body.to_string().into_bytes(),
        )
        .await
    }

    /// Makes a base secret at `path` with the sandbox user's key and these attributes beside `type`.
    pub async fn create_base(&self, path: &str, attributes: Value) {
        self.create(path, base(attributes)).await.expect(201);
    }

    /// Makes a dynamic secret at `path` that links to `base`, with these attributes beside the link.
    pub async fn create_dynamic(&self, path: &str, base: &str, attributes: Value) -> Answer {
        self.create(path, dynamic(base, attributes)).await
    }

    /// A direct invocation of `dynamic-read` as `principal`.
    ///
    /// # Errors
    /// What the function answers.
    pub async fn invoke(&self, principal: Option<&str>, payload: Value) -> Result<Value, Error> {
        let direct = Direct {
            principal: principal.map(|principal| principal.parse().unwrap()),
            alias: Some("test".to_owned()),
            payload,
            request_id: "test".to_owned(),
        };
        let reader = self.function(Deployed::DynamicRead).clone();
        mayfly_dynamic_read::invoke(reader, direct).await
    }

    /// All items of the table, as DynamoDB JSON, in key order.
    ///
    /// # Panics
    /// If the table cannot be read.
    pub fn items(&self) -> Vec<Value> {
        self.scan(json!({"TableName": embedded::TABLE}))
    }

    /// The items whose partition key begins with `prefix`, in key order.
    ///
    /// # Panics
    /// If the table cannot be read.
    pub fn items_of(&self, prefix: &str) -> Vec<Value> {
        self.scan(json!({
            "TableName": embedded::TABLE,
            "FilterExpression": "begins_with(pk, :prefix)",
            "ExpressionAttributeValues": {":prefix": {"S": prefix}},
        }))
    }

    fn scan(&self, scan: Value) -> Vec<Value> {
        let scan = serde_json::from_value(scan).unwrap();
        let answer = serde_json::to_value(self.database.scan(scan).unwrap()).unwrap();
        let mut items = answer["Items"].as_array().cloned().unwrap_or_default();
        items.sort_by_key(|item| (item["pk"]["S"].to_string(), item["sk"]["S"].to_string()));
        items
    }

    /// Puts an item into the table behind the vault's back.
    ///
    /// # Panics
    /// If it cannot be put.
    pub fn put_item(&self, item: &Value) {
        let put =
            serde_json::from_value(json!({"TableName": embedded::TABLE, "Item": item})).unwrap();
        self.database.put_item(put).unwrap();
    }

    /// Takes an item out of the table behind the vault's back.
    ///
    /// # Panics
    /// If it cannot be taken out.
    pub fn delete_item(&self, item: &Value) {
        let key = json!({"pk": item["pk"], "sk": item["sk"]});
        let delete =
            serde_json::from_value(json!({"TableName": embedded::TABLE, "Key": key})).unwrap();
        self.database.delete_item(delete).unwrap();
    }

    /// The audit records, oldest first, as plain JSON.
    pub fn audit(&self) -> Vec<Value> {
        let mut records: Vec<Value> = self.items_of("AUDIT#").iter().map(plain).collect();
        records.sort_by_key(|record| record["sk"].to_string());
        records
    }
}

/// The body of a base secret with the sandbox user's key.
pub fn base(attributes: Value) -> Value {
    let mut all = json!({"type": "aws"});
    merge(&mut all, attributes);
    json!({
        "data": {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, "region": "us-east-1"},
        "attributes": all,
    })
}

/// The body of a dynamic secret that links to `base`.
pub fn dynamic(base: &str, attributes: Value) -> Value {
    let mut all = json!({"linkConfig": {"linkType": "dynamic", "linkedSecret": base}});
    merge(&mut all, attributes);
    json!({ "attributes": all })
}

/// Attributes that assume [`ROLE`].
pub fn assume_role() -> Value {
    json!({"providerType": "assumeRole", "roleArn": ROLE, "ttl": 900})
}

/// A rule for one subject, one resource and one action, each a pattern.
pub fn rule(effect: Effect, subject: &str, resource: &str, action: &str) -> Rule {
    Rule {
        subjects: vec![subject.to_owned()],
        effect,
        resources: vec![resource.to_owned()],
        actions: vec![action.to_owned()],
        conditions: std::collections::BTreeMap::default(),
    }
}

/// A role that the sandbox user may assume, with tags and a source identity, for at most two hours.
pub fn role(arn: &str) -> SandboxRole {
    SandboxRole {
        arn: arn.to_owned(),
        trusted_users: vec![format!("arn:aws:iam::{ACCOUNT}:user/base")],
        max_duration: 7200,
        external_id: None,
        allow_tag_session: true,
        allow_source_identity: true,
    }
}

impl Process {
    fn new(function: Deployed, app: App) -> Self {
        let app = Arc::new(app);
        let router = match function {
            Deployed::Access => Some(mayfly_access::router(app.clone())),
            Deployed::Crud => Some(mayfly_crud::router(app.clone())),
            Deployed::DynamicRead => Some(mayfly_dynamic_read::router(app.clone())),
            Deployed::Token => Some(mayfly_token::router(app.clone())),
            Deployed::LeaseWorker => None,
        };
        Self {
            edge: router.map(|router| Edge::new(router, app.clone())),
            app,
        }
    }
}

fn not_started() -> BTreeMap<Deployed, OnceLock<Process>> {
    Deployed::ALL.map(|one| (one, OnceLock::new())).into()
}

fn merge(into: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        for (key, value) in more {
            into[key] = value;
        }
    }
}

fn assemble(
    database: &Database,
    wire: &Wire,
    sandbox: &Sandbox,
    keys: Arc<dyn KeyWrapper>,
    clock: Arc<dyn Clock>,
    purposes: &[Purpose],
) -> App {
    let table_client =
        embedded::client(wire.over(SharedHttpClient::new(Embedded::new(database.clone()))));
    let table = Table::new(table_client, embedded::TABLE, clock.clone());
    let keyrings = Keyrings::new(table.clone(), keys, clock.clone(), purposes.to_vec());
    let cloud = wire.over(SharedHttpClient::new(InProcess(sandbox.router())));
    let endpoints = Endpoints {
        azure_login: Some(CLOUD.to_owned()),
        azure_graph: Some(CLOUD.to_owned()),
        azure_arm: Some(CLOUD.to_owned()),
        ..Endpoints::default()
    };
    let aws = clients::sts(cloud, "us-east-1", &endpoints, clock.clone());
    let cloud = wire.connector(SharedHttpConnector::new(InProcess(sandbox.router())));
    let azure = Azure::new(cloud, &endpoints, clock.clone());
    let keyrings = Arc::new(keyrings);
    App::new(clock, table, keyrings, Providers { aws, azure })
}

/// A DynamoDB item as plain JSON: `{"a": {"S": "x"}}` becomes `{"a": "x"}`.
pub fn plain(item: &Value) -> Value {
    let simple = |value: &Value| match value.as_object().and_then(|value| value.iter().next()) {
        Some((kind, value)) if kind == "N" => value
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .map_or_else(|| value.clone(), Value::from),
        Some((kind, value)) if kind == "M" => plain(value),
        Some((_, value)) => value.clone(),
        None => Value::Null,
    };
    item.as_object()
        .map(|fields| {
            fields
                .iter()
                .map(|(name, value)| (name.clone(), simple(value)))
                .collect()
        })
        .unwrap_or_default()
}

/// The access token of an answered grant.
///
/// # Panics
/// If there is none.
pub fn access_token(grant: &Answer) -> String {
    grant.json()["accessToken"].as_str().unwrap().to_owned()
}

/// A secret value, for a test that uses it or looks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test signs in with it, or looks for it"
)]
pub fn shown(secret: &Sensitive) -> String {
    secret.expose().to_owned()
}
