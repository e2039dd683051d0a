//! Dynamic secrets: minting on read, links to base secrets.

mod aws;
