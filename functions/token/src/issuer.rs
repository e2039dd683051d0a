//! `Issuer`: signs tokens with the key that the rules name, and answers those who get none.

use std::sync::{Arc, Mutex};

use mayfly::{
    access::{
        rules::Rules,
        token::{Claims, Holder, SigningKey, signing_key_binding},
    },
    app::{App, Pace},
    audit::Trail,
    clock::unix_millis,
    domain::sensitive::Sensitive,
    error::Error,
    metrics,
    seal::Purpose,
    store::schema::{Key, SigningKeyRecord},
};

/// At most one failed grant in so many milliseconds is recorded; the others leave a log line.
const RECORD_EVERY: i64 = 200;

/// What this function holds beside the app.
pub(crate) struct Issuer {
    pub(crate) app: Arc<App>,
    /// Bounds how many failed grants are recorded.
    failures: Pace,
    key: Mutex<Option<Arc<SigningKey>>>,
}

impl Issuer {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            failures: Pace::default(),
            key: Mutex::default(),
        }
    }

    /// A token for `holder`, signed with the key that signs now; that is opened once.
    pub(crate) async fn issue(&self, rules: &Rules, holder: &Holder) -> Result<Sensitive, Error> {
        let now = self.app.clock.now();
        let kid = rules
            .signing(now)
            .ok_or_else(|| Error::internal("no key signs now"))?;
        let held = self.key.lock().ok().and_then(|key| key.clone());
        let key = match held.filter(|key| key.kid == kid) {
            Some(key) => key,
            None => self.open(kid).await?,
        };
        key.sign(&Claims::new(holder, rules.vault, now))
    }

    /// Leaves a record of a grant that failed, though not of each. All of them are answered alike.
    pub(crate) async fn refuse(&self, trail: &Trail, why: &str) -> Error {
        tracing::warn!(
            request_id = trail.request_id(),
            why,
            "somebody could not sign in"
        );
        metrics::failed_sign_in();
        let now = unix_millis(self.app.clock.now());
        if !trail.is_recorded() && self.failures.may_look(now, RECORD_EVERY) {
            let recorded = trail.write(&self.app, 401, why, None).await;
            return recorded.err().unwrap_or(Error::Unauthenticated);
        }
        Error::Unauthenticated
    }

    async fn open(&self, kid: &str) -> Result<Arc<SigningKey>, Error> {
        let record: Option<SigningKeyRecord> = self.app.table.get(&Key::signing_key(kid)).await?;
        let record = record.ok_or_else(|| Error::internal("the signing key is missing"))?;
        let opened = self
            .app
            .sealer
            .open(
                Purpose::TokenSigning,
                &signing_key_binding(kid),
                &record.sealed,
            )
            .await?;
        let key = Arc::new(SigningKey::from_opened(kid, &opened)?);
        if let Ok(mut held) = self.key.lock() {
            *held = Some(key.clone());
        }
        Ok(key)
    }
}
