//! Azure: access tokens of a base's own application, and client secrets under a lease.

mod arm;
mod bounds;
mod credential;
mod entra;
mod environment;
mod error;
mod grammar;
mod graph;
mod plan;
mod session;
mod token;
mod transport;

use std::{sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use azure_core::http::{ClientOptions, Pipeline, RetryOptions, Transport as AzureTransport};
use time::OffsetDateTime;

use crate::{clock::Clock, config::Endpoints};
use entra::Tokens;
use transport::Transport;

pub use arm::{Permissions, RoleAssignment, RoleDefinition};
pub use credential::{Credential, Identity, is_same_principal};
pub use entra::{SignIn, Token};
pub use environment::Environment;
pub use error::{Class, Failure};
pub use grammar::role_guid;
pub use graph::{
    AppRole, AppRoleAssignment, Application, ApplicationDetail, DeletedItem, NewApplication,
    NewPassword, PasswordEntry, ServicePrincipalDetail,
};
pub use plan::{Kind, Leased, Plan, RoleRef, What, check_base};
pub use session::Session;

/// How long one call may take. Nothing is sent that could still be under way at a deadline.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Azure, one per process: nothing of it belongs to one base secret but the tokens that it keeps for a while.
///
/// No call is tried again here, neither by us nor by Azure's libraries: only whoever called knows what may be done twice.
pub struct Azure {
    transport: Arc<Transport>,
    pipeline: Pipeline,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
}

impl Azure {
    /// Azure behind `connector`, where `endpoints` says.
    pub fn new(
        connector: SharedHttpConnector,
        endpoints: &Endpoints,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let transport = Arc::new(Transport::new(connector, endpoints, clock.clone()));
        // The library logs URLs, and no headers or query parameters but harmless ones; never bodies.
        let options = ClientOptions {
            transport: Some(AzureTransport::new(transport.clone())),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let pipeline = Pipeline::new(Some(name), Some(version), options, vec![], vec![], None);
        Self {
            transport,
            pipeline,
            clock,
            tokens: Tokens::default(),
        }
    }

    /// Whether a call that begins now could still be under way at `until`.
    fn is_late(&self, until: OffsetDateTime) -> bool {
        self.clock.now() + CALL_TIMEOUT > until
    }
}
