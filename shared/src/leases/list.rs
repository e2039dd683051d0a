//! Finding leases: by secret, by what paths begin with, by base, by whom they were issued to.

use uuid::Uuid;

use crate::{
    access::caller::Caller,
    app::App,
    domain::lease::State,
    error::Error,
    leases::store::Stored,
    store::{
        schema::{BROWSE, CREATED, Index, Key, LEASE, LINKS, LeaseRecord, RevokeBy},
        search::{Page, Walk, page},
    },
};

/// How many leases one round trip reads.
const BATCH: usize = 100;

/// Which leases.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this dynamic secret alone.
    pub secret: Option<String>,
    /// Of the secrets whose paths begin so.
    pub prefix: Option<String>,
    /// Of this base secret.
    pub base: Option<String>,
    /// Issued to this principal.
    pub principal: Option<String>,
    /// To the very one whose item has this id: another one may have had the same name.
    pub principal_id: Option<Uuid>,
    /// In this state.
    pub state: Option<State>,
}

impl Wanted {
    /// What a bulk revocation revokes.
    pub(crate) fn of(by: RevokeBy, value: &str) -> Self {
        let value = Some(value.to_owned());
        match by {
            RevokeBy::Secret => Self {
                secret: value,
                ..Self::default()
            },
            RevokeBy::Prefix => Self {
                prefix: value,
                ..Self::default()
            },
            RevokeBy::Base => Self {
                base: value,
                ..Self::default()
            },
            RevokeBy::Principal => Self {
                principal: value,
                ..Self::default()
            },
        }
    }

    /// The index that knows most of them, and what its sort keys begin with.
    fn walk(&self) -> (Index, String) {
        match self {
            Self {
                secret: Some(secret),
                ..
            } => (BROWSE, format!("{secret}#")),
            // The index by base holds the unfinished ones alone.
            Self {
                base: Some(base),
                state,
                ..
            } if state.is_none_or(State::is_unfinished) => (LINKS, format!("{base}#")),
            Self {
                principal: Some(principal),
                ..
            } => (CREATED, format!("{principal}#")),
            Self {
                prefix: Some(prefix),
                ..
            } => (BROWSE, prefix.clone()),
            _ => (BROWSE, String::new()),
        }
    }

    fn is_met_by(&self, lease: &LeaseRecord) -> bool {
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        same(&self.secret, lease.secret.as_str())
            && same(&self.base, lease.base.as_str())
            && same(&self.principal, &lease.principal)
            && self.principal_id.is_none_or(|id| id == lease.principal_id)
            && self.state.is_none_or(|state| state == lease.life.state)
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| is_at_or_below(lease.secret.as_str(), prefix))
    }
}

/// Whether `path` is `prefix` or one of the paths below it.
fn is_at_or_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(':') || prefix.is_empty() || prefix.ends_with(':')
    })
}

/// A page of the leases that are wanted, at most `limit`. It may hold fewer, even none, and still have a next one.
pub async fn find(
    app: &App,
    wanted: &Wanted,
    limit: usize,
    after: Option<String>,
) -> Result<Page<LeaseRecord>, Error> {
    let (index, prefix) = wanted.walk();
    let walk = Walk {
        index,
        entity: LEASE,
        prefix,
        whole: false,
        descending: false,
        after,
    };
    let found = page(&app.table, &walk, limit, |_: &Key| true).await?;
    let mut leases = Vec::new();
    for chunk in found.found.chunks(BATCH) {
        let items = app.table.batch_get(chunk.iter().cloned()).await?;
        for key in chunk {
            if let Some(Stored::Known(lease)) = items.record::<Stored<LeaseRecord>>(key)?
                && wanted.is_met_by(&lease)
            {
                leases.push(*lease);
            }
        }
    }
    Ok(Page {
        found: leases,
        next: found.next,
    })
}

/// What rules call the leases of a secret, or all of them.
pub fn resource(secret: Option<&str>) -> String {
    secret.map_or_else(|| "leases".to_owned(), |secret| format!("leases:{secret}"))
}

/// Whether the lease was issued to this very caller.
pub fn is_issued_to(lease: &LeaseRecord, caller: &Caller) -> bool {
    lease.principal_id == caller.principal_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        for (path, prefix, below) in [
            ("a:b", "a:b", true),
            ("a:b:c", "a:b", true),
            ("a:bc", "a:b", false),
            ("a:b", "", true),
            ("a:b", "a:", true),
        ] {
            assert_eq!(is_at_or_below(path, prefix), below, "{path} {prefix}");
        }
    }
}
