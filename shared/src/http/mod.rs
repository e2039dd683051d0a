//! HTTP at the edge, whatever carries it: API Gateway, a function URL, or the local server.

pub mod asked;
pub mod body;
pub mod edge;
pub mod error;
mod event;
pub mod lambda;
pub mod path;
pub mod query;
pub mod reply;
pub mod target;
pub mod wire;
