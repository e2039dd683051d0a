//! A minimal KMS: `GenerateDataKey`, `Encrypt` and `Decrypt` with symmetric keys, over JSON 1.1.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Sandbox;
use super::authentication::Caller;
use super::ciphertext::{Ciphertext, Context, seal};
use super::random;
use super::refusal::Refusal;

/// The action an `X-Amz-Target` header names; empty if it names none of KMS.
pub(super) fn action(target: &HeaderValue) -> String {
    let target = target.to_str().unwrap_or_default();
    target
        .strip_prefix("TrentService.")
        .unwrap_or_default()
        .to_owned()
}

/// Performs one KMS action; the answer is the JSON body.
pub(super) fn perform(
    sandbox: &Sandbox,
    caller: &Caller,
    action: &str,
    body: &[u8],
) -> Result<String, Refusal> {
    let answer = match action {
        "GenerateDataKey" => generate_data_key(sandbox, caller, &parse(body)?),
        "Encrypt" => encrypt(sandbox, caller, &parse(body)?),
        "Decrypt" => decrypt(sandbox, caller, &parse(body)?),
        _ => Err(Refusal::new("UnknownOperationException", "")),
    };
    answer.map(|json| json.to_string())
}

/// The name KMS has for what STS calls otherwise.
pub(super) fn spell(refusal: Refusal) -> Refusal {
    let code = match refusal.code.as_ref() {
        "AccessDenied" => "AccessDeniedException",
        "ExpiredToken" => "ExpiredTokenException",
        "IncompleteSignature" => "IncompleteSignatureException",
        "InternalFailure" => "KMSInternalException",
        "InvalidClientTokenId" => "UnrecognizedClientException",
        "MissingAuthenticationToken" => "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch" => "InvalidSignatureException",
        "Throttling" => "ThrottlingException",
        _ => return refusal,
    };
    Refusal::new(code, refusal.message)
}

/// Gives an outcome the status and body that KMS uses.
pub(super) fn render(outcome: Result<String, Refusal>) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"),
        ("x-amzn-requestid", &Uuid::new_v4().to_string()),
    ];
    match outcome {
        Ok(body) => (StatusCode::OK, headers, body).into_response(),
        Err(refusal) => {
            let status = if refusal.is_server_fault() {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::BAD_REQUEST
            };
            let body = json!({ "__type": refusal.code, "message": refusal.message });
            (status, headers, body.to_string()).into_response()
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKey {
    key_id: String,
    #[serde(default)]
    encryption_context: Context,
    number_of_bytes: Option<usize>,
    key_spec: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt {
    key_id: String,
    #[serde(default)]
    encryption_context: Context,
    plaintext: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt {
    key_id: Option<String>,
    #[serde(default)]
    encryption_context: Context,
    ciphertext_blob: String,
}

/// A key of the sandbox.
struct Key {
    id: String,
    material: Vec<u8>,
}

impl Key {
    /// Finds a key by its id as it was added, or by an ARN that ends in it.
    fn find(sandbox: &Sandbox, asked: &str) -> Result<Self, Refusal> {
        let store = sandbox.store();
        let short = asked.rsplit_once(":key/").map_or(asked, |(_, id)| id);
        [asked, short]
            .into_iter()
            .find_map(|id| {
                let material = STANDARD.decode(store.key(id)?.expose()).ok()?;
                let id = id.to_owned();
                Some(Self { id, material })
            })
            .ok_or_else(|| {
                Refusal::new("NotFoundException", format!("Key '{asked}' does not exist"))
            })
    }

    /// The ARN answered to a caller.
    fn arn(&self, caller: &Caller) -> String {
        if self.id.starts_with("arn:") {
            return self.id.clone();
        }
        let (partition, account) = (&caller.principal.partition, &caller.principal.account);
        format!(
            "arn:{partition}:kms:{}:{account}:key/{}",
            caller.region, self.id
        )
    }

    /// Seals a plaintext into a blob, in base64.
    fn seal(&self, context: &Context, plaintext: &[u8]) -> Result<String, Refusal> {
        seal(&self.id, &self.material, context, plaintext)
            .map(|blob| STANDARD.encode(blob))
            .map_err(|_| Refusal::internal())
    }
}

fn generate_data_key(
    sandbox: &Sandbox,
    caller: &Caller,
    wanted: &GenerateDataKey,
) -> Result<Value, Refusal> {
    let length = match (wanted.number_of_bytes, wanted.key_spec.as_deref()) {
        (Some(length @ 1..=1024), None) => length,
        (None, Some("AES_256")) => 32,
        (None, Some("AES_128")) => 16,
        _ => {
            return Err(invalid(
                "Please specify either number of bytes (1 to 1024) or key spec (AES_256, AES_128).",
            ));
        }
    };
    let key = Key::find(sandbox, &wanted.key_id)?;
    let random = random::bytes::<1024>()?;
    let data_key = random.get(..length).unwrap_or_default();
    Ok(json!({
        "KeyId": key.arn(caller),
        "Plaintext": STANDARD.encode(data_key),
        "CiphertextBlob": key.seal(&wanted.encryption_context, data_key)?,
    }))
}

fn encrypt(sandbox: &Sandbox, caller: &Caller, wanted: &Encrypt) -> Result<Value, Refusal> {
    let plaintext = decode("plaintext", &wanted.plaintext)?;
    if !(1..=4096).contains(&plaintext.len()) {
        return Err(invalid(
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: \
             Member must have length between 1 and 4096",
        ));
    }
    let key = Key::find(sandbox, &wanted.key_id)?;
    Ok(json!({
        "KeyId": key.arn(caller),
        "CiphertextBlob": key.seal(&wanted.encryption_context, &plaintext)?,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

/// Opens a blob under the key it names; why it does not open is not told.
fn decrypt(sandbox: &Sandbox, caller: &Caller, wanted: &Decrypt) -> Result<Value, Refusal> {
    let unreadable = || Refusal::new("InvalidCiphertextException", "");
    let asked = wanted
        .key_id
        .as_deref()
        .map(|id| Key::find(sandbox, id))
        .transpose()?;
    let blob = decode("ciphertextBlob", &wanted.ciphertext_blob)?;
    let sealed = Ciphertext::parse(&blob).ok_or_else(unreadable)?;
    if asked.is_some_and(|key| key.id != sealed.key_id) {
        let message =
            "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(Refusal::new("IncorrectKeyException", message));
    }
    let key = Key::find(sandbox, sealed.key_id).map_err(|_| unreadable())?;
    let plaintext = sealed
        .open(&key.material, &wanted.encryption_context)
        .map_err(|_| unreadable())?;
    Ok(json!({
        "KeyId": key.arn(caller),
        "Plaintext": STANDARD.encode(plaintext),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // The parser's words may quote the body, which may hold a plaintext.
    serde_json::from_slice(body).map_err(|_| Refusal::new("SerializationException", ""))
}

fn decode(field: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(text)
        .map_err(|_| Refusal::new("SerializationException", format!("{field} is not base64")))
}

fn invalid(message: &str) -> Refusal {
    Refusal::new("ValidationException", message)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::super::faults::Fault;
    use super::super::fixture::{self, Cloud, USER_KEY};
    use super::*;

    // The rules are those of the KMS API reference, page by page: GenerateDataKey, Encrypt, Decrypt, common errors.

    fn cloud() -> Cloud {
        let cloud = Cloud::new();
        cloud.sandbox.add_key("k1").unwrap();
        cloud.sandbox.add_key("k2").unwrap();
        cloud
    }

    async fn code(cloud: &Cloud, action: &str, body: Value) -> String {
        let reply = cloud.kms(action, &body).await;
        assert_eq!(reply.status, 400);
        reply.json()["__type"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn data_key_opens_again_under_its_context() {
        let cloud = cloud();
        let context = json!({"table": "mayfly", "key": "a"});
        let wanted = json!({"KeyId": "k1", "KeySpec": "AES_256", "EncryptionContext": context});
        let made = cloud.kms("GenerateDataKey", &wanted).await.json();
        assert_eq!(
            made["KeyId"],
            "arn:aws:kms:eu-central-1:000000000000:key/k1"
        );
        let plaintext = STANDARD.decode(made["Plaintext"].as_str().unwrap());
        assert_eq!(plaintext.unwrap().len(), 32);

        let blob = &made["CiphertextBlob"];
        let sealed = json!({"CiphertextBlob": blob, "EncryptionContext": context});
        let opened = cloud.kms("Decrypt", &sealed).await.json();
        assert_eq!(opened["Plaintext"], made["Plaintext"]);
        assert_eq!(opened["KeyId"], made["KeyId"]);

        let other = json!({"CiphertextBlob": blob, "EncryptionContext": {"table": "other"}});
        let expected = "InvalidCiphertextException";
        assert_eq!(code(&cloud, "Decrypt", other).await, expected);
        let none = json!({"CiphertextBlob": blob});
        assert_eq!(code(&cloud, "Decrypt", none).await, expected);
    }

    #[tokio::test]
    async fn data_keys_have_one_length() {
        let cloud = cloud();
        let wanted = json!({"KeyId": "k1", "NumberOfBytes": 64});
        let made = cloud.kms("GenerateDataKey", &wanted).await.json();
        let plaintext = STANDARD.decode(made["Plaintext"].as_str().unwrap());
        assert_eq!(plaintext.unwrap().len(), 64);
        for wrong in [
            json!({"KeyId": "k1"}),
            json!({"KeyId": "k1", "NumberOfBytes": 0}),
            json!({"KeyId": "k1", "NumberOfBytes": 1025}),
            json!({"KeyId": "k1", "NumberOfBytes": 32, "KeySpec": "AES_256"}),
            json!({"KeyId": "k1", "KeySpec": "RSA_2048"}),
        ] {
            assert_eq!(
                code(&cloud, "GenerateDataKey", wrong).await,
                "ValidationException"
            );
        }
    }

    #[tokio::test]
    async fn unknown_keys_are_not_found() {
        let cloud = cloud();
        for (action, body) in [
            (
                "GenerateDataKey",
                json!({"KeyId": "k3", "KeySpec": "AES_256"}),
            ),
            ("Encrypt", json!({"KeyId": "k3", "Plaintext": "YQ=="})),
            ("Decrypt", json!({"KeyId": "k3", "CiphertextBlob": "YQ=="})),
        ] {
            assert_eq!(code(&cloud, action, body).await, "NotFoundException");
        }
    }

    #[tokio::test]
    async fn decrypt_minds_the_key_it_is_given() {
        let cloud = cloud();
        let text = json!({"KeyId": "k1", "Plaintext": "YQ=="});
        let blob = cloud.kms("Encrypt", &text).await.json()["CiphertextBlob"].clone();
        let arn = "arn:aws:kms:eu-central-1:000000000000:key/k1";
        let right = json!({"KeyId": arn, "CiphertextBlob": blob});
        let opened = cloud.kms("Decrypt", &right).await.json();
        assert_eq!(opened["Plaintext"], "YQ==");
        let wrong = json!({"KeyId": "k2", "CiphertextBlob": blob});
        assert_eq!(
            code(&cloud, "Decrypt", wrong).await,
            "IncorrectKeyException"
        );
    }

    #[tokio::test]
    async fn damaged_blobs_and_bodies_are_told_apart() {
        let cloud = cloud();
        let damaged = json!({"CiphertextBlob": "AAAA"});
        assert_eq!(
            code(&cloud, "Decrypt", damaged).await,
            "InvalidCiphertextException"
        );
        let shapeless = json!({"CiphertextBlob": "no base64"});
        assert_eq!(
            code(&cloud, "Decrypt", shapeless).await,
            "SerializationException"
        );
        let long = json!({"KeyId": "k1", "Plaintext": STANDARD.encode([0; 4097])});
        assert_eq!(code(&cloud, "Encrypt", long).await, "ValidationException");
        assert_eq!(
            code(&cloud, "ReEncrypt", json!({})).await,
            "UnknownOperationException"
        );
    }

    #[tokio::test]
    async fn signatures_are_checked_and_named_as_kms_names_them() {
        let cloud = cloud();
        let body = json!({"KeyId": "k1", "Plaintext": "YQ=="});
        let wrong = Credentials::new(USER_KEY, "wrong", None, None, "test");
        let reply = cloud.kms_as(&wrong, "Encrypt", &body).await;
        assert_eq!(reply.json()["__type"], "InvalidSignatureException");

        let mut request = cloud.kms_request(&fixture::user(), "Encrypt", &body);
        request.service = "sts";
        let reply = cloud.send(request).await;
        assert_eq!(reply.json()["__type"], "InvalidSignatureException");
    }

    #[tokio::test]
    async fn faults_are_named_as_kms_names_them() {
        let cloud = cloud();
        let body = json!({"KeyId": "k1", "Plaintext": "YQ=="});
        cloud.sandbox.faults().next("Encrypt", 1, Fault::Throttle);
        assert_eq!(
            code(&cloud, "Encrypt", body.clone()).await,
            "ThrottlingException"
        );
        let faults = cloud.sandbox.faults();
        faults.next("Encrypt", 1, Fault::FailAfterSuccess);
        let reply = cloud.kms("Encrypt", &body).await;
        assert_eq!(reply.status, 500);
        assert_eq!(reply.json()["__type"], "KMSInternalException");
    }
}
