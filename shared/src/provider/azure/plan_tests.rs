//! Every bound of a dynamic Azure secret, right and wrong.

use serde_json::{Value, json};
use time::Duration;

use super::*;
use crate::provider::azure::environment::Environment;

const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const APP: &str = "aaaaaaaa-0000-0000-0000-000000000002";
const OBJECT: &str = "aaaaaaaa-0000-0000-0000-000000000003";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const STORAGE: &str = "https://storage.azure.com/.default";

fn attributes(value: &Value) -> Attributes {
    Attributes::new(value.as_object().unwrap().clone())
}

fn plan_with(
    dynamic: &Value,
    bounds: &Value,
    right: LinkRight,
    now: OffsetDateTime,
) -> Result<Plan, String> {
    let data = json!({
        "tenantId": "contoso.onmicrosoft.com",
        "clientId": CLIENT,
        "clientSecret": "s",
        "subscriptionId": SUBSCRIPTION,
    });
    let base = Base {
        id: Uuid::nil(),
        version: 3,
        rev: 5,
        data: serde_json::from_str(&data.to_string()).unwrap(),
        attributes: attributes(bounds),
        modified: OffsetDateTime::UNIX_EPOCH,
    };
    Plan::new(&attributes(dynamic), &base, right, now).map_err(|error| error.to_string())
}

fn plan(dynamic: &Value, bounds: &Value, right: LinkRight) -> Result<Plan, String> {
    plan_with(dynamic, bounds, right, OffsetDateTime::UNIX_EPOCH)
}

fn read(dynamic: &Value) -> Result<Plan, String> {
    plan(dynamic, &json!({}), LinkRight::Read)
}

fn leased(dynamic: &Value) -> Leased {
    match read(dynamic).unwrap().kind {
        Kind::Leased(leased) => leased,
        Kind::Token { .. } => panic!("a token"),
    }
}

fn existing() -> Value {
    json!({"appId": APP, "appObjectId": OBJECT})
}

fn rbac() -> Value {
    json!({"roleName": "Reader", "scope": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/app")})
}

fn app_role() -> Value {
    json!({"msApiType": "msgraph", "resourceId": OBJECT, "appRoleId": APP})
}

fn token() -> Value {
    json!({"providerType": "token", "scopes": [STORAGE]})
}

fn with(mut value: Value, name: &str, one: Value) -> Value {
    value[name] = one;
    value
}

fn assert_refused(dynamic: &Value, bounds: &Value, right: LinkRight, field: &str) -> String {
    let text = plan(dynamic, bounds, right).unwrap_err();
    assert!(text.starts_with(&format!("{field}: ")), "{dynamic}: {text}");
    text
}

#[test]
fn the_kind_follows_from_the_attributes() {
    assert!(matches!(leased(&existing()).what, What::Existing { .. }));
    assert!(matches!(leased(&rbac()).what, What::Rbac { .. }));
    assert!(matches!(leased(&app_role()).what, What::AppRole { .. }));
    let plan = read(&token()).unwrap();
    assert!(matches!(plan.kind, Kind::Token { scope } if scope == STORAGE));
    assert_eq!(plan.base_version, 3);
    assert_eq!(plan.credential.environment, Environment::Public);
}

#[test]
fn other_kinds_are_refused_by_name() {
    for (dynamic, field) in [
        (json!({}), "attributes.scope"),
        (
            json!({"providerType": "assumeRole"}),
            "attributes.providerType",
        ),
        (json!({"providerType": 7}), "attributes.providerType"),
        (
            with(app_role(), "msApiType", json!("adgraph")),
            "attributes.msApiType",
        ),
        (json!({"appId": APP}), "attributes.appObjectId"),
        (json!({"appObjectId": APP}), "attributes.appId"),
        (json!({"scope": rbac()["scope"]}), "attributes.roleName"),
        (json!({"roleName": "Reader"}), "attributes.scope"),
        (
            json!({"msApiType": "msgraph", "resourceId": OBJECT}),
            "attributes.appRoleId",
        ),
        (
            json!({"msApiType": "msgraph", "appRoleId": APP}),
            "attributes.resourceId",
        ),
        (json!({"providerType": "token"}), "attributes.scopes"),
    ] {
        assert_refused(&dynamic, &json!({}), LinkRight::Read, field);
    }
}

#[test]
fn attributes_of_another_kind_are_refused() {
    for (dynamic, name, value) in [
        (existing(), "scope", rbac()["scope"].clone()),
        (existing(), "roleId", json!(READER)),
        (rbac(), "appRoleId", json!(APP)),
        (app_role(), "appId", json!(APP)),
        (app_role(), "roleName", json!("Reader")),
        (token(), "ttl", json!(900)),
        (token(), "readiness", json!("token")),
        (token(), "appId", json!(APP)),
        (rbac(), "scopes", json!([STORAGE])),
    ] {
        let field = format!("attributes.{name}");
        let dynamic = with(dynamic, name, value);
        assert_refused(&dynamic, &json!({}), LinkRight::Read, &field);
        // What is null is absent.
        read(&with(dynamic, name, json!(null))).unwrap();
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for (dynamic, name) in [
        (existing(), "appId"),
        (existing(), "appObjectId"),
        (app_role(), "resourceId"),
        (app_role(), "appRoleId"),
    ] {
        for bad in [json!(""), json!("x/../y"), json!(7), json!([])] {
            let field = format!("attributes.{name}");
            assert_refused(
                &with(dynamic.clone(), name, bad),
                &json!({}),
                LinkRight::Read,
                &field,
            );
        }
    }
}

#[test]
fn the_bases_own_application_is_refused_in_any_case() {
    let own = with(existing(), "appId", json!(CLIENT.to_uppercase()));
    let text = assert_refused(&own, &json!({}), LinkRight::Read, "attributes.appId");
    assert!(text.contains("base's own"));
}

#[test]
fn lifetimes_are_from_a_minute_to_thirty_days_and_never_over_the_bases() {
    assert_eq!(leased(&existing()).ttl.seconds(), 900);
    for good in [60, 360, 2_592_000] {
        assert_eq!(
            leased(&with(rbac(), "ttl", json!(good))).ttl.seconds(),
            good
        );
    }
    for bad in [
        json!(59),
        json!(2_592_001),
        json!("900"),
        json!(0),
        json!(1.5),
    ] {
        let dynamic = with(rbac(), "ttl", bad);
        assert_refused(&dynamic, &json!({}), LinkRight::Read, "attributes.ttl");
    }
    let bounds = json!({"maxTtl": 600});
    let text = assert_refused(&rbac(), &bounds, LinkRight::Read, "attributes.ttl");
    assert!(text.contains("600"));
}

#[test]
fn readiness_and_the_number_of_leases_are_checked() {
    assert!(!leased(&existing()).readiness);
    assert!(!leased(&with(existing(), "readiness", json!("none"))).readiness);
    assert!(leased(&with(existing(), "readiness", json!("token"))).readiness);
    assert_eq!(leased(&existing()).max_leases, 100);
    assert_eq!(
        leased(&with(existing(), "maxLeases", json!(10_000))).max_leases,
        10_000
    );
    for (name, bad) in [
        ("readiness", json!("probe")),
        ("readiness", json!(true)),
        ("maxLeases", json!(0)),
        ("maxLeases", json!(10_001)),
        ("maxLeases", json!("5")),
        ("maxLeases", json!(1.5)),
    ] {
        let field = format!("attributes.{name}");
        let dynamic = with(existing(), name, bad);
        assert_refused(&dynamic, &json!({}), LinkRight::Read, &field);
    }
}

#[test]
fn a_role_is_given_by_id_or_by_name_and_the_id_wins() {
    let What::Rbac { role, .. } = leased(&rbac()).what else {
        panic!("no role");
    };
    assert_eq!(role, RoleRef::Name("Reader".to_owned()));
    let What::Rbac { role, .. } = leased(&with(rbac(), "roleId", json!(READER))).what else {
        panic!("no role");
    };
    assert!(matches!(role, RoleRef::Id(id) if id.ends_with(READER)));
    let bad = with(rbac(), "roleId", json!("Reader"));
    assert_refused(&bad, &json!({}), LinkRight::Read, "attributes.roleId");
    let bad = with(rbac(), "roleName", json!("a\nb"));
    assert_refused(&bad, &json!({}), LinkRight::Read, "attributes.roleName");
}

#[test]
fn a_scope_lies_in_the_bases_subscription_or_in_the_list() {
    let other = "/subscriptions/99999999-2222-3333-4444-555555555555/resourceGroups/x";
    let dynamic = with(rbac(), "scope", json!(other));
    assert_refused(&dynamic, &json!({}), LinkRight::Read, "attributes.scope");
    let bounds = json!({"allowedScopes": ["/subscriptions/99999999-2222-3333-4444-555555555555"]});
    plan(&dynamic, &bounds, LinkRight::Read).unwrap();
    // With a list, the base's own subscription is no longer open by itself.
    assert_refused(&rbac(), &bounds, LinkRight::Read, "attributes.scope");
    let upper = json!({"allowedScopes": [rbac()["scope"].as_str().unwrap().to_uppercase().replace("SUBSCRIPTIONS", "subscriptions")]});
    plan(&rbac(), &upper, LinkRight::Read).unwrap();
    let beside = with(
        rbac(),
        "scope",
        json!(format!("{}2", rbac()["scope"].as_str().unwrap())),
    );
    assert_refused(&beside, &upper, LinkRight::Read, "attributes.scope");
}

#[test]
fn who_may_only_assign_needs_every_bound_listed() {
    let scopes = json!({"allowedScopes": [format!("/subscriptions/{SUBSCRIPTION}")]});
    for (dynamic, bounds, field) in [
        (existing(), json!({}), "attributes.appObjectId"),
        (rbac(), json!({}), "attributes.scope"),
        (rbac(), scopes.clone(), "attributes.roleName"),
        (
            with(rbac(), "roleId", json!(READER)),
            scopes,
            "attributes.roleId",
        ),
        (app_role(), json!({}), "attributes.appRoleId"),
        (token(), json!({}), "attributes.scopes"),
    ] {
        assert_refused(&dynamic, &bounds, LinkRight::Assign, field);
    }
    let bounds = json!({
        "allowedScopes": [format!("/subscriptions/{SUBSCRIPTION}")],
        "allowedRoleIds": [READER.to_uppercase()],
        "allowedAppObjectIds": [OBJECT.to_uppercase()],
        "allowedAppRoleIds": [APP],
        "allowedTokenScopes": [STORAGE],
    });
    let by_id = with(rbac(), "roleId", json!(READER));
    for dynamic in [existing(), rbac(), by_id, app_role(), token()] {
        plan(&dynamic, &bounds, LinkRight::Assign).unwrap();
    }
}

#[test]
fn lists_bind_whoever_could_read_too() {
    let bounds = json!({
        "allowedRoleIds": [READER],
        "allowedAppObjectIds": [APP],
        "allowedAppRoleIds": [],
        "allowedTokenScopes": ["https://vault.azure.net/.default"],
    });
    for (dynamic, field) in [
        (existing(), "attributes.appObjectId"),
        (with(rbac(), "roleId", json!(OWNER)), "attributes.roleId"),
        (app_role(), "attributes.appRoleId"),
        (token(), "attributes.scopes"),
    ] {
        assert_refused(&dynamic, &bounds, LinkRight::Read, field);
    }
    // What a name stands for is known only when it was looked up.
    let plan = plan(&rbac(), &bounds, LinkRight::Read).unwrap();
    let Kind::Leased(Leased {
        what: What::Rbac {
            allowed_role_ids, ..
        },
        ..
    }) = plan.kind
    else {
        panic!("no role");
    };
    assert_eq!(allowed_role_ids, Some(vec![READER.to_owned()]));
}

#[test]
fn bounds_of_a_wrong_type_are_named() {
    for (name, bad) in [
        ("maxTtl", json!("600")),
        ("allowedScopes", json!("/subscriptions/x")),
        ("allowedScopes", json!(["/"])),
        ("allowedRoleIds", json!(["Reader"])),
        ("allowedAppObjectIds", json!([7])),
        ("allowedAppRoleIds", json!({})),
        ("allowedTokenScopes", json!(["https://storage.azure.com"])),
        ("clientSecretExpires", json!("tomorrow")),
        ("clientSecretExpires", json!(1)),
    ] {
        let field = format!("attributes.{name}");
        assert_refused(&existing(), &json!({name: bad}), LinkRight::Read, &field);
    }
}

#[test]
fn an_expired_base_says_so_with_the_date() {
    let bounds = json!({"clientSecretExpires": "1970-01-02T00:00:00Z"});
    plan(&existing(), &bounds, LinkRight::Read).unwrap();
    let later = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
    let text = plan_with(&existing(), &bounds, LinkRight::Read, later).unwrap_err();
    assert!(
        text.starts_with("attributes.clientSecretExpires: "),
        "{text}"
    );
    assert!(text.contains("1970-01-02T00:00:00Z"), "{text}");
}
