//! What Microsoft puts into every tenant: Graph's application permissions and the built-in roles, under their real ids.

use super::state::{AppRole, RoleDefinition};

/// Graph's application permissions that matter here, by name. Ids from Microsoft Learn, "Microsoft Graph permissions reference".
pub const GRAPH_PERMISSIONS: [(&str, &str); 6] = [
    (
        "Application.ReadWrite.OwnedBy",
        "18a4783c-866b-4cc7-a460-3d5e5662c884",
    ),
    (
        "Application.ReadWrite.All",
        "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    ),
    (
        "Application.Read.All",
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    ),
    (
        "AppRoleAssignment.ReadWrite.All",
        "06b708a9-e830-4db3-a914-8e69da51d44f",
    ),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
];

/// The GUIDs of the built-in roles, by name. From Microsoft Learn, "Azure built-in roles".
pub const ROLES: [(&str, &str); 6] = [
    ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
    ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    (
        "User Access Administrator",
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    ),
    (
        "Role Based Access Control Administrator",
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    ),
    (
        "Storage Blob Data Reader",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    ),
];

pub(super) fn app_roles() -> Vec<AppRole> {
    GRAPH_PERMISSIONS
        .iter()
        .map(|(value, id)| AppRole {
            id: (*id).to_owned(),
            value: (*value).to_owned(),
        })
        .collect()
}

pub(super) fn role_definitions() -> Vec<RoleDefinition> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ROLES
        .iter()
        .map(|(name, guid)| {
            let (actions, not_actions, data_actions) = permissions(name);
            RoleDefinition {
                guid: (*guid).to_owned(),
                name: (*name).to_owned(),
                tenant: None,
                assignable_scope: "/".to_owned(),
                actions: texts(actions),
                not_actions: texts(not_actions),
                data_actions: texts(data_actions),
            }
        })
        .collect()
}

type Actions = &'static [&'static str];

/// What a built-in role allows: actions, the exceptions from them, data actions.
fn permissions(role: &str) -> (Actions, Actions, Actions) {
    match role {
        "Owner" => (&["*"], &[], &[]),
        "Contributor" => (
            &["*"],
            &[
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ],
            &[],
        ),
        "Reader" => (&["*/read"], &[], &[]),
        "User Access Administrator" => (
            &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
            &[],
            &[],
        ),
        "Role Based Access Control Administrator" => (
            &[
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "*/read",
                "Microsoft.Support/*",
            ],
            &[],
            &[],
        ),
        _ => (
            &[
                "Microsoft.Storage/storageAccounts/blobServices/containers/read",
                "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
            ],
            &[],
            &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        ),
    }
}
