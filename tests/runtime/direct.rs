//! Direct invocation, and who may take HTTP events.

use mayfly::{
    clock::{Clock, SystemClock},
    http::error::TYPES,
};
use mayfly_tests::{
    azure::{Kind, Tenant},
    deployment::Deployment,
    events::{Sent, Shape},
    runtime_api::Outcome,
    vault::{assume_role, base, dynamic},
};
use serde_json::{Value, json};

/// What operators read.
const PAGE: &str = include_str!("../../infra/aws/README.md");

/// A vault whose gateway invokes `live`, and whose alias `reports` acts as the admin.
async fn deployed() -> (Deployment, String) {
    let env = [(
        "MAYFLY_ALIASES",
        r#"{"reports":"roles:admin","nobody":"roles:gone"}"#,
    )];
    let vault = Deployment::start(&env).await.unwrap();
    let token = vault.first_token().await.unwrap();
    for (path, body) in [
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        create(&vault, &token, path, &body).await;
    }
    (vault, token)
}

async fn create(vault: &Deployment, token: &str, path: &str, body: &Value) {
    let sent = Sent::new("POST", format!("/v1/secrets/{path}"))
        .header("authorization", token)
        .json(body);
    let answer = vault.send(Shape::HttpApi, &sent).await.unwrap();
    answer.expect(201);
}

/// The JSON block of the page that has this in it.
fn documented(what: &str) -> Value {
    let mut blocks = PAGE.split("```json\n").skip(1);
    let block = blocks.find_map(|rest| {
        let block = rest.split("```").next()?;
        block.contains(what).then_some(block)
    });
    let block = block.unwrap_or_else(|| panic!("no block has {what}"));
    serde_json::from_str(block).unwrap()
}

/// The words under `ErrorEquals` in all of a state's `Retry` or `Catch`.
fn errors(handlers: &Value) -> Vec<&str> {
    let handlers = handlers.as_array().into_iter().flatten();
    let words = handlers.flat_map(|handler| handler["ErrorEquals"].as_array().unwrap());
    words.map(|word| word.as_str().unwrap()).collect()
}

fn failed(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed {
            error_type,
            message,
        } => (error_type, message),
        Outcome::Answer(answer) => panic!("answered {answer}"),
    }
}

#[tokio::test]
async fn a_mapped_alias_mints_as_its_principal() {
    let (vault, _) = deployed().await;
    let invoke = |payload: Value| vault.dynamic_read.invoke_as(Some("reports"), payload);
    let minted = invoke(json!({"path": "reader"}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert!(minted["data"]["sessionToken"].is_string());
    assert_eq!(minted.get("leaseId"), None, "it ends by itself");
    let stored = invoke(json!({"path": "reader", "version": 0}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert_eq!(stored["data"], json!({}));
}

#[tokio::test]
async fn a_failed_direct_invocation_says_what_kind_of_failure_it_was() {
    let (vault, _) = deployed().await;
    for (alias, payload, expected) in [
        (Some("other"), json!({"path": "reader"}), "Forbidden"),
        (None, json!({"path": "reader"}), "Forbidden"),
        (Some("nobody"), json!({"path": "reader"}), "Unauthenticated"),
        (Some("reports"), json!({"path": "gone"}), "NotFound"),
        (Some("reports"), json!({"path": "a b"}), "Invalid"),
        (Some("reports"), json!({"paht": "reader"}), "Invalid"),
        (Some("reports"), json!(7), "Invalid"),
    ] {
        let (kind, message) = failed(
            vault
                .dynamic_read
                .invoke_as(alias, payload.clone())
                .await
                .unwrap(),
        );
        assert_eq!(kind, expected, "{alias:?} {payload}: {message}");
        // What it says may name the secret and is for its caller alone: the runtime must not write it down.
        let logs = vault.dynamic_read.logs();
        assert!(!logs.contains("lambda_runtime"), "{logs}");
        assert!(!logs.contains("ERROR"), "{logs}");
    }
    let (kind, _) = failed(vault.crud.invoke(json!({"path": "reader"})).await.unwrap());
    assert_eq!(kind, "Invalid", "crud has no direct invocation");
}

#[tokio::test]
async fn what_is_minted_under_a_lease_names_it_and_can_be_given_up() {
    let (vault, token) = deployed().await;
    let tenant = Tenant::seed_in(&vault.sandbox, SystemClock.now());
    let mut attributes = tenant.attributes(Kind::Existing);
    attributes["maxLeases"] = json!(1);
    for (path, body) in [
        ("azure/base", tenant.base(&json!({}))),
        ("azure/existing", dynamic("azure:base", attributes)),
    ] {
        create(&vault, &token, path, &body).await;
    }
    let payload = json!({"path": "azure/existing"});
    let invoke = || {
        vault
            .dynamic_read
            .invoke_as(Some("reports"), payload.clone())
    };

    let minted = invoke().await.unwrap().answer().unwrap();
    assert!(minted["data"]["clientSecret"].is_string());
    let (kind, message) = failed(invoke().await.unwrap());
    assert_eq!(kind, "Throttled", "{message}");

    let lease = minted["leaseId"].as_str().unwrap();
    let revoke = Sent::new("POST", format!("/v1/leases/{lease}/revoke"))
        .header("authorization", &token)
        .json(&json!({}));
    let revoked = vault.send(Shape::HttpApi, &revoke).await.unwrap();
    assert_eq!(revoked.expect(200).json()["state"], "revoking");
}

#[tokio::test]
async fn what_the_cloud_refuses_is_told_from_what_the_vault_refuses() {
    let (vault, token) = deployed().await;
    let mut attributes = assume_role();
    attributes["roleArn"] = json!("arn:aws:iam::123456789012:role/of-nobody");
    create(&vault, &token, "refused", &dynamic("base", attributes)).await;
    let payload = json!({"path": "refused"});
    let outcome = vault.dynamic_read.invoke_as(Some("reports"), payload).await;
    let (kind, message) = failed(outcome.unwrap());
    assert_eq!(kind, "Provider", "{message}");
    assert!(message.contains("AccessDenied"), "{message}");
}

#[tokio::test]
async fn the_documented_state_machine_reads_what_its_role_may() {
    let (vault, token) = deployed().await;
    let machine = documented("\"StartAt\"");
    let state = &machine["States"][machine["StartAt"].as_str().unwrap()];
    assert_eq!(state["Resource"], "arn:aws:states:::lambda:invoke");
    let function = state["Parameters"]["FunctionName"].as_str().unwrap();
    let alias = function.rsplit(':').next().unwrap();
    let payload = &state["Parameters"]["Payload"];
    let path = payload["path"].as_str().unwrap();
    create(&vault, &token, path, &dynamic("base", assume_role())).await;

    let invoked = vault
        .dynamic_read
        .invoke_as(Some(alias), payload.clone())
        .await;
    let answer = invoked.unwrap().answer().unwrap();
    assert!(answer["data"]["sessionToken"].is_string());

    for word in [errors(&state["Retry"]), errors(&state["Catch"])].concat() {
        let of_the_services = word.starts_with("Lambda.") || word.starts_with("States.");
        assert!(TYPES.contains(&word) || of_the_services, "{word}");
    }
    let again = ["Conflict", "Throttled", "Unavailable"];
    let retried = errors(&state["Retry"]);
    let ours: Vec<_> = TYPES
        .into_iter()
        .filter(|word| retried.contains(word))
        .collect();
    assert_eq!(ours, again, "what may pass, and nothing else");
    for word in TYPES {
        assert!(PAGE.contains(&format!("| `{word}` |")), "{word}");
    }

    let allowed = documented("lambda:InvokeFunction");
    assert_eq!(allowed["Action"], "lambda:InvokeFunction");
    assert_eq!(allowed["Resource"], function, "the alias and nothing else");
}

#[tokio::test]
async fn http_events_are_taken_on_the_gateways_alias_only() {
    let (vault, token) = deployed().await;
    let event = Sent::new("GET", "/v1/secrets/reader")
        .header("authorization", &token)
        .event(Shape::HttpApi);
    let (kind, _) = failed(
        vault
            .dynamic_read
            .invoke_as(Some("reports"), event.clone())
            .await
            .unwrap(),
    );
    assert_eq!(kind, "Invalid");
    let answer = vault
        .dynamic_read
        .invoke(event)
        .await
        .unwrap()
        .answer()
        .unwrap();
    assert_eq!(answer["statusCode"], 200);
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_can_be_made_again_by_recovery() {
    let vault = Deployment::start(&[]).await.unwrap();
    let (kind, _) = failed(vault.token.invoke(json!({"recover": true})).await.unwrap());
    assert_eq!(kind, "Invalid");
    vault
        .token
        .invoke(json!({"bootstrap": {}}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    let (kind, message) = failed(vault.token.invoke(json!({"bootstrap": {}})).await.unwrap());
    assert_eq!(kind, "Invalid", "{message}");
    let recovered = vault
        .token
        .invoke(json!({"recover": true}))
        .await
        .unwrap()
        .answer()
        .unwrap();
    let grant = json!({
        "grant_type": "client_credentials",
        "client_id": recovered["clientId"],
        "client_secret": recovered["clientSecret"],
    });
    vault
        .send(Shape::HttpApi, &Sent::new("POST", "/v1/token").json(&grant))
        .await
        .unwrap()
        .expect(200);
}
