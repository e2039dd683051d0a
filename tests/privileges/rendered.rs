//! The policies as Terraform rendered them, if there are any: `MAYFLY_RENDERED_POLICIES` names a JSON file that maps each
//! function to its document, what `terraform output -json policies` prints.

use std::{collections::BTreeMap, path::PathBuf};

use mayfly_tests::{iam::Arns, privileges::Deployed};
use serde_json::Value;

use crate::{compared, record, report};

fn file() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "says which policies to test")]
    let file = std::env::var("MAYFLY_RENDERED_POLICIES");
    file.ok().map(PathBuf::from)
}

/// The documents in the file, each as text or as JSON.
fn rendered(file: PathBuf) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut documents: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    for document in documents.values_mut() {
        if let Value::String(text) = document {
            *document = serde_json::from_str(text).unwrap();
        }
    }
    documents
}

/// What stands where the templates have their placeholders.
fn arns(document: &Value) -> Arns {
    let statements = document["Statement"].as_array().unwrap();
    let resources: Vec<&str> = statements
        .iter()
        .flat_map(|statement| statement["Resource"].as_array().unwrap())
        .filter_map(Value::as_str)
        .collect();
    let first = |service: &str| {
        let mut of = resources.iter();
        let found =
            of.find(|arn| arn.split(':').nth(2) == Some(service) && !arn.contains("/index/"));
        (*found.unwrap()).to_owned()
    };
    Arns {
        table: first("dynamodb"),
        key: first("kms"),
    }
}

#[tokio::test]
async fn what_terraform_rendered_is_the_templates_and_nothing_else() {
    let Some(file) = file() else {
        return;
    };
    let (record, rendered) = (record().await, rendered(file));
    let names: Vec<&str> = rendered.keys().map(String::as_str).collect();
    assert_eq!(names, Deployed::ALL.map(Deployed::name));
    for function in Deployed::ALL {
        let document = &rendered[function.name()];
        let arns = arns(document);
        let expected: Value = serde_json::from_str(&arns.render(function.template())).unwrap();
        assert_eq!(*document, expected, "{}", function.name());
        let compared = compared(document, &arns, &record.of(function));
        assert!(compared.is_exact(), "{}", report(function, &compared));
    }
}
