//! Secrets and homes.

use serde_json::json;

use super::{ABSENT, Client, ID, says};

const MARKED: &str = "secret marked for deletion and will be removed in about 72 hours";
const SEARCH: &str = "&limit=&cursor=&search.field=&search.comparison=&search.type=&sort=";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn secrets_as_the_command_line_sends_them() {
    let client = Client::admin().await;
    let at = "/v1/secrets/us-east/server02";
    let made = json!({
        "id": ID, "path": "us-east:server02", "data": {"host": "h"}, "description": "d", "attributes": {},
        "version": "0", "createdBy": "roles:admin", "lastModifiedBy": "roles:admin",
    });
    let sent = r#"{"Data":{"host":"h"},"Description":"d","Attributes":{},"Overwrite":false}"#;
    let empty = r#"{"Data":{},"Description":"","Attributes":{},"Overwrite":false}"#;
    let edited = r#"{"Data":{"Host":"x"},"Description":"","Attributes":{},"Overwrite":true}"#;
    let found = json!({
        "cursor": "", "length": 1, "limit": 25, "total": 1,
        "data": [{"path": "us-east:server02", "data": ABSENT}],
    });
    client
        .drive(&[
            (&format!("POST {at}"), sent, 201, made.clone()),
            (
                &format!("POST {at}"),
                sent,
                400,
                says("error creating secret, secret at path already exists"),
            ),
            (&format!("GET {at}?edit=false"), "", 200, made.clone()),
            (
                "GET /v1/secrets/us-east:server02?edit=false&id=",
                "",
                200,
                made,
            ),
            (
                &format!("GET {at}::description?edit=false&id="),
                "",
                200,
                json!({"data": ABSENT, "description": "d"}),
            ),
            (
                "GET /v1/secrets/us-east:server02::description",
                "",
                200,
                json!({"data": ABSENT, "version": "0"}),
            ),
            (
                &format!("PUT {at}"),
                empty,
                200,
                json!({"data": {"host": "h"}, "description": "d", "version": "1"}),
            ),
            (
                &format!("PUT {at}"),
                edited,
                200,
                json!({"data": {"Host": "x"}, "description": "", "version": "2"}),
            ),
            (
                &format!("GET {at}/version/1?edit=false"),
                "",
                200,
                json!({"data": [{"version": "2"}, {"version": "1", "data": {"host": "h"}}]}),
            ),
            (
                &format!("PUT {at}/rollback/0"),
                "",
                200,
                json!({"version": "3", "data": {"host": "h"}}),
            ),
            (
                &format!("GET /v1/secrets?searchTerm=server{SEARCH}"),
                "",
                200,
                found,
            ),
            (
                &format!("GET /v1/secrets?searchTerm=none{SEARCH}"),
                "",
                200,
                json!({"data": [], "cursor": ""}),
            ),
            (
                "GET /v1/secrets/us::listpaths?limit=",
                "",
                200,
                json!({"data": ["us-east:server02"]}),
            ),
            (
                &format!("DELETE {at}?force=false&id="),
                "",
                200,
                json!({"message": MARKED}),
            ),
            (
                &format!("DELETE {at}?force=false"),
                "",
                200,
                json!({"message": MARKED}),
            ),
            (
                &format!("GET {at}?edit=false"),
                "",
                404,
                says("will be removed"),
            ),
            (&format!("PUT {at}/restore"), "", 200, json!(null)),
            (&format!("DELETE {at}?force=true"), "", 204, json!(null)),
            (
                &format!("GET {at}"),
                "",
                404,
                json!({"message": "unable to find item with specified identifier"}),
            ),
            (&format!("PUT {at}"), sent, 404, says("unable to find item")),
        ])
        .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn homes_as_the_command_line_sends_them() {
    let mut client = Client::admin().await;
    client.become_user("bob").await;
    let sent = r#"{"Data":{"a":1},"Description":"","Attributes":{},"Overwrite":false}"#;
    let made = json!({"path": "users:bob:db:mongo", "version": "0", "data": {"a": 1}});
    client
        .drive(&[
            ("POST /v1/home/users:bob//db/mongo", sent, 201, made.clone()),
            (
                "GET /v1/home/users:bob//db/mongo?edit=false",
                "",
                200,
                made.clone(),
            ),
            ("GET /v1/home/users:bob/db:mongo", "", 200, made),
            (
                "GET /v1/home/users:bob//db/mongo::description?edit=false",
                "",
                200,
                json!({"data": ABSENT}),
            ),
            (
                "PUT /v1/home/users:bob//db/mongo",
                sent,
                200,
                json!({"version": "1"}),
            ),
            (
                "GET /v1/home/users:bob//db/mongo/version/1",
                "",
                200,
                json!({"data": [{"version": "1"}, {"version": "0"}]}),
            ),
            (
                "PUT /v1/home/users:bob//db/mongo/rollback/0",
                "",
                200,
                json!({"version": "2"}),
            ),
            (
                "DELETE /v1/home/users:bob//db/mongo?force=false",
                "",
                200,
                json!({"message": MARKED}),
            ),
            (
                "PUT /v1/home/users:bob//db/mongo/restore",
                "",
                200,
                json!(null),
            ),
            (
                "DELETE /v1/home/users:bob//db/mongo?force=true",
                "",
                204,
                json!(null),
            ),
            (
                "GET /v1/home/users:alice//db/mongo",
                "",
                403,
                json!({"code": 403, "message": "Invalid permissions"}),
            ),
        ])
        .await;
}
