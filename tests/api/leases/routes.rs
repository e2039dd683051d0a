//! Looking at leases and revoking them, by whoever may.

use http::Method;
use mayfly::{
    access::policy::Effect,
    clock::{Clock, unix_millis},
};
use mayfly_tests::{
    Answer,
    azure::{Kind, SCOPE},
    vault::{assume_role, dynamic, rule},
};
use serde_json::{Value, json};

use crate::scene::{GRAPH, Scene};

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

/// The lease of an answer.
fn lease_of(answer: &Answer) -> String {
    let id = answer.headers["mayfly-lease-id"].to_str().unwrap();
    id.to_owned()
}

/// Reads `kind` with `token`; its lease.
async fn issue_to(scene: &Scene, token: &str, kind: Kind) -> String {
    let target = format!("/v1/secrets/{}", kind.path());
    let answer = scene.vault.ask_as(token, Method::GET, &target, None).await;
    lease_of(&answer.expect(200))
}

async fn issue(scene: &Scene, kind: Kind) -> String {
    issue_to(scene, &scene.vault.token, kind).await
}

/// A role with a token that may read the dynamic secrets, and what else is given.
async fn reader(scene: &Scene, name: &str, more: &[(&str, &str)]) -> String {
    let subject = format!("roles:{name}");
    let mut rules = vec![rule(Effect::Allow, &subject, "secrets:azure:<.*>", "read")];
    let more = more
        .iter()
        .map(|(resource, action)| rule(Effect::Allow, &subject, resource, action));
    rules.extend(more);
    scene.vault.set_rules(rules).await;
    scene.vault.make_role(name).await
}

/// The ids that a look at the leases shows.
async fn listed_to(scene: &Scene, token: &str, query: &str) -> Vec<String> {
    let target = format!("/v1/leases?{query}");
    let answer = scene.vault.ask_as(token, Method::GET, &target, None).await;
    let body = answer.expect(200).json();
    let data = body["data"].as_array().unwrap();
    assert_eq!(body["length"], data.len());
    let ids = data
        .iter()
        .map(|lease| lease["id"].as_str().unwrap().to_owned());
    ids.collect()
}

async fn listed(scene: &Scene, query: &str) -> Vec<String> {
    listed_to(scene, &scene.vault.token, query).await
}

async fn revoke_as(scene: &Scene, token: &str, id: &str) -> Answer {
    let target = format!("/v1/leases/{id}/revoke");
    scene.vault.ask_as(token, Method::POST, &target, None).await
}

async fn revoke(scene: &Scene, id: &str) -> Answer {
    revoke_as(scene, &scene.vault.token, id).await
}

fn state(scene: &Scene, id: &str) -> String {
    let leases = scene.leases();
    let lease = leases.iter().find(|lease| lease["id"] == id).unwrap();
    lease["state"].as_str().unwrap().to_owned()
}

async fn task(scene: &Scene, id: &str) -> Value {
    let answer = scene.get(&format!("/v1/task/status/{id}")).await;
    answer.expect(200).json()
}

#[tokio::test]
async fn leases_are_found_by_secret_prefix_base_principal_and_state() {
    let scene = Scene::start().await;
    let one = issue(&scene, Kind::Existing).await;
    let alice = reader(&scene, "alice", &[]).await;
    let two = issue_to(&scene, &alice, Kind::Rbac).await;
    let three = issue_to(&scene, &alice, Kind::AppRole).await;
    revoke(&scene, &three).await.expect(200);
    for (query, ids) in [
        ("", vec![&one, &two, &three]),
        ("secret=azure:existing", vec![&one]),
        ("secret=azure/existing", vec![&one]),
        ("secret=azure", vec![]),
        ("prefix=azure", vec![&one, &two, &three]),
        ("prefix=azur", vec![]),
        ("prefix=azure:rbac", vec![&two]),
        ("base=azure:base", vec![&one, &two, &three]),
        ("base=azure:other", vec![]),
        ("principal=roles:alice", vec![&two, &three]),
        ("principal=roles:admin", vec![&one]),
        ("state=active", vec![&one, &two]),
        ("state=revoking&base=azure:base", vec![&three]),
        ("state=revoked&base=azure:base", vec![]),
        (
            "state=active&principal=roles:alice&prefix=azure",
            vec![&two],
        ),
    ] {
        let mut found = listed(&scene, query).await;
        found.sort();
        let mut ids: Vec<String> = ids.into_iter().cloned().collect();
        ids.sort();
        assert_eq!(found, ids, "{query}");
    }
    scene.settle().await;
    assert_eq!(listed(&scene, "state=active").await.len(), 0);
    let over = listed(&scene, "state=revoked&base=azure:base").await;
    assert_eq!(over.len(), 3, "what is over is still shown");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let scene = Scene::start().await;
    for (query, field) in [
        ("state=done", "state: must be intent, active"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("secret=a b//", "secret"),
        ("principal=alice", "principal"),
        ("cursor=nonsense", "cursor"),
        ("secret=a&secret=b", "secret"),
    ] {
        let target = format!("/v1/leases?{}", query.replace(' ', "%20"));
        scene.get(&target).await.refused(400, field);
    }
}

#[tokio::test]
async fn a_lease_is_shown_without_any_secret() {
    let scene = Scene::start().await;
    let data = scene.mint(Kind::Rbac).await;
    let body = scene.get("/v1/leases").await.expect(200);
    let secret = data["clientSecret"].as_str().unwrap();
    assert!(!body.text().contains(secret), "{}", body.text());
    let lease = body.json()["data"][0].clone();
    let role = data["roleId"].clone();
    for (name, value) in [
        ("state", json!("active")),
        ("secret", json!("azure:rbac")),
        ("base", json!("azure:base")),
        ("principal", json!("roles:admin")),
        ("created", json!("2026-01-01T00:00:00Z")),
        ("expiration", data["expiration"].clone()),
        ("appObjectId", data["appObjectId"].clone()),
        ("appId", data["clientId"].clone()),
        ("servicePrincipalId", data["servicePrincipleId"].clone()),
        ("task", data["roleAssignmentTaskId"].clone()),
        ("trouble", Value::Null),
        (
            "kind",
            json!({"kind": "rbac", "scope": SCOPE, "roleId": role, "roleName": "Reader"}),
        ),
    ] {
        assert_eq!(lease[name], value, "{name} of {lease}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_for_the_same_question_of_the_same_caller() {
    let scene = Scene::start().await;
    for _ in 0..5 {
        issue(&scene, Kind::Existing).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let mut first = String::new();
    for shown in [2, 2, 1] {
        let target = format!("/v1/leases?limit=2&secret=azure:existing&cursor={cursor}");
        let page = scene.get(&target).await.expect(200).json();
        assert_eq!(page["length"], shown, "{page}");
        assert_eq!(page["limit"], 2);
        for lease in page["data"].as_array().unwrap() {
            seen.push(lease["id"].as_str().unwrap().to_owned());
        }
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if first.is_empty() {
            first.clone_from(&cursor);
        }
    }
    assert_eq!(cursor, "", "nothing follows the last page");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);

    let other = format!("/v1/leases?limit=2&secret=azure:rbac&cursor={first}");
    scene.get(&other).await.refused(400, "cursor: is not one");
    let token = reader(&scene, "lister", &[("leases", "list")]).await;
    let same = format!("/v1/leases?limit=2&secret=azure:existing&cursor={first}");
    let answer = scene.vault.ask_as(&token, Method::GET, &same, None).await;
    answer.refused(400, "cursor: is not one");
}

#[tokio::test]
async fn who_may_not_list_sees_only_what_was_issued_to_it() {
    let scene = Scene::start().await;
    let other = issue(&scene, Kind::Existing).await;
    let alice = reader(&scene, "alice", &[]).await;
    let own = issue_to(&scene, &alice, Kind::Existing).await;
    for query in [
        "",
        "principal=roles:alice",
        "secret=azure:existing",
        "base=azure:base",
    ] {
        assert_eq!(
            listed_to(&scene, &alice, query).await,
            std::slice::from_ref(&own),
            "{query}"
        );
    }
    let target = "/v1/leases?principal=roles:admin";
    let answer = scene.vault.ask_as(&alice, Method::GET, target, None).await;
    answer.refused(403, "Invalid permissions");
    let lister = reader(&scene, "lister", &[("leases", "list")]).await;
    let mut all = listed_to(&scene, &lister, "").await;
    all.sort();
    let mut both = [own, other];
    both.sort();
    assert_eq!(all, both);
}

#[tokio::test]
async fn a_role_of_the_same_name_made_later_is_somebody_else() {
    let scene = Scene::start().await;
    let first = reader(&scene, "alice", &[]).await;
    let id = issue_to(&scene, &first, Kind::Existing).await;
    assert_eq!(
        listed_to(&scene, &first, "").await,
        std::slice::from_ref(&id)
    );
    let second = scene.vault.make_role("alice").await;
    for query in ["", "principal=roles:alice"] {
        assert_eq!(listed_to(&scene, &second, query).await.len(), 0, "{query}");
    }
    revoke_as(&scene, &second, &id).await.expect(403);
    assert_eq!(listed(&scene, "principal=roles:alice").await, [id]);
}

#[tokio::test]
async fn a_lease_of_a_newer_release_is_left_as_it_is() {
    let scene = Scene::start().await;
    let id = issue(&scene, Kind::Existing).await;
    let mut item = scene.vault.items_of("LEASE#").remove(0);
    item["format"] = json!({"N": "2"});
    item["unheardOf"] = json!({"S": "of great importance"});
    scene.vault.put_item(&item);
    let refused = revoke(&scene, &id).await;
    refused.refused(400, "a newer release of the vault wrote this lease");
    scene
        .vault
        .delete("azure/existing?revoke=true")
        .await
        .expect(200);
    scene.housekeep().await;
    assert_eq!(scene.vault.items_of("LEASE#"), [item]);
    assert_eq!(listed(&scene, "").await.len(), 0);
}

#[tokio::test]
async fn whoever_was_issued_a_lease_revokes_it_once_and_again() {
    let scene = Scene::start().await;
    let alice = reader(&scene, "alice", &[]).await;
    let target = "/v1/secrets/azure/existing";
    let answer = scene.vault.ask_as(&alice, Method::GET, target, None).await;
    let (id, data) = (lease_of(&answer), answer.json()["data"].clone());
    assert!(scene.sign_in(&data, GRAPH).await.is_ok());

    for _ in 0..2 {
        let revoked = revoke_as(&scene, &alice, &id).await.expect(200).json();
        assert_eq!(revoked["state"], "revoking");
        assert_eq!(revoked["id"], id);
    }
    scene.sweep().await;
    let refused = scene.sign_in(&data, GRAPH).await.unwrap_err();
    assert_eq!(refused, "AADSTS7000215");
    scene.ends_clean().await;
    let revoked = revoke_as(&scene, &alice, &id).await.expect(200).json();
    assert_eq!(revoked["state"], "revoked");
}

#[tokio::test]
async fn a_lease_of_others_takes_the_right_to_delete_it() {
    let scene = Scene::start().await;
    let id = issue(&scene, Kind::Existing).await;
    let may =
        |resource: &str, action: &str| vec![rule(Effect::Allow, "roles:bob", resource, action)];
    let bob = scene.vault.make_role("bob").await;
    for rules in [
        vec![],
        may("secrets:<.*>", "<.*>"),
        may("leases", "<.*>"),
        may("leases:azure:rbac", "delete"),
        may("leases:azure:existing", "<read|list|update|create|assign>"),
    ] {
        scene.vault.set_rules(rules).await;
        for id in [id.as_str(), NOBODY] {
            let refused = revoke_as(&scene, &bob, id).await;
            refused.refused(403, "Invalid permissions");
        }
    }
    assert_eq!(state(&scene, &id), "active");
    let rules = may("leases:azure:existing", "delete");
    scene.vault.set_rules(rules).await;
    revoke_as(&scene, &bob, &id).await.expect(200);
    assert_eq!(state(&scene, &id), "revoking");
    revoke(&scene, NOBODY).await.expect(404);
    revoke(&scene, "nonsense")
        .await
        .refused(400, "id: must be the UUID");
}

#[tokio::test]
async fn a_lease_that_is_stuck_is_tried_again_by_hand() {
    let scene = Scene::start().await;
    let azure = scene.vault.sandbox.azure();
    let id = issue(&scene, Kind::Rbac).await;
    scene.sweep().await;
    azure.lock_scope(SCOPE).unwrap();
    revoke(&scene, &id).await.expect(200);
    for _ in 0..2 {
        scene.sweep().await;
        scene.go_to_next();
    }
    scene.sweep().await;
    let stuck = listed(&scene, "state=stuck").await;
    assert_eq!(stuck, std::slice::from_ref(&id));
    let shown = scene.get("/v1/leases?state=stuck").await.json()["data"][0].clone();
    assert_eq!(
        shown["trouble"],
        json!({"class": "locked", "code": "ScopeLocked"})
    );

    azure.unlock_scope(SCOPE).unwrap();
    let revoked = revoke(&scene, &id).await.expect(200).json();
    assert_eq!(revoked["state"], "revoking");
    assert_eq!(scene.sweep().await.swept, 1);
    scene.ends_clean().await;
}

#[tokio::test]
async fn all_leases_of_a_prefix_a_base_or_a_principal_are_revoked_by_a_task() {
    for body in [
        json!({"prefix": "azure"}),
        json!({"prefix": "/azure/"}),
        json!({"base": "azure/base"}),
        json!({"principal": "roles:admin"}),
    ] {
        let scene = Scene::start().await;
        for kind in Kind::ALL {
            issue(&scene, kind).await;
        }
        let answer = scene.post("/v1/leases/revoke", body.clone()).await;
        let id = answer.expect(202).json()["taskId"]
            .as_str()
            .unwrap()
            .to_owned();
        let pending = task(&scene, &id).await;
        assert_eq!(pending["taskName"], "lease_revocation");
        assert_eq!(pending["state"], "PENDING");
        let swept = scene.housekeep().await;
        assert_eq!((swept.revocations, swept.errors), (3, 0), "{body}");
        let done = task(&scene, &id).await;
        assert_eq!(done["state"], "SUCCESS");
        assert_eq!(done["results"], json!([{"type": "int64", "value": 3}]));
        assert_eq!(listed(&scene, "state=active").await.len(), 0, "{body}");
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn others_are_not_revoked_with_them() {
    let scene = Scene::start().await;
    let attributes = scene.tenant.attributes(Kind::Existing);
    let body = dynamic("azure:base", attributes);
    for path in ["azure/existing/below", "azure/existing2"] {
        scene.vault.create(path, body.clone()).await.expect(201);
        scene.vault.read(path).await.expect(200);
    }
    issue(&scene, Kind::Existing).await;
    let body = json!({"prefix": "azure:existing"});
    scene.post("/v1/leases/revoke", body).await.expect(202);
    assert_eq!(scene.housekeep().await.revocations, 2);
    assert_eq!(
        listed(&scene, "state=active&secret=azure:existing2")
            .await
            .len(),
        1
    );
    assert_eq!(listed(&scene, "state=active").await.len(), 1);
}

#[tokio::test]
async fn a_wish_that_is_not_clear_revokes_nothing() {
    let scene = Scene::start().await;
    let id = issue(&scene, Kind::Existing).await;
    for (body, says) in [
        (
            json!({}),
            "body: must name one of prefix, base and principal",
        ),
        (
            json!({"prefix": "azure", "base": "azure:base"}),
            "body: must name one",
        ),
        (json!({"prefix": null}), "body: must name one"),
        (json!({"secret": "azure:existing"}), "body: must name one"),
        (json!({"prefix": 7}), "prefix: must be a string"),
        (json!({"prefix": ""}), "prefix"),
        (json!({"base": "::"}), "base"),
        (json!({"principal": "admin"}), "principal"),
        (json!([]), "body"),
    ] {
        let refused = scene.post("/v1/leases/revoke", body).await;
        refused.refused(400, says);
    }
    assert_eq!(scene.housekeep().await.revocations, 0);
    assert_eq!(state(&scene, &id), "active");
}

#[tokio::test]
async fn many_leases_of_others_take_the_right_to_delete_all_of_them() {
    let scene = Scene::start().await;
    let ask = async |token: &str, body: &Value| {
        let target = "/v1/leases/revoke";
        scene
            .vault
            .ask_as(token, Method::POST, target, Some(body))
            .await
    };
    let (prefix, one) = (
        json!({"prefix": "azure"}),
        json!({"prefix": "azure:existing"}),
    );
    let (base, admin) = (
        json!({"base": "azure:base"}),
        json!({"principal": "roles:admin"}),
    );
    let own = json!({"principal": "roles:bob"});
    let bob = scene.vault.make_role("bob").await;
    for (resource, allowed) in [
        (None, vec![&own]),
        (Some("leases:azure:<.*>"), vec![&one, &own]),
        (Some("leases:azure<.*>"), vec![&prefix, &one, &own]),
        // Of this very secret, and not of what is below it.
        (Some("leases:azure:existing"), vec![&own]),
        (Some("leases"), vec![&base, &admin, &own]),
        (Some("leases<.*>"), vec![&prefix, &one, &base, &admin, &own]),
    ] {
        let rule = resource.map(|resource| rule(Effect::Allow, "roles:bob", resource, "delete"));
        scene.vault.set_rules(rule.into_iter().collect()).await;
        for body in [&prefix, &one, &base, &admin, &own] {
            let status = if allowed.contains(&body) { 202 } else { 403 };
            let answer = ask(&bob, body).await;
            assert_eq!(answer.status, status, "{body} with {resource:?}");
        }
    }
}

#[tokio::test]
async fn deleting_a_dynamic_secret_leaves_its_leases_to_their_ttl() {
    for target in ["azure/existing", "azure/existing?force=true"] {
        let scene = Scene::start().await;
        let answer = scene.vault.read(Kind::Existing.path()).await.expect(200);
        let (id, data) = (lease_of(&answer), answer.json()["data"].clone());
        let deleted = scene.vault.delete(target).await;
        assert!(deleted.status < 300, "{}", deleted.text());
        scene.housekeep().await;
        assert_eq!(state(&scene, &id), "active");
        assert!(scene.sign_in(&data, GRAPH).await.is_ok());
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn deleting_a_dynamic_secret_revokes_its_leases_if_told_to() {
    for force in ["", "&force=true"] {
        let scene = Scene::start().await;
        let own = issue(&scene, Kind::Existing).await;
        let other = issue(&scene, Kind::Rbac).await;
        let wrong = scene.vault.delete("azure/existing?revoke=perhaps").await;
        wrong.refused(400, "revoke: must be true or false");
        let target = format!("azure/existing?revoke=true{force}");
        let deleted = scene.vault.delete(&target).await;
        assert!(deleted.status < 300, "{}", deleted.text());
        assert_eq!(scene.housekeep().await.revocations, 1);
        assert_eq!(state(&scene, &own), "revoking");
        assert_eq!(state(&scene, &other), "active");
        scene.ends_clean().await;
    }
}

#[tokio::test]
async fn a_second_thought_revokes_the_leases_of_what_was_deleted_before() {
    for again in [
        "azure/existing?revoke=true",
        "azure/existing?revoke=true&force=true",
    ] {
        let scene = Scene::start().await;
        let id = issue(&scene, Kind::Existing).await;
        scene.vault.delete("azure/existing").await.expect(200);
        let deleted = scene.vault.delete(again).await;
        assert!(deleted.status < 300, "{}", deleted.text());
        assert_eq!(scene.housekeep().await.revocations, 1, "{again}");
        assert_eq!(state(&scene, &id), "revoking");
    }
}

#[tokio::test]
async fn what_is_linked_no_more_can_be_deleted_with_its_leases() {
    let scene = Scene::start().await;
    let id = issue(&scene, Kind::Existing).await;
    let unlinked = json!({"attributes": {"linkConfig": null}});
    scene
        .vault
        .update("azure/existing", unlinked)
        .await
        .expect(200);
    scene
        .vault
        .delete("azure/existing?revoke=true")
        .await
        .expect(200);
    assert_eq!(scene.housekeep().await.revocations, 1);
    assert_eq!(state(&scene, &id), "revoking");
}

#[tokio::test]
async fn a_secret_in_a_home_has_no_leases_to_revoke() {
    let scene = Scene::start().await;
    let id = issue(&scene, Kind::Existing).await;
    let home = "/v1/home/roles:admin/azure/existing";
    scene.post(home, json!({"data": {}})).await.expect(201);
    let target = format!("{home}?revoke=true");
    let deleted = scene.vault.ask(Method::DELETE, &target, None).await;
    deleted.expect(200);
    scene.housekeep().await;
    assert_eq!(
        state(&scene, &id),
        "active",
        "it is of a secret of the vault"
    );
}

#[tokio::test]
async fn everything_about_leases_is_on_the_record() {
    let scene = Scene::start().await;
    scene.vault.wire.bad_weather(0); // waiting would move the clock
    let now = unix_millis(scene.vault.clock.now());
    let answer = scene.vault.read("azure/existing").await.expect(200);
    let id = lease_of(&answer);
    let nobody = scene.vault.make_role("nobody").await;
    scene.get("/v1/leases").await.expect(200);
    revoke_as(&scene, &nobody, &id).await.expect(403);
    revoke(&scene, &id).await.expect(200);
    let body = json!({"base": "azure:base"});
    let task = scene.post("/v1/leases/revoke", body).await.expect(202);
    let task = task.json()["taskId"].as_str().unwrap().to_owned();
    scene
        .get(&format!("/v1/task/status/{task}"))
        .await
        .expect(200);
    scene.get("/v1/task/status/task_none").await.expect(404);
    scene
        .vault
        .delete("azure/existing?revoke=true")
        .await
        .expect(200);

    let audit = scene.vault.audit();
    let has = |path: &str, status: i64, principal: &str| {
        audit.iter().any(|record| {
            record["path"] == path && record["status"] == status && record["principal"] == principal
        })
    };
    for (path, status, principal) in [
        ("secrets:azure:existing", 200, "roles:admin"),
        ("leases", 200, "roles:admin"),
        (&format!("leases:{id}:revoke"), 403, "roles:nobody"),
        (&format!("leases:{id}:revoke"), 200, "roles:admin"),
        ("leases:revoke", 202, "roles:admin"),
        (&format!("task:status:{task}"), 200, "roles:admin"),
        ("task:status:task_none", 404, "roles:admin"),
    ] {
        assert!(has(path, status, principal), "{path} {status}: {audit:#?}");
    }
    let issued = audit.iter().find(|record| record["message"] == "issuing");
    let lease = scene.leases().remove(0);
    assert_eq!(issued.unwrap()["issuance"], lease["issuance"]);
    assert_eq!(lease["created"], now);
}

#[tokio::test]
async fn only_an_answer_that_leaves_a_lease_names_one() {
    let scene = Scene::start().await;
    let vault = &scene.vault;
    for kind in Kind::ALL {
        let answer = vault.read(kind.path()).await.expect(200);
        assert!(state(&scene, &lease_of(&answer)) == "active");
    }
    vault
        .create("plain", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault.create_base("aws/base", json!({})).await;
    let made = vault.create_dynamic("aws/reader", "aws:base", assume_role());
    made.await.expect(201);
    let token = json!({"providerType": "token", "scopes": ["https://vault.azure.net/.default"]});
    vault
        .create("azure/token", dynamic("azure:base", token))
        .await
        .expect(201);
    let bad = json!({"roleName": "No such role", "scope": SCOPE});
    vault
        .create("azure/bad", dynamic("azure:base", bad))
        .await
        .expect(201);
    for (path, status) in [
        ("plain", 200),
        ("aws/reader", 200),
        ("azure/token", 200),
        ("azure/base", 200),
        ("azure/existing?edit=true", 200),
        ("azure/existing::description", 200),
        ("azure/existing/version/0", 200),
        ("azure/existing::check", 200),
        ("azure/bad", 400),
        ("azure/none", 404),
    ] {
        let answer = vault.read(path).await.expect(status);
        assert!(!answer.headers.contains_key("mayfly-lease-id"), "{path}");
    }
    assert_eq!(scene.leases().len(), 3);
}
