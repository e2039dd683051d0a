//! Moving sealed items to the newest branch key after a rotation, a page at a time.

use uuid::Uuid;

use crate::{
    app::App,
    error::Error,
    seal::Purpose,
    secrets::stored,
    store::{
        schema::{
            BROWSE, DUE, HEAD, HOME_ID, Key, PURGE, RemovalRecord, SECRET, SecretIdRecord,
            SecretRecord, shards_of,
        },
        table::{Range, TransactError},
        writes::Only,
    },
};

/// What a run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Resealed {
    /// Items sealed anew.
    pub moved: usize,
    /// Items that someone changed meanwhile; another run moves them.
    pub missed: usize,
}

/// How many secrets are looked up at a time.
const PAGE: usize = 50;

/// Seals every version of every secret, soft-deleted ones and those in homes too, with the newest branch key.
///
/// May be stopped and run again at any time: what is already new is left alone. When a run moved and missed nothing,
/// no item needs an older key.
pub async fn reseal_all(app: &App) -> Result<Resealed, Error> {
    let mut total = Resealed::default();
    for (index, entity) in [(BROWSE, SECRET), (BROWSE, HOME_ID), (DUE, PURGE)] {
        for shard in shards_of(entity) {
            let mut from = "!".to_owned();
            loop {
                let range = Range {
                    index: Some(index),
                    partition: &shard,
                    from: &from,
                    to: "~",
                    descending: false,
                    limit: PAGE,
                };
                let found: Vec<Entry> = app.table.query(range).await?;
                for partition in partitions(app, entity, &found).await? {
                    reseal_secret(app, &partition, &mut total).await?;
                }
                match found.last() {
                    Some(last) if found.len() == PAGE => {
                        from = format!("{}\u{1}", last.sort_key(entity));
                    }
                    _ => break,
                }
            }
        }
    }
    Ok(total)
}

/// What either index answers.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    key: Key,
    #[serde(default)]
    browse_sk: String,
    #[serde(default)]
    due_sk: String,
}

impl Entry {
    fn sort_key(&self, entity: &str) -> &str {
        if entity == PURGE {
            &self.due_sk
        } else {
            &self.browse_sk
        }
    }
}

/// The partitions of the secrets that an index told of.
async fn partitions(app: &App, entity: &str, found: &[Entry]) -> Result<Vec<String>, Error> {
    if entity == SECRET {
        return Ok(found.iter().map(|entry| entry.key.pk.clone()).collect());
    }
    let items = app
        .table
        .batch_get(found.iter().map(|entry| entry.key.clone()))
        .await?;
    let mut partitions = Vec::new();
    for Entry { key, .. } in found {
        let secret = if entity == PURGE {
            // Homes are gone through as a whole, and what else has an end is not sealed.
            items
                .record::<RemovalRecord>(key)?
                .filter(|end| end.entity == SECRET)
                .map(|end| end.head())
        } else {
            items
                .record::<SecretIdRecord>(key)?
                .map(|alias| Key::secret(&alias.at))
        };
        partitions.extend(secret.map(|secret| secret.pk));
    }
    Ok(partitions)
}

async fn reseal_secret(app: &App, partition: &str, total: &mut Resealed) -> Result<(), Error> {
    let range = |from, to| Range {
        index: None,
        partition,
        from,
        to,
        descending: false,
        limit: usize::MAX,
    };
    let mut records: Vec<SecretRecord> = app.table.query(range(HEAD, HEAD)).await?;
    records.extend(app.table.query::<SecretRecord>(range("V#", "V#~")).await?);
    for old in records {
        if app.sealer.is_newest(Purpose::Secret, &old.sealed).await? {
            continue;
        }
        let mut new = SecretRecord {
            rev: old.rev + 1,
            ..old.clone()
        };
        stored::reseal(&app.sealer, &mut new).await?;
        let write = app.table.write(
            &new,
            &Only::IfUnchanged {
                id: old.id,
                rev: old.rev,
            },
        )?;
        match app.table.transact(Uuid::new_v4(), vec![write]).await {
            Ok(()) => total.moved += 1,
            Err(TransactError::Cancelled(_)) => total.missed += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
