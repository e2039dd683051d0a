//! Azure's clouds: a closed table, because its hosts are where secrets are sent.
//!
//! Hosts are those of Microsoft's page "Microsoft Graph national cloud deployments". A token's audience must be of the
//! same cloud as the host it is used at.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A cloud that Microsoft runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Environment {
    /// Everybody's.
    #[default]
    #[serde(rename = "AzurePublicCloud")]
    Public,
    /// The United States government's, level 4.
    #[serde(rename = "AzureUSGovernmentCloud")]
    UsGov,
    /// The United States Department of Defense's, level 5.
    #[serde(rename = "AzureUSGovernmentDoDCloud")]
    UsGovDod,
    /// China's, run by 21Vianet.
    #[serde(rename = "AzureChinaCloud")]
    China,
}

impl Environment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Public, Self::UsGov, Self::UsGovDod, Self::China];

    /// Its name, as Azure's Go libraries spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "AzurePublicCloud",
            Self::UsGov => "AzureUSGovernmentCloud",
            Self::UsGovDod => "AzureUSGovernmentDoDCloud",
            Self::China => "AzureChinaCloud",
        }
    }

    /// The cloud of that name, in any case; 400 naming `field` if there is none.
    pub fn named(field: &str, name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.word().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::word).join(", ");
                Error::invalid(field, format!("must be one of {names}"))
            })
    }

    /// The scope of a token for Microsoft Graph.
    pub fn graph_scope(self) -> String {
        format!("{}/.default", self.graph())
    }

    /// Where one signs in.
    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGov | Self::UsGovDod => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// Microsoft Graph.
    pub(super) fn graph(self) -> &'static str {
        match self {
            Self::Public => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsGovDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// Azure Resource Manager.
    pub(super) fn arm(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::UsGov | Self::UsGovDod => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_a_closed_list_in_any_case() {
        for cloud in Environment::ALL {
            let word = cloud.word().to_lowercase();
            assert_eq!(Environment::named("f", &word).unwrap(), cloud);
            let stored = serde_json::to_value(cloud).unwrap();
            assert_eq!(stored, cloud.word());
            for host in [cloud.login(), cloud.graph(), cloud.arm()] {
                assert!(host.starts_with("https://") && !host.ends_with('/'));
            }
        }
        for bad in [
            "",
            "azure",
            "AzureGermanCloud",
            "https://login.evil.example",
        ] {
            let text = Environment::named("data.environment", bad)
                .unwrap_err()
                .to_string();
            assert!(text.starts_with("data.environment: "), "{text}");
        }
    }
}
