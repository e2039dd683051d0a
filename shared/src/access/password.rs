//! Passwords: argon2id, and a keyed hash of what that makes, so that whoever reads the table cannot even try passwords.

use argon2::{Algorithm, Argon2, Params, Version};
use uuid::Uuid;

use crate::{
    app::App,
    domain::{name::fold, sensitive::Sensitive},
    error::Error,
    seal::{KeyedHash, Purpose, random},
    store::schema::PasswordRecord,
};

const LABEL: &str = "password";

/// Bytes of salt, and of what argon2id makes.
const SALT: usize = 16;
const HASH: usize = 32;

const SHORTEST: usize = 8;
const LONGEST: usize = 128;
const LONGEST_BYTES: usize = 512;

/// A password that may be set. What somebody signs in with need not be one: rules change.
#[derive(Debug)]
pub struct Password(Sensitive);

impl Password {
    /// Checks what is to become the password of `user`; errors name `field`.
    pub fn new(field: &str, text: Sensitive, user: &str) -> Result<Self, Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "store: looked at before its keyed hash is kept"
        )]
        let shown = text.expose();
        let characters = shown.chars().count();
        let problem = if characters < SHORTEST {
            "must be at least 8 characters long"
        } else if characters > LONGEST || shown.len() > LONGEST_BYTES {
            "must be at most 128 characters and 512 bytes long"
        } else if shown.chars().any(char::is_control) {
            "must not hold control characters"
        } else if fold(shown.trim()) == fold(user) {
            "must not be the user name"
        } else {
            return Ok(Self(text));
        };
        Err(Error::invalid(field, problem))
    }
}

/// What `password` of the user `user_id` is checked against from now on.
pub async fn make(app: &App, user_id: Uuid, password: &Password) -> Result<PasswordRecord, Error> {
    hashed(app, user_id, &password.0).await
}

/// Whether `password` is the one of the user `user_id`. For a user without one, or for nobody, it is not, after the
/// same work.
pub async fn matches(
    app: &App,
    user_id: Uuid,
    record: Option<&PasswordRecord>,
    password: &Sensitive,
) -> Result<bool, Error> {
    let Some(record) = record else {
        let message = message(Cost::NOW, &[0; SALT], user_id, password)?;
        app.sealer
            .hash(Purpose::Verifier, LABEL, &message)
            .await
            .map(|_| ())?;
        return Ok(false);
    };
    let cost = Cost::read(&record.cost)?;
    let message = message(cost, &record.salt, user_id, password)?;
    let stored = KeyedHash {
        key: record.verifier_key,
        hash: record.verifier.clone(),
    };
    app.sealer
        .is_hash_of(Purpose::Verifier, LABEL, &message, &stored)
        .await
}

/// The record that belongs in the place of `record`, which `password` matches, if that was made with another cost or
/// with an older branch key.
pub async fn renewed(
    app: &App,
    user_id: Uuid,
    record: &PasswordRecord,
    password: &Sensitive,
) -> Result<Option<PasswordRecord>, Error> {
    let (newest, _) = app.sealer.keys().newest(Purpose::Verifier).await?;
    if record.verifier_key == newest && record.cost == Cost::NOW.to_string() {
        return Ok(None);
    }
    hashed(app, user_id, password).await.map(Some)
}

async fn hashed(app: &App, user_id: Uuid, password: &Sensitive) -> Result<PasswordRecord, Error> {
    let salt: [u8; SALT] = random()?;
    let message = message(Cost::NOW, &salt, user_id, password)?;
    let hash = app.sealer.hash(Purpose::Verifier, LABEL, &message).await?;
    Ok(PasswordRecord {
        salt: salt.to_vec(),
        verifier: hash.hash,
        verifier_key: hash.key,
        cost: Cost::NOW.to_string(),
    })
}

/// What the keyed hash is of. The user's id is part of it, so a record copied to another user does not count there.
#[expect(
    clippy::disallowed_methods,
    reason = "store: only its keyed hash is kept"
)]
fn message(cost: Cost, salt: &[u8], user_id: Uuid, password: &Sensitive) -> Result<Vec<u8>, Error> {
    let mut hash = [0; HASH];
    cost.argon2()?
        .hash_password_into(password.expose().as_bytes(), salt, &mut hash)
        .map_err(|error| Error::internal(format!("argon2: {error}")))?;
    Ok([hash.as_slice(), user_id.as_bytes()].concat())
}

/// How hard a hash is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// Memory in KiB.
    memory: u32,
    /// Passes over it.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

impl Cost {
    /// What OWASP asks of argon2id. More is better, once the smallest function has the time for it.
    const NOW: Self = Self {
        memory: 19_456,
        passes: 2,
        lanes: 1,
    };
    /// What a record may ask of this process.
    const MOST: Self = Self {
        memory: 131_072,
        passes: 8,
        lanes: 4,
    };

    fn read(text: &str) -> Result<Self, Error> {
        let wrong = || Error::internal("a password's cost is none that this release knows");
        let (memory, rest) = text
            .strip_prefix("argon2id m=")
            .and_then(|rest| rest.split_once(",t="))
            .ok_or_else(wrong)?;
        let (passes, lanes) = rest.split_once(",p=").ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        let cost = Self {
            memory: number(memory)?,
            passes: number(passes)?,
            lanes: number(lanes)?,
        };
        let bounded = cost.memory <= Self::MOST.memory
            && cost.passes <= Self::MOST.passes
            && cost.lanes <= Self::MOST.lanes;
        bounded.then_some(cost).ok_or_else(wrong)
    }

    fn argon2(self) -> Result<Argon2<'static>, Error> {
        let params = Params::new(self.memory, self.passes, self.lanes, Some(HASH))
            .map_err(|error| Error::internal(format!("argon2: {error}")))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            memory,
            passes,
            lanes,
        } = self;
        write!(f, "argon2id m={memory},t={passes},p={lanes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(text: &str) -> Sensitive {
        Sensitive::new(text.to_owned())
    }

    #[test]
    fn a_password_has_a_length_and_is_no_user_name() {
        let problem = |text: &str| {
            Password::new("newPassword", sensitive(text), "Bob Smith")
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        for good in ["12345678", "пароль-пароль", &"x".repeat(128), "bob smith!"] {
            assert_eq!(problem(good), "", "{good}");
        }
        let long = "x".repeat(129);
        let wide = "\u{1F40E}".repeat(129);
        for bad in [
            "",
            "1234567",
            "пароль1",
            &long,
            &wide,
            "a\nb456789",
            "BOB SMITH",
            " bob smith",
        ] {
            let problem = problem(bad);
            assert!(
                problem.starts_with("newPassword: must "),
                "{bad:?}: {problem}"
            );
            assert!(bad.is_empty() || !problem.contains(bad));
        }
    }

    #[test]
    fn a_recorded_cost_is_read_back_and_bounded() {
        assert_eq!(Cost::read(&Cost::NOW.to_string()).unwrap(), Cost::NOW);
        for text in [
            "",
            "argon2id",
            "argon2i m=19456,t=2,p=1",
            "argon2id m=19456,t=2",
            "argon2id m=4194304,t=2,p=1",
            "argon2id m=19456,t=4000000000,p=1",
            "argon2id m=19456,t=2,p=200",
            "argon2id m=-1,t=2,p=1",
        ] {
            assert!(Cost::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn salt_user_and_cost_all_matter() {
        let made = |cost, salt: u8, id: u128| {
            message(
                cost,
                &[salt; SALT],
                Uuid::from_u128(id),
                &sensitive("password"),
            )
            .unwrap()
        };
        let less = Cost {
            memory: 8,
            passes: 1,
            lanes: 1,
        };
        let first = made(less, 1, 1);
        assert_eq!(first, made(less, 1, 1));
        assert_ne!(first, made(less, 2, 1));
        assert_ne!(first, made(less, 1, 2));
        assert_ne!(first, made(Cost { passes: 2, ..less }, 1, 1));
    }

    /// From the reference implementation's own tests: argon2id, version 19, 64 MiB, two passes.
    #[test]
    fn it_is_the_argon2id_that_others_make() {
        let cost = Cost {
            memory: 65_536,
            passes: 2,
            lanes: 1,
        };
        let made = message(cost, b"somesalt", Uuid::nil(), &sensitive("password")).unwrap();
        let hex: Vec<String> = made.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7";
        assert!(hex.concat().starts_with(expected), "{}", hex.concat());
    }
}
