//! `Issuer`: signs tokens with the key that the rules name.

use std::sync::{Arc, Mutex};

use mayfly::{
    access::{
        rules::Rules,
        token::{Claims, SigningKey, signing_key_binding},
    },
    app::{App, Pace},
    domain::sensitive::Sensitive,
    error::Error,
    seal::Purpose,
    store::schema::{Key, SigningKeyRecord},
};

/// What this function holds beside the app.
pub(crate) struct Issuer {
    pub(crate) app: Arc<App>,
    /// Bounds how many failed grants are recorded.
    pub(crate) failures: Pace,
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

    /// Signs with the key that `rules` name now; it is opened once.
    pub(crate) async fn sign(&self, rules: &Rules, claims: &Claims) -> Result<Sensitive, Error> {
        let held = self
            .key
            .lock()
            .ok()
            .and_then(|key| key.clone())
            .filter(|key| key.kid == rules.signing);
        let key = match held {
            Some(key) => key,
            None => self.open(&rules.signing).await?,
        };
        key.sign(claims)
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
