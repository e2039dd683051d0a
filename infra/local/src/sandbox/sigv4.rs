//! AWS Signature Version 4, from the side that checks it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::refusal::Refusal;
use super::secret_text::SecretText;

/// How far a request's clock may be from ours, either way.
const SKEW: Duration = Duration::minutes(15);

const AMZ_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A request as it came in. Not `Debug`: it holds a session token.
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    /// A header's first value, if it is there and is plain text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The parts of an `Authorization` header: what the caller claims.
#[derive(Debug)]
pub(super) struct Authorization<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) region: &'a str,
    date: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential={id}/{date}/{region}/{service}/aws4_request, SignedHeaders=…, Signature=…`.
    pub(super) fn parse(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let header = headers.get("authorization").ok_or_else(|| {
            Refusal::new(
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            )
        })?;
        header
            .to_str()
            .ok()
            .and_then(Self::parts)
            .ok_or_else(|| {
                Refusal::new(
                    "IncompleteSignature",
                    "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.",
                )
            })
    }

    fn parts(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope.as_slice() else {
            return None;
        };
        Some(Self {
            access_key_id,
            region,
            date,
            service,
            signed_headers: field("SignedHeaders")?.split(';').collect(),
            signature: field("Signature")?,
        })
    }

    /// Checks that the request was signed with this secret, for this service, within a quarter of an hour of now.
    pub(super) fn verify(
        &self,
        received: &Received,
        service: &str,
        secret: &SecretText,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        if self.service != service {
            return Err(Refusal::signature(format!(
                "Credential should be scoped to correct service: '{service}'."
            )));
        }
        let signed_at = self.signed_at(received, now)?;
        let expected = self
            .signature_of(received, secret, signed_at.into())
            .ok_or_else(mismatch)?;
        verify_slices_are_equal(expected.as_bytes(), self.signature.as_bytes())
            .map_err(|_| mismatch())
    }

    /// The time in `X-Amz-Date`, if it is near enough and agrees with the credential's scope.
    fn signed_at(
        &self,
        received: &Received,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, Refusal> {
        let sent = received.header("x-amz-date").unwrap_or_default();
        let signed_at = PrimitiveDateTime::parse(sent, AMZ_DATE)
            .map_err(|_| {
                Refusal::new(
                    "IncompleteSignature",
                    "Date must be in ISO-8601 'basic format'.",
                )
            })?
            .assume_utc();
        if !sent.starts_with(self.date) || self.date.len() != 8 {
            return Err(Refusal::signature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        let text = |time: OffsetDateTime| time.format(AMZ_DATE).unwrap_or_default();
        if signed_at < now - SKEW {
            let (oldest, now) = (text(now - SKEW), text(now));
            return Err(Refusal::signature(format!(
                "Signature expired: {sent} is now earlier than {oldest} ({now} - 15 min.)"
            )));
        }
        if signed_at > now + SKEW {
            let (latest, now) = (text(now + SKEW), text(now));
            return Err(Refusal::signature(format!(
                "Signature not yet current: {sent} is still later than {latest} ({now} + 15 min.)"
            )));
        }
        Ok(signed_at)
    }

    /// The signature that this secret makes of the request; none if the request cannot be signed at all.
    fn signature_of(
        &self,
        received: &Received,
        secret: &SecretText,
        time: SystemTime,
    ) -> Option<String> {
        // The signer wants a host, and takes it from the URI, where an HTTP/1 server has none.
        let signs_host = self.signed_headers.contains(&"host");
        let mut headers = Vec::new();
        for &name in &self.signed_headers {
            for value in received.headers.get_all(name) {
                headers.push((name, value.to_str().ok()?));
            }
        }
        if !signs_host || !received.headers.contains_key("host") {
            return None;
        }
        // The caller's list says which headers are signed, so none is left out here; a session token is one of them.
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let identity =
            Credentials::new(self.access_key_id, secret.expose(), None, None, "sandbox").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let request = SignableRequest::new(
            received.method.as_str(),
            received.uri.to_string(),
            headers.into_iter(),
            SignableBody::Bytes(&received.body),
        )
        .ok()?;
        let (_, signature) = sign(request, &params).ok()?.into_parts();
        Some(signature)
    }
}

fn mismatch() -> Refusal {
    Refusal::signature(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::super::fixture::{self, Cloud, IDENTITY};
    use super::*;

    // The rules are those of "Signature Version 4" in the IAM user guide; the texts are those STS answers.

    #[tokio::test]
    async fn body_is_part_of_the_signature() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        *request.body_mut() = "Action=GetSessionToken&Version=2011-06-15".into();
        let reply = cloud.deliver(request).await;
        assert_eq!(reply.code(), "SignatureDoesNotMatch");
    }

    #[tokio::test]
    async fn signed_headers_and_query_are_part_of_the_signature() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        let other = HeaderValue::from_static("sts.elsewhere");
        request.headers_mut().insert("host", other);
        assert_eq!(cloud.deliver(request).await.code(), "SignatureDoesNotMatch");

        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        *request.uri_mut() = Uri::from_static("/?a=b");
        assert_eq!(cloud.deliver(request).await.code(), "SignatureDoesNotMatch");
    }

    #[tokio::test]
    async fn host_must_be_signed() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        let header = request.headers()["authorization"].to_str().unwrap();
        let without = HeaderValue::try_from(header.replace("host;", "")).unwrap();
        request.headers_mut().insert("authorization", without);
        assert_eq!(cloud.deliver(request).await.code(), "SignatureDoesNotMatch");
    }

    #[tokio::test]
    async fn clocks_may_differ_by_a_quarter_of_an_hour() {
        let cloud = Cloud::new();
        for (skew, code) in [
            (900, ""),
            (901, "SignatureDoesNotMatch"),
            (-900, ""),
            (-901, "SignatureDoesNotMatch"),
        ] {
            let mut request = cloud.request(&fixture::user(), "sts", IDENTITY);
            request.at += Duration::seconds(skew);
            assert_eq!(cloud.send(request).await.code(), code, "{skew}");
        }
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY);
        request.at -= Duration::hours(1);
        let message = cloud.send(request).await.message().to_owned();
        assert!(message.starts_with("Signature expired: "), "{message}");
    }

    #[tokio::test]
    async fn scope_must_be_for_this_service() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY);
        request.service = "iam";
        let reply = cloud.send(request).await;
        assert_eq!(reply.code(), "SignatureDoesNotMatch");
        assert!(reply.message().contains("correct service: 'sts'"));
    }

    #[tokio::test]
    async fn scope_must_be_of_the_day_that_was_signed() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        let header = request.headers()["authorization"].to_str().unwrap();
        let other = HeaderValue::try_from(header.replace("/20260101/", "/20260102/")).unwrap();
        request.headers_mut().insert("authorization", other);
        let reply = cloud.deliver(request).await;
        assert!(reply.message().starts_with("Date in Credential scope"));
    }

    #[tokio::test]
    async fn unsigned_and_half_signed_requests_are_told_apart() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        let half = HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=AKIA/x");
        request.headers_mut().insert("authorization", half);
        let reply = cloud.deliver(request).await;
        assert_eq!((reply.status, reply.code()), (400, "IncompleteSignature"));

        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY).signed();
        request.headers_mut().remove("authorization");
        let reply = cloud.deliver(request).await;
        assert_eq!(
            (reply.status, reply.code()),
            (403, "MissingAuthenticationToken")
        );
    }
}
