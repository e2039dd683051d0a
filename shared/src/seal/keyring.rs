//! `Keyrings`: the branch keys of this process, loaded once, renewed without a waiting request.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use futures_util::future::{Either, select};
use secrecy::zeroize::Zeroize;
use uuid::Uuid;

use crate::{
    clock::{BoxFuture, Clock, unix_millis},
    error::{Error, chain},
    seal::{KeyWrapper, Purpose, WrapContext},
    store::{
        schema::{BranchKeyRecord, Key, VaultRecord},
        table::{Range, Table},
    },
};

/// A ring is renewed at a random moment between these ages, so that processes do not all call at once.
const RENEW_AFTER: Duration = Duration::from_mins(10);
const RENEW_WITHIN: Duration = Duration::from_mins(5);
/// How soon a failed renewal is tried again.
const RENEW_AGAIN: Duration = Duration::from_mins(1);

/// 32 bytes that must not be printed; wiped on drop.
pub struct BranchKey([u8; 32]);

impl BranchKey {
    /// Takes the bytes over.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for BranchKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The branch keys of one purpose as this process holds them.
#[derive(Clone)]
struct Ring {
    wrapped: BTreeMap<u32, Vec<u8>>,
    open: HashMap<u32, Arc<BranchKey>>,
    renew_at: i64,
}

/// All rings of a process.
pub struct Keyrings {
    table: Table,
    wrapper: Arc<dyn KeyWrapper>,
    clock: Arc<dyn Clock>,
    vault: OnceLock<Uuid>,
    allowed: Vec<Purpose>,
    rings: Mutex<HashMap<Purpose, Ring>>,
    renewal: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Keyrings {
    /// Rings of the `allowed` purposes, kept in `table`, wrapped by `wrapper`.
    pub fn new(
        table: Table,
        wrapper: Arc<dyn KeyWrapper>,
        clock: Arc<dyn Clock>,
        allowed: Vec<Purpose>,
    ) -> Self {
        Self {
            table,
            wrapper,
            clock,
            vault: OnceLock::new(),
            allowed,
            rings: Mutex::default(),
            renewal: Mutex::default(),
        }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Loads every ring this function may use, all at once. It makes no key: not every function may, and the first is made
    /// with the first thing that is sealed.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let loads = self.allowed.iter().map(|purpose| self.hold(*purpose));
        futures_util::future::try_join_all(loads).await.map(|_| ())
    }

    async fn hold(&self, purpose: Purpose) -> Result<(), Error> {
        let ring = self.load(purpose).await?;
        match ring.wrapped.keys().next_back() {
            Some(number) => self.unwrap(purpose, *number, &ring).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Who this vault is; `Unavailable` until the first admin was made.
    pub async fn vault_id(&self) -> Result<Uuid, Error> {
        if let Some(id) = self.vault.get() {
            return Ok(*id);
        }
        let record: Option<VaultRecord> = self.table.get(&Key::vault()).await?;
        let record = record.ok_or_else(|| Error::Unavailable {
            what: "the vault",
            source: "it was not initialised: no first admin was made".into(),
        })?;
        Ok(*self.vault.get_or_init(|| record.vault_id))
    }

    /// The newest key of `purpose`, made now if there is none.
    pub(crate) async fn newest(&self, purpose: Purpose) -> Result<(u32, Arc<BranchKey>), Error> {
        let held = self.ring(purpose).and_then(|ring| {
            let number = *ring.wrapped.keys().next_back()?;
            Some((number, ring.open.get(&number)?.clone()))
        });
        if let Some(held) = held {
            return Ok(held);
        }
        let ring = self.load(purpose).await?;
        match ring.wrapped.keys().next_back() {
            Some(number) => Ok((*number, self.unwrap(purpose, *number, &ring).await?)),
            None => self.add(purpose, 1).await,
        }
    }

    /// The key `number` of `purpose`, looked up in the table if this process has not seen it yet.
    pub(crate) async fn numbered(
        &self,
        purpose: Purpose,
        number: u32,
    ) -> Result<Arc<BranchKey>, Error> {
        if let Some(ring) = self.ring(purpose) {
            if let Some(key) = ring.open.get(&number) {
                return Ok(key.clone());
            }
            if ring.wrapped.contains_key(&number) {
                return self.unwrap(purpose, number, &ring).await;
            }
        }
        let ring = self.load(purpose).await?;
        self.unwrap(purpose, number, &ring).await
    }

    /// The number of the newest key of `purpose` and when it was made, in milliseconds since 1970, as the table has them;
    /// `None` before the first.
    pub(crate) async fn newest_made(&self, purpose: Purpose) -> Result<Option<(u32, i64)>, Error> {
        let partition = Key::keyring(purpose);
        let range = Range {
            index: None,
            partition: &partition,
            from: "K#",
            to: "K#~",
            descending: true,
            limit: 1,
        };
        let newest: Vec<BranchKeyRecord> = self.table.query(range).await?;
        Ok(newest.first().map(|key| (key.number, key.created)))
    }

    /// Adds a key if the newest is older than `age`; answers whether it was. Of those who find it so at once, one adds it.
    pub(crate) async fn rotate_when_older(
        &self,
        purpose: Purpose,
        age: Duration,
    ) -> Result<bool, Error> {
        let over = unix_millis(self.clock.now()) - millis(age);
        match self.newest_made(purpose).await? {
            Some((number, made)) if made <= over => {
                self.add(purpose, number + 1).await.map(|_| true)
            }
            _ => Ok(false),
        }
    }

    /// Adds a key after the newest.
    pub(crate) async fn rotate(&self, purpose: Purpose) -> Result<u32, Error> {
        let ring = self.load(purpose).await?;
        let next = ring
            .wrapped
            .keys()
            .next_back()
            .map_or(1, |number| number + 1);
        self.add(purpose, next).await.map(|(number, _)| number)
    }

    /// Runs `work`, and beside it whatever renewal is due. `work` never waits: a renewal that is not finished when
    /// `work` is goes on beside the next one. (Lambda freezes a process between requests, so there is no background.)
    pub async fn beside<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        let Some(renewal) = self.due_renewal() else {
            return work.await;
        };
        match select(pin!(work), renewal).await {
            Either::Left((done, unfinished)) => {
                if let Ok(mut slot) = self.renewal.lock() {
                    *slot = Some(unfinished);
                }
                done
            }
            Either::Right(((), work)) => work.await,
        }
    }

    fn due_renewal(self: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        if let Some(unfinished) = self.renewal.lock().ok()?.take() {
            return Some(unfinished);
        }
        let now = unix_millis(self.clock.now());
        let mut rings = self.rings.lock().ok()?;
        let (purpose, ring) = rings.iter_mut().find(|(_, ring)| ring.renew_at <= now)?;
        // Should this renewal be lost with its request, the next one is due soon.
        ring.renew_at = now + millis(RENEW_AGAIN);
        let (purpose, keyrings) = (*purpose, self.clone());
        Some(Box::pin(async move { keyrings.renew(purpose).await }))
    }

    /// Reads the ring again and unwraps its newest key again. A key that the wrapper now refuses is forgotten, so
    /// disabling the KMS key stops warm processes too; if the wrapper does not answer, what is held stays.
    async fn renew(&self, purpose: Purpose) {
        let renewed = async {
            let mut ring = self.load(purpose).await?;
            if let Some(number) = ring.wrapped.keys().next_back().copied() {
                ring.open.remove(&number);
                self.unwrap(purpose, number, &ring).await?;
            }
            Ok::<(), Error>(())
        }
        .await;
        match renewed {
            Ok(()) => {}
            Err(error) if error.is_retryable() => {
                self.postpone(purpose);
                tracing::warn!(
                    purpose = purpose.word(),
                    error = chain(&error),
                    "branch keys not renewed"
                );
            }
            Err(error) => {
                if let Ok(mut rings) = self.rings.lock() {
                    rings.remove(&purpose);
                }
                tracing::error!(
                    purpose = purpose.word(),
                    error = chain(&error),
                    "branch keys refused"
                );
            }
        }
    }

    /// Makes key `number`. If another process was faster, its key counts.
    async fn add(&self, purpose: Purpose, number: u32) -> Result<(u32, Arc<BranchKey>), Error> {
        let context = self.context(purpose).await?;
        let (_, wrapped) = self.wrapper.generate(context).await?;
        let created = unix_millis(self.clock.now());
        let record = BranchKeyRecord {
            key: Key::branch_key(purpose, number),
            number,
            wrapped,
            created,
        };
        self.table.put_new(&record).await?;
        let ring = self.load(purpose).await?;
        let newest = ring.wrapped.keys().next_back().copied().unwrap_or(number);
        Ok((newest, self.unwrap(purpose, newest, &ring).await?))
    }

    async fn context(&self, purpose: Purpose) -> Result<WrapContext, Error> {
        if !self.allowed.contains(&purpose) {
            return Err(Error::internal(format!(
                "this function may not use {} keys",
                purpose.word()
            )));
        }
        Ok(WrapContext {
            vault: self.vault_id().await?,
            purpose,
        })
    }

    fn ring(&self, purpose: Purpose) -> Option<Ring> {
        self.rings.lock().ok()?.get(&purpose).cloned()
    }

    /// Reads the ring from the table, keeping what was unwrapped before.
    async fn load(&self, purpose: Purpose) -> Result<Ring, Error> {
        let partition = Key::keyring(purpose);
        let range = Range {
            index: None,
            partition: &partition,
            from: "K#",
            to: "K#~",
            descending: false,
            limit: usize::MAX,
        };
        let records = self.table.query::<BranchKeyRecord>(range);
        let (_, records) = tokio::try_join!(self.context(purpose), records)?;
        let ring = Ring {
            wrapped: records
                .into_iter()
                .map(|record| (record.number, record.wrapped))
                .collect(),
            open: self.ring(purpose).map(|ring| ring.open).unwrap_or_default(),
            renew_at: unix_millis(self.clock.now())
                + millis(RENEW_AFTER)
                + random_below(RENEW_WITHIN),
        };
        if let Ok(mut rings) = self.rings.lock() {
            rings.insert(purpose, ring.clone());
        }
        Ok(ring)
    }

    async fn unwrap(
        &self,
        purpose: Purpose,
        number: u32,
        ring: &Ring,
    ) -> Result<Arc<BranchKey>, Error> {
        if let Some(key) = ring.open.get(&number) {
            return Ok(key.clone());
        }
        let wrapped = ring.wrapped.get(&number).ok_or_else(|| {
            Error::internal(format!("there is no {} key {number}", purpose.word()))
        })?;
        let key = Arc::new(
            self.wrapper
                .unwrap(self.context(purpose).await?, wrapped.clone())
                .await?,
        );
        if let Ok(mut rings) = self.rings.lock()
            && let Some(ring) = rings.get_mut(&purpose)
        {
            ring.open.insert(number, key.clone());
        }
        Ok(key)
    }

    fn postpone(&self, purpose: Purpose) {
        if let Ok(mut rings) = self.rings.lock()
            && let Some(ring) = rings.get_mut(&purpose)
        {
            ring.renew_at = unix_millis(self.clock.now()) + millis(RENEW_AGAIN);
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn random_below(span: Duration) -> i64 {
    i64::try_from(Uuid::new_v4().as_u128() % span.as_millis().max(1)).unwrap_or(0)
}
