//! From a signed request to the identity behind it.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::Sandbox;
use super::principal::Principal;
use super::refusal::Refusal;
use super::region;
use super::sigv4::{Authorization, Received};

/// An authenticated caller.
pub(super) struct Caller {
    pub(super) principal: Principal,
    /// The region the call was signed for.
    pub(super) region: String,
}

impl Sandbox {
    /// Finds who signed a request for a service, or says as AWS does why nobody did.
    pub(super) fn authenticate(
        &self,
        service: &str,
        authorization: &Authorization<'_>,
        received: &Received,
    ) -> Result<Caller, Refusal> {
        let now = self.now();
        let partition = region::partition(authorization.region)
            .ok_or_else(|| Refusal::signature("Credential should be scoped to a valid region."))?;
        let token = received.header("x-amz-security-token");
        let store = self.store();
        let (principal, secret, ended) = if let Some(user) = store.user(authorization.access_key_id)
        {
            if token.is_some() {
                return Err(Refusal::unknown_token());
            }
            (user.principal(partition), user.secret_access_key(), false)
        } else {
            let session = store
                .session(authorization.access_key_id)
                .filter(|session| session.principal.partition == partition)
                .ok_or_else(Refusal::unknown_token)?;
            let expected = session.token.expose().as_bytes();
            verify_slices_are_equal(token.unwrap_or_default().as_bytes(), expected)
                .map_err(|_| Refusal::unknown_token())?;
            let ended = session.has_ended(now);
            (session.principal.clone(), &session.secret_access_key, ended)
        };
        authorization.verify(received, service, secret, now)?;
        if ended {
            return Err(Refusal::new(
                "ExpiredToken",
                "The security token included in the request is expired",
            ));
        }
        Ok(Caller {
            principal,
            region: authorization.region.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::super::fixture::{self, Cloud, FEDERATE, IDENTITY, USER_KEY, USER_SECRET};

    fn key(id: &str, secret: &str, token: Option<&str>) -> Credentials {
        Credentials::new(id, secret, token.map(str::to_owned), None, "test")
    }

    async fn refused(cloud: &Cloud, credentials: Credentials) -> (u16, String) {
        let reply = cloud.sts_as(&credentials, IDENTITY).await;
        (reply.status, reply.code().to_owned())
    }

    // The common errors of the STS API reference: each of these is a 403.

    #[tokio::test]
    async fn unknown_key_is_an_invalid_token() {
        let cloud = Cloud::new();
        let unknown = key("AKIASANDBOXNOBODY000", USER_SECRET, None);
        let expected = (403, "InvalidClientTokenId".to_owned());
        assert_eq!(refused(&cloud, unknown).await, expected);
    }

    #[tokio::test]
    async fn wrong_secret_does_not_match() {
        let cloud = Cloud::new();
        let expected = (403, "SignatureDoesNotMatch".to_owned());
        let wrong = key(USER_KEY, "wrong", None);
        assert_eq!(refused(&cloud, wrong).await, expected);
    }

    #[tokio::test]
    async fn a_session_needs_its_own_token_and_a_user_none() {
        let cloud = Cloud::new();
        let session = cloud.sts(FEDERATE).await.credentials();
        let (id, secret) = (session.access_key_id(), session.secret_access_key());
        let expected = (403, "InvalidClientTokenId".to_owned());
        for wrong in [
            key(id, secret, None),
            key(id, secret, Some("sandbox/other")),
            key(USER_KEY, USER_SECRET, session.session_token()),
        ] {
            assert_eq!(refused(&cloud, wrong).await, expected);
        }
    }

    #[tokio::test]
    async fn a_session_ends_on_the_second() {
        let cloud = Cloud::new();
        let session = cloud.sts(FEDERATE).await.credentials();
        cloud.clock.advance(899);
        assert_eq!(cloud.sts_as(&session, IDENTITY).await.status, 200);
        cloud.clock.advance(1);
        let expected = (403, "ExpiredToken".to_owned());
        assert_eq!(refused(&cloud, session).await, expected);
    }

    #[tokio::test]
    async fn a_session_is_unknown_in_another_partition() {
        let cloud = Cloud::new();
        let session = cloud.sts(FEDERATE).await.credentials();
        let mut request = cloud.request(&session, "sts", IDENTITY);
        request.region = "cn-north-1";
        assert_eq!(cloud.send(request).await.code(), "InvalidClientTokenId");
    }

    #[tokio::test]
    async fn an_unknown_region_is_refused() {
        let cloud = Cloud::new();
        let mut request = cloud.request(&fixture::user(), "sts", IDENTITY);
        request.region = "mars-north-1";
        let reply = cloud.send(request).await;
        assert_eq!(reply.code(), "SignatureDoesNotMatch");
        assert!(reply.message().contains("valid region"));
    }
}
