//! The credential in a base secret's data.

use crate::{
    domain::{data::SecretData, sensitive::Sensitive},
    error::Error,
    provider::aws::region::Region,
};

/// An AWS access key and where to use it.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) access_key: Sensitive,
    pub(super) secret_key: Sensitive,
    /// Only with a temporary key.
    pub(super) session_token: Option<Sensitive>,
    pub(super) region: Region,
    /// Whether the key is itself a temporary one.
    pub(super) temporary: bool,
}

impl Credential {
    pub(super) fn from_data(data: &SecretData) -> Result<Self, Error> {
        let required = |key: &str| {
            data.string(key)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    Error::invalid(
                        format!("data.{key}"),
                        "is required on a base secret of type aws, as a string",
                    )
                })
        };
        let (access_key, secret_key) = (required("accessKey")?, required("secretKey")?);
        let region = required("region")?;
        let session_token = data
            .string("sessionToken")
            .filter(|value| !value.is_empty());
        #[expect(
            clippy::disallowed_methods,
            reason = "provider: region and kind of key decide what can be asked"
        )]
        let (region, temporary) = (
            Region::named("data.region", region.expose())?,
            access_key.expose().starts_with("ASIA"),
        );
        if temporary && session_token.is_none() {
            return Err(Error::invalid(
                "data.sessionToken",
                "is required with a temporary access key (ASIA…)",
            ));
        }
        Ok(Self {
            access_key,
            secret_key,
            session_token,
            region,
            temporary,
        })
    }
}
