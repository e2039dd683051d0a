//! The bytes of a sealed item.
//!
//! `format (1) | branch key number (4, big endian) | salt (32) | commitment (32) | ciphertext and tag`
//!
//! HKDF-SHA256 makes an encryption key and a commitment from the branch key and the salt. The encryption key is used
//! for this one item only, so its nonce is fixed. The commitment is compared first: GCM alone would let one ciphertext
//! open under two keys.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    digest,
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};
use uuid::Uuid;

use crate::{
    domain::sensitive::Sensitive,
    error::Error,
    seal::{keyring::BranchKey, random},
};

const FORMAT: u8 = 1;
const SALT: usize = 32;
const COMMITMENT: usize = 32;
const HEADER: usize = 1 + 4;

/// What a sealed item belongs to. Opening needs the very same.
#[derive(Debug, Clone)]
pub struct Binding<'a> {
    /// The kind of item.
    pub entity: &'static str,
    /// Its path or name.
    pub name: &'a str,
    /// Its id.
    pub id: Uuid,
    /// Its version.
    pub version: u64,
    /// Everything else that must not change unnoticed, such as attributes and link.
    pub about: &'a [&'a str],
}

impl Binding<'_> {
    /// The associated data: every part with its length in front, so that no two bindings read alike.
    fn associated(&self, header: &[u8]) -> Vec<u8> {
        let mut about = digest::Context::new(&digest::SHA256);
        for part in self.about {
            about.update(&length(part.len()));
            about.update(part.as_bytes());
        }
        let about = about.finish();
        let mut bytes = header.to_vec();
        for part in [
            self.entity.as_bytes(),
            self.name.as_bytes(),
            self.id.as_bytes(),
            &self.version.to_be_bytes(),
            about.as_ref(),
        ] {
            bytes.extend(length(part.len()));
            bytes.extend(part);
        }
        bytes
    }
}

fn length(bytes: usize) -> [u8; 8] {
    u64::try_from(bytes).unwrap_or(u64::MAX).to_be_bytes()
}

pub(crate) fn seal(
    number: u32,
    key: &BranchKey,
    binding: &Binding<'_>,
    secret: &Sensitive,
) -> Result<Vec<u8>, Error> {
    let salt: [u8; SALT] = random()?;
    let (key, commitment) = item_key(key, &salt)?;
    let mut sealed = vec![FORMAT];
    sealed.extend(number.to_be_bytes());
    let associated = binding.associated(&sealed);
    #[expect(clippy::disallowed_methods, reason = "store: this is what seals it")]
    let mut text = secret.expose().as_bytes().to_vec();
    key.seal_in_place_append_tag(only_nonce(), Aad::from(associated), &mut text)
        .map_err(|_| Error::internal("sealing failed"))?;
    sealed.extend(salt);
    sealed.extend(commitment);
    sealed.extend(text);
    Ok(sealed)
}

pub(crate) fn open(
    key: &BranchKey,
    binding: &Binding<'_>,
    sealed: &[u8],
) -> Result<Sensitive, Error> {
    let (header, rest) = sealed.split_at_checked(HEADER).ok_or_else(cannot_open)?;
    let (salt, rest) = rest.split_at_checked(SALT).ok_or_else(cannot_open)?;
    let (claimed, text) = rest.split_at_checked(COMMITMENT).ok_or_else(cannot_open)?;
    let (key, commitment) = item_key(key, salt)?;
    verify_slices_are_equal(claimed, &commitment).map_err(|_| cannot_open())?;
    let mut text = text.to_vec();
    let associated = binding.associated(header);
    let opened = key
        .open_in_place(only_nonce(), Aad::from(associated), &mut text)
        .map_err(|_| cannot_open())?;
    let length = opened.len();
    text.truncate(length);
    String::from_utf8(text)
        .map(Sensitive::new)
        .map_err(|_| cannot_open())
}

/// The number of the branch key that `sealed` was made with.
pub(crate) fn branch_key_of(sealed: &[u8]) -> Result<u32, Error> {
    match sealed {
        [FORMAT, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(cannot_open()),
    }
}

pub(crate) fn keyed_hash(key: &BranchKey, label: &str, message: &[u8]) -> Result<hmac::Tag, Error> {
    Ok(hmac::sign(&hash_key(key, label)?, message))
}

pub(crate) fn verify_hash(
    key: &BranchKey,
    label: &str,
    message: &[u8],
    claimed: &[u8],
) -> Result<bool, Error> {
    Ok(hmac::verify(&hash_key(key, label)?, message, claimed).is_ok())
}

fn hash_key(key: &BranchKey, label: &str) -> Result<hmac::Key, Error> {
    let bytes: [u8; 32] = derive(key, &[], &[b"mayfly keyed hash 1 ", label.as_bytes()])?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// One sentence for every reason: which check failed is no business of whoever edits the table.
fn cannot_open() -> Error {
    Error::internal("a sealed item does not open: it was damaged, moved or edited in the table")
}

fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn item_key(key: &BranchKey, salt: &[u8]) -> Result<(LessSafeKey, [u8; COMMITMENT]), Error> {
    let bytes: [u8; 64] = derive(key, salt, &[b"mayfly item 1"])?;
    let (encryption, commitment) = bytes.split_at(32);
    let unbound =
        UnboundKey::new(&AES_256_GCM, encryption).map_err(|_| Error::internal("no item key"))?;
    let commitment = commitment
        .try_into()
        .map_err(|_| Error::internal("no commitment"))?;
    Ok((LessSafeKey::new(unbound), commitment))
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(key: &BranchKey, salt: &[u8], info: &[&[u8]]) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    Salt::new(HKDF_SHA256, salt)
        .extract(key.bytes())
        .expand(info, Bytes(N))
        .and_then(|okm| okm.fill(&mut bytes))
        .map_err(|_| Error::internal("key derivation failed"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> BranchKey {
        BranchKey::new([byte; 32])
    }

    const ID: Uuid = Uuid::from_u128(7);

    fn binding<'a>() -> Binding<'a> {
        Binding {
            entity: "SECRET",
            name: "a:b",
            id: ID,
            version: 3,
            about: &["{}", "link"],
        }
    }

    fn sealed() -> Vec<u8> {
        seal(
            1,
            &key(1),
            &binding(),
            &Sensitive::new("hunter2".to_owned()),
        )
        .unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test looks at what it put in")]
    fn what_was_sealed_opens_under_the_same_binding() {
        assert_eq!(
            open(&key(1), &binding(), &sealed()).unwrap().expose(),
            "hunter2"
        );
        assert_eq!(branch_key_of(&sealed()).unwrap(), 1);
    }

    #[test]
    fn nothing_opens_under_another_binding() {
        let sealed = sealed();
        for other in [
            Binding {
                entity: "SIGNKEY",
                ..binding()
            },
            Binding {
                name: "a:c",
                ..binding()
            },
            Binding {
                id: Uuid::nil(),
                ..binding()
            },
            Binding {
                version: 4,
                ..binding()
            },
            Binding {
                about: &["{}", "other"],
                ..binding()
            },
            Binding {
                about: &["{}l", "ink"],
                ..binding()
            },
        ] {
            assert!(open(&key(1), &other, &sealed).is_err(), "{other:?}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealed = sealed();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(
                open(&key(1), &binding(), &changed).is_err(),
                "byte {position}"
            );
        }
        for length in 0..sealed.len() {
            assert!(open(&key(1), &binding(), &sealed[..length]).is_err());
        }
    }

    #[test]
    fn another_branch_key_does_not_open() {
        assert!(open(&key(2), &binding(), &sealed()).is_err());
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        assert_ne!(sealed(), sealed());
    }

    #[test]
    fn keyed_hashes_depend_on_key_label_and_message() {
        let tag = keyed_hash(&key(1), "x", b"m").unwrap();
        assert!(verify_hash(&key(1), "x", b"m", tag.as_ref()).unwrap());
        assert!(!verify_hash(&key(2), "x", b"m", tag.as_ref()).unwrap());
        assert!(!verify_hash(&key(1), "y", b"m", tag.as_ref()).unwrap());
        assert!(!verify_hash(&key(1), "x", b"n", tag.as_ref()).unwrap());
    }
}
