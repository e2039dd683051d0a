//! Temporary credentials: made here, kept in the state, ended by time alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Sandbox;
use super::principal::Principal;
use super::random;
use super::refusal::Refusal;
use super::secret_text::SecretText;

/// One session, ended or not.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) principal: Principal,
    pub(super) secret_access_key: SecretText,
    pub(super) token: SecretText,
    /// Unix seconds; from then on every call is refused.
    pub(super) ends_at: i64,
}

impl Session {
    pub(super) fn has_ended(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() >= self.ends_at
    }
}

/// A session with the access key id it is known by.
pub(super) struct Issued {
    pub(super) access_key_id: String,
    pub(super) session: Session,
}

impl Sandbox {
    /// Makes and records a session of so many seconds.
    ///
    /// # Errors
    /// There is no randomness, or the state cannot be written.
    pub(super) fn issue(&self, principal: Principal, seconds: u32) -> Result<Issued, Refusal> {
        let now = self.now();
        let token = STANDARD.encode(random::bytes::<96>()?);
        let session = Session {
            principal,
            secret_access_key: SecretText::new(STANDARD.encode(random::bytes::<30>()?)),
            token: SecretText::new(format!("sandbox/{token}")),
            ends_at: (now + Duration::seconds(seconds.into())).unix_timestamp(),
        };
        let issued = Issued {
            access_key_id: random::access_key_id()?,
            session,
        };
        self.store()
            .add_session(&issued.access_key_id, issued.session.clone(), now)
            .map_err(|error| {
                tracing::error!(
                    error = format!("{error:#}"),
                    "sandbox state is not writable"
                );
                Refusal::internal()
            })?;
        Ok(issued)
    }
}
