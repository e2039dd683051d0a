//! The whole vault in one process: every router behind one port, an embedded DynamoDB, a key file, and a sandbox cloud
//! in place of AWS.

pub mod ahead;
pub mod banner;
pub mod cli;
pub mod data_dir;
pub mod embedded;
pub mod samples;
pub mod sandbox;
pub mod server;
pub mod stopped;
pub mod stream;
pub mod vault;
