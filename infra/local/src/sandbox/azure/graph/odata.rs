//! Graph's query language, as far as its callers use it: keys in parentheses, `$filter`, `$select`, pages.

use serde_json::{Value, json};

use super::Key;
use crate::sandbox::azure::Scene;
use crate::sandbox::azure::answer::Answer;
use crate::sandbox::azure::refusal::Refusal;

/// The most items a page may be asked for.
const MOST: usize = 999;

/// Reads the first segment of a path: a collection, perhaps with a key in parentheses.
pub(super) fn segment(text: &str) -> Option<(&str, Option<Key>)> {
    let Some((collection, key)) = text.split_once('(') else {
        return Some((text, None));
    };
    let (name, value) = key.strip_suffix(')')?.split_once('=')?;
    let value = unquoted(value)?;
    let key = match name {
        "appId" => Key::AppId(value.to_lowercase()),
        "uniqueName" => Key::UniqueName(value),
        "id" => Key::Id(value.to_lowercase()),
        _ => return None,
    };
    Some((collection, Some(key)))
}

/// Keeps the items that the request's `$filter` names; only these properties can be filtered by.
///
/// Understood are `property eq 'value'` and `startswith(property,'value')`, joined by `and`.
pub(super) fn filter(
    scene: &Scene<'_>,
    items: &mut Vec<Value>,
    properties: &[&str],
) -> Result<(), Refusal> {
    let Some(filter) = scene.request.parameter("$filter") else {
        return Ok(());
    };
    for clause in filter.split(" and ") {
        let (property, value, prefix) = parse(clause.trim()).ok_or_else(unsupported)?;
        if !properties.contains(&property) {
            return Err(unsupported());
        }
        items.retain(|item| match item[property].as_str() {
            Some(text) if prefix => text.to_lowercase().starts_with(&value.to_lowercase()),
            // Entra compares without regard to case.
            Some(text) => text.to_lowercase() == value.to_lowercase(),
            None => false,
        });
    }
    Ok(())
}

/// Whether a segment narrows a list to one type: by its full name, or by the alias that Graph's metadata gives its namespace.
pub(super) fn is_cast(segment: &str, name: &str) -> bool {
    ["microsoft.graph.", "graph."]
        .iter()
        .any(|namespace| segment.strip_prefix(namespace) == Some(name))
}

/// One page of items, with a link to the next if there is one.
pub(super) fn page(scene: &Scene<'_>, mut items: Vec<Value>) -> Answer {
    let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
    let request = scene.request;
    items.sort_by_key(id);
    if let Some(after) = request.parameter("$skiptoken") {
        items.retain(|item| id(item).as_str() > after);
    }
    let size = request
        .parameter("$top")
        .and_then(|top| top.parse().ok())
        .unwrap_or(scene.settings.limits.page)
        .clamp(1, MOST);
    let more = items.len() > size;
    items.truncate(size);
    let mut body = json!({});
    if more && let Some(last) = items.last() {
        let mut query: Vec<(&str, String)> = request
            .query
            .iter()
            .filter(|(name, _)| name != "$skiptoken")
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        query.push(("$skiptoken", id(last)));
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        body["@odata.nextLink"] = json!(format!("{}{}?{query}", request.origin, request.path));
    }
    let items = items.into_iter().map(|item| select(scene, item)).collect();
    body["value"] = Value::Array(items);
    Answer::ok(body)
}

/// The properties of an object that the request selects, or all of them.
pub(super) fn select(scene: &Scene<'_>, mut item: Value) -> Value {
    if let (Some(names), Some(fields)) = (scene.request.parameter("$select"), item.as_object_mut())
    {
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        fields.retain(|field, _| names.contains(&field.as_str()) || field.starts_with('@'));
    }
    item
}

fn parse(clause: &str) -> Option<(&str, String, bool)> {
    if let Some(inside) = clause.strip_prefix("startswith(") {
        let (property, value) = inside.strip_suffix(')')?.split_once(',')?;
        return Some((property.trim(), unquoted(value.trim())?, true));
    }
    let (property, value) = clause.split_once(" eq ")?;
    Some((property.trim(), unquoted(value.trim())?, false))
}

/// The text between single quotes, in which a quote is written twice.
fn unquoted(text: &str) -> Option<String> {
    let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inside.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| plain.replace('\u{0}', "'"))
}

fn unsupported() -> Refusal {
    Refusal::new(
        axum::http::StatusCode::BAD_REQUEST,
        "Request_UnsupportedQuery",
        "Unsupported or invalid query filter clause specified.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Limits;
    use crate::sandbox::azure::fixture::World;

    #[test]
    fn keys_are_read_from_parentheses() {
        let name = |name: &str| Some(("applications", Some(Key::UniqueName(name.to_owned()))));
        assert_eq!(segment("applications(uniqueName='a')"), name("a"));
        assert_eq!(segment("applications(uniqueName='a''b')"), name("a'b"));
        assert_eq!(segment("applications"), Some(("applications", None)));
        assert_eq!(segment("applications(uniqueName='a'b')"), None);
        assert_eq!(segment("applications(other='a')"), None);
    }

    #[tokio::test]
    async fn lists_come_in_pages() {
        // Microsoft Learn, "Paging Microsoft Graph data in your app".
        let world = World::new();
        for number in 0..5 {
            world.make_app(&format!("app-{number}")).await;
        }
        world.azure.set_limits(Limits {
            page: 2,
            ..Limits::default()
        });
        let mut path = "/v1.0/applications?$select=id,displayName".to_owned();
        let mut names = Vec::new();
        let mut pages = 0;
        loop {
            let reply = world.graph("GET", &path, None).await;
            assert_eq!(reply.status, 200);
            let items = reply.json["value"].as_array().unwrap();
            assert!(items.len() <= 2);
            assert!(
                items
                    .iter()
                    .all(|item| item.as_object().unwrap().len() == 2)
            );
            names.extend(items.iter().map(|item| item["displayName"].to_string()));
            pages += 1;
            let Some(next) = reply.json["@odata.nextLink"].as_str() else {
                break;
            };
            assert!(next.starts_with("http://sandbox.test/v1.0/applications?"));
            path = next.replace("http://sandbox.test", "");
        }
        names.sort();
        names.dedup();
        assert_eq!((pages, names.len()), (3, 6), "five and the base");
        let top = world.graph("GET", "/v1.0/applications?$top=6", None).await;
        assert_eq!(top.json["value"].as_array().unwrap().len(), 6);
        assert!(top.json["@odata.nextLink"].is_null());
    }

    #[tokio::test]
    async fn filters_compare_and_others_are_refused() {
        // Microsoft Learn, "Use the $filter query parameter".
        let world = World::new();
        let app = world.make_app("one").await;
        world.make_app("two").await;
        let count = async |filter: &str| {
            let query = serde_urlencoded::to_string([("$filter", filter)]).unwrap();
            let path = format!("/v1.0/applications?{query}");
            let reply = world.graph("GET", &path, None).await;
            (
                reply.status,
                reply.json["value"].as_array().map_or(0, Vec::len),
            )
        };
        let by_app_id = format!("appId eq '{}'", app["appId"].as_str().unwrap());
        assert_eq!(count(&by_app_id).await, (200, 1));
        assert_eq!(count("displayName eq 'one'").await, (200, 1));
        assert_eq!(count("uniqueName eq 'two'").await, (200, 1));
        assert_eq!(
            count("displayName eq 'one' and uniqueName eq 'two'").await,
            (200, 0)
        );
        assert_eq!(count("startswith(displayName,'t')").await, (200, 1));
        assert_eq!(count("notes eq 'x'").await.0, 400);
        assert_eq!(count("displayName gt 'x'").await.0, 400);
    }
}
