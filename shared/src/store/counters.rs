//! Counters: what many change at the same moment, each by one conditional update that nobody has to repeat.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use crate::{
    error::Error,
    store::{
        schema::{ClientRecord, Key, PasswordRecord, TriesRecord, UserRecord},
        table::{Item, Table, Updated, decode, encode, key_item},
    },
};

/// How many tries are let through, and when.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// So many, before the first lock.
    pub free: u32,
    /// For how long free tries, and the last lock, are remembered; in milliseconds.
    pub window: i64,
    /// How long each try from the last free one on locks, in milliseconds. The last entry counts for all that follow.
    pub locks: &'static [i64],
}

/// One try.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// Where it is counted.
    pub key: &'a Key,
    /// Names it.
    pub id: &'a str,
    /// When it is made, in milliseconds since 1970.
    pub now: i64,
    /// When the counter can be swept away, in seconds since 1970.
    pub expires: i64,
}

/// Whether a try was counted.
#[derive(Debug)]
pub enum Counted {
    /// It was; that makes so many.
    Yes(u32),
    /// The counter stood in the way, as it is.
    No(Option<TriesRecord>),
}

impl Bound {
    /// Under which condition a counter lets a try through: nothing was tried; or there are free tries left; or the lock
    /// of the last one is over. A counter that can be forgotten does not: it must begin anew.
    fn expression(&self, now: i64, values: &mut Values) -> String {
        values.number(":free", self.free);
        values.number(":begun", now - self.window);
        let mut ways = vec!["tries < :free AND firstAt > :begun".to_owned()];
        let last = self.locks.len().saturating_sub(1);
        for (step, lock) in (0_u32..).zip(self.locks) {
            let over = now - lock;
            values.number(&format!(":tries{step}"), self.free + step);
            values.number(&format!(":over{step}"), over);
            values.number(&format!(":kept{step}"), over - self.window);
            let compare = if step as usize == last { ">=" } else { "=" };
            ways.push(format!(
                "tries {compare} :tries{step} AND lastAt <= :over{step} AND lastAt > :kept{step}"
            ));
        }
        let ways = ways.join(") OR (");
        format!("attribute_not_exists(firstAt) OR (tryId <> :id AND (({ways})))")
    }

    /// Until when a counter lets nothing through.
    pub fn locked_until(&self, record: &TriesRecord) -> Option<i64> {
        record.first_at?;
        let step = usize::try_from(record.tries.checked_sub(self.free)?).ok()?;
        let lock = self.locks.get(step).or(self.locks.last())?;
        Some(record.last_at + lock)
    }

    /// Whether what a counter knows is so old that it begins anew.
    pub fn is_forgotten(&self, record: &TriesRecord, now: i64) -> bool {
        let counted_from = self.locked_until(record).or(record.first_at);
        counted_from.is_none_or(|from| from + self.window <= now)
    }
}

impl Table {
    /// Counts a try, if `bound` lets it through. The very same try is counted once, however often it is sent.
    pub async fn count_try(&self, bound: &Bound, this: Try<'_>) -> Result<Counted, Error> {
        let mut values = this.values();
        let condition = bound.expression(this.now, &mut values);
        values.number(":zero", 0);
        let update = "SET tries = if_not_exists(tries, :zero) + :one, \
                      firstAt = if_not_exists(firstAt, :now), \
                      beforeAt = if_not_exists(lastAt, :now), \
                      lastAt = :now, tryId = :id, expires = :expires";
        let updated = self.update(this.key, update, &condition, values.0);
        this.counted(updated.await?)
    }

    /// Counts a try as the first, in place of what `seen` knows.
    pub async fn count_first_try(
        &self,
        seen: &TriesRecord,
        this: Try<'_>,
    ) -> Result<Counted, Error> {
        let mut values = this.values();
        values.text(":seen", &seen.try_id);
        let update = "SET tries = :one, firstAt = :now, beforeAt = :now, \
                      lastAt = :now, tryId = :id, expires = :expires";
        let updated = self.update(this.key, update, "tryId = :seen", values.0);
        this.counted(updated.await?)
    }

    /// Takes back the try `id`, which was the `count`th: as if it had not been made, unless others came after it.
    pub async fn take_back_try(&self, key: &Key, id: &str, count: u32) -> Result<(), Error> {
        let taken = format!("{id} taken back");
        let mut values = Values::default();
        values.text(":id", id);
        values.text(":taken", &taken);
        values.number(":one", 1);
        let mut update = "SET tries = tries - :one, lastAt = beforeAt, tryId = :taken".to_owned();
        if count <= 1 {
            update.push_str(" REMOVE firstAt");
        }
        let done = self.update(key, &update, "tryId = :id", values.0);
        let Updated::Stopped(Some(item)) = done.await? else {
            return Ok(());
        };
        if decode::<TriesRecord>(item)?.try_id == taken {
            return Ok(());
        }
        let mut values = Values::default();
        values.number(":one", 1);
        let update = "SET tries = tries - :one";
        self.update(key, update, "tries >= :one", values.0)
            .await
            .map(|_| ())
    }

    /// Puts `password` in place of the one that `user` had when it was read, unless it was changed since.
    pub async fn renew_password(
        &self,
        user: &UserRecord,
        password: &PasswordRecord,
    ) -> Result<(), Error> {
        let mut values = Values::default();
        values.text(":id", &user.id.to_string());
        values.text(":stamp", &user.body.stamp);
        values.number(":one", 1);
        let password = AttributeValue::M(encode(password)?);
        values.0.insert(":password".to_owned(), password);
        let condition = "id = :id AND stamp = :stamp AND attribute_not_exists(deletedAt)";
        let update = "SET password = :password ADD rev :one";
        self.update(&user.key, update, condition, values.0)
            .await
            .map(|_| ())
    }

    /// Counts a use of `client`, if it is still the one that was read and has one left. Its rev moves, so that a change
    /// that was begun before does not undo the counting.
    pub fn count_use(&self, client: &ClientRecord) -> Result<TransactWriteItem, Error> {
        let mut values = Values::default();
        values.text(":id", &client.id.to_string());
        values.text(":stamp", &client.body.stamp);
        values.number(":one", 1);
        let update = Update::builder()
            .table_name(self.name())
            .set_key(Some(key_item(client.key.clone())))
            .update_expression("ADD usedCount :one, rev :one")
            .condition_expression(
                "id = :id AND stamp = :stamp AND usedCount < usesLimit AND attribute_not_exists(deletedAt)",
            )
            .set_expression_attribute_values(Some(values.0))
            .build()
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Values of an expression, by name.
#[derive(Default)]
struct Values(Item);

impl Values {
    fn number(&mut self, name: &str, number: impl Into<i64>) {
        let number = AttributeValue::N(number.into().to_string());
        self.0.insert(name.to_owned(), number);
    }

    fn text(&mut self, name: &str, text: &str) {
        let text = AttributeValue::S(text.to_owned());
        self.0.insert(name.to_owned(), text);
    }
}

impl Try<'_> {
    fn values(&self) -> Values {
        let mut values = Values::default();
        values.text(":id", self.id);
        values.number(":now", self.now);
        values.number(":one", 1);
        values.number(":expires", self.expires);
        values
    }

    /// What became of it. If this very try stands in its own way, it was counted and the answer lost.
    fn counted(&self, updated: Updated) -> Result<Counted, Error> {
        match updated {
            Updated::Done(item) => Ok(Counted::Yes(decode::<TriesRecord>(item)?.tries)),
            Updated::Stopped(Some(item)) => {
                let record: TriesRecord = decode(item)?;
                if record.try_id == self.id {
                    Ok(Counted::Yes(record.tries))
                } else {
                    Ok(Counted::No(Some(record)))
                }
            }
            Updated::Stopped(None) => Ok(Counted::No(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound {
        free: 3,
        window: 1000,
        locks: &[10, 20],
    };

    fn counter(tries: u32) -> TriesRecord {
        TriesRecord {
            key: Key::tries("x"),
            tries,
            first_at: Some(5000),
            last_at: 5500,
            before_at: 5400,
            try_id: String::new(),
            expires: 0,
        }
    }

    #[test]
    fn the_last_free_try_locks_and_each_further_one_for_longer() {
        let until = |tries| BOUND.locked_until(&counter(tries));
        assert_eq!(until(2), None);
        assert_eq!(until(3), Some(5510));
        assert_eq!(until(4), Some(5520));
        assert_eq!(until(400), Some(5520));
    }

    #[test]
    fn free_tries_are_forgotten_from_the_first_and_locks_from_their_end() {
        let forgotten = |tries, now| BOUND.is_forgotten(&counter(tries), now);
        assert!(!forgotten(2, 5999));
        assert!(forgotten(2, 6000));
        assert!(!forgotten(4, 6519));
        assert!(forgotten(4, 6520));
        let empty = TriesRecord {
            first_at: None,
            ..counter(0)
        };
        assert!(BOUND.is_forgotten(&empty, 0));
        assert_eq!(BOUND.locked_until(&empty), None);
    }
}
