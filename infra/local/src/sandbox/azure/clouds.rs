//! The national clouds, and the names that Graph and Resource Manager have in each.

use serde::{Deserialize, Serialize};

/// The cloud a tenant is in: a token for Graph or Resource Manager must be asked for by its names there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AzureCloud {
    /// The public cloud.
    #[default]
    Public,
    /// US Government, level 4.
    UsGov,
    /// US Government, level 5: the Department of Defense.
    UsGovDod,
    /// China, operated by 21Vianet.
    China,
}

/// The services of Azure that the sandbox serves with tokens checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Graph,
    Arm,
}

/// The app id of Microsoft Graph, in every tenant.
pub(super) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// The app id of Azure Resource Manager.
const ARM_APP_ID: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";

/// Graph's national cloud deployments, and the endpoints of Azure's.
const NAMES: [(AzureCloud, &str, &[&str]); 4] = [
    (
        AzureCloud::Public,
        "https://graph.microsoft.com",
        &[
            "https://management.azure.com",
            "https://management.core.windows.net",
        ],
    ),
    (
        AzureCloud::UsGov,
        "https://graph.microsoft.us",
        &[
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net",
        ],
    ),
    (
        AzureCloud::UsGovDod,
        "https://dod-graph.microsoft.us",
        &[
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net",
        ],
    ),
    (
        AzureCloud::China,
        "https://microsoftgraph.chinacloudapi.cn",
        &[
            "https://management.chinacloudapi.cn",
            "https://management.core.chinacloudapi.cn",
        ],
    ),
];

/// Which service a token's audience names, in any cloud; none if another one.
pub(super) fn resource(audience: &str) -> Option<Resource> {
    let audience = audience.trim_end_matches('/');
    if audience == GRAPH_APP_ID || NAMES.iter().any(|(_, graph, _)| *graph == audience) {
        return Some(Resource::Graph);
    }
    (audience == ARM_APP_ID || NAMES.iter().any(|(_, _, arm)| arm.contains(&audience)))
        .then_some(Resource::Arm)
}

/// Whether a resource is known by this name in a cloud. Only the names of Graph and Resource Manager differ between clouds.
pub(super) fn is_named_in(cloud: AzureCloud, audience: &str) -> bool {
    let audience = audience.trim_end_matches('/');
    let elsewhere = |(other, graph, arm): &(AzureCloud, &str, &[&str])| {
        *other != cloud && (*graph == audience || arm.contains(&audience))
    };
    let here = |(other, graph, arm): &(AzureCloud, &str, &[&str])| {
        *other == cloud && (*graph == audience || arm.contains(&audience))
    };
    NAMES.iter().any(here) || !NAMES.iter().any(elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_and_arm_go_by_other_names_in_other_clouds() {
        // Microsoft Learn, "National cloud deployments" of Microsoft Graph.
        assert_eq!(
            resource("https://dod-graph.microsoft.us"),
            Some(Resource::Graph)
        );
        assert_eq!(
            resource("https://management.azure.com/"),
            Some(Resource::Arm)
        );
        assert_eq!(resource("https://vault.azure.net"), None);
        let public = "https://graph.microsoft.com";
        assert!(is_named_in(AzureCloud::Public, public));
        assert!(!is_named_in(AzureCloud::China, public));
        let shared = "https://management.usgovcloudapi.net";
        assert!(is_named_in(AzureCloud::UsGov, shared));
        assert!(is_named_in(AzureCloud::UsGovDod, shared));
        assert!(is_named_in(AzureCloud::China, "https://vault.azure.net"));
    }
}
