//! The gateway's routes are the rows of the route table.

use std::collections::BTreeMap;

use mayfly::routes::ROUTES;

use crate::source::{entries, local, text};

#[test]
fn gateway_routes_are_the_route_table() {
    let given: BTreeMap<String, String> = entries(&local("routes.tf", "routes"))
        .into_iter()
        .map(|(key, function)| (key, text(&function).to_owned()))
        .collect();
    let mut wanted: BTreeMap<String, String> = ROUTES
        .iter()
        .map(|route| {
            let key = format!("{} {}", route.method, route.path);
            (key, route.function.name().to_owned())
        })
        .collect();
    // A gateway does not take `/v1/clients/` for `/v1/clients`, which published clients send; this function does, and
    // answers everything that has no route in the vault's own words.
    wanted.insert("$default".to_owned(), "access".to_owned());
    assert_eq!(given, wanted);
}
