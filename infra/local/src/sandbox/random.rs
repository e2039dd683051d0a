//! Random keys, and ids that look like those of AWS and cannot be mistaken for them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

use super::refusal::Refusal;

/// Random bytes from the cryptographic generator.
///
/// # Errors
/// The generator failed.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    Ok(bytes)
}

/// A new temporary access key id: 20 characters, `ASIASANDBOX` first.
///
/// # Errors
/// The generator failed.
pub(super) fn access_key_id() -> Result<String, Refusal> {
    Ok(base32("ASIASANDBOX", &bytes::<9>()?))
}

/// The unique id of a user (`AIDASANDBOX…`) or role (`AROASANDBOX…`): 21 characters, always the same for one ARN.
pub(super) fn unique_id(prefix: &str, arn: &str) -> String {
    let digest = digest(&SHA256, arn.as_bytes());
    base32(prefix, digest.as_ref().get(..10).unwrap_or_default())
}

/// A prefix, then five bits of each byte as one upper-case base32 character.
fn base32(prefix: &str, bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let characters = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    prefix.chars().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_key_ids_have_the_shape_of_aws_and_differ() {
        let id = access_key_id().ok().unwrap();
        assert_eq!(id.len(), 20);
        assert!(id.starts_with("ASIASANDBOX"));
        assert!(id.bytes().all(|c| matches!(c, b'A'..=b'Z' | b'2'..=b'7')));
        assert_ne!(Some(id), access_key_id().ok());
    }

    #[test]
    fn unique_ids_depend_on_the_arn_alone() {
        let id = unique_id("AROASANDBOX", "arn:aws:iam::000000000000:role/a");
        assert_eq!(id.len(), 21);
        assert_eq!(
            id,
            unique_id("AROASANDBOX", "arn:aws:iam::000000000000:role/a")
        );
        assert_ne!(
            id,
            unique_id("AROASANDBOX", "arn:aws:iam::000000000000:role/b")
        );
    }
}
