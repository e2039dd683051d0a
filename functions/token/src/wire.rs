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

use crate::password::Login;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";
const REFRESH_TOKEN: &str = "refresh_token";

/// What somebody signs in with.
pub(crate) enum Grant {
    /// A client credential.
    ClientCredentials {
        /// Its public id.
        client_id: String,
        /// Its secret.
        client_secret: Sensitive,
    },
    /// A user's name and password.
    Password(Login),
    /// What an earlier grant was answered with.
    RefreshToken(Sensitive),
}

/// The fields of all grants; clients leave out or send empty what they do not use.
struct Sent {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Sensitive>,
    username: Option<String>,
    password: Option<Sensitive>,
    provider: Option<String>,
    refresh_token: Option<Sensitive>,
}

impl Grant {
    /// Reads JSON, or a form if the content type says so. No form begins with a brace: `curl -d` calls JSON a form too.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let is_form =
            content_type.is_some_and(|word| word.starts_with("application/x-www-form-urlencoded"));
        let sent = if is_form && !body.trim_ascii_start().starts_with(b"{") {
            Sent::from_form(body)?
        } else {
            Sent::from_json(body)?
        };
        sent.grant()
    }
}

impl Sent {
    fn grant(self) -> Result<Grant, Error> {
        match self.grant_type.as_deref() {
            Some(CLIENT_CREDENTIALS) => Ok(Grant::ClientCredentials {
                client_id: text("client_id", CLIENT_CREDENTIALS, self.client_id)?,
                client_secret: secret("client_secret", CLIENT_CREDENTIALS, self.client_secret)?,
            }),
            Some(PASSWORD) => Ok(Grant::Password(Login {
                username: text("username", PASSWORD, self.username)?,
                password: secret("password", PASSWORD, self.password)?,
                provider: self.provider.unwrap_or_default(),
            })),
            Some(REFRESH_TOKEN) => {
                secret("refresh_token", REFRESH_TOKEN, self.refresh_token).map(Grant::RefreshToken)
            }
            _ => Err(Error::invalid(
                "grant_type",
                format!("must be {CLIENT_CREDENTIALS}, {PASSWORD} or {REFRESH_TOKEN}"),
            )),
        }
    }

    fn from_json(body: &[u8]) -> Result<Self, Error> {
        let fields = Fields::parse(body)?;
        Ok(Self {
            grant_type: fields.text("grant_type")?,
            client_id: fields.text("client_id")?,
            client_secret: fields.secret("client_secret")?,
            username: fields.text("username")?,
            password: fields.secret("password")?,
            provider: fields.text("provider")?,
            refresh_token: fields.secret("refresh_token")?,
        })
    }

    fn from_form(body: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Form {
            grant_type: Option<String>,
            client_id: Option<String>,
            client_secret: Option<String>,
            username: Option<String>,
            password: Option<String>,
            provider: Option<String>,
            refresh_token: Option<String>,
        }
        let form: Form = serde_urlencoded::from_bytes(body)
            .map_err(|_| Error::invalid("body", "must be a URL-encoded form"))?;
        Ok(Self {
            grant_type: form.grant_type,
            client_id: form.client_id,
            client_secret: form.client_secret.map(Sensitive::new),
            username: form.username,
            password: form.password.map(Sensitive::new),
            provider: form.provider,
            refresh_token: form.refresh_token.map(Sensitive::new),
        })
    }
}

fn text(field: &str, grant_type: &str, value: Option<String>) -> Result<String, Error> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| missing(field, grant_type))
}

fn secret(field: &str, grant_type: &str, value: Option<Sensitive>) -> Result<Sensitive, Error> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| missing(field, grant_type))
}

fn missing(field: &str, grant_type: &str) -> Error {
    Error::invalid(field, format!("is required with grant_type {grant_type}"))
}

/// The answer to a grant. `expiresIn` is a number, and less than the truth: python-dsv-sdk renews late. A machine gets
/// no refresh token: it can sign in again.
#[expect(
    clippy::disallowed_methods,
    reason = "reply: the tokens are what was asked for"
)]
pub(crate) fn granted(access: &Sensitive, refresh: Option<&Sensitive>) -> Reply {
    let body = json!({
        "accessToken": access.expose(),
        "tokenType": "bearer",
        "expiresIn": TOLD_TTL,
        "refreshToken": refresh.map(Sensitive::expose).unwrap_or_default(),
    });
    Reply::secret(StatusCode::OK, Sensitive::new(body.to_string()))
}
