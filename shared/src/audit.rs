//! Audit: every request that touches a secret, a credential or an access rule leaves a record before its answer does.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use time::OffsetDateTime;
use ulid::Ulid;
use uuid::Uuid;

use crate::{
    access::caller::Caller,
    app::App,
    clock::{unix_millis, wire_nanos},
    error::Error,
    metrics::{self, Kind},
    store::schema::{AUDIT_SHARDS, AuditRecord, Key},
};

/// The longest message; with it a record stays within 1 KB.
const MAX_MESSAGE: usize = 160;

/// What one request leaves behind. Made when the request comes in, filled as its caller becomes known.
#[derive(Debug)]
pub struct Trail {
    request_id: String,
    action: &'static str,
    path: String,
    source: String,
    who: Mutex<Who>,
    reads: Mutex<Option<Kind>>,
    recorded: AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Who {
    principal: String,
    principal_item_id: String,
    client_id: String,
}

/// One mint. Its id is made first; it is in the cloud's own log and in ours.
#[derive(Debug, Clone)]
pub struct Issuance {
    /// Time-ordered.
    pub id: Ulid,
    /// When it began.
    pub started: OffsetDateTime,
}

impl Issuance {
    /// A new one.
    pub fn begin(now: OffsetDateTime) -> Self {
        Self {
            id: ulid(now),
            started: now,
        }
    }
}

impl Trail {
    /// The action of a direct invocation.
    pub const INVOKE: &'static str = "INVOKE";

    /// The trail of a request: its id, its method, what it is about, and where it comes from.
    pub fn new(request_id: String, action: &'static str, path: String, source: String) -> Self {
        Self {
            request_id,
            action,
            path,
            source,
            who: Mutex::default(),
            reads: Mutex::default(),
            recorded: AtomicBool::new(false),
        }
    }

    /// Names the request in records, logs and answers.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// From now on records name this caller.
    pub fn acted_by(&self, caller: &Caller) {
        self.set(Who {
            principal: caller.principal.to_string(),
            principal_item_id: caller.principal_id.to_string(),
            client_id: caller.client_id.clone().unwrap_or_default(),
        });
    }

    /// From now on records name what somebody claimed to be.
    pub fn claimed_by(&self, principal: impl Into<String>, client_id: impl Into<String>) {
        self.set(Who {
            principal: principal.into(),
            client_id: client_id.into(),
            ..Who::default()
        });
    }

    /// The request reads a secret's data, of that kind: its outcome is counted.
    pub fn reads(&self, kind: Kind) {
        if let Ok(mut reads) = self.reads.lock() {
            *reads = Some(kind);
        }
    }

    /// What kind of data the request reads, if it does.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.reads.lock().ok().and_then(|reads| *reads)
    }

    /// Whether it is of a direct invocation, whose sender IAM has checked.
    pub(crate) fn is_direct(&self) -> bool {
        self.action == Self::INVOKE
    }

    /// Whether the record that covers the outcome is already safe.
    pub fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::SeqCst)
    }

    /// The record that covers the outcome is safe: it was written in one transaction with it, or beside it.
    pub fn mark_recorded(&self) {
        self.recorded.store(true, Ordering::SeqCst);
    }

    /// The outcome turned out to be another one than was recorded.
    pub fn reopen(&self) {
        self.recorded.store(false, Ordering::SeqCst);
    }

    /// A record of this request.
    pub fn record(
        &self,
        now: OffsetDateTime,
        status: u16,
        message: &str,
        issuance: Option<&Issuance>,
    ) -> AuditRecord {
        let id = ulid(now);
        let who = self.who.lock().map(|who| who.clone()).unwrap_or_default();
        let day = now.date().to_string();
        let shard = u8::try_from(id.0 % u128::from(AUDIT_SHARDS)).unwrap_or(0);
        AuditRecord {
            key: Key::audit(&day, shard, &id.to_string()),
            created: wire_nanos(now),
            principal: cut(&who.principal, 128),
            principal_item_id: who.principal_item_id,
            client_id: cut(&who.client_id, 40),
            action: self.action.to_owned(),
            path: cut(&self.path, 320),
            status,
            ipaddress: cut(&self.source, 45),
            message: cut(message, MAX_MESSAGE),
            issuance: issuance
                .map(|issuance| issuance.id.to_string())
                .unwrap_or_default(),
            request_id: cut(&self.request_id, 64),
        }
    }

    /// Writes a record now. An outcome whose record is not known to be safe must not leave: 500.
    pub async fn write(
        &self,
        app: &App,
        status: u16,
        message: &str,
        issuance: Option<&Issuance>,
    ) -> Result<(), Error> {
        let record = self.record(app.clock.now(), status, message, issuance);
        app.table.put(&record).await.map_err(|error| {
            tracing::error!(
                error = crate::error::chain(&error),
                "audit record not written"
            );
            metrics::audit_failure();
            Error::internal("the audit record could not be written")
        })?;
        self.mark_recorded();
        Ok(())
    }

    fn set(&self, who: Who) {
        if let Ok(mut slot) = self.who.lock() {
            *slot = who;
        }
    }
}

/// At most `longest` bytes, whole characters.
fn cut(text: &str, longest: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > longest {
            break;
        }
        kept.push(c);
    }
    kept
}

fn ulid(now: OffsetDateTime) -> Ulid {
    let millis = u64::try_from(unix_millis(now)).unwrap_or(0);
    Ulid::from_parts(millis, Uuid::new_v4().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_within_a_kilobyte() {
        for letter in ["x", "é", "\u{10348}"] {
            assert_small(&letter.repeat(2000));
        }
    }

    fn assert_small(long: &str) {
        let long = long.to_owned();
        let trail = Trail::new(long.clone(), "DELETE", long.clone(), long.clone());
        trail.claimed_by(long.clone(), long.clone());
        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let record = trail.record(now, 403, &long, Some(&Issuance::begin(now)));
        let item = crate::store::table::encode(&record).unwrap();
        let size: usize = item
            .iter()
            .map(|(name, value)| name.len() + value.as_s().map_or(4, String::len))
            .sum();
        assert!(size <= 1024, "{size}");
    }

    #[test]
    fn issuance_ids_sort_by_time() {
        let at = |second| Issuance::begin(OffsetDateTime::from_unix_timestamp(second).unwrap()).id;
        assert!(at(1_700_000_000) < at(1_700_000_001));
    }
}
