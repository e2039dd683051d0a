//! Bodies of this function, field by field.

use http::StatusCode;
use mayfly::{
    domain::{data::SecretData, secret::Change},
    error::Error,
    http::{body::Fields, reply::Reply, wire},
    secrets::stored,
    store::schema::SecretRecord,
};

/// What a create or an update sends.
pub(crate) fn change(body: &[u8]) -> Result<Change, Error> {
    let fields = Fields::parse(body)?;
    Ok(Change {
        data: fields.data()?,
        attributes: fields.attributes()?,
        description: fields.text("description")?,
        overwrite: fields.flag("overwrite")?,
    })
}

/// A secret as it was just written, with its data if the caller may see them.
pub(crate) fn written(
    status: StatusCode,
    record: &SecretRecord,
    data: Option<&SecretData>,
) -> Result<Reply, Error> {
    let body = wire::secret(&stored::describe(record)?, data)?;
    Ok(Reply::secret(status, body))
}
