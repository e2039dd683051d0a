//! `GET /v1/secrets/{path}::description`

use mayfly_tests::Vault;
use serde_json::json;

#[tokio::test]
async fn a_description_is_the_secret_without_its_data() {
    let vault = Vault::start().await;
    let sent = json!({"data": {"n": 1}, "attributes": {"tag": "x"}, "description": "d"});
    let mut expected = vault.create("a/b", sent).await.expect(201).json();
    let id = expected["id"].as_str().unwrap().to_owned();
    expected.as_object_mut().unwrap().remove("data");

    for path in [
        "a/b::description".to_owned(),
        "a:b::description".to_owned(),
        "/a//b::description/".to_owned(),
        "a%2Fb%3A%3Adescription".to_owned(),
        "a/b::description?edit=false&id=".to_owned(),
        format!("{id}::description"),
        format!("x::description?id={id}"),
    ] {
        assert_eq!(
            vault.read(&path).await.expect(200).json(),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_description_moves_with_its_secret() {
    let vault = Vault::start().await;
    vault
        .create("a", json!({"data": {"n": 1}}))
        .await
        .expect(201);
    vault
        .update("a", json!({"data": {"n": 2}, "description": "new"}))
        .await
        .expect(200);

    let answer = vault.read("a::description").await.expect(200).json();

    assert_eq!(answer["version"], "1");
    assert_eq!(answer["description"], "new");
}

#[tokio::test]
async fn describing_what_is_not_there_is_a_404() {
    let vault = Vault::start().await;

    vault
        .read("a::description")
        .await
        .refused(404, "unable to find item with specified identifier");
}

#[tokio::test]
async fn a_name_may_end_in_description() {
    let vault = Vault::start().await;
    vault
        .create("a/description", json!({"data": {"n": 1}}))
        .await
        .expect(201);

    assert_eq!(
        vault.read("a/description").await.expect(200).json()["data"]["n"],
        1
    );
    let described = vault
        .read("a/description::description")
        .await
        .expect(200)
        .json();
    assert_eq!(described["path"], "a:description");
    assert!(described.get("data").is_none());
}
