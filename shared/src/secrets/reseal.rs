//! Moving sealed items to the newest branch key after a rotation, a page at a time.

use time::{OffsetDateTime, PrimitiveDateTime};
use uuid::Uuid;

use crate::{
    app::App,
    error::{Error, chain},
    seal::Purpose,
    secrets::stored,
    store::{
        schema::{
            BROWSE, DUE, HEAD, HOME_ID, Index, Key, PURGE, RemovalRecord, ResealPosition, SECRET,
            SecretIdRecord, SecretRecord, shards_of,
        },
        table::{Item, Items, Range, TransactError, decode},
        writes::Only,
    },
};

/// What a run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Resealed {
    /// Items sealed anew.
    pub moved: usize,
    /// Items that someone changed meanwhile; another run moves them.
    pub missed: usize,
    /// Items that do not open. They are left as they are.
    pub unreadable: usize,
}

/// How many secrets are looked up at a time.
const PAGE: usize = 50;

/// Where all secrets are found: live ones, those in homes, soft-deleted ones.
const LISTS: [(Index, &str); 3] = [(BROWSE, SECRET), (BROWSE, HOME_ID), (DUE, PURGE)];

/// Seals every version of every secret, soft-deleted ones and those in homes too, with the newest branch key.
///
/// May be stopped and run again at any time: what is already new is left alone. When a run moved and missed nothing,
/// no item that opens needs an older key.
pub async fn reseal_all(app: &App) -> Result<Resealed, Error> {
    let mut done = Resealed::default();
    let mut at = ResealPosition::default();
    walk(app, &mut at, PrimitiveDateTime::MAX.assume_utc(), &mut done).await?;
    Ok(done)
}

/// Goes on from `at` and moves it, until the end or until `until` has come; answers whether it reached the end.
pub async fn walk(
    app: &App,
    at: &mut ResealPosition,
    until: OffsetDateTime,
    done: &mut Resealed,
) -> Result<bool, Error> {
    while let Some((index, entity)) = LISTS.get(at.list) {
        let Some(shard) = shards_of(entity).nth(at.shard) else {
            (at.list, at.shard) = (at.list + 1, 0);
            continue;
        };
        let from = match at.after.as_str() {
            "" => "!".to_owned(),
            after => format!("{after}\u{1}"),
        };
        let range = Range {
            index: Some(*index),
            partition: &shard,
            from: &from,
            to: "~",
            descending: false,
            limit: PAGE,
        };
        let found: Vec<Entry> = app.table.query(range).await?;
        let items = aliases(app, entity, &found).await?;
        for entry in &found {
            if app.clock.now() >= until {
                return Ok(false);
            }
            match partition(entity, entry, &items) {
                Ok(Some(partition)) => reseal_secret(app, &partition, done).await?,
                Ok(None) => {}
                Err(error) => unreadable(done, &entry.key.pk, &error),
            }
            entry.sort_key(entity).clone_into(&mut at.after);
        }
        if found.len() < PAGE {
            (at.shard, at.after) = (at.shard + 1, String::new());
        }
    }
    Ok(true)
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

/// What the entries stand for, where they are not secrets themselves.
async fn aliases(app: &App, entity: &str, found: &[Entry]) -> Result<Items, Error> {
    let keys = found.iter().filter(|_| entity != SECRET);
    app.table
        .batch_get(keys.map(|entry| entry.key.clone()))
        .await
}

/// The partition of the secret that an entry stands for.
fn partition(entity: &str, entry: &Entry, aliases: &Items) -> Result<Option<String>, Error> {
    let secret = match entity {
        SECRET => Some(entry.key.clone()),
        // Homes are gone through as a whole, and what else has an end is not sealed.
        PURGE => aliases
            .record::<RemovalRecord>(&entry.key)?
            .filter(|end| end.entity == SECRET)
            .map(|end| end.head()),
        _ => aliases
            .record::<SecretIdRecord>(&entry.key)?
            .map(|alias| Key::secret(&alias.at)),
    };
    Ok(secret.map(|secret| secret.pk))
}

async fn reseal_secret(app: &App, partition: &str, done: &mut Resealed) -> Result<(), Error> {
    let range = |from, to| Range {
        index: None,
        partition,
        from,
        to,
        descending: false,
        limit: usize::MAX,
    };
    let mut items = app.table.query_items(range(HEAD, HEAD)).await?;
    items.extend(app.table.query_items(range("V#", "V#~")).await?);
    for item in items {
        match reseal(app, item).await {
            Ok(Outcome::New) => {}
            Ok(Outcome::Moved) => done.moved += 1,
            Ok(Outcome::Missed) => done.missed += 1,
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => unreadable(done, partition, &error),
        }
    }
    Ok(())
}

enum Outcome {
    New,
    Moved,
    Missed,
}

async fn reseal(app: &App, item: Item) -> Result<Outcome, Error> {
    let old: SecretRecord = decode(item)?;
    if app.sealer.is_newest(Purpose::Secret, &old.sealed).await? {
        return Ok(Outcome::New);
    }
    let mut new = SecretRecord {
        rev: old.rev + 1,
        ..old.clone()
    };
    stored::reseal(&app.sealer, &mut new).await?;
    let unchanged = Only::IfUnchanged {
        id: old.id,
        rev: old.rev,
    };
    let write = app.table.write(&new, &unchanged)?;
    match app.table.transact(Uuid::new_v4(), vec![write]).await {
        Ok(()) => Ok(Outcome::Moved),
        Err(TransactError::Cancelled(_)) => Ok(Outcome::Missed),
        Err(error) => Err(error.into()),
    }
}

fn unreadable(done: &mut Resealed, partition: &str, error: &Error) {
    tracing::warn!(item = partition, error = chain(error), "not sealed anew");
    done.unreadable += 1;
}
