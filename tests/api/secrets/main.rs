//! Storing secrets: every route under `/v1/secrets` but minting.
