//! `infra/aws` against the code: what Terraform says must be what the functions expect.
//!
//! It is read as text, so that these tests need no Terraform. What Terraform makes of it is asserted by its own tests
//! in `infra/aws/tests`, and by applying it in the conformance tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be read fails the test"
)]

mod alarms;
mod environment;
mod resources;
mod routes;
mod source;
mod table;
