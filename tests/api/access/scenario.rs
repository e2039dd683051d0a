//! One story from an admin's first day to a machine's last request, and what the audit holds of it.

use http::Method;
use mayfly_tests::{
    Answer, Vault,
    vault::{access_token, assume_role, base, dynamic},
};
use serde_json::{Value, json};

use crate::policies::{body, entry};

/// A vault and the admin's requests to it.
struct Story {
    vault: Vault,
    machine: String,
}

impl Story {
    async fn post(&self, target: &str, body: Value) -> Value {
        let answer = self.vault.ask(Method::POST, target, Some(&body)).await;
        answer.expect(201).json()
    }

    async fn policy(&self, path: &str, entries: &[Value]) {
        self.post("/v1/config/policies", body(path, entries)).await;
    }

    async fn as_machine(&self, method: Method, target: &str, body: Option<Value>) -> Answer {
        let (vault, token) = (&self.vault, &self.machine);
        vault.ask_as(token, method, target, body.as_ref()).await
    }

    async fn read(&self, path: &str) -> Answer {
        let target = format!("/v1/secrets/{path}");
        self.as_machine(Method::GET, &target, None).await
    }
}

async fn sign_in(vault: &Vault, client: &Value) -> String {
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let answer = vault
        .sign_in(&text("clientId"), &text("clientSecret"))
        .await;
    access_token(&answer.expect(200))
}

/// A base with bounds, a dynamic secret on it, a role with a client, a group, a user, and policies for them.
async fn first_day() -> (Story, Value) {
    let vault = Vault::start().await;
    let bounds = json!({"allowedRoleArns": [mayfly_tests::vault::ROLE], "maxTtl": 3600});
    vault.create("aws/base", base(bounds)).await.expect(201);
    vault
        .create("apps/reader", dynamic("aws:base", assume_role()))
        .await
        .expect(201);
    vault
        .create("apps/other", json!({"data": {"password": "hunter2"}}))
        .await
        .expect(201);
    let mut story = Story {
        vault,
        machine: String::new(),
    };
    story
        .post(
            "/v1/roles/",
            json!({"name": "machine", "description": "", "provider": "", "externalId": ""}),
        )
        .await;
    let client = story.post("/v1/clients/", json!({"role": "machine"})).await;
    story
        .post(
            "/v1/users/",
            json!({"userName": "bob", "password": "correct horse battery"}),
        )
        .await;
    story
        .post(
            "/v1/groups/",
            json!({"groupName": "readers", "members": ["bob", "roles:machine"]}),
        )
        .await;
    let reader = json!({"resources": ["secrets:apps:reader"]});
    story
        .policy("secrets:apps", &[entry("allow", "groups:readers", reader)])
        .await;
    story.machine = sign_in(&story.vault, &client).await;
    (story, client)
}

#[tokio::test]
async fn from_the_first_policy_to_the_last_request() {
    let (story, client) = first_day().await;
    let minted = story.read("apps/reader").await.expect(200).json();
    assert!(minted["data"]["sessionToken"].is_string());
    for path in ["apps/other", "aws/base", "apps/reader/x", "missing"] {
        story.read(path).await.refused(403, "Invalid permissions");
    }
    for (method, target) in [
        (Method::DELETE, "/v1/secrets/apps/reader"),
        (Method::PUT, "/v1/secrets/apps/reader"),
        (Method::GET, "/v1/secrets"),
        (Method::GET, "/v1/config"),
        (Method::GET, "/v1/roles/machine"),
        (Method::GET, "/v1/home/users:bob/x"),
    ] {
        let answer = story.as_machine(method, target, Some(json!({}))).await;
        answer.refused(403, "Invalid permissions");
    }

    // A deny by a second policy bites on the very next request, and lets go with it.
    let deny = json!({"resources": ["secrets:apps:reader"]});
    story
        .policy(
            "secrets:apps:reader",
            &[entry("deny", "roles:machine", deny)],
        )
        .await;
    story
        .read("apps/reader")
        .await
        .refused(403, "Invalid permissions");
    let target = "/v1/config/policies/secrets:apps:reader?force=true";
    story
        .vault
        .ask(Method::DELETE, target, None)
        .await
        .expect(204);
    story.read("apps/reader").await.expect(200);

    // The deleted client's token has not ended, and counts no more.
    let target = format!("/v1/clients/{}", client["clientId"].as_str().unwrap());
    story
        .vault
        .ask(Method::DELETE, &target, None)
        .await
        .expect(200);
    story
        .read("apps/reader")
        .await
        .refused(401, "unable to authenticate");
    assert_audited(&story.vault);
}

/// Who did what is there, in order, without a value.
fn assert_audited(vault: &Vault) {
    let records = vault.audit();
    let has = |principal: &str, action: &str, path: &str, status: u16| {
        records.iter().any(|record| {
            record["principal"] == principal
                && record["action"] == action
                && record["path"] == path
                && record["status"] == status
        })
    };
    for (principal, action, path, status) in [
        ("roles:admin", "POST", "roles", 201),
        ("roles:admin", "POST", "clients", 201),
        ("roles:admin", "POST", "users", 201),
        ("roles:admin", "POST", "groups", 201),
        ("roles:admin", "POST", "config:policies", 201),
        ("roles:machine", "POST", "token", 200),
        ("roles:machine", "GET", "secrets:apps:reader", 200),
        ("roles:machine", "GET", "secrets:aws:base", 403),
        ("roles:machine", "GET", "secrets:apps:reader", 403),
        (
            "roles:admin",
            "DELETE",
            "config:policies:secrets:apps:reader",
            204,
        ),
    ] {
        assert!(
            has(principal, action, path, status),
            "{principal} {action} {path} {status}"
        );
    }
    let minted = records
        .iter()
        .find(|record| record["message"] == "issuing")
        .unwrap();
    assert_eq!(minted["ipaddress"], "192.0.2.7");
    assert_eq!(minted["issuance"].as_str().unwrap().len(), 26);
    let all = serde_json::to_string(&records).unwrap();
    for value in ["hunter2", "correct horse", mayfly_tests::vault::SECRET_KEY] {
        assert!(!all.contains(value), "{value}");
    }
}

#[tokio::test]
async fn a_machine_with_assign_alone_links_within_the_bounds_only() {
    let (story, _) = first_day().await;
    let vault = &story.vault;
    vault.create("aws/open", base(json!({}))).await.expect(201);
    let assign = |base: &str| {
        let more = json!({"resources": [format!("secrets:aws:{base}")], "actions": ["assign"]});
        entry("allow", "roles:machine", more)
    };
    story
        .policy("secrets:aws", &[assign("base"), assign("open")])
        .await;
    let own = json!({"actions": ["<.*>"]});
    story
        .policy("secrets:team", &[entry("allow", "roles:machine", own)])
        .await;

    let link = async |name: &str, base: &str, attributes: Value| {
        let target = format!("/v1/secrets/team/{name}");
        story
            .as_machine(Method::POST, &target, Some(dynamic(base, attributes)))
            .await
    };
    link("within", "aws:base", assume_role()).await.expect(201);
    assert!(story.read("team/within").await.expect(200).json()["data"]["accessKey"].is_string());
    let longer =
        json!({"providerType": "assumeRole", "roleArn": mayfly_tests::vault::ROLE, "ttl": 7200});
    link("beyond", "aws:base", longer)
        .await
        .refused(400, "maxTtl");
    let another =
        json!({"providerType": "assumeRole", "roleArn": "arn:aws:iam::123456789012:role/other"});
    link("beyond", "aws:base", another)
        .await
        .refused(400, "roleArn");
    link("without", "aws:open", assume_role())
        .await
        .refused(400, "allowedRoleArns");
    link("unknown", "aws:missing", assume_role())
        .await
        .refused(403, "Invalid permissions");
    story
        .read("aws/base")
        .await
        .refused(403, "Invalid permissions");
    assert_eq!(vault.items_of("SECRET#team:beyond").len(), 0);
    let answers = story.read("team/within").await.text();
    assert!(!answers.contains(mayfly_tests::vault::SECRET_KEY));
}
