//! AWS KMS as the key wrapper.

use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::DataKeySpec,
};

use crate::{
    clock::BoxFuture,
    error::{Error, chain},
    seal::{KeyWrapper, WrapContext, keyring::BranchKey},
};

/// A KMS key. The vault and the purpose are the encryption context, so a key policy can grant purposes apart.
pub struct Kms {
    client: Client,
    key_id: String,
}

impl Kms {
    /// The key `key_id` (id, ARN or alias) behind `client`.
    pub fn new(client: Client, key_id: String) -> Self {
        Self { client, key_id }
    }
}

fn context_pairs(context: WrapContext) -> [(&'static str, String); 2] {
    [
        ("vault", context.vault.to_string()),
        ("purpose", context.purpose.word().to_owned()),
    ]
}

impl KeyWrapper for Kms {
    fn generate(&self, context: WrapContext) -> BoxFuture<'_, Result<(BranchKey, Vec<u8>), Error>> {
        Box::pin(async move {
            let mut call = self
                .client
                .generate_data_key()
                .key_id(&self.key_id)
                .key_spec(DataKeySpec::Aes256);
            for (name, value) in context_pairs(context) {
                call = call.encryption_context(name, value);
            }
            let answer = call.send().await.map_err(failed)?;
            let wrapped = answer
                .ciphertext_blob
                .ok_or_else(|| Error::internal("KMS answered no wrapped key"))?;
            Ok((branch_key(answer.plaintext)?, wrapped.into_inner()))
        })
    }

    fn unwrap(
        &self,
        context: WrapContext,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'_, Result<BranchKey, Error>> {
        Box::pin(async move {
            let mut call = self
                .client
                .decrypt()
                .key_id(&self.key_id)
                .ciphertext_blob(Blob::new(wrapped));
            for (name, value) in context_pairs(context) {
                call = call.encryption_context(name, value);
            }
            branch_key(call.send().await.map_err(failed)?.plaintext)
        })
    }
}

fn branch_key(plaintext: Option<Blob>) -> Result<BranchKey, Error> {
    let bytes = plaintext.map(Blob::into_inner).unwrap_or_default();
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| Error::internal("KMS answered no 256-bit key"))?;
    Ok(BranchKey::new(bytes))
}

/// Refusals are final for this key; everything else may pass.
#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn failed<E, R>(error: SdkError<E, R>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let refused = [
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
    ];
    match error.code() {
        Some(code) if refused.contains(&code) => Error::internal(format!(
            "KMS refused: {code}: {}",
            error.message().unwrap_or_default()
        )),
        Some(code) => Error::Unavailable {
            what: "KMS",
            source: code.to_owned().into(),
        },
        None => Error::Unavailable {
            what: "KMS",
            source: chain(&error).into(),
        },
    }
}
