//! Grants and their answers, field by field.

use http::{HeaderMap, StatusCode, header};
use mayfly::{
    access::token::TOLD_TTL,
    domain::sensitive::Sensitive,
    error::Error,
    http::{body::Fields, reply::Reply},
};
use serde::Deserialize;
use serde_json::json;

/// The grants that this vault knows.
const SUPPORTED: &str = "must be client_credentials";

/// What somebody signs in with.
pub(crate) enum Grant {
    /// A client credential.
    ClientCredentials {
        /// Its public id.
        client_id: String,
        /// Its secret.
        client_secret: Sensitive,
    },
}

/// The fields of all grants; clients leave out or send empty what they do not use.
struct Sent {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Sensitive>,
}

impl Grant {
    /// Reads JSON, or a form if the content type says so.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let is_form =
            content_type.is_some_and(|word| word.starts_with("application/x-www-form-urlencoded"));
        let sent = if is_form {
            Sent::from_form(body)?
        } else {
            Sent::from_json(body)?
        };
        match sent.grant_type.as_deref() {
            Some("client_credentials") => Ok(Self::ClientCredentials {
                client_id: required("client_id", sent.client_id.filter(|text| !text.is_empty()))?,
                client_secret: required(
                    "client_secret",
                    sent.client_secret.filter(|text| !text.is_empty()),
                )?,
            }),
            _ => Err(Error::invalid("grant_type", SUPPORTED)),
        }
    }
}

impl Sent {
    fn from_json(body: &[u8]) -> Result<Self, Error> {
        let fields = Fields::parse(body)?;
        Ok(Self {
            grant_type: fields.text("grant_type")?,
            client_id: fields.text("client_id")?,
            client_secret: fields.secret("client_secret")?,
        })
    }

    fn from_form(body: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Form {
            grant_type: Option<String>,
            client_id: Option<String>,
            client_secret: Option<String>,
        }
        let form: Form = serde_urlencoded::from_bytes(body)
            .map_err(|_| Error::invalid("body", "must be a URL-encoded form"))?;
        Ok(Self {
            grant_type: form.grant_type,
            client_id: form.client_id,
            client_secret: form.client_secret.map(Sensitive::new),
        })
    }
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::invalid(field, "is required with grant_type client_credentials"))
}

/// The answer to a grant. `expiresIn` is a number, and less than the truth: python-dsv-sdk renews late.
pub(crate) fn granted(token: &Sensitive) -> Reply {
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the token is what was asked for"
    )]
    let body = json!({
        "accessToken": token.expose(),
        "tokenType": "bearer",
        "expiresIn": TOLD_TTL,
        "refreshToken": "",
    });
    Reply::secret(StatusCode::OK, Sensitive::new(body.to_string()))
}
