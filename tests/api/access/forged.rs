//! Tokens that are not ours, or no longer.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use mayfly::{
    access::token::{self, Claims, Holder, SigningKey, signing_key_binding},
    clock::Clock,
    domain::{principal::Principal, sensitive::Sensitive},
    seal::Purpose,
    store::schema::{Key, SigningKeyRecord},
};
use mayfly_tests::{Vault, vault::plain};
use serde_json::{Value, json};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "a test sends it")]
fn shown(token: &Sensitive) -> String {
    token.expose().to_owned()
}

/// The vault's own signing key, and claims that are right.
async fn signer(vault: &Vault) -> (SigningKey, Claims) {
    let app = &vault.app;
    let rules = app.rules.load().await.unwrap();
    let kid = rules.signing(vault.clock.now()).unwrap().to_owned();
    let record: SigningKeyRecord = app
        .table
        .get(&Key::signing_key(&kid))
        .await
        .unwrap()
        .unwrap();
    let opened = app
        .sealer
        .open(
            Purpose::TokenSigning,
            &signing_key_binding(&kid),
            &record.sealed,
        )
        .await
        .unwrap();
    let key = SigningKey::from_opened(&kid, &opened).unwrap();
    let role = plain(&vault.items_of("ROLE#admin").remove(0));
    let client = plain(&vault.items_of("CLIENT#").remove(0));
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let holder = Holder {
        principal: Principal::role("admin"),
        id: text(&role, "id").parse().unwrap(),
        client: vault.client_id.clone(),
        stamp: token::stamp(&text(&role, "stamp"), Some(&text(&client, "stamp"))),
    };
    let claims = Claims::new(&holder, rules.vault, vault.clock.now());
    (key, claims)
}

async fn status(vault: &Vault, token: &str) -> u16 {
    let answer = vault
        .ask_as(token, Method::GET, "/v1/secrets/x", None)
        .await;
    if answer.status == 401 {
        answer.clone().refused(401, "unable to authenticate");
    }
    answer.status
}

#[tokio::test]
async fn a_token_ends_after_an_hour() {
    let vault = Vault::start().await;
    vault.clock.advance(Duration::from_secs(3599));
    assert_eq!(status(&vault, &vault.token).await, 404);
    vault.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&vault, &vault.token).await, 401);
}

#[tokio::test]
async fn every_claim_is_checked() {
    let vault = Vault::start().await;
    let (key, right) = signer(&vault).await;
    assert_eq!(
        status(&vault, &shown(&key.sign(&right).unwrap())).await,
        404
    );
    let other = vault.make_role("other").await;
    let claims = |change: fn(&mut Claims)| {
        let mut claims = right.clone();
        change(&mut claims);
        claims
    };
    for (what, claims) in [
        (
            "issuer",
            claims(|claims| claims.iss = format!("mayfly:{}", Uuid::nil())),
        ),
        ("audience", claims(|claims| claims.aud = "another".into())),
        ("end", claims(|claims| claims.exp = claims.iat)),
        ("start", claims(|claims| claims.iat += 3000)),
        (
            "principal's id",
            claims(|claims| claims.pid = Uuid::new_v4()),
        ),
        (
            "client",
            claims(|claims| claims.cid = Uuid::new_v4().to_string()),
        ),
        (
            "subject of another role",
            claims(|claims| claims.sub = "roles:other".into()),
        ),
        (
            "subject without a kind",
            claims(|claims| claims.sub = "admin".into()),
        ),
        (
            "subject that is no role",
            claims(|claims| claims.sub = "users:admin".into()),
        ),
        (
            "subject that is a path",
            claims(|claims| claims.sub = "roles:admin#HEAD".into()),
        ),
    ] {
        let token = shown(&key.sign(&claims).unwrap());
        assert_eq!(status(&vault, &token).await, 401, "{what}");
    }
    assert_eq!(status(&vault, &other).await, 403, "the other role is there");
}

#[tokio::test]
async fn only_our_keys_and_our_algorithm_count() {
    let vault = Vault::start().await;
    let (ours, claims) = signer(&vault).await;
    let (private, public) = token::generate(0).unwrap();
    let same_kid = SigningKey::from_opened(&ours.kid, &private).unwrap();
    let own_kid = SigningKey::from_opened(&public.kid, &private).unwrap();
    let real = vault.token.clone();
    let [header, body, signature]: [&str; 3] =
        real.split('.').collect::<Vec<_>>().try_into().unwrap();
    let with_header = |header: serde_json::Value| {
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{body}.{signature}")
    };
    let kid = &ours.kid;
    for (what, token) in [
        (
            "another key under our id",
            shown(&same_kid.sign(&claims).unwrap()),
        ),
        (
            "another key under its id",
            shown(&own_kid.sign(&claims).unwrap()),
        ),
        (
            "no algorithm",
            with_header(json!({"alg": "none", "kid": kid})),
        ),
        (
            "another algorithm",
            with_header(json!({"alg": "HS256", "kid": kid})),
        ),
        (
            "a key in the header",
            with_header(json!({"alg": "EdDSA", "kid": kid, "jwk": public.x})),
        ),
        ("no key id", with_header(json!({"alg": "EdDSA"}))),
        ("no signature", format!("{header}.{body}.")),
        ("two parts", format!("{header}.{body}")),
        ("four parts", format!("{real}.x")),
        (
            "another's claims",
            format!("{header}.{}.{signature}", body.trim_start_matches('e')),
        ),
    ] {
        assert_eq!(status(&vault, &token).await, 401, "{what}");
        let alone = vault.another();
        assert_eq!(status(&alone, &token).await, 401, "{what}, cold");
    }
}

#[tokio::test]
async fn made_up_key_ids_do_not_keep_the_table_busy() {
    let vault = Vault::start().await;
    vault.wire.bad_weather(0);
    let (_, claims) = signer(&vault).await;
    let (private, _) = token::generate(0).unwrap();
    vault.clock.advance(Duration::from_secs(2));
    vault.wire.clear();
    for number in 0..100 {
        let kid = format!("made-up-{number}");
        let key = SigningKey::from_opened(&kid, &private).unwrap();
        let token = shown(&key.sign(&claims).unwrap());
        assert_eq!(status(&vault, &token).await, 401);
    }
    assert_eq!(
        vault.wire.operations(),
        ["BatchGetItem"],
        "one look at the rules"
    );
    vault.wire.clear();
    for _ in 0..100 {
        assert_eq!(status(&vault, "nonsense").await, 401);
    }
    assert_eq!(vault.wire.operations(), [""; 0]);
}
