//! What the sandbox knows: users, roles, keys and sessions, in memory or in one file.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::iam::{SandboxRole, SandboxUser};
use super::principal::{RoleArn, is_account, is_name};
use super::random;
use super::secret_text::SecretText;
use super::session::Session;
use super::state_file::StateFile;

/// Seconds an ended session is kept, so that its use is refused as expired and not as unknown.
const ENDED_SESSION_KEPT: i64 = 24 * 60 * 60;

/// Seconds between two sweeps for such sessions.
const SWEEP_EVERY: i64 = 60 * 60;

#[derive(Default, Serialize, Deserialize)]
struct State {
    users: HashMap<String, SandboxUser>,
    roles: HashMap<String, SandboxRole>,
    keys: HashMap<String, SecretText>,
    sessions: HashMap<String, Session>,
}

/// The state and the file it is kept in.
///
/// A change that cannot be written stays in memory and is reported as failed, which a caller of a cloud must be ready for anyway.
pub(super) struct Store {
    state: State,
    file: StateFile,
    /// Unix seconds.
    swept_at: i64,
}

impl Store {
    pub(super) fn in_memory() -> Self {
        Self {
            state: State::default(),
            file: StateFile::none(),
            swept_at: 0,
        }
    }

    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let (file, state) = StateFile::open(dir, "sandbox.json")?;
        Ok(Self {
            state,
            file,
            swept_at: 0,
        })
    }

    pub(super) fn user(&self, access_key_id: &str) -> Option<&SandboxUser> {
        self.state.users.get(access_key_id)
    }

    pub(super) fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.state.sessions.get(access_key_id)
    }

    pub(super) fn role(&self, arn: &str) -> Option<&SandboxRole> {
        self.state.roles.get(arn)
    }

    /// The material of a KMS key, in base64.
    pub(super) fn key(&self, key_id: &str) -> Option<&SecretText> {
        self.state.keys.get(key_id)
    }

    pub(super) fn add_user(&mut self, user: SandboxUser) -> anyhow::Result<()> {
        ensure!(is_account(&user.account), "an account id has twelve digits");
        ensure!(
            is_name(&user.name, 64),
            "a user name is [\\w+=,.@-]{{1,64}}"
        );
        let id = &user.access_key_id;
        let shaped =
            (16..=128).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric());
        ensure!(shaped, "an access key id has 16 to 128 letters and digits");
        self.state.users.insert(id.clone(), user);
        self.save()
    }

    pub(super) fn add_role(&mut self, role: SandboxRole) -> anyhow::Result<()> {
        ensure!(
            RoleArn::parse(&role.arn).is_some(),
            "{} is not a role ARN",
            role.arn
        );
        ensure!(
            (3600..=43200).contains(&role.max_duration),
            "a role's maximum duration is 3600 to 43200 seconds"
        );
        self.state.roles.insert(role.arn.clone(), role);
        self.save()
    }

    pub(super) fn add_key(&mut self, key_id: &str) -> anyhow::Result<()> {
        ensure!(
            (1..=2048).contains(&key_id.len()),
            "a key id has 1 to 2048 characters"
        );
        if self.key(key_id).is_some() {
            return Ok(());
        }
        let material = random::bytes::<32>().map_err(|_| anyhow!("there is no randomness"))?;
        let material = SecretText::new(STANDARD.encode(material));
        self.state.keys.insert(key_id.to_owned(), material);
        self.save()
    }

    /// Adds a session, and now and then drops those that ended long ago.
    pub(super) fn add_session(
        &mut self,
        access_key_id: &str,
        session: Session,
        now: OffsetDateTime,
    ) -> anyhow::Result<()> {
        let now = now.unix_timestamp();
        if now - self.swept_at >= SWEEP_EVERY {
            self.swept_at = now;
            self.state
                .sessions
                .retain(|_, session| session.ends_at + ENDED_SESSION_KEPT >= now);
        }
        self.state
            .sessions
            .insert(access_key_id.to_owned(), session);
        self.save()
    }

    #[cfg(test)]
    pub(super) fn session_count(&self) -> usize {
        self.state.sessions.len()
    }

    fn save(&self) -> anyhow::Result<()> {
        self.file.save(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Cloud, FEDERATE, USER_KEY};
    use super::super::principal::Principal;
    use super::*;

    fn role() -> SandboxRole {
        fixture::role("arn:aws:iam::000000000000:role/reader")
    }

    #[tokio::test]
    async fn everything_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::in_dir(dir.path());
        cloud.sandbox.add_key("key").unwrap();
        let reply = cloud.sts(FEDERATE).await;
        let key = cloud.sandbox.store().key("key").unwrap().clone();

        let reopened = Store::open(dir.path()).unwrap();
        assert!(reopened.user(USER_KEY).is_some());
        assert!(reopened.role(fixture::ROLE).is_some());
        assert!(reopened.session(reply.tag("AccessKeyId")).is_some());
        assert_eq!(reopened.key("key").unwrap().expose(), key.expose());
    }

    #[test]
    fn adding_again_is_idempotent() {
        let mut store = Store::in_memory();
        store.add_key("key").unwrap();
        let first = store.key("key").unwrap().expose().to_owned();
        store.add_key("key").unwrap();
        assert_eq!(store.key("key").unwrap().expose(), first);
        store.add_role(role()).unwrap();
        store.add_role(role()).unwrap();
        assert_eq!(store.state.roles.len(), 1);
    }

    #[test]
    fn malformed_fixtures_are_refused() {
        let mut store = Store::in_memory();
        let user = |account, id| SandboxUser::new("a", account, id, "secret".into());
        assert!(store.add_user(user("1", "AKIASANDBOXUSER00000")).is_err());
        assert!(store.add_user(user("000000000000", "short")).is_err());
        assert!(store.add_role(fixture::role("arn:aws:iam::0:x")).is_err());
        // MaxSessionDuration in the IAM API reference: 3600 to 43200.
        for max_duration in [3599, 43201] {
            let role = SandboxRole {
                max_duration,
                ..role()
            };
            assert!(store.add_role(role).is_err());
        }
    }

    #[test]
    fn sessions_are_dropped_a_day_after_their_end() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let ended = |ends_at| Session {
            principal: user_principal(),
            secret_access_key: SecretText::new(String::new()),
            token: SecretText::new(String::new()),
            ends_at,
        };
        let mut store = Store::in_memory();
        store.add_session("a", ended(913_599), now).unwrap();
        store.add_session("b", ended(913_600), now).unwrap();
        store.swept_at = 0;
        store.add_session("c", ended(1_000_900), now).unwrap();
        assert!(store.session("a").is_none());
        assert!(store.session("b").is_some());
    }

    fn user_principal() -> Principal {
        SandboxUser::new("a", "000000000000", USER_KEY, String::new()).principal("aws")
    }
}
