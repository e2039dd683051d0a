//! Whoever can write the table still cannot move, edit or mix what is sealed.

use mayfly_tests::{
    Vault,
    vault::{assume_role, plain},
};
use serde_json::{Value, json};

/// A vault with two secrets of two versions, a base, a dynamic secret, and what they hold.
async fn filled() -> Vault {
    let vault = Vault::start().await;
    for (path, word) in [("one", "first"), ("two", "second")] {
        let body = |version: &str| json!({"data": {"word": format!("{word}-{version}")}, "attributes": {"tag": "x"}});
        vault.create(path, body("old")).await.expect(201);
        vault.update(path, body("new")).await.expect(200);
    }
    vault.create_base("aws/base", json!({})).await;
    vault.create_base("aws/poor", json!({})).await;
    vault
        .create_dynamic("aws/reader", "aws:base", assume_role())
        .await
        .expect(201);
    vault
}

/// The item of `path` whose sort key begins with `sk`.
fn item(vault: &Vault, path: &str, sk: &str) -> Value {
    let mut items = vault.items_of(&format!("SECRET#{path}"));
    items.retain(|item| {
        item["pk"]["S"] == format!("SECRET#{path}")
            && item["sk"]["S"].as_str().unwrap().starts_with(sk)
    });
    assert_eq!(items.len(), 1, "{path} {sk}");
    items.remove(0)
}

fn changed(mut item: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}

type Tamper = fn(&Vault);

/// What an editor of the table does, and the read that must not believe it.
const TAMPERS: [(&str, Tamper, &str); 14] = [
    (
        "a secret is copied under another path",
        |vault| {
            let copy = json!({"pk": {"S": "SECRET#open"}});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &copy));
        },
        "open",
    ),
    (
        "a secret is copied and its path edited",
        |vault| {
            let copy = json!({"pk": {"S": "SECRET#open"}, "path": {"S": "open"}});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &copy));
        },
        "open",
    ),
    (
        "a secret is renamed in place",
        |vault| {
            let name = json!({"path": {"S": "two"}});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &name));
        },
        "one",
    ),
    (
        "sealed bytes are swapped between secrets",
        |vault| {
            let sealed = json!({"sealed": item(vault, "two", "HEAD")["sealed"]});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &sealed));
        },
        "one",
    ),
    (
        "sealed bytes come with the other's id",
        |vault| {
            let two = item(vault, "two", "HEAD");
            let sealed = json!({"sealed": two["sealed"], "id": two["id"]});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &sealed));
        },
        "one",
    ),
    (
        "attributes are edited",
        |vault| {
            let attributes = json!({"attributes": {"S": "{\"tag\":\"y\"}"}});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &attributes));
        },
        "one",
    ),
    (
        "attributes are taken away",
        |vault| {
            let mut head = item(vault, "one", "HEAD");
            head.as_object_mut().unwrap().remove("attributes");
            vault.put_item(&head);
        },
        "one",
    ),
    (
        "the version is edited",
        |vault| {
            let version = json!({"version": {"N": "7"}});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &version));
        },
        "one",
    ),
    (
        "an old version's bytes are put in the head",
        |vault| {
            let old = json!({"sealed": item(vault, "one", "V#")["sealed"]});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &old));
        },
        "one",
    ),
    (
        "another secret's version is put among the versions",
        |vault| {
            let place = item(vault, "one", "V#");
            let place = json!({"pk": place["pk"], "sk": place["sk"]});
            vault.put_item(&changed(item(vault, "two", "V#"), &place));
        },
        "one/version/1",
    ),
    (
        "a link is given to a secret that has none",
        |vault| {
            let link = json!({"link": item(vault, "aws:reader", "HEAD")["link"]});
            vault.put_item(&changed(item(vault, "one", "HEAD"), &link));
        },
        "one",
    ),
    (
        "a link is pointed at another base",
        |vault| {
            let mut head = item(vault, "aws:reader", "HEAD");
            head["link"]["M"]["base"] = json!({"S": "aws:poor"});
            head["link"]["M"]["baseId"] = item(vault, "aws:poor", "HEAD")["id"].clone();
            vault.put_item(&head);
        },
        "aws/reader",
    ),
    (
        "a link is given a better right",
        |vault| {
            let mut head = item(vault, "aws:reader", "HEAD");
            head["link"]["M"]["right"] = json!({"S": "assign"});
            vault.put_item(&head);
        },
        "aws/reader",
    ),
    (
        "the bounds of a base are edited",
        |vault| {
            let attributes = json!({"attributes": {"S": "{\"type\":\"aws\",\"maxTtl\":9}"}});
            vault.put_item(&changed(item(vault, "aws:base", "HEAD"), &attributes));
        },
        "aws/reader",
    ),
];

#[tokio::test]
async fn nothing_that_was_tampered_with_opens() {
    for (what, tamper, read) in TAMPERS {
        let vault = filled().await;
        vault.read(read).await;
        tamper(&vault);
        vault.wire.clear();
        for process in [&vault, &vault.another()] {
            let answer = process.read(read).await;
            assert_eq!(answer.status, 500, "{what}: {}", answer.text());
            assert!(
                answer.message().starts_with("internal error (request "),
                "{what}: {}",
                answer.text()
            );
            for word in ["first", "second", "ASIA"] {
                assert!(!answer.text().contains(word), "{what}: {}", answer.text());
            }
        }
        let operations = vault.wire.operations();
        assert!(!operations.contains(&"AssumeRole".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_not_written_on() {
    for (what, tamper, read) in TAMPERS {
        if read.contains("version") || what.contains("bounds") {
            continue;
        }
        let vault = filled().await;
        tamper(&vault);
        let change = json!({"description": "new"});
        let answer = vault.update(read, change).await;
        assert_eq!(answer.status, 500, "{what}: {}", answer.text());
        let described = vault.read(&format!("{read}::description")).await;
        assert_eq!(described.status, 500, "{what}: {}", described.text());
    }
}

#[tokio::test]
async fn rolling_back_to_another_secrets_version_does_not_open_it() {
    let vault = filled().await;
    let place = item(&vault, "one", "V#");
    let place = json!({"pk": place["pk"], "sk": place["sk"]});
    vault.put_item(&changed(item(&vault, "two", "V#"), &place));
    vault
        .put("one/rollback/0")
        .await
        .refused(500, "internal error");
    let payload = json!({"path": "one", "version": 0});
    let refused = vault.invoke(Some("roles:admin"), payload).await;
    assert!(matches!(refused, Err(mayfly::error::Error::Internal(_))));
    let answer = vault.read("one").await.expect(200).json();
    assert_eq!(answer["data"]["word"], "first-new");
}

#[tokio::test]
async fn a_signing_key_under_another_name_signs_nothing() {
    let vault = filled().await;
    let key = vault.items_of("SIGNKEY#").remove(0);
    let own = plain(&key)["pk"].as_str().unwrap().to_owned();
    let mut copy = vault.items_of("SECRET#one").remove(0);
    copy["pk"] = json!({ "S": own });
    copy["sk"] = json!({"S": "HEAD"});
    copy["created"] = key["created"].clone();
    vault.put_item(&copy);
    let other = vault.another();
    other
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .refused(500, "internal error");
    vault.put_item(&key);
    other
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_verifier_of_another_client_does_not_count() {
    let vault = filled().await;
    vault.make_role("other").await;
    let clients = vault.items_of("CLIENT#");
    let own = |item: &&Value| item["name"]["S"] == vault.client_id;
    let admin = clients.iter().find(own).unwrap();
    let other = clients.iter().find(|item| !own(item)).unwrap();
    vault.put_item(&changed(admin.clone(), &json!({"secret": other["secret"]})));
    vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .refused(401, "unable to authenticate");
}

#[tokio::test]
async fn a_wrapped_key_of_another_purpose_does_not_unwrap() {
    let vault = filled().await;
    vault.read("one").await.expect(200);
    let verifier = vault.items_of("KEYRING#verifier").remove(0);
    let secret = vault.items_of("KEYRING#secret").remove(0);
    vault.put_item(&changed(secret, &json!({"wrapped": verifier["wrapped"]})));
    vault
        .another()
        .read("one")
        .await
        .refused(500, "internal error");
    vault.read("one").await.expect(200);
}
