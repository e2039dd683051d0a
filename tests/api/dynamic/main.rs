//! Dynamic secrets: minting on read, links to base secrets.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod aws;
mod azure_calls;
mod azure_token;
mod bad_attributes;
mod bases_in_use;
mod bounds;
mod calls;
mod cloud;
mod errors;
mod federate;
mod invoke;
mod keyless;
mod keyless_rights;
mod link_races;
mod links;
mod metrics;
mod sent;
mod unrecorded;
