//! The clouds that mint credentials.
//!
//! A [`Plan`] is what a dynamic secret and its base together ask for, every bound checked before a call leaves. Making
//! one is pure, so it is made when a secret is written and again at every read.

pub mod aws;
pub mod azure;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    audit::Issuance,
    domain::{
        attributes::Attributes, cloud::Cloud, data::SecretData, link::LinkRight,
        principal::Principal,
    },
    error::Error,
};

/// A base secret, opened.
#[derive(Debug, Clone)]
pub struct Base {
    /// Which secret it is.
    pub id: Uuid,
    /// The version of its data.
    pub version: u64,
    /// The revision of its item, for what is written on condition that it is as it was read.
    pub rev: u64,
    /// The credential.
    pub data: SecretData,
    /// Its cloud and its bounds.
    pub attributes: Attributes,
    /// When this version was written; a cloud may not know a new key yet.
    pub modified: OffsetDateTime,
}

impl Base {
    /// A base that is about to be written: nothing can be minted from it yet.
    pub fn unwritten(data: SecretData, attributes: Attributes, now: OffsetDateTime) -> Self {
        Self {
            id: Uuid::nil(),
            version: 0,
            rev: 0,
            data,
            attributes,
            modified: now,
        }
    }
}

/// What to mint, checked against every bound.
#[derive(Debug)]
pub enum Plan {
    /// By AWS STS.
    Aws(aws::Plan),
    /// By Azure.
    Azure(azure::Plan),
}

/// How a plan is carried out.
#[derive(Debug)]
pub enum Way<'a> {
    /// What is minted ends by itself.
    AtOnce(AtOnce<'a>),
    /// What is minted must be taken back: a lease is written first.
    Leased(&'a azure::Plan, &'a azure::Leased),
}

/// What ends by itself.
#[derive(Debug)]
pub enum AtOnce<'a> {
    /// A session of AWS STS.
    Aws(&'a aws::Plan),
    /// An access token of Microsoft Entra for this scope.
    AzureToken(&'a azure::Plan, &'a str),
}

/// A minted credential in its wire form.
#[derive(Debug)]
pub struct Minted {
    /// What the reader gets as `data`.
    pub data: SecretData,
}

impl Plan {
    /// How it is carried out.
    pub fn way(&self) -> Way<'_> {
        match self {
            Self::Aws(plan) => Way::AtOnce(AtOnce::Aws(plan)),
            Self::Azure(plan) => match &plan.kind {
                azure::Kind::Token { scope } => Way::AtOnce(AtOnce::AzureToken(plan, scope)),
                azure::Kind::Leased(leased) => Way::Leased(plan, leased),
            },
        }
    }
}

/// Whether a base with this data mints with the function's own identity, whatever that is lent for.
pub fn uses_function(cloud: Cloud, data: &SecretData) -> Result<bool, Error> {
    match cloud {
        Cloud::Aws => aws::uses_function(data),
        Cloud::Azure => Ok(false),
    }
}

/// Whether a base that gets `new` data still acts as the same principal, so that it can take back what was minted with
/// `old`. A new secret of the same principal does.
pub fn is_same_principal(cloud: Cloud, old: &SecretData, new: &SecretData) -> bool {
    match cloud {
        Cloud::Aws => true,
        Cloud::Azure => azure::is_same_principal(old, new),
    }
}

/// The clouds' clients, built once per process.
pub struct Providers {
    /// AWS STS.
    pub aws: aws::Sts,
    /// Azure.
    pub azure: azure::Azure,
}

impl Providers {
    /// What the dynamic secret with these `attributes` asks of `base`, by the right that linked it.
    ///
    /// A base that says of itself that it has expired by `now` is refused.
    pub fn plan(
        &self,
        cloud: Cloud,
        attributes: &Attributes,
        base: &Base,
        right: LinkRight,
        now: OffsetDateTime,
    ) -> Result<Plan, Error> {
        match cloud {
            Cloud::Aws => {
                aws::Plan::new(attributes, base, right, self.aws.function()).map(Plan::Aws)
            }
            Cloud::Azure => azure::Plan::new(attributes, base, right, now).map(Plan::Azure),
        }
    }

    /// Refuses a base secret that could never mint: fields missing, an unknown region, a bound of the wrong type, an
    /// identity that is not lent.
    pub fn check_base(&self, cloud: Cloud, base: &Base) -> Result<(), Error> {
        match cloud {
            Cloud::Aws => aws::check_base(base, self.aws.function()),
            Cloud::Azure => azure::check_base(base),
        }
    }

    /// Mints what ends by itself. Where the cloud lets us, a name leads from its own log back to the caller and the
    /// issuance.
    pub async fn mint(
        &self,
        plan: &AtOnce<'_>,
        issuance: &Issuance,
        caller: &Principal,
    ) -> Result<Minted, Error> {
        match plan {
            AtOnce::Aws(plan) => self.aws.mint(plan, issuance, caller).await,
            AtOnce::AzureToken(plan, scope) => self.azure.mint_token(plan, scope).await,
        }
    }
}
