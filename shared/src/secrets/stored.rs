//! Between the stored form of a secret and the open one.

use time::OffsetDateTime;

use crate::{
    domain::{
        attributes::Attributes,
        cloud::Cloud,
        data::SecretData,
        link::Link,
        location::Place,
        principal::Principal,
        secret::{Content, DELETED_FOR, Description},
        sensitive::Sensitive,
    },
    error::Error,
    provider::Base,
    seal::{Binding, Purpose, Sealer},
    store::schema::{Key, LinkRecord, SecretRecord, SecretSummary},
};

/// What kind of thing is marked for deletion.
pub const SECRET_WORD: &str = "secret";

/// The secret, if it lives. Marked for deletion it answers so for 72 hours; after that there is nothing, whether or
/// not it was purged yet.
pub fn live(record: Option<SecretRecord>, now: OffsetDateTime) -> Result<SecretRecord, Error> {
    match record {
        None => Err(Error::NotFound),
        Some(record) if is_over(&record, now) => Err(Error::NotFound),
        Some(record) if record.deleted_at.is_some() => Err(Error::MarkedForDeletion(SECRET_WORD)),
        Some(record) => Ok(record),
    }
}

/// Whether its 72 hours are over.
pub fn is_over(record: &SecretRecord, now: OffsetDateTime) -> bool {
    record.deleted_at.is_some_and(|at| {
        at + i64::try_from(DELETED_FOR.whole_milliseconds()).unwrap_or(0)
            <= crate::clock::unix_millis(now)
    })
}

/// Opens the content: data, attributes, description. Fails if anything was moved or edited in the table.
pub async fn open(sealer: &Sealer, record: &SecretRecord) -> Result<Content, Error> {
    Ok(Content {
        data: SecretData::from_stored(unseal(sealer, record).await?),
        attributes: attributes(record.attributes.as_deref())?,
        description: record.description.clone(),
    })
}

/// Puts `content` and `link` into `record` and seals the data, bound to all of it.
pub async fn fill(
    sealer: &Sealer,
    record: &mut SecretRecord,
    content: &Content,
    link: Option<&Link>,
) -> Result<(), Error> {
    record.attributes = content
        .attributes
        .as_ref()
        .map(|attributes| serde_json::to_string(attributes.fields()))
        .transpose()
        .map_err(|error| Error::internal(error.to_string()))?;
    record.description.clone_from(&content.description);
    record.kind = content
        .type_word()
        .filter(|_| link.is_none() && record.at.place.is_vault())
        .map(str::to_owned);
    record.link = link.map(|link| LinkRecord {
        base: link.base.clone(),
        base_id: link.base_id,
        linked_by: link.linked_by.to_string(),
        right: link.right,
    });
    seal(sealer, record, content.data.text()).await
}

/// Seals the data of `record` anew with the newest branch key.
pub async fn reseal(sealer: &Sealer, record: &mut SecretRecord) -> Result<(), Error> {
    let data = unseal(sealer, record).await?;
    seal(sealer, record, &data).await
}

async fn unseal(sealer: &Sealer, record: &SecretRecord) -> Result<Sensitive, Error> {
    check_place(record)?;
    let (name, about) = (record.at.name(), about(record));
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    let binding = binding(record, &name, &about);
    sealer.open(Purpose::Secret, &binding, &record.sealed).await
}

async fn seal(sealer: &Sealer, record: &mut SecretRecord, data: &Sensitive) -> Result<(), Error> {
    let (name, about) = (record.at.name(), about(record));
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    let binding = binding(record, &name, &about);
    record.sealed = sealer.seal(Purpose::Secret, &binding, data).await?;
    Ok(())
}

/// Refuses an item that does not lie where it says it belongs: a copy under another key would open to whoever may
/// read there.
fn check_place(record: &SecretRecord) -> Result<(), Error> {
    let head = Key::secret(&record.at);
    let version = Key::version(&record.at, record.id, record.version);
    if record.key == head || record.key == version {
        Ok(())
    } else {
        Err(Error::internal(
            "a sealed item is not where it belongs: it was moved in the table",
        ))
    }
}

fn binding<'a>(record: &SecretRecord, name: &'a str, about: &'a [&'a str]) -> Binding<'a> {
    Binding {
        entity: record.at.place.entity(),
        name,
        id: record.id,
        version: record.version,
        about,
    }
}

/// Attributes and link: what a dynamic secret mints, and from what, is as guarded as its data. So is whose home it is
/// in.
fn about(record: &SecretRecord) -> Vec<String> {
    let link = record.link.as_ref();
    let mut about = vec![
        record
            .attributes
            .clone()
            .unwrap_or_else(|| "null".to_owned()),
        link.map(|link| link.base.to_string()).unwrap_or_default(),
        link.map(|link| link.base_id.to_string())
            .unwrap_or_default(),
        link.map(|link| link.linked_by.clone()).unwrap_or_default(),
        link.map(|link| format!("{:?}", link.right))
            .unwrap_or_default(),
    ];
    if let Place::Home(home) = &record.at.place {
        about.push(home.owner.to_string());
    }
    about
}

/// The cloud of a base secret.
pub fn cloud(record: &SecretRecord) -> Option<Cloud> {
    record.kind.as_deref().and_then(Cloud::named)
}

/// Opens a base secret for minting.
pub async fn open_base(sealer: &Sealer, record: &SecretRecord) -> Result<Base, Error> {
    let content = open(sealer, record).await?;
    // The word that conditions are made on is a copy; what was sealed decides.
    if content.type_word() != record.kind.as_deref() {
        return Err(Error::internal(
            "a base secret's kind was edited in the table",
        ));
    }
    Ok(Base {
        id: record.id,
        version: record.version,
        rev: record.rev,
        data: content.data,
        attributes: content.attributes.unwrap_or_default(),
        modified: time_of(record.modified),
    })
}

/// What a head says without being opened.
pub fn describe(record: &SecretRecord) -> Result<Description, Error> {
    Ok(Description {
        id: record.id,
        at: record.at.clone(),
        attributes: attributes(record.attributes.as_deref())?,
        description: record.description.clone(),
        created: time_of(record.created),
        created_by: principal(&record.created_by)?,
        modified: time_of(record.modified),
        modified_by: principal(&record.modified_by)?,
        version: record.version,
    })
}

/// What an index says of a secret of `place`.
pub fn describe_summary(summary: &SecretSummary, place: &Place) -> Result<Description, Error> {
    Ok(Description {
        id: summary.id,
        at: place.at(&summary.path),
        attributes: attributes(summary.attributes.as_deref())?,
        description: summary.description.clone(),
        created: time_of(summary.created),
        created_by: principal(&summary.created_by)?,
        modified: time_of(summary.modified),
        modified_by: principal(&summary.modified_by)?,
        version: summary.version,
    })
}

/// Attributes as they are stored.
pub(crate) fn attributes(text: Option<&str>) -> Result<Option<Attributes>, Error> {
    text.map(|text| serde_json::from_str(text).map(Attributes::new))
        .transpose()
        .map_err(|_| Error::internal("stored attributes are no JSON object"))
}

fn principal(text: &str) -> Result<Principal, Error> {
    text.parse()
        .map_err(|_| Error::internal("a stored principal is none"))
}

fn time_of(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
