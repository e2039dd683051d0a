//! Tokens: Ed25519-signed JWTs. One algorithm, never taken from the header.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    access::{rules::Rules, snapshot::PublicKey},
    domain::{principal::Principal, sensitive::Sensitive},
    error::Error,
    seal::Binding,
};

/// How long a token counts, in seconds.
pub const TOKEN_TTL: i64 = 3600;
/// What `expiresIn` says. Shorter than the truth: python-dsv-sdk renews 300 s after what it was told.
pub const TOLD_TTL: i64 = 3000;

/// Whom all tokens are for.
pub const AUDIENCE: &str = "mayfly";

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The principal: `roles:{name}` or `users:{name}`.
    pub sub: String,
    /// The client credential that signed in; empty for a user.
    pub cid: String,
    /// Id of the principal's item: one that was removed and made again is another one.
    pub pid: Uuid,
    /// The stamps of principal and client when it was issued.
    pub stp: String,
    /// This token.
    pub jti: Uuid,
    /// Issued, Unix seconds.
    pub iat: i64,
    /// Ends, Unix seconds.
    pub exp: i64,
    /// The vault.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
}

/// Whom a token is issued to.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The principal.
    pub principal: Principal,
    /// Id of its item.
    pub id: Uuid,
    /// The client credential; empty for a user.
    pub client: String,
    /// [`stamp`] of both.
    pub stamp: String,
}

/// The stamp of a token: that of the principal and that of the client it signed in with. Whatever changes either
/// voids the token, to the moment and not to the second.
pub fn stamp(principal: &str, client: Option<&str>) -> String {
    format!("{principal}.{}", client.unwrap_or_default())
}

impl Claims {
    /// Claims for `holder`, issued now by `vault`.
    pub fn new(holder: &Holder, vault: Uuid, now: OffsetDateTime) -> Self {
        let iat = now.unix_timestamp();
        Self {
            sub: holder.principal.to_string(),
            cid: holder.client.clone(),
            pid: holder.id,
            stp: holder.stamp.clone(),
            jti: Uuid::new_v4(),
            iat,
            exp: iat + TOKEN_TTL,
            iss: issuer(vault),
            aud: AUDIENCE.to_owned(),
        }
    }
}

fn issuer(vault: Uuid) -> String {
    format!("mayfly:{vault}")
}

/// A private signing key.
pub struct SigningKey {
    /// Its id.
    pub kid: String,
    key: EncodingKey,
}

/// A new key pair that signs from the Unix second `from` on: the private half as base64 of PKCS#8, the public half as
/// rules carry it.
pub fn generate(from: i64) -> Result<(Sensitive, PublicKey), Error> {
    let broken = || Error::internal("no signing key");
    let pair = Ed25519KeyPair::generate().map_err(|_| broken())?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| broken())?;
    let public = PublicKey {
        kid: Uuid::new_v4().to_string(),
        x: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
        from,
    };
    Ok((
        Sensitive::new(BASE64_URL_SAFE_NO_PAD.encode(pkcs8.as_ref())),
        public,
    ))
}

/// What a sealed signing key is bound to.
pub fn signing_key_binding(kid: &str) -> Binding<'_> {
    Binding {
        entity: "SIGNKEY",
        name: kid,
        id: Uuid::nil(),
        version: 0,
        about: &[],
    }
}

impl SigningKey {
    /// Takes over an opened private half.
    pub fn from_opened(kid: &str, private: &Sensitive) -> Result<Self, Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "store: the opened key is put to its use"
        )]
        let der = BASE64_URL_SAFE_NO_PAD
            .decode(private.expose())
            .map_err(|_| Error::internal("a stored signing key is damaged"))?;
        Ok(Self {
            kid: kid.to_owned(),
            key: EncodingKey::from_ed_der(&der),
        })
    }

    /// Signs.
    pub fn sign(&self, claims: &Claims) -> Result<Sensitive, Error> {
        let header = Header {
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.key)
            .map(Sensitive::new)
            .map_err(|error| Error::internal(format!("signing failed: {error}")))
    }
}

/// The key id in a token's header. Nothing else of an unverified token is looked at.
pub fn claimed_kid(token: &str) -> Result<String, Error> {
    jsonwebtoken::decode_header(token)
        .ok()
        .and_then(|header| header.kid)
        .ok_or(Error::Unauthenticated)
}

/// A token whose signature, issuer, audience and time were checked.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// The key that signed it.
    pub kid: String,
}

/// Checks signature, issuer, audience and time. `None` if no key of `rules` has the token's key id.
pub fn verify(token: &str, rules: &Rules, now: OffsetDateTime) -> Option<Result<Verified, Error>> {
    let kid = match claimed_kid(token) {
        Ok(kid) => kid,
        Err(error) => return Some(Err(error)),
    };
    let key = rules.keys.iter().find(|key| key.kid == kid)?;
    Some(verify_with(token, key, rules.vault, now).map(|claims| Verified { claims, kid }))
}

fn verify_with(
    token: &str,
    key: &PublicKey,
    vault: Uuid,
    now: OffsetDateTime,
) -> Result<Claims, Error> {
    let decoding = DecodingKey::from_ed_components(&key.x)
        .map_err(|_| Error::internal("a stored public key is damaged"))?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[issuer(vault)]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // The library would ask the machine for the time; ours comes from a clock.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation)
        .map_err(|_| Error::Unauthenticated)?
        .claims;
    let now = now.unix_timestamp();
    if claims.exp <= now || claims.iat > now + 60 {
        return Err(Error::Unauthenticated);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::snapshot::Snapshot;

    const VAULT: Uuid = Uuid::from_u128(1);

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap()
    }

    fn setup() -> (SigningKey, Rules) {
        let (private, public) = generate(0).unwrap();
        let key = SigningKey::from_opened(&public.kid, &private).unwrap();
        let snapshot = Snapshot::new(VAULT, Vec::new(), public);
        (key, Rules::of(snapshot, String::new()))
    }

    fn claims() -> Claims {
        let holder = Holder {
            principal: Principal::role("admin"),
            id: Uuid::from_u128(2),
            client: "client".to_owned(),
            stamp: stamp("a", Some("b")),
        };
        Claims::new(&holder, VAULT, now())
    }

    #[expect(clippy::disallowed_methods, reason = "a test looks at what it put in")]
    fn token(key: &SigningKey, claims: &Claims) -> String {
        key.sign(claims).unwrap().expose().to_owned()
    }

    fn accepted(token: &str, rules: &Rules, now: OffsetDateTime) -> bool {
        matches!(verify(token, rules, now), Some(Ok(_)))
    }

    #[test]
    fn a_token_of_ours_is_accepted_until_it_ends() {
        let (key, rules) = setup();
        let token = token(&key, &claims());
        assert!(accepted(&token, &rules, now()));
        assert!(accepted(
            &token,
            &rules,
            now() + time::Duration::seconds(TOKEN_TTL - 1)
        ));
        assert!(!accepted(
            &token,
            &rules,
            now() + time::Duration::seconds(TOKEN_TTL)
        ));
    }

    #[test]
    fn issuer_audience_and_start_are_checked() {
        let (key, rules) = setup();
        for wrong in [
            Claims {
                iss: "mayfly:other".into(),
                ..claims()
            },
            Claims {
                aud: "other".into(),
                ..claims()
            },
            Claims {
                iat: claims().iat + 3600,
                exp: claims().exp + 3600,
                ..claims()
            },
        ] {
            assert!(!accepted(&token(&key, &wrong), &rules, now()), "{wrong:?}");
        }
    }

    #[test]
    fn another_key_under_the_same_id_is_refused() {
        let (_, rules) = setup();
        let (private, _) = generate(0).unwrap();
        let forged = SigningKey::from_opened(&rules.keys[0].kid, &private).unwrap();
        assert!(!accepted(&token(&forged, &claims()), &rules, now()));
    }

    #[test]
    fn the_algorithm_is_never_taken_from_the_header() {
        let (_, rules) = setup();
        let key = EncodingKey::from_secret(rules.keys[0].x.as_bytes());
        let header = Header {
            kid: Some(rules.keys[0].kid.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let forged = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        assert!(!accepted(&forged, &rules, now()));
        let body = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        let none = BASE64_URL_SAFE_NO_PAD
            .encode(format!(r#"{{"alg":"none","kid":"{}"}}"#, rules.keys[0].kid));
        assert!(!accepted(&format!("{none}.{body}."), &rules, now()));
    }

    #[test]
    fn an_unknown_key_id_is_not_an_answer_yet() {
        let (key, mut rules) = setup();
        rules.keys.clear();
        assert!(verify(&token(&key, &claims()), &rules, now()).is_none());
    }
}
