//! A vault with a tenant, the worker beside it, and a look at what is in the cloud and in the table.

use std::{cell::RefCell, rc::Rc, time::Duration};

use http::Method;
use mayfly::{
    clock::{Clock, unix_millis},
    housekeeping,
    leases::worker::{self, Swept},
    provider::azure::{Environment, SignIn},
};
use mayfly_tests::{
    Answer, Vault,
    azure::{Kind, TENANT, Tenant, furnish},
    privileges::Deployed,
    vault::plain,
};
use serde_json::Value;

/// How long one run of the worker may take.
pub(crate) const RUN: Duration = Duration::from_secs(55);

/// A vault, its tenant, and what the cloud was before anything was minted.
pub(crate) struct Scene {
    pub(crate) vault: Vault,
    pub(crate) tenant: Tenant,
    pub(crate) seed: Value,
    /// Looks on from beside: its calls are on nobody's record.
    observer: RefCell<Rc<Vault>>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::on(Vault::start().await).await
    }

    /// A scene whose time flows while everybody waits.
    pub(crate) async fn start_flowing() -> Self {
        Self::on(Vault::start_flowing().await).await
    }

    async fn on(vault: Vault) -> Self {
        let tenant = furnish(&vault).await;
        Self::of(vault, tenant)
    }

    /// A vault and its tenant as they are now.
    pub(crate) fn of(vault: Vault, tenant: Tenant) -> Self {
        Self {
            observer: RefCell::new(Rc::new(vault.another())),
            seed: vault.sandbox.azure().snapshot(),
            vault,
            tenant,
        }
    }

    /// Another process, with a token that counts by now.
    pub(crate) fn process(&self) -> Vault {
        let mut process = self.vault.another();
        process.token.clone_from(&self.observer().token);
        process
    }

    /// The process that looks on.
    pub(crate) fn observer(&self) -> Rc<Vault> {
        Rc::clone(&self.observer.borrow())
    }

    /// Signs the observer in anew, and with it every process from now on.
    pub(crate) async fn sign_in_again(&self) {
        let mut observer = self.vault.another();
        observer.wait(Duration::ZERO).await;
        self.observer.replace(Rc::new(observer));
    }

    /// One run of the worker, now.
    pub(crate) async fn sweep(&self) -> Swept {
        sweep(&self.vault).await
    }

    /// Lets time pass from one due lease to the next until all are over; fails after `most` runs.
    pub(crate) async fn settle(&self) {
        for _ in 0..200 {
            if !self.go_to_next() {
                return;
            }
            self.sweep().await;
        }
        panic!("leases do not end: {:#?}", self.leases());
    }

    /// Lets time pass until the next unfinished lease is due; `false` if there is none.
    pub(crate) fn go_to_next(&self) -> bool {
        let unfinished = self.unfinished();
        let due = unfinished
            .iter()
            .map(|lease| lease["due"].as_i64().unwrap());
        let Some(due) = due.min() else {
            return false;
        };
        let now = unix_millis(self.vault.app.clock.now());
        let wait = u64::try_from(due - now).unwrap_or(0);
        self.vault.clock.advance(Duration::from_millis(wait));
        true
    }

    /// Everything that the schedule does, now.
    pub(crate) async fn housekeep(&self) -> housekeeping::Swept {
        let until = self.vault.clock.now() + RUN;
        housekeeping::sweep(self.vault.function(Deployed::LeaseWorker), until).await
    }

    /// Asks as the admin.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.vault.ask(Method::GET, target, None).await
    }

    /// Posts as the admin.
    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.vault.ask(Method::POST, target, Some(&body)).await
    }

    /// What a check of the secret at `path` finds.
    pub(crate) async fn check(&self, path: &str) -> Value {
        let checked = self.vault.read(&format!("{path}::check")).await;
        checked.expect(200).json()
    }

    /// Whether nothing was made and nothing is to be taken back.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert!(self.leases().is_empty(), "{:#?}", self.leases());
        assert_eq!(self.cloud(), self.seed);
    }

    /// Lets all that was minted end, and sees that nothing is left of it.
    pub(crate) async fn ends_clean(&self) {
        self.settle().await;
        assert_eq!(self.cloud(), self.seed);
    }

    /// The leases in the table.
    pub(crate) fn leases(&self) -> Vec<Value> {
        leases(&self.vault)
    }

    /// Those that are not over.
    pub(crate) fn unfinished(&self) -> Vec<Value> {
        let mut leases = self.leases();
        leases.retain(|lease| lease["state"] != "revoked");
        leases
    }

    /// What is in the cloud now.
    pub(crate) fn cloud(&self) -> Value {
        self.vault.sandbox.azure().snapshot()
    }

    /// Signs in with what was minted; the roles in the token, or the error.
    pub(crate) async fn sign_in(&self, data: &Value, scope: &str) -> Result<Vec<String>, String> {
        sign_in(&self.observer(), data, scope).await
    }

    /// Mints `kind` and answers its data.
    pub(crate) async fn mint(&self, kind: Kind) -> Value {
        let answer = self.vault.read(kind.path()).await.expect(200).json();
        answer["data"].clone()
    }
}

pub(crate) async fn sweep(vault: &Vault) -> Swept {
    let until = vault.app.clock.now() + RUN;
    Box::pin(worker::sweep(vault.function(Deployed::LeaseWorker), until))
        .await
        .unwrap()
}

pub(crate) fn leases(vault: &Vault) -> Vec<Value> {
    vault.items_of("LEASE#").iter().map(plain).collect()
}

/// Signs in with what was minted, as any client would; the roles in the token, or the error's code.
pub(crate) async fn sign_in(
    vault: &Vault,
    data: &Value,
    scope: &str,
) -> Result<Vec<String>, String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let sign_in = SignIn {
        tenant_id: TENANT.to_owned(),
        client_id: text("clientId"),
        client_secret: text("clientSecret").into(),
        environment: Environment::Public,
    };
    let until = vault.app.clock.now() + Duration::from_mins(1);
    let azure = &vault.app.providers.azure;
    match azure.sign_in(&sign_in, scope, until).await {
        Ok(token) => Ok(token.roles().into_iter().collect()),
        Err(failure) => Err(failure.code.into()),
    }
}

/// A scope of Microsoft Graph.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com/.default";
