//! What a vault is about, free of I/O, of async and of any cloud's or HTTP's types.

pub mod attributes;
pub mod cloud;
pub mod data;
pub mod json;
pub mod lease;
pub mod link;
pub mod location;
pub mod name;
pub mod path;
pub mod policy_path;
pub mod principal;
pub mod secret;
pub mod sensitive;
pub mod ttl;
pub mod yaml;
