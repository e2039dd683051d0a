//! Settings: the only reader of the environment. A function that misses one does not start, and says which.

use std::{collections::HashMap, time::Duration};

use crate::{
    domain::{principal::Principal, sensitive::Sensitive},
    provider::aws::AssumableRoles,
};

/// Why a process does not start.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A setting that must be there is not.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A setting makes no sense.
    #[error("{name} {problem}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, without its value.
        problem: &'static str,
    },
}

/// How long a cold start may spend on warming up.
pub const WARM_UP: Duration = Duration::from_millis(300);

/// The settings of a Lambda function.
#[derive(Debug)]
pub struct Settings {
    /// `MAYFLY_TABLE`: name of the table.
    pub table: String,
    /// `MAYFLY_KMS_KEY`: id, ARN or alias of the KMS key.
    pub kms_key: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`: how Lambda calls this function.
    pub function: String,
    /// The function's own AWS access.
    pub aws: AwsAccess,
    /// Where AWS services are, if not at their usual place.
    pub endpoints: Endpoints,
    /// `MAYFLY_GATEWAY_ALIAS`: the alias that the gateway invokes; unset, it is the unqualified function. HTTP events
    /// that come by another alias are refused.
    pub gateway_alias: Option<String>,
    /// `MAYFLY_ALIASES`: JSON object from alias to the principal that a direct invocation of it acts as.
    pub aliases: HashMap<String, Principal>,
    /// `MAYFLY_ASSUMABLE_ROLES`: JSON array of the ARNs of roles that base secrets without a key of their own may assume
    /// with the function's identity; unset, there is none.
    pub assumable_roles: AssumableRoles,
    /// `MAYFLY_SETUP_CODE`: lets whoever has it make the first admin by `POST /v1/initialize`; unset, nobody can.
    pub setup_code: Option<Sensitive>,
    /// `MAYFLY_WARM_UP`: `on` (default) or `off`.
    pub warm_up: bool,
    /// `MAYFLY_LOG`: level of Mayfly's own log lines; `info` by default.
    pub log: tracing::Level,
}

/// Region and keys that the Lambda service puts into the environment.
#[derive(Debug, Clone)]
pub struct AwsAccess {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: Sensitive,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: Sensitive,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Sensitive>,
}

/// Endpoint overrides: deployment settings, never user data. Only https or loopback.
#[derive(Debug, Default, Clone)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub dynamodb: Option<String>,
    /// `AWS_ENDPOINT_URL_KMS`.
    pub kms: Option<String>,
    /// `AWS_ENDPOINT_URL_STS`.
    pub sts: Option<String>,
    /// `MAYFLY_AZURE_LOGIN_ENDPOINT`: in place of Microsoft Entra, in every Azure cloud.
    pub azure_login: Option<String>,
    /// `MAYFLY_AZURE_GRAPH_ENDPOINT`: in place of Microsoft Graph.
    pub azure_graph: Option<String>,
    /// `MAYFLY_AZURE_ARM_ENDPOINT`: in place of Azure Resource Manager.
    pub azure_arm: Option<String>,
}

/// Looks a variable up.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// Reads and checks all settings.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let required = |name: &'static str| lookup(name).ok_or(ConfigError::Missing(name));
        Ok(Self {
            table: required("MAYFLY_TABLE")?,
            kms_key: required("MAYFLY_KMS_KEY")?,
            function: required("AWS_LAMBDA_FUNCTION_NAME")?,
            aws: AwsAccess {
                region: required("AWS_REGION")?,
                access_key: required("AWS_ACCESS_KEY_ID")?.into(),
                secret_key: required("AWS_SECRET_ACCESS_KEY")?.into(),
                session_token: lookup("AWS_SESSION_TOKEN").map(Sensitive::new),
            },
            endpoints: Endpoints::read(lookup)?,
            gateway_alias: lookup("MAYFLY_GATEWAY_ALIAS"),
            aliases: aliases(lookup("MAYFLY_ALIASES"))?,
            assumable_roles: assumable_roles(lookup("MAYFLY_ASSUMABLE_ROLES"))?,
            setup_code: setup_code(lookup("MAYFLY_SETUP_CODE"))?,
            warm_up: switch("MAYFLY_WARM_UP", lookup("MAYFLY_WARM_UP").as_deref())?,
            log: level(lookup)?,
        })
    }
}

impl Endpoints {
    /// Reads and checks the overrides.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let endpoint = |name: &'static str| match lookup(name) {
            Some(url) if !is_safe(&url) => Err(ConfigError::Wrong {
                name,
                problem: "must be https://…, or http:// on this machine",
            }),
            other => Ok(other),
        };
        Ok(Self {
            dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB")?,
            kms: endpoint("AWS_ENDPOINT_URL_KMS")?,
            sts: endpoint("AWS_ENDPOINT_URL_STS")?,
            azure_login: endpoint("MAYFLY_AZURE_LOGIN_ENDPOINT")?,
            azure_graph: endpoint("MAYFLY_AZURE_GRAPH_ENDPOINT")?,
            azure_arm: endpoint("MAYFLY_AZURE_ARM_ENDPOINT")?,
        })
    }
}

/// The log level; `info` unless `MAYFLY_LOG` says otherwise.
pub fn level(lookup: Lookup<'_>) -> Result<tracing::Level, ConfigError> {
    let problem = "must be error, warn, info, debug or trace";
    match lookup("MAYFLY_LOG") {
        None => Ok(tracing::Level::INFO),
        Some(word) => word.parse().map_err(|_| ConfigError::Wrong {
            name: "MAYFLY_LOG",
            problem,
        }),
    }
}

fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => loopback,
        _ => false,
    }
}

fn aliases(text: Option<String>) -> Result<HashMap<String, Principal>, ConfigError> {
    let wrong = || ConfigError::Wrong {
        name: "MAYFLY_ALIASES",
        problem: "must be a JSON object from alias to a principal such as roles:reporting",
    };
    let Some(text) = text else {
        return Ok(HashMap::new());
    };
    let pairs: HashMap<String, String> = serde_json::from_str(&text).map_err(|_| wrong())?;
    pairs
        .into_iter()
        .map(|(alias, principal)| {
            principal
                .parse()
                .map(|principal| (alias, principal))
                .map_err(|_| wrong())
        })
        .collect()
}

fn assumable_roles(text: Option<String>) -> Result<AssumableRoles, ConfigError> {
    let Some(text) = text else {
        return Ok(AssumableRoles::default());
    };
    serde_json::from_str(&text)
        .ok()
        .and_then(AssumableRoles::new)
        .ok_or(ConfigError::Wrong {
            name: "MAYFLY_ASSUMABLE_ROLES",
            problem: "must be a JSON array of ARNs of IAM roles, without wildcards",
        })
}

/// A code that could be guessed would make whoever guesses it the admin.
fn setup_code(code: Option<String>) -> Result<Option<Sensitive>, ConfigError> {
    match code {
        Some(code) if code.len() < 24 => Err(ConfigError::Wrong {
            name: "MAYFLY_SETUP_CODE",
            problem: "must be at least 24 random characters",
        }),
        other => Ok(other.map(Sensitive::new)),
    }
}

fn switch(name: &'static str, word: Option<&str>) -> Result<bool, ConfigError> {
    match word {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(ConfigError::Wrong {
            name,
            problem: "must be on or off",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [&str; 6] = [
        "MAYFLY_TABLE",
        "MAYFLY_KMS_KEY",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ];

    fn read(more: &[(&str, &str)], without: &str) -> Result<Settings, ConfigError> {
        Settings::read(&|name| {
            let own = more
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned());
            own.or_else(|| (REQUIRED.contains(&name) && name != without).then(|| "x".to_owned()))
        })
    }

    #[test]
    fn each_missing_setting_is_named() {
        for name in REQUIRED {
            assert_eq!(read(&[], name).unwrap_err(), ConfigError::Missing(name));
        }
        assert!(read(&[], "").unwrap().warm_up);
    }

    #[test]
    fn endpoints_are_https_or_loopback() {
        for good in [
            "https://sts.example.com",
            "http://127.0.0.1:5000",
            "http://localhost:1",
            "http://[::1]:8",
        ] {
            assert!(
                read(&[("AWS_ENDPOINT_URL_STS", good)], "").is_ok(),
                "{good}"
            );
        }
        for bad in [
            "http://sts.example.com",
            "ftp://x",
            "127.0.0.1:5000",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
        ] {
            for name in [
                "AWS_ENDPOINT_URL_STS",
                "MAYFLY_AZURE_LOGIN_ENDPOINT",
                "MAYFLY_AZURE_GRAPH_ENDPOINT",
                "MAYFLY_AZURE_ARM_ENDPOINT",
            ] {
                let error = read(&[(name, bad)], "").unwrap_err();
                assert!(error.to_string().starts_with(&format!("{name} ")), "{bad}");
            }
        }
    }

    #[test]
    fn aliases_map_to_principals() {
        let settings = read(
            &[("MAYFLY_ALIASES", r#"{"reports":"roles:Reporting"}"#)],
            "",
        )
        .unwrap();
        assert_eq!(settings.aliases["reports"].as_str(), "roles:reporting");
        for bad in ["x", "[]", r#"{"a":"reporting"}"#] {
            assert!(read(&[("MAYFLY_ALIASES", bad)], "").is_err(), "{bad}");
        }
    }

    #[test]
    fn assumable_roles_are_literal_arns_of_roles() {
        let name = "MAYFLY_ASSUMABLE_ROLES";
        for good in [
            "[]",
            r#"["arn:aws:iam::123456789012:role/reader"]"#,
            r#"["arn:aws:iam::123456789012:role/a/b","arn:aws-cn:iam::123456789012:role/c"]"#,
        ] {
            assert!(read(&[(name, good)], "").is_ok(), "{good}");
        }
        assert_eq!(
            read(&[], "").unwrap().assumable_roles,
            AssumableRoles::default()
        );
        for bad in [
            "x",
            "{}",
            "[1]",
            "null",
            r#""arn:aws:iam::123456789012:role/reader""#,
            r#"["reader"]"#,
            r#"["arn:aws:iam::123456789012:role/*"]"#,
            r#"["arn:aws:iam::123456789012:role/read?r"]"#,
            r#"["arn:aws:iam::*:role/reader"]"#,
            r#"["arn:*:iam::123456789012:role/reader"]"#,
            r#"["arn:aws:iam::123456789012:user/reader"]"#,
            r#"["arn:aws:iam::123456789012:role/reader", ""]"#,
        ] {
            let error = read(&[(name, bad)], "").unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} must be")), "{bad}");
        }
    }

    #[test]
    fn words_are_checked() {
        assert!(read(&[("MAYFLY_WARM_UP", "maybe")], "").is_err());
        assert!(read(&[("MAYFLY_LOG", "loud")], "").is_err());
        assert!(read(&[("MAYFLY_SETUP_CODE", "guess me")], "").is_err());
        assert!(!read(&[("MAYFLY_WARM_UP", "off")], "").unwrap().warm_up);
    }
}
