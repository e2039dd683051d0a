//! The clouds that mint credentials.
//!
//! A [`Plan`] is what a dynamic secret and its base together ask for, every bound checked before a call leaves. Making
//! one is pure, so it is made when a secret is written and again at every read.

pub mod aws;

use time::OffsetDateTime;

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
    /// The credential.
    pub data: SecretData,
    /// Its cloud and its bounds.
    pub attributes: Attributes,
    /// When this version was written; a cloud may not know a new key yet.
    pub modified: OffsetDateTime,
}

/// What to mint, checked against every bound.
#[derive(Debug)]
pub enum Plan {
    /// By AWS STS.
    Aws(aws::Plan),
}

/// A minted credential in its wire form.
#[derive(Debug)]
pub struct Minted {
    /// What the reader gets as `data`.
    pub data: SecretData,
}

impl Plan {
    /// What the dynamic secret with these `attributes` asks of `base`, by the right that linked it.
    pub fn new(
        cloud: Cloud,
        attributes: &Attributes,
        base: &Base,
        right: LinkRight,
    ) -> Result<Self, Error> {
        match cloud {
            Cloud::Aws => aws::Plan::new(attributes, base, right).map(Self::Aws),
        }
    }
}

/// Refuses a base secret that could never mint: fields missing, an unknown region, a bound of the wrong type.
pub fn check_base(cloud: Cloud, base: &Base) -> Result<(), Error> {
    match cloud {
        Cloud::Aws => aws::check_base(base),
    }
}

/// The clouds' clients, built once per process.
pub struct Providers {
    /// AWS STS.
    pub aws: aws::Sts,
}

impl Providers {
    /// Mints. The name of the session leads from the cloud's own log back to the caller and the issuance.
    pub async fn mint(
        &self,
        plan: &Plan,
        issuance: &Issuance,
        caller: &Principal,
    ) -> Result<Minted, Error> {
        match plan {
            Plan::Aws(plan) => self.aws.mint(plan, issuance, caller).await,
        }
    }
}
