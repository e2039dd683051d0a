//! A secret as clients read it, field by field.

use serde_json::value::RawValue;

use crate::{
    clock::wire_seconds,
    domain::{attributes::Attributes, data::SecretData, secret::Description, sensitive::Sensitive},
    error::Error,
};

/// A secret's description with its data, or without.
///
/// `version` is a string and times have whole seconds: python-dsv-sdk and the Go clients read nothing else.
pub fn secret(description: &Description, data: Option<&SecretData>) -> Result<Sensitive, Error> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        id: String,
        path: String,
        attributes: Option<&'a serde_json::Map<String, serde_json::Value>>,
        description: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a RawValue>,
        created: String,
        created_by: &'a str,
        last_modified: String,
        last_modified_by: &'a str,
        version: String,
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the caller may read this secret"
    )]
    let data = data
        .map(|data| serde_json::from_str::<&RawValue>(data.text().expose()))
        .transpose()
        .map_err(|_| Error::internal("stored data is no JSON"))?;
    let wire = Wire {
        id: description.id.to_string(),
        path: description.at.to_string(),
        attributes: description.attributes.as_ref().map(Attributes::fields),
        description: &description.description,
        data,
        created: wire_seconds(description.created),
        created_by: description.created_by.as_str(),
        last_modified: wire_seconds(description.modified),
        last_modified_by: description.modified_by.as_str(),
        version: description.version.to_string(),
    };
    serde_json::to_string(&wire)
        .map(Sensitive::new)
        .map_err(|error| Error::internal(error.to_string()))
}
