//! `Privileges`: holds each call of a function against the policy that it is deployed with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex},
};

use aws_sdk_dynamodb::config::http::HttpRequest;
use mayfly::{
    clock::BoxFuture,
    error::Error,
    routes,
    seal::{BranchKey, KeyWrapper, Purpose, WrapContext},
};
use serde_json::Value;

use crate::iam::{self, Arns, Asked, Policy};

/// A deployed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deployed {
    /// Who there is, and who may do what.
    Access,
    /// Writes and searches.
    Crud,
    /// Reads.
    DynamicRead,
    /// Takes back and removes what has ended.
    LeaseWorker,
    /// Signs in.
    Token,
}

impl Deployed {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Access,
        Self::Crud,
        Self::DynamicRead,
        Self::LeaseWorker,
        Self::Token,
    ];

    /// Its name, as that of its binary and of its policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Crud => "crud",
            Self::DynamicRead => "dynamic-read",
            Self::LeaseWorker => "lease-worker",
            Self::Token => "token",
        }
    }

    /// What it may unwrap branch keys for.
    pub fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Access => mayfly_access::PURPOSES,
            Self::Crud => mayfly_crud::PURPOSES,
            Self::DynamicRead => mayfly_dynamic_read::PURPOSES,
            Self::LeaseWorker => mayfly_lease_worker::PURPOSES,
            Self::Token => mayfly_token::PURPOSES,
        }
    }

    /// Its policy, with placeholders.
    pub fn template(self) -> &'static str {
        match self {
            Self::Access => include_str!("../../infra/aws/policies/access.json"),
            Self::Crud => include_str!("../../infra/aws/policies/crud.json"),
            Self::DynamicRead => include_str!("../../infra/aws/policies/dynamic-read.json"),
            Self::LeaseWorker => include_str!("../../infra/aws/policies/lease-worker.json"),
            Self::Token => include_str!("../../infra/aws/policies/token.json"),
        }
    }
}

impl From<routes::Function> for Deployed {
    fn from(function: routes::Function) -> Self {
        match function {
            routes::Function::Access => Self::Access,
            routes::Function::Crud => Self::Crud,
            routes::Function::DynamicRead => Self::DynamicRead,
            routes::Function::Token => Self::Token,
        }
    }
}

/// What functions asked for. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<BTreeMap<Deployed, BTreeSet<Asked>>>>);

impl Record {
    /// What `function` asked for.
    pub fn of(&self, function: Deployed) -> BTreeSet<Asked> {
        let record = self.0.lock().unwrap();
        record.get(&function).cloned().unwrap_or_default()
    }
}

/// The privileges of one function.
#[derive(Debug, Clone)]
pub struct Privileges {
    function: Deployed,
    record: Option<Record>,
}

static POLICIES: LazyLock<BTreeMap<Deployed, Policy>> = LazyLock::new(|| {
    let arns = Arns::example();
    let policy = |function: Deployed| {
        let document = arns.render(function.template());
        (function, Policy::read(&document, &arns).unwrap())
    };
    Deployed::ALL.map(policy).into()
});

impl Privileges {
    /// Those of `function`. With a record everything is allowed and written down; without one, what its policy does not
    /// allow ends the test.
    pub fn new(function: Deployed, record: Option<Record>) -> Self {
        Self { function, record }
    }

    /// A call to DynamoDB; others are not held against anything.
    pub(crate) fn call(&self, request: &HttpRequest) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let Some(operation) = target.strip_prefix("DynamoDB_20120810.") else {
            return;
        };
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap();
        for asked in iam::dynamodb(operation, &body).unwrap() {
            self.ask(asked);
        }
    }

    fn kms(&self, action: &str, context: WrapContext) {
        let vault = context.vault.to_string();
        let pairs = [
            ("vault", vault.as_str()),
            ("purpose", context.purpose.word()),
        ];
        self.ask(iam::kms(action, pairs));
    }

    fn ask(&self, asked: Asked) {
        match &self.record {
            Some(record) => {
                let mut record = record.0.lock().unwrap();
                record.entry(self.function).or_default().insert(asked);
            }
            None => assert!(
                POLICIES[&self.function].allows(&asked),
                "AccessDeniedException: the policy of {} does not allow {asked:#?}",
                self.function.name()
            ),
        }
    }
}

/// A key wrapper in place of KMS, each call held against the privileges of a function.
pub(crate) struct Held {
    pub(crate) keys: Arc<dyn KeyWrapper>,
    pub(crate) privileges: Privileges,
}

impl KeyWrapper for Held {
    fn generate(&self, context: WrapContext) -> BoxFuture<'_, Result<(BranchKey, Vec<u8>), Error>> {
        self.privileges.kms("kms:GenerateDataKey", context);
        self.keys.generate(context)
    }

    fn unwrap(
        &self,
        context: WrapContext,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'_, Result<BranchKey, Error>> {
        self.privileges.kms("kms:Decrypt", context);
        self.keys.unwrap(context, wrapped)
    }
}
