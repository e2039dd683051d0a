//! A token counts only while the client and the role it was issued to are still the same.

use http::Method;
use mayfly_tests::Vault;
use serde_json::{Value, json};

async fn status(vault: &Vault, token: &str) -> u16 {
    let answer = vault.ask_as(token, Method::GET, "/v1/secrets/x", None);
    answer.await.status
}

fn changed(item: &Value, more: &Value) -> Value {
    let mut item = item.clone();
    for (key, value) in more.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}

/// What happens to a client or a role in the table.
enum Fate {
    Removed,
    Changed(Value),
}

#[tokio::test]
async fn what_happens_to_client_or_role_counts_at_the_next_request() {
    let another = json!({"S": "another"});
    for (prefix, what, fate) in [
        ("CLIENT#", "removed", Fate::Removed),
        ("ROLE#", "removed", Fate::Removed),
        (
            "CLIENT#",
            "soft-deleted",
            Fate::Changed(json!({"deletedAt": {"N": "1"}})),
        ),
        (
            "ROLE#",
            "soft-deleted",
            Fate::Changed(json!({"deletedAt": {"N": "1"}})),
        ),
        (
            "CLIENT#",
            "given another role",
            Fate::Changed(json!({"roleId": {"S": "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21"}})),
        ),
        (
            "ROLE#",
            "made again",
            Fate::Changed(json!({"id": {"S": "6a2f41a3-c54c-4bb0-9a5c-3c0e8f9a4d21"}})),
        ),
        ("CLIENT#", "reset", Fate::Changed(json!({"stamp": another}))),
        ("ROLE#", "reset", Fate::Changed(json!({"stamp": another}))),
    ] {
        let vault = Vault::start().await;
        let other = vault.another();
        for process in [&vault, &other] {
            assert_eq!(status(process, &vault.token).await, 404);
        }
        let item = vault.items_of(prefix).remove(0);
        match fate {
            Fate::Removed => vault.delete_item(&item),
            Fate::Changed(more) => vault.put_item(&changed(&item, &more)),
        }
        for process in [&vault, &other] {
            assert_eq!(status(process, &vault.token).await, 401, "{prefix} {what}");
        }
        vault.put_item(&item);
        assert_eq!(
            status(&vault, &vault.token).await,
            404,
            "{prefix} as it was"
        );
    }
}

#[tokio::test]
async fn a_client_or_role_that_is_gone_cannot_sign_in() {
    let gone = json!({"deletedAt": {"N": "1"}});
    for prefix in ["CLIENT#", "ROLE#"] {
        let vault = Vault::start().await;
        let item = vault.items_of(prefix).remove(0);
        vault.put_item(&changed(&item, &gone));
        let sign_in = || vault.sign_in(&vault.client_id, &vault.client_secret);
        sign_in().await.refused(401, "unable to authenticate");
        vault.delete_item(&item);
        sign_in().await.refused(401, "unable to authenticate");
        vault.put_item(&item);
        sign_in().await.expect(200);
    }
}

#[tokio::test]
async fn a_client_that_moved_to_another_role_signs_in_as_that() {
    let vault = Vault::start().await;
    vault.make_role("other").await;
    let clients = vault.items_of("CLIENT#");
    let admins = clients.iter().find(|item| item["role"]["S"] == "admin");
    let other = vault.items_of("ROLE#other").remove(0);
    let moved = json!({"role": {"S": "other"}, "roleId": other["id"]});
    vault.put_item(&changed(admins.unwrap(), &moved));
    let answer = vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
    let token = answer.json()["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(
        status(&vault, &token).await,
        403,
        "the other role has no rule"
    );
    assert_eq!(status(&vault, &vault.token).await, 401);
}
