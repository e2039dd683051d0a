//! Bodies of this function, field by field.

use http::StatusCode;
use mayfly::{
    domain::secret::{Change, Content},
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

/// A secret as it was just written.
pub(crate) fn written(
    status: StatusCode,
    record: &SecretRecord,
    content: &Content,
) -> Result<Reply, Error> {
    let body = wire::secret(&stored::describe(record)?, Some(&content.data))?;
    Ok(Reply::secret(status, body))
}
