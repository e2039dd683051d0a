//! Users, and how they sign in.

use http::Method;
use mayfly::{
    access::password::{self, Password},
    domain::sensitive::Sensitive,
    store::schema::{Head, Key, MemberOf, User, UserRecord, new_stamp},
};
use mayfly_tests::{
    Answer, Vault,
    vault::{SOURCE, START},
};
use serde_json::{Value, json};

/// Bob's password.
pub(crate) const RIGHT: &str = "correct horse battery";

/// Puts a user into the table.
pub(crate) async fn make_user(vault: &Vault, name: &str, text: &str) -> UserRecord {
    let body = User {
        display_name: String::new(),
        stamp: new_stamp(),
        password: None,
        member_of: MemberOf::default(),
    };
    let mut user = Head::new(name, body, "system", START);
    let text = Password::new("password", Sensitive::new(text.to_owned()), name).unwrap();
    user.body.password = Some(password::make(&vault.app, user.id, &text).await.unwrap());
    vault.app.table.put(&user).await.unwrap();
    user
}

/// A vault in which Bob can sign in.
pub(crate) async fn vault_with_bob() -> Vault {
    let vault = Vault::start().await;
    make_user(&vault, "bob", RIGHT).await;
    vault.wire.clear();
    vault
}

/// The user as stored.
pub(crate) async fn stored(vault: &Vault, name: &str) -> UserRecord {
    vault
        .app
        .table
        .get(&Key::user(name))
        .await
        .unwrap()
        .unwrap()
}

pub(crate) async fn login(vault: &Vault, name: &str, password: &str) -> Answer {
    login_from(vault, SOURCE, name, password).await
}

pub(crate) async fn login_from(vault: &Vault, source: &str, name: &str, password: &str) -> Answer {
    let body = json!({"grant_type": "password", "username": name, "password": password});
    grant_from(vault, source, &body).await
}

/// Asks for a token.
pub(crate) async fn grant_from(vault: &Vault, source: &str, body: &Value) -> Answer {
    let body = body.to_string().into_bytes();
    vault
        .send_from(source, Method::POST, "/v1/token", &[], body)
        .await
}

/// Signs Bob in; answers his refresh token.
pub(crate) async fn bobs_refresh_token(vault: &Vault) -> String {
    text(
        &login(vault, "bob", RIGHT).await.expect(200),
        "refreshToken",
    )
}

pub(crate) async fn refresh(vault: &Vault, token: &str) -> Answer {
    let body = json!({"grant_type": "refresh_token", "refresh_token": token});
    grant_from(vault, SOURCE, &body).await
}

/// A text of an answer.
#[track_caller]
pub(crate) fn text(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap().to_owned()
}

/// Fails unless this is the answer that everybody gets who does not get in.
#[track_caller]
pub(crate) fn refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(
        answer.text(),
        r#"{"code":401,"message":"unable to authenticate"}"#
    );
}
