//! Every error has one status and one body, and our own failures show nothing of their cause.

use http_body_util::BodyExt;
use mayfly::{
    error::{Error, chain},
    http::error::reply,
};
use serde_json::{Value, json};

/// What callers must never see.
const CAUSE: &str = "cause-7f3a";

/// Every variant, its status, its message and its `Retry-After`.
fn table() -> Vec<(Error, u16, &'static str, Option<&'static str>)> {
    vec![
        (
            Error::invalid("attributes.ttl", "must be a number"),
            400,
            "attributes.ttl: must be a number",
            None,
        ),
        (Error::Refused("not now".into()), 400, "not now", None),
        (
            Error::Provider {
                provider: "AWS STS",
                action: "AssumeRole",
                code: "AccessDenied".into(),
                text: "no".into(),
            },
            400,
            "AssumeRole was refused by AWS STS: AccessDenied: no",
            None,
        ),
        (Error::Unauthenticated, 401, "unable to authenticate", None),
        (Error::Forbidden, 403, "Invalid permissions", None),
        (
            Error::NotFound,
            404,
            "unable to find item with specified identifier",
            None,
        ),
        (
            Error::MarkedForDeletion("secret"),
            404,
            "secret marked for deletion and will be removed in about 72 hours",
            None,
        ),
        (Error::NoRoute, 404, "no such route", None),
        (Error::Conflict("again".into()), 409, "again", None),
        (
            Error::Throttled {
                message: "busy".into(),
                retry_after: 7,
            },
            429,
            "busy",
            Some("7"),
        ),
        (
            Error::internal(CAUSE),
            500,
            "internal error (request req-1)",
            None,
        ),
        (
            Error::Unavailable {
                what: "the table",
                source: CAUSE.into(),
            },
            503,
            "the table is unavailable; try again (request req-1)",
            Some("1"),
        ),
    ]
}

#[tokio::test]
async fn each_error_has_its_status_and_body() {
    for (error, status, message, retry_after) in table() {
        let answer = reply(&error, "req-1");
        assert_eq!(answer.status(), status, "{error:?}");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let seconds = answer.headers().get("retry-after");
        assert_eq!(
            seconds.map(|value| value.to_str().unwrap()),
            retry_after,
            "{error:?}"
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({"code": status, "message": message}));
    }
}

#[test]
fn our_own_failures_keep_their_cause_for_the_log() {
    for (error, status, _, _) in table() {
        if status >= 500 {
            assert!(chain(&error).contains(CAUSE), "{error:?}");
        }
    }
}

#[test]
fn only_what_may_pass_is_tried_again() {
    for (error, status, _, _) in table() {
        assert_eq!(
            error.is_retryable(),
            [409, 429, 503].contains(&status),
            "{error:?}"
        );
    }
}

mod answered {
    //! The same through a whole vault.

    use http::Method;
    use mayfly_tests::{Vault, wire::Trouble};
    use serde_json::json;

    #[tokio::test]
    async fn a_table_that_refuses_is_a_500_that_says_nothing() {
        let vault = Vault::start().await;
        vault.create("a", json!({})).await.expect(201);
        for (operation, method, body) in [
            ("BatchGetItem", Method::GET, None),
            ("PutItem", Method::GET, None),
            (
                "TransactWriteItems",
                Method::PUT,
                Some(json!({"description": "x"})),
            ),
            ("TransactWriteItems", Method::DELETE, None),
        ] {
            vault.wire.next(operation, Trouble::AccessDenied);
            let answer = vault.ask(method, "/v1/secrets/a", body.as_ref()).await;
            assert!(!answer.text().contains("AccessDenied"), "{}", answer.text());
            answer.refused(500, "internal error (request ");
        }
        vault.read("a").await.expect(200);
    }

    #[tokio::test]
    async fn a_table_that_is_busy_or_gone_says_when_to_come_back() {
        let vault = Vault::start().await;
        vault.create("a", json!({})).await.expect(201);
        for (trouble, status, says) in [
            (Trouble::Throttled, 429, "the vault's table is busy"),
            (Trouble::Unreachable, 503, "the table is unavailable"),
        ] {
            for _ in 0..8 {
                vault.wire.next("BatchGetItem", trouble);
            }
            let answer = vault.read("a").await;
            assert!(answer.headers.contains_key("retry-after"));
            answer.refused(status, says);
            while vault.read("a").await.status != 200 {}
        }
    }

    #[tokio::test]
    async fn a_path_or_method_that_is_not_there_is_json_too() {
        let vault = Vault::start().await;
        vault
            .ask(Method::GET, "/v1/nothing", None)
            .await
            .refused(404, "no such route");
        vault
            .ask(Method::PATCH, "/v1/secrets/a", None)
            .await
            .refused(405, "does not take that method");
        vault
            .ask(Method::GET, "/v1/secrets/a%00b", None)
            .await
            .refused(400, "path: ");
    }
}
