//! The credential in a base secret's data.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    clock::wire_seconds,
    domain::{data::SecretData, sensitive::Sensitive},
    error::Error,
    provider::azure::{environment::Environment, grammar},
};

/// A client of one tenant, with its secret.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The tenant: its GUID or a domain of it.
    pub tenant_id: String,
    /// The application's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Sensitive,
    /// The subscription that scopes lie in.
    pub subscription_id: String,
    /// The cloud.
    pub environment: Environment,
    /// When the secret expires, if the base says so.
    pub secret_expires: Option<OffsetDateTime>,
}

/// Who a base acts as, without the secret: what undoing needs, and what must not change while leases are unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The tenant.
    pub tenant_id: String,
    /// The application's client id.
    pub client_id: String,
    /// The subscription.
    pub subscription_id: String,
    /// The cloud.
    pub environment: Environment,
}

impl Credential {
    /// Reads the data of a base secret, under today's names or the older ones with underscores; 400 naming the field.
    pub fn from_data(data: &SecretData) -> Result<Self, Error> {
        let (field, tenant) = required(data, "tenantId", "tenant_id")?;
        let tenant_id = grammar::tenant(&field, &tenant)?;
        let (field, client) = required(data, "clientId", "client_id")?;
        let client_id = grammar::guid(&field, &client)?;
        let (field, subscription) = required(data, "subscriptionId", "subscription_id")?;
        let subscription_id = grammar::guid(&field, &subscription)?;
        let client_secret = found(data, "clientSecret", "client_secret")
            .map(|(_, value)| value)
            .ok_or_else(|| missing("clientSecret"))?;
        let environment = match data.string("environment").filter(|word| !word.is_empty()) {
            Some(word) => Environment::named("data.environment", &plain(&word))?,
            None => Environment::default(),
        };
        Ok(Self {
            tenant_id,
            client_id,
            client_secret,
            subscription_id,
            environment,
            secret_expires: None,
        })
    }

    /// The credential without its secret.
    pub fn identity(&self) -> Identity {
        Identity {
            tenant_id: self.tenant_id.clone(),
            client_id: self.client_id.clone(),
            subscription_id: self.subscription_id.clone(),
            environment: self.environment,
        }
    }

    /// Refuses a secret that is over by the base's own word.
    pub(super) fn check_expiry(&self, now: OffsetDateTime) -> Result<(), Error> {
        match self.secret_expires {
            Some(end) if end <= now => Err(Error::invalid(
                "attributes.clientSecretExpires",
                format!(
                    "of the base was {}: make a new client secret and update the base",
                    wire_seconds(end)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What to say when Entra says that the secret has expired.
    pub(super) fn expired(&self) -> Error {
        let known = self.secret_expires.map(wire_seconds);
        let known = known
            .map(|end| format!(" (its clientSecretExpires is {end})"))
            .unwrap_or_default();
        Error::invalid(
            "data.clientSecret",
            format!("of the base has expired{known}: make a new one and update the base"),
        )
    }
}

/// Whether both are the same principal in the same place. Data that never could mint left nothing to take back.
pub fn is_same_principal(old: &SecretData, new: &SecretData) -> bool {
    match (Credential::from_data(old), Credential::from_data(new)) {
        (Ok(old), Ok(new)) => old.identity() == new.identity(),
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    }
}

fn found(data: &SecretData, name: &str, older: &str) -> Option<(String, Sensitive)> {
    [name, older].into_iter().find_map(|name| {
        data.string(name)
            .filter(|value| !value.is_empty())
            .map(|value| (format!("data.{name}"), value))
    })
}

fn required(data: &SecretData, name: &str, older: &str) -> Result<(String, String), Error> {
    let (field, value) = found(data, name, older).ok_or_else(|| missing(name))?;
    Ok((field, plain(&value)))
}

fn missing(name: &str) -> Error {
    Error::invalid(
        format!("data.{name}"),
        "is required on a base secret of type azure, as a string",
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "provider: the names of tenant, client, subscription and cloud decide what can be asked"
)]
fn plain(value: &Sensitive) -> String {
    value.expose().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn read(value: &Value) -> Result<Credential, String> {
        Credential::from_data(&serde_json::from_str(&value.to_string()).unwrap())
            .map_err(|error| error.to_string())
    }

    fn whole() -> Value {
        json!({"tenantId": ID, "clientId": ID, "clientSecret": "s", "subscriptionId": ID})
    }

    #[test]
    fn older_names_are_read_too() {
        let older =
            json!({"tenant_id": ID, "client_id": ID, "client_secret": "s", "subscription_id": ID});
        assert_eq!(
            read(&older).unwrap().identity(),
            read(&whole()).unwrap().identity()
        );
        assert_eq!(read(&whole()).unwrap().environment, Environment::Public);
    }

    #[test]
    fn each_field_is_named_when_it_is_missing_or_wrong() {
        for name in ["tenantId", "clientId", "clientSecret", "subscriptionId"] {
            for bad in [json!(null), json!(""), json!(7)] {
                let mut data = whole();
                data[name] = bad;
                let text = read(&data).unwrap_err();
                assert!(text.starts_with(&format!("data.{name}: ")), "{text}");
            }
        }
        for (name, bad) in [
            ("tenantId", "common"),
            ("tenantId", "a/../b"),
            ("clientId", "my-app"),
            ("subscriptionId", "x"),
            ("environment", "AzureMoonCloud"),
        ] {
            let mut data = whole();
            data[name] = json!(bad);
            let text = read(&data).unwrap_err();
            assert!(text.starts_with(&format!("data.{name}: ")), "{text}");
            assert!(!text.contains(bad), "{text}");
        }
        let older =
            json!({"tenant_id": "x", "client_id": ID, "client_secret": "s", "subscription_id": ID});
        assert!(read(&older).unwrap_err().starts_with("data.tenant_id: "));
    }

    #[test]
    fn identities_are_stored_by_the_clouds_name() {
        let stored = serde_json::to_value(read(&whole()).unwrap().identity()).unwrap();
        assert_eq!(stored["environment"], "AzurePublicCloud");
        let back: Identity = serde_json::from_value(stored).unwrap();
        assert_eq!(back, read(&whole()).unwrap().identity());
    }
}
