//! `Secret`: one version of a secret in the open, and the rules of changing it.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    domain::{
        attributes::{Attributes, MAX_ATTRIBUTES},
        cloud::Cloud,
        data::{MAX_BASE_DATA, MAX_DATA, SecretData},
        location::{Location, Place},
        path::SecretPath,
        principal::Principal,
    },
    error::Error,
};

/// How many versions of a secret are kept, the current one included.
pub const MAX_VERSIONS: u64 = 100;

/// How long a soft-deleted secret can be restored.
pub const DELETED_FOR: time::Duration = time::Duration::hours(72);

/// What a head says without being opened.
#[derive(Debug, Clone)]
pub struct Description {
    /// Stable over updates, roll back and restore.
    pub id: Uuid,
    /// Where it lives.
    pub at: Location,
    /// `None` when attributes were never set; clients see `null`.
    pub attributes: Option<Attributes>,
    /// Free text, `""` when unset.
    pub description: String,
    /// When the secret, not this version, was made.
    pub created: OffsetDateTime,
    /// Who made it.
    pub created_by: Principal,
    /// When this version was written.
    pub modified: OffsetDateTime,
    /// Who wrote it.
    pub modified_by: Principal,
    /// 0, 1, 2, …
    pub version: u64,
}

/// The parts of a secret that its owner writes.
#[derive(Debug, Clone)]
pub struct Content {
    /// The secret object itself.
    pub data: SecretData,
    /// Clear-text object; `None` when never set.
    pub attributes: Option<Attributes>,
    /// Free text.
    pub description: String,
}

/// What a create or an update sends. Absent, null and empty mean "not sent" where [`Content::updated`] says so.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `data`.
    pub data: Option<SecretData>,
    /// `attributes`.
    pub attributes: Option<Attributes>,
    /// `description`.
    pub description: Option<String>,
    /// Replace data and description instead of merging.
    pub overwrite: bool,
}

impl Content {
    /// The content of a new secret.
    pub fn created(change: Change) -> Self {
        Self {
            data: change.data.unwrap_or_else(SecretData::empty),
            attributes: change.attributes,
            description: change.description.unwrap_or_default(),
        }
    }

    /// This content after `change`.
    ///
    /// Merging leaves alone what was not sent or was sent empty, because the DSV command line always sends every key.
    /// Overwriting replaces data and description by what was sent, but keeps attributes unless new ones come: an
    /// overwrite that named only data would otherwise unlink a dynamic secret.
    #[must_use]
    pub fn updated(&self, change: &Change) -> Self {
        let sent_attributes = change
            .attributes
            .as_ref()
            .filter(|attributes| !attributes.is_empty());
        if change.overwrite {
            return Self {
                data: change.data.clone().unwrap_or_else(SecretData::empty),
                attributes: sent_attributes.or(self.attributes.as_ref()).cloned(),
                description: change.description.clone().unwrap_or_default(),
            };
        }
        let attributes = match (&self.attributes, sent_attributes) {
            (Some(old), Some(new)) => Some(old.merged(new)),
            (old, new) => new.or(old.as_ref()).cloned(),
        };
        Self {
            data: change
                .data
                .as_ref()
                .map_or_else(|| self.data.clone(), |new| self.data.merged(new)),
            attributes,
            description: change
                .description
                .clone()
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| self.description.clone()),
        }
    }

    /// The base this content links to, if it is a dynamic secret.
    pub fn link(&self) -> Result<Option<SecretPath>, Error> {
        self.attributes.as_ref().map_or(Ok(None), Attributes::link)
    }

    /// The word in `attributes.type`.
    pub fn type_word(&self) -> Option<&str> {
        self.attributes.as_ref().and_then(Attributes::type_word)
    }

    /// Refuses what is too large, a dynamic secret that carries data of its own, and any in a home: what is linked
    /// there would tie the bases that people share to what only one of them sees.
    pub fn check(&self, place: &Place) -> Result<(), Error> {
        let linked = self
            .attributes
            .as_ref()
            .and_then(|all| all.get("linkConfig"));
        if !place.is_vault() && linked.is_some_and(|config| !config.is_null()) {
            return Err(Error::invalid(
                "attributes.linkConfig",
                "may not be in a home: its secrets are static",
            ));
        }
        if let Some(attributes) = &self.attributes {
            attributes.check_size()?;
        }
        if self.description.len() > MAX_ATTRIBUTES {
            return Err(Error::invalid(
                "description",
                format!("must be at most {MAX_ATTRIBUTES} bytes"),
            ));
        }
        if self.link()?.is_some() && !self.data.is_empty() {
            return Err(Error::invalid(
                "data",
                "must be empty on a dynamic secret: its data is minted on read",
            ));
        }
        let is_base = place.is_vault()
            && self
                .type_word()
                .is_some_and(|word| Cloud::named(word).is_some());
        self.data
            .check_size(if is_base { MAX_BASE_DATA } else { MAX_DATA })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn attributes(value: &Value) -> Attributes {
        Attributes::new(value.as_object().unwrap().clone())
    }

    fn data(text: &str) -> SecretData {
        serde_json::from_str(text).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test looks at what it put in")]
    fn shown(content: &Content) -> (String, Option<Value>, String) {
        (
            content.data.text().expose().to_owned(),
            content
                .attributes
                .as_ref()
                .map(|a| Value::Object(a.fields().clone())),
            content.description.clone(),
        )
    }

    fn stored() -> Content {
        Content {
            data: data(r#"{"a":1}"#),
            attributes: Some(attributes(&json!({"tag": "x"}))),
            description: "old".to_owned(),
        }
    }

    #[test]
    fn merge_leaves_alone_what_was_sent_empty() {
        let change = Change {
            data: Some(SecretData::empty()),
            attributes: Some(Attributes::default()),
            description: Some(String::new()),
            overwrite: false,
        };
        assert_eq!(shown(&stored().updated(&change)), shown(&stored()));
    }

    #[test]
    fn merge_is_shallow_for_data_and_attributes() {
        let change = Change {
            data: Some(data(r#"{"b":2}"#)),
            attributes: Some(attributes(&json!({"more": {"x": 1}}))),
            ..Change::default()
        };
        let (data, attributes, description) = shown(&stored().updated(&change));
        assert_eq!(data, r#"{"a":1,"b":2}"#);
        assert_eq!(attributes, Some(json!({"tag": "x", "more": {"x": 1}})));
        assert_eq!(description, "old");
    }

    #[test]
    fn overwrite_replaces_data_and_description_and_keeps_attributes_unless_sent() {
        let change = Change {
            overwrite: true,
            ..Change::default()
        };
        let (data, attributes, description) = shown(&stored().updated(&change));
        assert_eq!((data.as_str(), description.as_str()), ("{}", ""));
        assert_eq!(attributes, Some(json!({"tag": "x"})));
        let change = Change {
            overwrite: true,
            attributes: Some(super::Attributes::new(
                json!({"n": 1}).as_object().unwrap().clone(),
            )),
            ..Change::default()
        };
        assert_eq!(shown(&stored().updated(&change)).1, Some(json!({"n": 1})));
    }

    #[test]
    fn a_dynamic_secret_carries_no_data() {
        let link = json!({"linkConfig": {"linkType": "dynamic", "linkedSecret": "base"}});
        let content = Content {
            attributes: Some(attributes(&link)),
            ..stored()
        };
        assert!(
            content
                .check(&Place::Vault)
                .unwrap_err()
                .to_string()
                .starts_with("data: must be empty")
        );
    }

    #[test]
    fn a_base_is_small_and_everything_is_bounded() {
        let long = |n: usize| data(&format!(r#"{{"a":"{}"}}"#, "x".repeat(n)));
        let plain = |data| Content { data, ..stored() };
        assert!(plain(long(MAX_DATA - 100)).check(&Place::Vault).is_ok());
        assert!(plain(long(MAX_DATA)).check(&Place::Vault).is_err());
        let base = Content {
            data: long(MAX_BASE_DATA),
            attributes: Some(attributes(&json!({"type": "aws"}))),
            ..stored()
        };
        assert!(
            base.check(&Place::Vault)
                .unwrap_err()
                .to_string()
                .contains("16384")
        );
        let wordy = Content {
            description: "x".repeat(MAX_ATTRIBUTES + 1),
            ..stored()
        };
        assert!(
            wordy
                .check(&Place::Vault)
                .unwrap_err()
                .to_string()
                .starts_with("description: ")
        );
        let heavy = Content {
            attributes: Some(attributes(&json!({"a": "x".repeat(MAX_ATTRIBUTES)}))),
            ..stored()
        };
        assert!(
            heavy
                .check(&Place::Vault)
                .unwrap_err()
                .to_string()
                .starts_with("attributes: ")
        );
    }
}
