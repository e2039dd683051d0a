//! What ids and scopes look like: whatever becomes part of a request's path is checked by shape first.

use crate::error::Error;

/// The longest scope.
const MAX_SCOPE: usize = 1024;
/// Where role definitions live under a scope.
const ROLE_DEFINITIONS: &str = "/providers/microsoft.authorization/roledefinitions/";

/// A GUID with hyphens, in lower case: so two spellings of one are equal.
pub(super) fn guid(field: &str, text: &str) -> Result<String, Error> {
    as_guid(text).ok_or_else(|| {
        Error::invalid(
            field,
            "must be a GUID, such as 00000000-0000-0000-0000-000000000000",
        )
    })
}

fn as_guid(text: &str) -> Option<String> {
    let hyphenated = text.len() == 36;
    let id = uuid::Uuid::try_parse(text).ok().filter(|_| hyphenated)?;
    Some(id.hyphenated().to_string())
}

/// A tenant: its id or one of its domains. `common` and its kin are none: a client signs in to one tenant.
pub(super) fn tenant(field: &str, text: &str) -> Result<String, Error> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_domain = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    as_guid(text)
        .or_else(|| is_domain.then(|| text.to_ascii_lowercase()))
        .ok_or_else(|| Error::invalid(field, "must be a tenant's GUID or one of its domains"))
}

/// A scope of role assignments: a subscription, a management group, or anything below one.
pub(super) fn scope(field: &str, text: &str) -> Result<String, Error> {
    if is_scope(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid(
            field,
            "must be /subscriptions/{id}, a path below it such as /subscriptions/{id}/resourceGroups/{name}, or \
             /providers/Microsoft.Management/managementGroups/{name}",
        ))
    }
}

fn is_scope(text: &str) -> bool {
    let Some(path) = text.strip_prefix('/') else {
        return false;
    };
    let segments: Vec<&str> = path.split('/').collect();
    let good = text.len() <= MAX_SCOPE && segments.iter().all(|segment| is_segment(segment));
    match segments.as_slice() {
        [kind, id, ..] if kind.eq_ignore_ascii_case("subscriptions") => {
            good && as_guid(id).is_some() && segments.len().is_multiple_of(2)
        }
        [providers, space, kind, _] => {
            good && providers.eq_ignore_ascii_case("providers")
                && space.eq_ignore_ascii_case("Microsoft.Management")
                && kind.eq_ignore_ascii_case("managementGroups")
        }
        _ => false,
    }
}

/// What a resource may be called, widely; never something that means more than a name in a path.
fn is_segment(segment: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-._()$@!~,=".contains(c);
    !segment.is_empty() && segment.chars().all(allowed) && !segment.chars().all(|c| c == '.')
}

/// Whether `inner` is `outer` or below it.
pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    let (inner, outer) = (inner.to_lowercase(), outer.to_lowercase());
    inner
        .strip_prefix(&outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The full id of a role definition: as it is, or made of a GUID alone within `subscription`.
pub(super) fn role_id(field: &str, text: &str, subscription: &str) -> Result<String, Error> {
    if let Some(id) = as_guid(text) {
        return Ok(format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id}"
        ));
    }
    let shape = || {
        Error::invalid(
            field,
            "must be a role definition's GUID or its id, \
             /subscriptions/{id}/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        )
    };
    let lower = text.to_ascii_lowercase();
    let (place, id) = lower.split_once(ROLE_DEFINITIONS).ok_or_else(shape)?;
    if as_guid(id).is_some() && (place.is_empty() || is_scope(place)) {
        Ok(text.to_owned())
    } else {
        Err(shape())
    }
}

/// The GUID in a role definition's id, in lower case: the same role has different ids at different scopes.
pub fn role_guid(role_id: &str) -> Option<String> {
    as_guid(role_id.rsplit('/').next()?)
}

/// The scope of a token: a resource and `/.default`, nothing else.
pub(super) fn token_scope(field: &str, text: &str) -> Result<String, Error> {
    let good = text.len() <= 512
        && text
            .strip_suffix("/.default")
            .is_some_and(|resource| !resource.is_empty())
        && text.bytes().all(|b| b.is_ascii_graphic());
    if good {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid(
            field,
            "must be a resource and /.default, such as https://storage.azure.com/.default",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn ids_are_guids_and_tenants_guids_or_domains() {
        let upper = "AAAAAAAA-2222-3333-4444-555555555555";
        assert_eq!(guid("f", upper).unwrap(), upper.to_lowercase());
        for bad in [
            "",
            "x",
            "aaaaaaaa222233334444555555555555",
            "{aaaaaaaa-2222-3333-4444-555555555555}",
            "aaaaaaaa-2222-3333-4444-55555555555/",
        ] {
            assert!(guid("f", bad).is_err(), "{bad}");
        }
        for good in [upper, "contoso.onmicrosoft.com", "Contoso.com"] {
            assert_eq!(tenant("f", good).unwrap(), good.to_lowercase());
        }
        for bad in ["", "common", ".", "a..b", "a.b/..", "a.b?x", "ä.example"] {
            assert!(tenant("f", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_cannot_leave_their_path() {
        let base = format!("/subscriptions/{SUBSCRIPTION}");
        for good in [
            base.clone(),
            format!("{base}/resourceGroups/my.group-1_(x)"),
            format!("{base}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"),
            "/providers/Microsoft.Management/managementGroups/root-1".to_owned(),
        ] {
            scope("f", &good).unwrap();
        }
        for bad in [
            "",
            "/",
            "subscriptions/x",
            "/subscriptions/x",
            &format!("{base}/"),
            &format!("{base}/resourceGroups"),
            &format!("{base}/resourceGroups/.."),
            &format!("{base}/resourceGroups/../x"),
            &format!("{base}/resourceGroups/a?b"),
            &format!("{base}/resourceGroups/a%2f"),
            &format!("{base}/resourceGroups//"),
            &format!("{base}/resourceGroups/a b"),
            "/providers/Microsoft.Management/managementGroups/..",
            "/providers/Microsoft.Evil/x/y",
            "https://management.azure.com/subscriptions",
        ] {
            assert!(scope("f", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_is_within_itself_and_its_parents_in_any_case() {
        let base = format!("/subscriptions/{SUBSCRIPTION}");
        let group = format!("{base}/resourceGroups/App");
        assert!(is_within(&group, &base));
        assert!(is_within(&group.to_lowercase(), &group));
        assert!(!is_within(&base, &group));
        assert!(!is_within(&format!("{group}2"), &group));
    }

    #[test]
    fn role_ids_are_compared_by_their_guid() {
        let id = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
        let full = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{}",
            id.to_uppercase()
        );
        assert_eq!(role_id("f", &full, SUBSCRIPTION).unwrap(), full);
        let built_in = format!("/providers/Microsoft.Authorization/roleDefinitions/{id}");
        assert_eq!(role_id("f", &built_in, SUBSCRIPTION).unwrap(), built_in);
        let alone = role_id("f", id, SUBSCRIPTION).unwrap();
        assert!(alone.starts_with("/subscriptions/") && alone.ends_with(id));
        for one in [full, built_in, alone] {
            assert_eq!(role_guid(&one).as_deref(), Some(id));
        }
        for bad in [
            "Reader",
            "/providers/Microsoft.Authorization/roleDefinitions/x",
            &format!("/../providers/Microsoft.Authorization/roleDefinitions/{id}"),
            &format!("/x?y/providers/Microsoft.Authorization/roleDefinitions/{id}"),
        ] {
            assert!(role_id("f", bad, SUBSCRIPTION).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_scope_is_one_resource() {
        for good in [
            "https://storage.azure.com/.default",
            "api://x/.default",
            "11111111-2222-3333-4444-555555555555/.default",
        ] {
            token_scope("f", good).unwrap();
        }
        for bad in [
            "",
            "/.default",
            "https://x",
            "a/.default b/.default",
            "ä/.default",
        ] {
            assert!(token_scope("f", bad).is_err(), "{bad}");
        }
    }
}
