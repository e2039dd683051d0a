//! The crate every Mayfly function is made of.
//!
//! Data flows one way: an event becomes a request at the [`http`] edge, a use case in a function crate asks [`store`],
//! [`seal`] and [`provider`], and the answer goes back out through [`http`]. [`domain`] is pure and knows none of them.
//! `ARCHITECTURE.md` walks through a write and a dynamic read.

pub mod access;
pub mod app;
pub mod audit;
pub mod change;
pub mod clients;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod housekeeping;
pub mod http;
pub mod leases;
pub mod metrics;
pub mod provider;
pub mod routes;
pub mod seal;
pub mod secrets;
pub mod store;
pub mod telemetry;
