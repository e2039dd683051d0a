//! What a base holds is shown to whoever may read it, and to nobody else, whatever else they may do.

use http::Method;
use mayfly::access::policy::Effect;
use mayfly_tests::{
    Vault,
    vault::{ACCESS_KEY, SECRET_KEY, assume_role, base, dynamic, rule},
};
use serde_json::{Value, json};

const MARKS: [&str; 4] = [
    "MARK-in-the-base-one",
    "MARK-in-the-base-two",
    SECRET_KEY,
    ACCESS_KEY,
];
/// What somebody may do with the base who may not read it.
const RIGHTS: [&[&str]; 6] = [
    &[],
    &["assign"],
    &["list", "assign"],
    &["create", "list"],
    &["update", "delete"],
    &["create", "update", "delete", "list", "assign"],
];

/// A vault with a base of two versions, its id, and the token of a role that may do everything below `app`, may search,
/// and has `rights` on the base.
async fn delegated(rights: &[&str]) -> (Vault, String, String) {
    let vault = Vault::start().await;
    let mut body = base(json!({"allowedRoleArns": ["arn:aws:iam::123456789012:role/reader"]}));
    for (mark, method) in MARKS.iter().zip([Method::POST, Method::PUT]) {
        body["data"]["note"] = json!(mark);
        let made = vault.ask(method, "/v1/secrets/aws/base", Some(&body)).await;
        assert!(made.status < 300, "{}", made.text());
    }
    let id = vault.read("aws/base").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    vault
        .create_dynamic("app/reader", "aws:base", assume_role())
        .await
        .expect(201);
    let token = vault.make_role("app").await;
    let mut rules = vec![
        rule(Effect::Allow, "roles:app", "secrets:app:<.*>", "<.*>"),
        rule(Effect::Allow, "roles:app", "secrets", "list"),
    ];
    let allow = |right: &&str| rule(Effect::Allow, "roles:app", "secrets:aws:base", right);
    rules.extend(rights.iter().map(allow));
    vault.set_rules(rules).await;
    (vault, token, id)
}

/// Everything that can be asked about the base, or that might tell of it.
fn questions(id: &str) -> Vec<(Method, String, Value)> {
    let get = |rest: &str| (Method::GET, format!("/v1/secrets{rest}"), Value::Null);
    let put = |rest: &str, body: Value| (Method::PUT, format!("/v1/secrets/{rest}"), body);
    let linked = |attributes: Value| dynamic("aws:base", attributes);
    let mut all = vec![
        get("/aws/base"),
        get("/aws:base?edit=true"),
        get("/aws/base::description"),
        get("/aws/base/version/5"),
        get(&format!("/{id}")),
        get(&format!("/x?id={id}")),
        get("/aws::listpaths"),
        get("::listpaths"),
        get("/app/reader"),
        get("/app/reader?edit=true"),
        get("/app/reader::description"),
        get("/app/reader/version/5"),
        put("app/reader", json!({"description": "x"})),
        put("app/reader", linked(json!({"ttl": "soon"}))),
        put(
            "app/reader",
            linked(json!({"roleArn": "arn:aws:iam::123456789012:role/other"})),
        ),
        put("app/other", linked(assume_role())),
        (
            Method::POST,
            "/v1/secrets/app/new".to_owned(),
            linked(assume_role()),
        ),
        (
            Method::POST,
            "/v1/secrets/aws/base".to_owned(),
            base(json!({})),
        ),
        put("aws/base", json!({"description": "x"})),
        put("aws/base", json!({"data": {"region": "nowhere"}})),
        put("aws/base", json!({"data": {"accessKey": null}})),
        put("aws/base/rollback/0", Value::Null),
        (
            Method::DELETE,
            "/v1/secrets/aws/base".to_owned(),
            Value::Null,
        ),
        (
            Method::DELETE,
            "/v1/secrets/aws/base?force=true".to_owned(),
            Value::Null,
        ),
        put("aws/base/restore", Value::Null),
    ];
    all.extend(searches());
    all
}

/// Searches for the base, and for what it holds.
fn searches() -> Vec<(Method, String, Value)> {
    let get = |rest: &str| (Method::GET, format!("/v1/secrets{rest}"), Value::Null);
    let mut all = Vec::new();
    for query in [
        "searchTerm=aws",
        "searchTerm=aws:base&search.links=true",
        "searchTerm=",
        "searchTerm=MARK&search.field=data.note",
    ] {
        all.push(get(&format!("?{query}")));
    }
    for field in [
        "id",
        "description",
        "attributes.type",
        "attributes.note",
        "data",
    ] {
        all.push(get(&format!("?searchTerm=MARK&search.field={field}")));
    }
    all
}

#[tokio::test]
async fn nobody_sees_a_base_without_the_right_to_read_it() {
    for rights in RIGHTS {
        let (vault, token, id) = delegated(rights).await;
        for (method, target, body) in questions(&id) {
            let body = Some(body).filter(|body| !body.is_null());
            let answer = vault
                .ask_as(&token, method.clone(), &target, body.as_ref())
                .await;
            assert_ne!(answer.status, 500, "{rights:?} {method} {target}");
            let told = format!("{} {:?}", answer.text(), answer.headers);
            for mark in MARKS {
                assert!(!told.contains(mark), "{rights:?} {method} {target}: {told}");
            }
        }
        let records = format!("{:?}", vault.audit());
        assert!(
            MARKS.iter().all(|mark| !records.contains(mark)),
            "{rights:?}: {records}"
        );
    }
}

#[tokio::test]
async fn whoever_may_read_a_base_sees_what_changing_it_made() {
    let (vault, token, _) = delegated(&["read", "update"]).await;
    let change = json!({"description": "x"});
    let answer = vault
        .ask_as(&token, Method::PUT, "/v1/secrets/aws/base", Some(&change))
        .await;
    assert_eq!(answer.expect(200).json()["data"]["note"], MARKS[1]);
}
