//! Starting the built function.

use std::process::Command;

#[test]
fn a_function_without_settings_does_not_start_and_names_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_lease-worker"))
        .env_clear()
        .env("MAYFLY_TABLE", "vault")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("MAYFLY_KMS_KEY is not set"), "{said}");
}
