//! The credential in a base secret's data, or the function's own in its place.

use crate::{
    domain::{data::SecretData, sensitive::Sensitive},
    error::Error,
    provider::aws::{function::FunctionIdentity, region::Region},
};

/// Says in a base's data that it has no key of its own.
pub(super) const SOURCE: &str = "data.credentialSource";

/// An AWS access key and where to use it.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) access_key: Sensitive,
    pub(super) secret_key: Sensitive,
    /// Only with a temporary key.
    pub(super) session_token: Option<Sensitive>,
    pub(super) region: Region,
    pub(super) kind: Kind,
}

/// What kind of key it is: AWS allows each of them something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user's own, until it is deleted.
    LongTerm,
    /// A session's.
    Temporary,
    /// The function's: that of a session of the function's role.
    Function,
}

/// Whether the base with this data mints with the function's own identity. Says nothing of whether it may.
///
/// 400 naming the field if it names another source, or holds a key as well.
pub fn uses_function(data: &SecretData) -> Result<bool, Error> {
    if !data.has("credentialSource") {
        return Ok(false);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "provider: whose key it is decides what can be asked"
    )]
    let is_function = data
        .string("credentialSource")
        .is_some_and(|source| source.expose() == "function");
    if !is_function {
        return Err(Error::invalid(
            SOURCE,
            "must be \"function\", or absent from a base with a key of its own",
        ));
    }
    for key in ["accessKey", "secretKey", "sessionToken"] {
        if data.has(key) {
            let problem = "must be absent beside credentialSource; overwrite removes it";
            return Err(Error::invalid(format!("data.{key}"), problem));
        }
    }
    Ok(true)
}

impl Credential {
    /// The key in `data`, or the `function`'s own if it says so and the deployment lends that.
    pub(super) fn from_data(data: &SecretData, function: &FunctionIdentity) -> Result<Self, Error> {
        if !uses_function(data)? {
            return Self::own(data);
        }
        let lent = function.lent()?;
        Ok(Self {
            region: lent.region(data)?,
            access_key: lent.access.access_key.clone(),
            secret_key: lent.access.secret_key.clone(),
            session_token: lent.access.session_token.clone(),
            kind: Kind::Function,
        })
    }

    fn own(data: &SecretData) -> Result<Self, Error> {
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
        let (region, kind) = (
            Region::named("data.region", region.expose())?,
            if access_key.expose().starts_with("ASIA") {
                Kind::Temporary
            } else {
                Kind::LongTerm
            },
        );
        if kind == Kind::Temporary && session_token.is_none() {
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
            kind,
        })
    }
}
