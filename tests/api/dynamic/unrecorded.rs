//! A credential whose audit record is not safe does not leave.

use mayfly_tests::wire::Trouble;

use crate::{
    cloud::{mints, outcomes, vault_with_reader},
    errors::{PATH, refusing},
};

#[tokio::test]
async fn without_its_record_a_credential_does_not_leave() {
    let vault = vault_with_reader().await;
    vault.wire.next("PutItem", Trouble::AccessDenied);

    let answer = vault.read("aws/reader").await;

    assert_eq!(mints(&vault).len(), 1, "it was minted");
    assert!(!answer.text().contains("ASIA"), "{}", answer.text());
    assert!(answer.message().starts_with("internal error (request "));
    answer.refused(500, "internal error");
    assert_eq!(outcomes(&vault, PATH).last().unwrap().0, 500);
}

#[tokio::test]
async fn a_record_whose_fate_is_unknown_counts_as_lost() {
    let vault = vault_with_reader().await;
    for _ in 0..8 {
        vault.wire.next("PutItem", Trouble::LostAnswer);
    }
    let answer = vault.read("aws/reader").await;
    assert!(!answer.text().contains("ASIA"), "{}", answer.text());
    answer.expect(500);
}

#[tokio::test]
async fn when_cloud_and_record_both_fail_nothing_but_an_error_leaves() {
    let vault = vault_with_reader().await;
    vault
        .sandbox
        .faults()
        .always("AssumeRole", refusing("AccessDenied", "no"));
    for _ in 0..2 {
        vault.wire.next("PutItem", Trouble::AccessDenied);
    }
    vault
        .read("aws/reader")
        .await
        .refused(500, "internal error");
    assert_eq!(
        outcomes(&vault, PATH).len(),
        1,
        "no record could be written"
    );
}
