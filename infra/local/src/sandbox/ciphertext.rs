//! The blobs that `Encrypt` and `GenerateDataKey` answer, and `Decrypt` opens.
//!
//! A blob is a version byte, the key id's length (two bytes, big-endian) and text, a nonce, and AES-256-GCM ciphertext with its tag. Key id and
//! encryption context are authenticated, so neither can be swapped.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;

/// The encryption context, in the order of its keys.
pub(super) type Context = BTreeMap<String, String>;

const VERSION: u8 = 1;

/// A blob taken apart, nothing of it proved.
pub(super) struct Ciphertext<'a> {
    /// The key the blob says it was sealed under.
    pub(super) key_id: &'a str,
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

/// Seals a plaintext under a key's 32 bytes of material.
///
/// # Errors
/// The material is no key, or there is no randomness.
pub(super) fn seal(
    key_id: &str,
    material: &[u8],
    context: &Context,
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, material)?;
    let mut sealed = plaintext.to_vec();
    let nonce = key.seal_in_place_append_tag(authenticated(key_id, context), &mut sealed)?;
    let length = u16::try_from(key_id.len()).map_err(|_| Unspecified)?;
    Ok([
        &[VERSION],
        length.to_be_bytes().as_slice(),
        key_id.as_bytes(),
        nonce.as_ref(),
        &sealed,
    ]
    .concat())
}

impl<'a> Ciphertext<'a> {
    /// Takes a blob apart; none if it is not one of ours.
    pub(super) fn parse(blob: &'a [u8]) -> Option<Self> {
        let rest = blob.strip_prefix(&[VERSION])?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key_id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        Some(Self {
            key_id: std::str::from_utf8(key_id).ok()?,
            nonce: *nonce,
            sealed,
        })
    }

    /// The plaintext.
    ///
    /// # Errors
    /// The blob is damaged, or was sealed under another key or context.
    pub(super) fn open(&self, material: &[u8], context: &Context) -> Result<Vec<u8>, Unspecified> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, material)?;
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut opened = self.sealed.to_vec();
        let aad = authenticated(self.key_id, context);
        let length = key.open_in_place(nonce, aad, &mut opened)?.len();
        opened.truncate(length);
        Ok(opened)
    }
}

/// Key id and context as one byte string that no other pair has: each text after its length.
fn authenticated(key_id: &str, context: &Context) -> Aad<Vec<u8>> {
    let pairs = context.iter().flat_map(|(key, value)| [key, value]);
    let texts = std::iter::once(key_id).chain(pairs.map(String::as_str));
    let lengthed = |text: &str| [&(text.len() as u64).to_be_bytes(), text.as_bytes()].concat();
    Aad::from(texts.flat_map(lengthed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn every_byte_is_protected() {
        let (material, context) = ([7; 32], context(&[("a", "b")]));
        let blob = seal("key", &material, &context, b"text").unwrap();
        let open = |blob: &[u8]| Ciphertext::parse(blob)?.open(&material, &context).ok();
        assert_eq!(open(&blob), Some(b"text".to_vec()));
        for at in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[at] ^= 1;
            assert_eq!(open(&damaged), None, "byte {at}");
            assert_eq!(open(&blob[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn contexts_that_join_alike_differ() {
        let blob = seal("key", &[7; 32], &context(&[("ab", "c")]), b"text").unwrap();
        let sealed = Ciphertext::parse(&blob).unwrap();
        assert!(sealed.open(&[7; 32], &context(&[("ab", "c")])).is_ok());
        assert!(sealed.open(&[7; 32], &context(&[("a", "bc")])).is_err());
        assert!(sealed.open(&[7; 32], &context(&[])).is_err());
        assert!(sealed.open(&[8; 32], &context(&[("ab", "c")])).is_err());
    }
}
