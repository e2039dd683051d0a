//! Storing secrets: every route under `/v1/secrets` but minting.

mod calls;
mod compatibility;
mod create;
mod cursors;
mod delete;
mod describe;
mod grants;
mod limits;
mod list_paths;
mod outages;
mod purge;
mod races;
mod read;
mod refusals;
mod restore;
mod roll_back;
mod search;
mod search_pages;
mod search_terms;
mod update;
mod versions;
mod weather;
