//! Lockout: tries at passwords, counted **before** the password is looked at, so that guesses made side by side cannot
//! outrun the counter.
//!
//! Counted by name, whether or not there is such a user, and by source. A try that turns out right is taken back. While
//! either is locked every try gets the answer of a wrong password after the same work, and does not prolong the lock.
//! Machines are never locked: their secrets cannot be guessed, and a stranger must not be able to lock one out.

use std::net::IpAddr;

use tokio::{join, try_join};
use uuid::Uuid;

use crate::{
    access::password,
    app::App,
    clock::unix_millis,
    domain::{name::fold, sensitive::Sensitive},
    error::{Error, chain},
    seal::Purpose,
    store::{
        counters::{Bound, Counted, Try},
        schema::{Key, TriesRecord, UserRecord},
        table::Items,
    },
};

const LABEL: &str = "tries at passwords";

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const LOCKS: &[i64] = &[
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    4 * MINUTE,
    8 * MINUTE,
    15 * MINUTE,
];

/// Five wrong passwords of one name within 15 minutes lock it for 30 seconds, each further one for twice as long.
const NAME: Bound = Bound {
    free: 5,
    window: 15 * MINUTE,
    locks: LOCKS,
};

/// The same for one source over all names: an office behind one address has many who mistype.
const SOURCE: Bound = Bound { free: 50, ..NAME };

/// After this long nothing that a counter knows matters any more.
const KEPT: i64 = 30 * MINUTE;

/// How often a counter that changes under our hands is looked at again before the try counts as not let through.
const ROUNDS: u32 = 4;

/// One try at a password, counted.
#[derive(Debug)]
pub struct Attempt {
    name: Reserved,
    source: Option<Reserved>,
}

/// One counter's part in a try.
#[derive(Debug)]
struct Reserved {
    key: Key,
    id: String,
    /// Which try it was; `None` if it was not let through, and not counted.
    count: Option<u32>,
}

/// Counts a try at the password of `name` from `source`. To be done beside whatever else is read first.
pub async fn reserve(app: &App, name: &str, source: Option<IpAddr>) -> Result<Attempt, Error> {
    let of_source = async {
        match source {
            Some(source) => {
                let key = source_key(app, source).await?;
                reserve_one(app, &SOURCE, key).await.map(Some)
            }
            None => Ok(None),
        }
    };
    let of_name = async {
        let key = key_of(app, "name", &fold(name)).await?;
        reserve_one(app, &NAME, key).await
    };
    // Boxed, as below: whoever waits for this holds the state of several calls.
    let (name, source) = try_join!(Box::pin(of_name), Box::pin(of_source))?;
    Ok(Attempt { name, source })
}

impl Attempt {
    /// Whether it was let through.
    pub fn is_admitted(&self) -> bool {
        self.reserved().all(|reserved| reserved.count.is_some())
    }

    /// Whether it was let through and `password` is that of `user`, a live one. Whatever the answer, the work is the
    /// same.
    pub async fn is_right(
        &self,
        app: &App,
        user: Option<&UserRecord>,
        password: &Sensitive,
    ) -> Result<bool, Error> {
        let live = user.filter(|user| user.deleted_at.is_none());
        let id = live.map(|user| user.id).unwrap_or_default();
        let record = live.and_then(|user| user.body.password.as_ref());
        let matching = password::matches(app, id, record, password);
        let withdrawing = Box::pin(self.withdraw_unless_admitted(app));
        let ((), matches) = join!(withdrawing, Box::pin(matching));
        Ok(matches? && self.is_admitted())
    }

    /// The password was right: forgets what failed for the name, and takes the try back from the source. That this
    /// does not work is no reason to refuse whoever knew the password.
    pub async fn settle(&self, app: &App) {
        let forgotten = app.table.delete_all([self.name.key.clone()]);
        let taken_back = async {
            match &self.source {
                Some(source) => source.take_back(app).await,
                None => Ok(()),
            }
        };
        if let Err(error) = try_join!(Box::pin(forgotten), Box::pin(taken_back)) {
            tracing::warn!(error = chain(&error), "a counter of tries was not reset");
        }
    }

    fn reserved(&self) -> impl Iterator<Item = &Reserved> {
        [&self.name].into_iter().chain(&self.source)
    }

    /// A try that one counter did not let through does not count for the other.
    async fn withdraw_unless_admitted(&self, app: &App) {
        if self.is_admitted() {
            return;
        }
        for reserved in self.reserved() {
            if let Err(error) = reserved.take_back(app).await {
                tracing::warn!(error = chain(&error), "a try was not taken back");
            }
        }
    }
}

impl Reserved {
    async fn take_back(&self, app: &App) -> Result<(), Error> {
        match self.count {
            Some(count) => app.table.take_back_try(&self.key, &self.id, count).await,
            None => Ok(()),
        }
    }
}

/// Where the tries from `source` are counted. Whoever has one IPv6 address has the 2⁶⁴ around it.
pub async fn source_key(app: &App, source: IpAddr) -> Result<Key, Error> {
    let source = match source.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    };
    key_of(app, "source", &source).await
}

/// Whether the source whose counter is under `key` is locked, by what was just read.
pub fn is_source_locked(app: &App, items: &Items, key: &Key) -> Result<bool, Error> {
    let record: Option<TriesRecord> = items.record(key)?;
    let until = record.and_then(|record| SOURCE.locked_until(&record));
    Ok(until.is_some_and(|until| until > unix_millis(app.clock.now())))
}

/// Names are hashed with a key: what somebody types for a name may be a password.
async fn key_of(app: &App, kind: &str, who: &str) -> Result<Key, Error> {
    let message = format!("{kind} {who}");
    let hash = app
        .sealer
        .hash(Purpose::Verifier, LABEL, message.as_bytes())
        .await?;
    let hex: Vec<String> = hash.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Key::tries(&hex.concat()))
}

async fn reserve_one(app: &App, bound: &Bound, key: Key) -> Result<Reserved, Error> {
    let id = Uuid::new_v4().to_string();
    let mut count = None;
    for _ in 0..ROUNDS {
        let now = unix_millis(app.clock.now());
        let this = Try {
            key: &key,
            id: &id,
            now,
            expires: (now + KEPT) / SECOND + 1,
        };
        let mut counted = app.table.count_try(bound, this).await?;
        if let Counted::No(Some(seen)) = &counted
            && bound.is_forgotten(seen, now)
        {
            counted = app.table.count_first_try(seen, this).await?;
        }
        match counted {
            Counted::Yes(number) => {
                count = Some(number);
                break;
            }
            Counted::No(Some(seen)) if bound.locked_until(&seen).is_some_and(|at| at > now) => {
                break;
            }
            // It was reset or taken back in between.
            Counted::No(_) => {}
        }
    }
    Ok(Reserved { key, id, count })
}
