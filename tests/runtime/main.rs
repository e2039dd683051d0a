//! The built functions under the Lambda Runtime API.

mod direct;
mod logs;
mod paths;
mod routes;
mod story;
