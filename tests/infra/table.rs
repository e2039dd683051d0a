//! The table's definition is the schema's.

use hcl::Expression;
use mayfly::store::schema::{INDEXES, PROJECTED};

use crate::source::{local, text};

fn texts(name: &str) -> Vec<String> {
    let Expression::Array(all) = local("table.tf", name) else {
        panic!("local.{name} is no list");
    };
    all.iter().map(|one| text(one).to_owned()).collect()
}

#[test]
fn indexes_are_the_schemas() {
    assert_eq!(texts("indexes"), INDEXES.map(|index| index.name));
    for index in INDEXES {
        assert_eq!(index.pk, format!("{}Pk", index.name));
        assert_eq!(index.sk, format!("{}Sk", index.name));
    }
}

#[test]
fn indexes_show_what_the_schema_says() {
    assert_eq!(texts("projected"), PROJECTED);
}
