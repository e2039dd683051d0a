//! The Terraform files, parsed.

use std::{collections::BTreeMap, path::PathBuf};

use hcl::{
    Body, Expression,
    expr::{Object, ObjectKey},
};

/// A file of `infra/aws`.
///
/// # Panics
/// If it is not there, or is not valid.
pub(crate) fn file(name: &str) -> Body {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/aws")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A local value, as it is written.
///
/// # Panics
/// If the file has none of this name.
pub(crate) fn local(file_name: &str, name: &str) -> Expression {
    let body = file(file_name);
    let mut all = body
        .blocks()
        .filter(|block| block.identifier() == "locals")
        .flat_map(|block| block.body().attributes());
    let found = all.find(|attribute| attribute.key() == name);
    found
        .unwrap_or_else(|| panic!("{file_name} has no local.{name}"))
        .expr()
        .clone()
}

/// The entries of an object that is written as a literal.
///
/// # Panics
/// If it is anything else: a call, a comprehension.
pub(crate) fn entries(expression: &Expression) -> BTreeMap<String, Expression> {
    let Expression::Object(object) = expression else {
        panic!("not a literal: {expression}");
    };
    entries_of(object)
}

fn entries_of(object: &Object<ObjectKey, Expression>) -> BTreeMap<String, Expression> {
    object
        .iter()
        .map(|(key, value)| {
            let key = match key {
                ObjectKey::Identifier(name) => name.to_string(),
                ObjectKey::Expression(Expression::String(text)) => text.clone(),
                other => panic!("not a plain key: {other:?}"),
            };
            (key, value.clone())
        })
        .collect()
}

/// A text that is written as a literal.
///
/// # Panics
/// If it is anything else.
pub(crate) fn text(expression: &Expression) -> &str {
    match expression {
        Expression::String(text) => text,
        other => panic!("not a plain text: {other}"),
    }
}
