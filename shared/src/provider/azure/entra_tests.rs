//! What is kept of tokens, and what is read of refusals.

use time::Duration;

use super::*;

fn key(base_version: u64) -> Key {
    Key {
        base_id: Uuid::nil(),
        base_version,
        service: Service::Graph,
    }
}

fn token(lives: Duration) -> Token {
    Token {
        value: Sensitive::new("t".to_owned()),
        expires: OffsetDateTime::UNIX_EPOCH + lives,
    }
}

#[test]
fn a_token_is_kept_until_five_minutes_before_its_end_or_most_of_a_short_life() {
    let tokens = Tokens::default();
    let now = OffsetDateTime::UNIX_EPOCH;
    for (lives, good_for) in [(3600, 3300), (100, 80)] {
        tokens.keep(key(1), &token(Duration::seconds(lives)), now);
        let last = now + Duration::seconds(good_for - 1);
        assert!(tokens.find(&key(1), last).is_some());
        assert!(tokens.find(&key(1), last + Duration::SECOND).is_none());
    }
}

#[test]
fn another_version_of_the_base_signs_in_anew() {
    let tokens = Tokens::default();
    let now = OffsetDateTime::UNIX_EPOCH;
    tokens.keep(key(1), &token(Duration::HOUR), now);
    assert!(tokens.find(&key(2), now).is_none());
    assert!(tokens.find(&key(1), now).is_some());
    tokens.forget(&key(1));
    assert!(tokens.find(&key(1), now).is_none());
}

#[test]
fn tokens_are_kept_in_bounds() {
    let tokens = Tokens::default();
    let now = OffsetDateTime::UNIX_EPOCH;
    for version in 0..=CAPACITY.get() as u64 {
        tokens.keep(key(version), &token(Duration::HOUR), now);
    }
    assert!(tokens.find(&key(0), now).is_none());
    assert!(tokens.find(&key(1), now).is_some());
}

#[test]
fn a_refusal_has_a_code_whatever_its_body_is() {
    let full = br#"{"error":"invalid_client","error_description":"AADSTS7000215: No.","error_codes":[7000215]}"#;
    assert_eq!(
        read_refusal(401, full),
        ("AADSTS7000215".to_owned(), "No.".to_owned())
    );
    assert_eq!(
        read_refusal(400, br#"{"error":"invalid_scope"}"#).0,
        "invalid_scope"
    );
    assert_eq!(read_refusal(502, b"<html>").0, "HTTP 502");
}
