//! `Life`: the states of a lease and its legal moves.
//!
//! ```text
//! intent ──► active ──► revoking ──► revoked
//!    └──────────────────►  │  ▲
//!                          ▼  │
//!                         stuck
//! ```
//!
//! A lease stands for everything that a mint leaves in a cloud. It is written before the first cloud write and goes only
//! when nothing of it is left there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far ahead of its beginning a mint may send its last cloud write.
pub const MINT_FOR: Duration = Duration::from_secs(25);
/// How long after that an intent is left alone: its process may still be writing.
pub const INTENT_REST: Duration = Duration::from_mins(2);
/// How old an object must be before its absence is believed, and how far apart two clean sweeps are: a directory may take
/// minutes to show what was made, and a request that timed out may arrive late.
pub const SETTLE: Duration = Duration::from_mins(10);
/// How long what has ended is still shown.
pub const SHOWN_FOR: Duration = Duration::from_hours(24);
/// How often what is stuck is tried again.
const STUCK_REST: Duration = Duration::from_hours(6);
/// Between two tries of what failed: the first time, and at most.
const FIRST_REST: Duration = Duration::from_secs(15);
const LONGEST_REST: Duration = Duration::from_mins(10);
/// After how many tries in vain a lease is stuck: by refusals, which somebody must lift, and by trouble that may pass.
const REFUSED_TRIES: u32 = 3;
const TROUBLED_TRIES: u32 = 30;

/// Where a lease is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Something may be in the cloud; nobody has been answered.
    Intent,
    /// A reader has the credential.
    Active,
    /// It is being taken back.
    Revoking,
    /// Nothing is left.
    Revoked,
    /// Taking it back is refused; tried again every six hours, and by hand.
    Stuck,
}

impl State {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Active => "active",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::Stuck => "stuck",
        }
    }

    /// The state that a word names.
    pub fn named(word: &str) -> Option<Self> {
        [
            Self::Intent,
            Self::Active,
            Self::Revoking,
            Self::Revoked,
            Self::Stuck,
        ]
        .into_iter()
        .find(|state| state.word() == word)
    }

    /// Whether something may still be in the cloud.
    pub fn is_unfinished(self) -> bool {
        self != Self::Revoked
    }
}

/// A move that the state does not allow.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease cannot go from {} to {}", from.word(), to.word())]
pub struct IllegalMove {
    from: State,
    to: State,
}

/// What kind of trouble a try met, for whoever looks at a lease that does not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The class of the error.
    pub class: String,
    /// The cloud's code for it.
    pub code: String,
    /// Whether somebody must do something before another try can succeed.
    pub refused: bool,
}

/// The life of a lease. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// Where it is.
    pub state: State,
    /// When its intent was written.
    pub created: i64,
    /// After this the minter sends nothing.
    pub mint_until: i64,
    /// When the credential ends.
    pub ends: i64,
    /// When the worker looks at it next.
    pub due: i64,
    /// Until when somebody works on it; 0 if nobody does.
    pub claimed_until: i64,
    /// When taking back first left nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clean_since: Option<i64>,
    /// Tries in vain since the last that was not.
    pub attempts: u32,
    /// What the last of them met.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trouble: Option<Trouble>,
    /// Whether it has entered its state since it was stored.
    #[serde(skip)]
    entered: bool,
}

impl Life {
    /// An intent to mint until `mint_until` what ends at `ends`.
    pub fn intend(now: i64, mint_until: i64, ends: i64) -> Self {
        Self {
            state: State::Intent,
            created: now,
            mint_until,
            ends,
            due: after(mint_until, INTENT_REST),
            claimed_until: 0,
            clean_since: None,
            attempts: 0,
            trouble: None,
            entered: true,
        }
    }

    /// It is stored now; the state that it has entered since it was last.
    pub fn stored(&mut self) -> Option<State> {
        std::mem::take(&mut self.entered).then_some(self.state)
    }

    /// The credential is handed out; the worker looks at it at `due`, at the latest when it ends.
    pub fn activate(&mut self, due: i64) -> Result<(), IllegalMove> {
        self.go(State::Active, &[State::Intent])?;
        self.due = due.min(self.ends);
        Ok(())
    }

    /// It is to be taken back, by the minter itself after a failure: it has stopped, so there is nothing to wait for.
    pub fn give_up(&mut self, now: i64) -> Result<(), IllegalMove> {
        self.go(State::Revoking, &[State::Intent])?;
        self.due = now;
        Ok(())
    }

    /// It is to be taken back as soon as nobody else can be writing to the cloud for it. `in_flight` is how long after a
    /// claim its last call may be answered.
    pub fn revoke(&mut self, now: i64, in_flight: Duration) -> Result<(), IllegalMove> {
        let minting = match self.state {
            State::Intent => after(self.mint_until, INTENT_REST),
            _ => 0,
        };
        let claimed = match self.claimed_until {
            0 => 0,
            until => after(until, in_flight),
        };
        let from = [State::Intent, State::Active, State::Revoking, State::Stuck];
        self.go(State::Revoking, &from)?;
        self.attempts = 0;
        self.due = now.max(minting).max(claimed);
        Ok(())
    }

    /// Somebody works on it until then.
    pub fn claim(&mut self, until: i64) {
        self.claimed_until = until;
        self.due = until;
    }

    /// Nobody does any more; the next look is at `due`.
    pub fn release(&mut self, due: i64) {
        self.claimed_until = 0;
        self.attempts = 0;
        self.trouble = None;
        self.due = due;
    }

    /// Whether the absence of an object can be believed by now.
    pub fn is_settled(&self, now: i64) -> bool {
        now >= after(self.mint_until, SETTLE)
    }

    /// A sweep that went through all of it left nothing. If it `found` something, or is too early to tell, that is no
    /// proof yet; the second proof in a row, [`SETTLE`] after the first, ends the lease.
    pub fn swept(&mut self, now: i64, found: bool) -> Result<(), IllegalMove> {
        self.go(State::Revoking, &[State::Revoking, State::Stuck])?;
        self.release(now);
        if !self.is_settled(now) {
            self.clean_since = None;
            self.due = after(self.mint_until, SETTLE);
            return Ok(());
        }
        match self.clean_since.filter(|_| !found) {
            Some(since) if now >= after(since, SETTLE) => {
                self.enter(State::Revoked);
                self.due = after(now.max(self.ends), SHOWN_FOR);
            }
            Some(since) => self.due = after(since, SETTLE),
            None => {
                self.clean_since = Some(now);
                self.due = after(now, SETTLE);
            }
        }
        Ok(())
    }

    /// A try met trouble. `random` spreads the next ones: anything will do. A cloud that says when to come back is heard.
    pub fn failed(&mut self, now: i64, trouble: Trouble, wait: Option<Duration>, random: u64) {
        self.claimed_until = 0;
        self.attempts = self.attempts.saturating_add(1);
        self.clean_since = None;
        let tries = if trouble.refused {
            REFUSED_TRIES
        } else {
            TROUBLED_TRIES
        };
        self.trouble = Some(trouble);
        let taking_back = matches!(self.state, State::Revoking | State::Stuck);
        if taking_back && self.attempts >= tries {
            self.enter(State::Stuck);
            self.due = after(now, STUCK_REST);
            return;
        }
        let doubled = FIRST_REST.saturating_mul(1 << self.attempts.min(10).saturating_sub(1));
        let ceiling = doubled.min(LONGEST_REST);
        let jitter = random % (millis(ceiling) / 2).max(1).unsigned_abs();
        let rest = ceiling / 2 + Duration::from_millis(jitter);
        self.due = after(now, rest.max(wait.unwrap_or_default()));
    }

    fn go(&mut self, to: State, from: &[State]) -> Result<(), IllegalMove> {
        if !from.contains(&self.state) {
            return Err(IllegalMove {
                from: self.state,
                to,
            });
        }
        self.enter(to);
        Ok(())
    }

    fn enter(&mut self, state: State) {
        self.entered |= self.state != state;
        self.state = state;
    }
}

/// `span` after `time`.
pub fn after(time: i64, span: Duration) -> i64 {
    time.saturating_add(millis(span))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn intent() -> Life {
        Life::intend(0, 25_000, 15 * MINUTE)
    }

    fn trouble(refused: bool) -> Trouble {
        Trouble {
            class: "forbidden".into(),
            code: "AuthorizationFailed".into(),
            refused,
        }
    }

    #[test]
    fn an_intent_is_left_alone_until_its_minter_has_surely_stopped() {
        assert_eq!(intent().due, 25_000 + 2 * MINUTE);
        let mut life = intent();
        life.revoke(1, Duration::ZERO).unwrap();
        assert_eq!(life.due, 25_000 + 2 * MINUTE, "by hand too");
        let mut life = intent();
        life.give_up(7).unwrap();
        assert_eq!(life.due, 7, "the minter knows that it has stopped");
    }

    #[test]
    fn only_two_clean_sweeps_ten_minutes_apart_end_a_lease() {
        let mut life = intent();
        life.activate(i64::MAX).unwrap();
        assert_eq!(life.due, 15 * MINUTE);
        life.revoke(15 * MINUTE, Duration::ZERO).unwrap();
        life.swept(15 * MINUTE, true).unwrap();
        assert_eq!((life.state, life.due), (State::Revoking, 25 * MINUTE));
        life.swept(20 * MINUTE, false).unwrap();
        assert_eq!((life.state, life.due), (State::Revoking, 25 * MINUTE));
        let mut late = life.clone();
        late.swept(25 * MINUTE, true).unwrap();
        assert_eq!(late.state, State::Revoking, "something arrived late");
        assert_eq!(late.due, 35 * MINUTE);
        life.swept(25 * MINUTE, false).unwrap();
        assert_eq!(life.state, State::Revoked);
        assert_eq!(life.due, 25 * MINUTE + 24 * 60 * MINUTE);
    }

    #[test]
    fn what_is_young_is_not_believed_to_be_absent() {
        let mut life = intent();
        life.give_up(MINUTE).unwrap();
        life.swept(MINUTE, false).unwrap();
        assert_eq!((life.clean_since, life.due), (None, 25_000 + 10 * MINUTE));
    }

    #[test]
    fn refusals_make_it_stuck_and_a_hand_frees_it() {
        let mut life = intent();
        life.give_up(0).unwrap();
        for _ in 0..2 {
            life.failed(0, trouble(true), None, 1);
            assert_eq!(life.state, State::Revoking);
        }
        life.failed(0, trouble(true), None, 1);
        assert_eq!((life.state, life.due), (State::Stuck, 360 * MINUTE));
        life.failed(360 * MINUTE, trouble(true), None, 1);
        assert_eq!((life.attempts, life.due), (4, 720 * MINUTE));
        life.revoke(400 * MINUTE, Duration::ZERO).unwrap();
        assert_eq!((life.state, life.due), (State::Revoking, 400 * MINUTE));
    }

    #[test]
    fn trouble_that_may_pass_is_tried_again_later_and_later() {
        let mut life = intent();
        life.give_up(0).unwrap();
        life.failed(0, trouble(false), None, 0);
        assert!((7_500..=15_000).contains(&life.due), "{}", life.due);
        life.failed(0, trouble(false), Some(Duration::from_secs(90)), 0);
        assert_eq!(life.due, 90_000, "the cloud said when");
        for _ in 0..20 {
            life.failed(0, trouble(false), None, 3);
        }
        assert_eq!(life.state, State::Revoking);
        assert!(life.due <= 10 * MINUTE);
    }

    #[test]
    fn taking_back_waits_until_a_claim_is_over() {
        let mut life = intent();
        life.activate(0).unwrap();
        life.claim(40_000);
        life.revoke(20_000, Duration::from_secs(5)).unwrap();
        assert_eq!(life.due, 45_000);
    }

    #[test]
    fn what_is_revoked_stays_revoked() {
        let mut life = intent();
        life.state = State::Revoked;
        assert!(life.activate(0).is_err());
        assert!(life.give_up(0).is_err());
        assert!(life.revoke(0, Duration::ZERO).is_err());
        let words = life.swept(i64::MAX, false).unwrap_err().to_string();
        assert_eq!(words, "a lease cannot go from revoked to revoking");
    }

    proptest! {
        /// Whatever happens in whatever order, a lease ends only after two clean sweeps, and never comes back.
        #[test]
        fn no_order_of_events_ends_a_lease_early(events in prop::collection::vec(0..6_u8, 1..40)) {
            let mut life = intent();
            let (mut now, mut clean) = (0, Vec::new());
            for event in events {
                now += 4 * MINUTE;
                let before = life.state;
                match event {
                    0 => _ = life.activate(i64::MAX),
                    1 => _ = life.revoke(now, Duration::ZERO),
                    2 | 3 => {
                        let ok = life.swept(now, event == 3).is_ok();
                        if event == 3 { clean.clear(); }
                        if ok { clean.push(now); }
                    }
                    4 => { life.failed(now, trouble(true), None, 5); clean.clear(); }
                    _ => _ = life.give_up(now),
                }
                if before == State::Revoked {
                    prop_assert_eq!(life.state, State::Revoked);
                } else if life.state == State::Revoked {
                    prop_assert!(clean.len() >= 2 && now - clean[0] >= 10 * MINUTE);
                }
            }
        }
    }
}
