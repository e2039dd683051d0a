//! Roles, users, groups and clients.

use http::Method;
use serde_json::{Value, json};

use super::{ABSENT, Client, ID, NUMBER, TEXT, check, says};

const MISSING: &str = "unable to find item with specified identifier";

fn marked(word: &str) -> Value {
    json!({"message": format!("{word} marked for deletion and will be removed in about 72 hours")})
}

/// Deleting a thing and bringing it back, as clients of all ages do it.
async fn comes_and_goes(client: &Client, at: &str, word: &str) {
    let missing = json!({"code": 404, "message": MISSING});
    for (line, status, fields) in [
        (format!("DELETE {at}?force=false"), 200, marked(word)),
        (format!("DELETE {at}?force="), 200, marked(word)),
        (format!("GET {at}"), 404, marked(word)),
        (format!("PUT {at}/restore"), 200, json!(null)),
        (format!("DELETE {at}"), 200, marked(word)),
        (format!("GET {at}/restore"), 200, json!(null)),
        (format!("GET {at}"), 200, json!({"id": ID})),
        (format!("DELETE {at}?force=true"), 204, json!(null)),
        (format!("DELETE {at}?force=false"), 404, missing.clone()),
        (format!("GET {at}"), 404, missing),
    ] {
        client.ask(&(&line, "", status, fields)).await;
    }
}

#[tokio::test]
async fn roles_as_clients_send_them() {
    let client = Client::admin().await;
    let sent = r#"{"name":"app","description":"d","provider":"","externalId":""}"#;
    let made = json!({
        "id": ID, "name": "app", "description": "d", "provider": "", "externalId": "", "groups": null,
        "createdBy": "roles:admin", "version": "0",
    });
    let page =
        json!({"cursor": "", "length": 1, "limit": 25, "total": 1, "data": [{"name": "app"}]});
    client
        .drive(&[
            ("POST /v1/roles/", sent, 201, made.clone()),
            ("POST /v1/roles", sent, 400, says("already exists")),
            ("GET /v1/roles/app", "", 200, made),
            (
                "PUT /v1/roles/app",
                r#"{"description":"x"}"#,
                200,
                json!({"version": "1", "description": "x"}),
            ),
            (
                "GET /v1/roles/app/version/1",
                "",
                200,
                json!({"data": [{"version": "1"}, {"version": "0"}]}),
            ),
            (
                "GET /v1/roles?searchTerm=app&limit=&cursor=&sort=&sortedBy=",
                "",
                200,
                page,
            ),
            (
                "GET /v1/roles?searchTerm=none&limit=&cursor=&sort=",
                "",
                200,
                json!({"data": []}),
            ),
        ])
        .await;
    let foreign = r#"{"name":"aws","provider":"p","externalId":"x"}"#;
    client
        .ask(&("POST /v1/roles/", foreign, 400, says("provider")))
        .await;
    comes_and_goes(&client, "/v1/roles/app", "role").await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn users_as_clients_send_them() {
    let client = Client::admin().await;
    let password = r#""password":"correct horse battery""#;
    let sent = format!(
        r#"{{"userName":"bob",{password},"displayName":"Bob","provider":"","externalId":""}}"#
    );
    let foreign = r#"{"userName":"eve","externalId":"x","provider":""}"#;
    let unknown = r#"{"userName":"eve","externalId":"x","provider":"p"}"#;
    let made = json!({
        "id": ID, "userName": "bob", "displayName": "Bob", "provider": "", "externalId": "", "version": "0",
        "password": ABSENT,
    });
    let page =
        json!({"cursor": "", "length": 1, "limit": 25, "total": 1, "data": [{"userName": "bob"}]});
    client
        .drive(&[
            ("POST /v1/users/", &sent, 201, made.clone()),
            (
                "POST /v1/users/",
                &sent,
                400,
                says("a security principal with this name already exists"),
            ),
            (
                "POST /v1/users/",
                foreign,
                400,
                says("provider is required"),
            ),
            (
                "POST /v1/users/",
                unknown,
                400,
                says("unable to find authentication provider"),
            ),
            ("GET /v1/users/bob", "", 200, made),
            (
                "PUT /v1/users/bob",
                r#"{"displayname":"Robert"}"#,
                200,
                json!({"displayName": "Robert", "version": "1"}),
            ),
            (
                "GET /v1/users/bob/version/1",
                "",
                200,
                json!({"data": [{"version": "1"}, {"version": "0"}]}),
            ),
            (
                "GET /v1/users?searchTerm=bob&limit=&cursor=&sort=&sortedBy=",
                "",
                200,
                page,
            ),
            (
                "GET /v1/users?searchTerm=none",
                "",
                200,
                json!({"data": []}),
            ),
            (
                "GET /v1/users/bob/groups",
                "",
                200,
                json!({"name": "bob", "total": 0, "groups": []}),
            ),
        ])
        .await;
    comes_and_goes(&client, "/v1/users/bob", "user").await;
}

#[tokio::test]
async fn groups_as_clients_send_them() {
    let mut client = Client::admin().await;
    let admin = client.token.clone();
    client.become_user("bob").await;
    client.token = admin;
    let none = json!({"addedMemberNames": [], "errors": {}});
    let bob = json!({"addedMemberNames": ["bob"], "errors": {}});
    let members = r#"{"memberNames":["bob"]}"#;
    let empty = json!({"id": ID, "groupName": "ops", "members": null, "metaData": null, "total": 0, "version": TEXT});
    let page =
        json!({"cursor": "", "length": 1, "limit": 25, "total": 1, "data": [{"groupName": "ops"}]});
    let his = json!({"name": "bob", "total": 1, "groups": [{"groupName": "ops", "created": TEXT}]});
    client
        .drive(&[
            (
                "POST /v1/groups/",
                r#"{"groupName":"ops","members":null}"#,
                201,
                none,
            ),
            (
                "POST /v1/groups/",
                r#"{"groupName":"dev","members":["bob"]}"#,
                201,
                bob.clone(),
            ),
            ("GET /v1/groups/ops", "", 200, empty.clone()),
            ("POST /v1/groups/ops/members", members, 200, bob),
            (
                "GET /v1/groups/ops",
                "",
                200,
                json!({"members": ["bob"], "total": 1}),
            ),
            ("DELETE /v1/groups/dev/members", members, 204, json!(null)),
            ("GET /v1/users/bob/groups", "", 200, his),
            ("DELETE /v1/groups/ops/members", members, 204, json!(null)),
            ("GET /v1/groups/ops", "", 200, empty),
            (
                "POST /v1/users/bob/groups",
                r#"{"groupNames":["ops"]}"#,
                200,
                json!({"errors": {}}),
            ),
            (
                "GET /v1/groups?searchTerm=ops&limit=&cursor=&sort=",
                "",
                200,
                page,
            ),
        ])
        .await;
    comes_and_goes(&client, "/v1/groups/ops", "group").await;
}

#[tokio::test]
async fn clients_as_clients_send_them() {
    let client = Client::admin().await;
    let role = r#"{"name":"app","description":"","provider":"","externalId":""}"#;
    client.ask(&("POST /v1/roles/", role, 201, json!({}))).await;
    let sdk_go =
        r#"{"id":"","Created":"","CreatedBy":"","clientId":"","clientSecret":"","role":"app"}"#;
    let made = json!({
        "id": ID, "clientId": ID, "clientSecret": TEXT, "role": "app", "createdBy": "roles:admin",
        "usesLimit": 0, "TTL": 0, "url": false,
    });
    let answer = client.ask(&("POST /v1/clients/", sdk_go, 201, made)).await;
    let id = answer.json()["clientId"].as_str().unwrap().to_owned();
    let at = format!("/v1/clients/{id}");
    let shown = json!({"clientId": id, "role": "app", "clientSecret": ABSENT, "usedCount": NUMBER});
    let page = json!({"cursor": "", "length": 1, "limit": 25, "total": 1, "data": [{"clientSecret": ABSENT}]});
    client
        .drive(&[
            (
                "POST /v1/clients",
                r#"{"role":"none"}"#,
                400,
                json!({"code": 400, "message": TEXT}),
            ),
            ("POST /v1/clients/", r#"{"role":""}"#, 400, says("role")),
            (&format!("GET {at}"), "", 200, shown),
            (
                "GET /v1/clients?role=app&limit=&cursor=&sort=",
                "",
                200,
                page,
            ),
            ("GET /v1/clients?role=&limit=", "", 400, says("role")),
        ])
        .await;
    comes_and_goes(&client, &at, "client").await;
}

#[tokio::test]
async fn a_one_time_address_is_followed_with_plain_curl() {
    let client = Client::admin().await;
    client
        .ask(&("POST /v1/roles/", r#"{"name":"app"}"#, 201, json!({})))
        .await;
    let sent = r#"{"role":"app","url":true,"urlTTL":600,"ttl":60,"usesLimit":3,"description":"d"}"#;
    let made = json!({"clientSecret": ABSENT, "url": true, "urlPath": TEXT, "urlTTL": 600, "TTL": 60, "usesLimit": 3});
    let answer = client.ask(&("POST /v1/clients/", sent, 201, made)).await;
    let url = answer.json()["urlPath"].as_str().unwrap().to_owned();
    let target = url.strip_prefix(mayfly_tests::vault::ORIGIN).unwrap();
    let open = || client.vault.send(Method::GET, target, &[], Vec::new());
    let opened = open().await.expect(200);
    check(target, &opened);
    assert!(opened.json()["clientSecret"].is_string());
    let again = open().await;
    check(target, &again);
    assert_eq!(
        again.json(),
        json!({"code": 400, "message": "url has already used"})
    );
}
