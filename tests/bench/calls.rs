//! Upstream calls and their depth of each warm operation, counted on the wire.

use mayfly_tests::{
    Vault,
    vault::{assume_role, base, dynamic},
};
use serde_json::json;

use crate::table::{print as print_table, row};

pub(crate) async fn print() -> anyhow::Result<()> {
    let vault = Vault::start().await;
    vault.create("base", base(json!({}))).await.expect(201);
    vault
        .create("reader", dynamic("base", assume_role()))
        .await
        .expect(201);
    vault
        .create("plain", json!({"data": {"a": 1}}))
        .await
        .expect(201);
    vault.read("reader").await.expect(200);
    vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);

    let mut rows = vec![row(["operation, warm", "calls", "depth", "which"])];
    let mut note = |name: &str| {
        let operations = vault.wire.operations();
        rows.push(vec![
            name.to_owned(),
            operations.len().to_string(),
            vault.wire.depth().to_string(),
            operations.join(", "),
        ]);
        vault.wire.clear();
    };
    vault.wire.clear();
    vault.read("plain").await.expect(200);
    note("static read");
    vault.read("reader").await.expect(200);
    note("dynamic AWS read");
    vault.read("gone").await.expect(404);
    note("read of nothing");
    vault
        .update("plain", json!({"data": {"b": 2}}))
        .await
        .expect(200);
    note("update");
    vault.create("other", json!({"data": {}})).await.expect(201);
    note("create");
    vault.delete("other").await.expect(200);
    note("soft delete");
    vault
        .sign_in(&vault.client_id, &vault.client_secret)
        .await
        .expect(200);
    note("token");
    print_table(
        "Upstream calls (BatchGetItem counts once, whatever it reads)",
        &rows,
    )?;
    Ok(())
}
