//! Policies and the config.

use serde_json::{Value, json};

use super::{Client, ID, Row, TEXT, says};

/// A policy as the command line sends it: the document as a string.
fn policy(path: &str, more: &Value) -> String {
    let mut entry = json!({
        "id": "", "description": "", "subjects": ["roles:app"], "effect": "allow", "actions": ["read"],
        "resources": null, "conditions": null,
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    let document = json!({ "permissionDocument": [entry] }).to_string();
    json!({"path": path, "policy": document, "serialization": "json"}).to_string()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn policies_as_the_command_line_sends_them() {
    let client = Client::admin().await;
    let sent = policy("secrets/servers/us-west", &json!({}));
    let changed = policy("", &json!({"actions": ["<read|update>"]}));
    let entry = json!({
        "id": TEXT, "description": "", "subjects": ["roles:app"], "effect": "allow", "actions": ["read"],
        "resources": ["secrets:servers:us-west:<.*>"], "conditions": {}, "meta": null,
    });
    let made = json!({
        "id": ID, "path": "secrets:servers:us-west", "version": "0", "permissionDocument": [entry],
        "createdBy": "roles:admin", "lastModifiedBy": "roles:admin",
    });
    let marked = says("policy marked for deletion and will be removed in about 72 hours");
    let page = json!({"cursor": "", "length": 1, "limit": 25, "data": [{"path": "secrets:servers:us-west"}]});
    let (slashes, colons) = (
        "/v1/config/policies/secrets/servers/us-west",
        "/v1/config/policies/secrets:servers:us-west",
    );
    client
        .drive(&[
            ("POST /v1/config/policies/", &sent, 201, made.clone()),
            (
                "POST /v1/config/policies",
                &sent,
                400,
                says("already exists"),
            ),
            (&format!("GET {colons}"), "", 200, made.clone()),
            (&format!("GET {slashes}"), "", 200, made.clone()),
            (
                "GET /v1/config/policies/secrets:servers/us-west/",
                "",
                200,
                made,
            ),
            (
                &format!("PUT {slashes}"),
                &changed,
                200,
                json!({"version": "1"}),
            ),
            (
                &format!("PUT {colons}"),
                &changed,
                200,
                json!({"version": "2"}),
            ),
            (
                &format!("GET {colons}/version/1"),
                "",
                200,
                json!({"data": [{"version": "2"}, {"version": "1"}]}),
            ),
            (
                &format!("GET {slashes}/version/2"),
                "",
                200,
                json!({"data": [{"version": "2"}, {"version": "1"}, {"version": "0"}]}),
            ),
            (
                &format!("PUT {colons}/rollback/0"),
                "",
                200,
                json!({"version": "3"}),
            ),
            (
                "GET /v1/config/policies?searchTerm=west&limit=&cursor=&sort=&sortedBy=",
                "",
                200,
                page,
            ),
            (
                "GET /v1/config/policies?searchTerm=none&limit=",
                "",
                200,
                json!({"data": [], "cursor": ""}),
            ),
            (
                &format!("DELETE {colons}?force=false"),
                "",
                200,
                marked.clone(),
            ),
            (&format!("GET {colons}"), "", 404, marked.clone()),
            (&format!("PUT {slashes}/restore"), "", 200, json!(null)),
            (&format!("DELETE {slashes}?force="), "", 200, marked),
            (&format!("GET {colons}/restore"), "", 200, json!(null)),
            (&format!("DELETE {colons}?force=true"), "", 204, json!(null)),
            (
                &format!("GET {colons}"),
                "",
                404,
                says("unable to find item"),
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_whole_policy_comes_back_from_an_editor() {
    let client = Client::admin().await;
    let sent = policy("secrets:a", &json!({}));
    let made = client
        .ask(&("POST /v1/config/policies/", &sent, 201, json!({})))
        .await;
    let yaml = "permissionDocument:\n- subjects: [roles:app]\n  actions: [read]\n";
    for (policy, serialization) in [
        (made.text(), "json"),
        (yaml.to_owned(), "yaml"),
        (yaml.to_owned(), "yml"),
    ] {
        let body = json!({"policy": policy, "serialization": serialization}).to_string();
        let row: Row<'_> = (
            "PUT /v1/config/policies/secrets/a",
            &body,
            200,
            json!({"path": "secrets:a"}),
        );
        client.ask(&row).await;
    }
}

#[tokio::test]
async fn the_config_as_clients_send_it() {
    let client = Client::admin().await;
    let shown = json!({"createdBy": "system", "permissionDocument": [{"effect": "allow"}, {"effect": "deny"}], "version": "0"});
    let read: Row<'_> = ("GET /v1/config", "", 200, shown);
    let config = client.ask(&read).await.text();
    let sent = json!({"Config": config, "Serialization": "json"}).to_string();
    let unversioned = {
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config.as_object_mut().unwrap().remove("version");
        json!({"config": config.to_string(), "serialization": "json"}).to_string()
    };
    client
        .drive(&[
            (
                "PUT /v1/config",
                &sent,
                200,
                json!({"version": "1", "permissionDocument": [{"id": TEXT}, {"id": TEXT}]}),
            ),
            ("PUT /v1/config", &sent, 409, says("version")),
            ("POST /v1/config", &sent, 409, says("version")),
            (
                "POST /v1/config",
                &unversioned,
                200,
                json!({"version": "2"}),
            ),
            (
                "POST /v1/config/",
                &unversioned,
                200,
                json!({"version": "3"}),
            ),
            (
                "GET /v1/config/version/1",
                "",
                200,
                json!({"data": [{"version": "3"}, {"version": "2"}]}),
            ),
        ])
        .await;
}
