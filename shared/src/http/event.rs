//! Events of the Lambda service: what must be taken from them before anyone parses them again.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::http::{
    edge::Arrival,
    path::{EdgePath, RawPath},
};

/// The alias in `arn:aws:lambda:region:account:function:name:alias`.
pub(crate) fn alias_of(arn: &str) -> Option<String> {
    arn.split(':')
        .nth(7)
        .filter(|alias| !alias.is_empty())
        .map(str::to_owned)
}

/// What a raw query string may hold as it is.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'#')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Takes path and source from the event before anyone parses it again, and leaves in the event only what the parser
/// reads the same way: an encoded path without stage, a plain host, a query string that is one.
pub(crate) fn normalise(event: &mut Value, request_id: &str) -> Arrival {
    let context = |event: &Value, pointer: &str| {
        event
            .pointer(&format!("/requestContext/{pointer}"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let is_v2 = event.get("rawPath").is_some();
    let text = |event: &Value, name: &str| {
        event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (path, source, field) = if is_v2 {
        let path = without_stage(text(event, "rawPath"), context(event, "stage").as_deref());
        // A function URL uses the same event but hands the path over as it was sent.
        let is_url = context(event, "domainName").is_some_and(|name| name.contains(".lambda-url."));
        let path = if is_url {
            RawPath::Encoded(path)
        } else {
            RawPath::Decoded(path)
        };
        (path, context(event, "http/sourceIp"), "rawPath")
    } else {
        (
            RawPath::Encoded(text(event, "path")),
            context(event, "identity/sourceIp"),
            "path",
        )
    };
    let origin = origin(event);
    let encoded = EdgePath::new(&path).map_or_else(|_| "/".to_owned(), |path| path.encoded());
    event[field] = Value::String(encoded);
    if is_v2 {
        let query = text(event, "rawQueryString");
        event["rawQueryString"] = Value::String(utf8_percent_encode(&query, QUERY).to_string());
    }
    if let Some(context) = event
        .get_mut("requestContext")
        .and_then(Value::as_object_mut)
    {
        context.insert("stage".to_owned(), Value::String("$default".to_owned()));
        context.insert("domainName".to_owned(), Value::String("vault".to_owned()));
    }
    for headers in ["headers", "multiValueHeaders"] {
        if let Some(headers) = event.get_mut(headers).and_then(Value::as_object_mut) {
            headers.retain(|name, _| {
                !name.eq_ignore_ascii_case("host")
                    && !name.eq_ignore_ascii_case("x-forwarded-proto")
            });
        }
    }
    Arrival {
        request_id: request_id.to_owned(),
        source: source.unwrap_or_default(),
        origin,
        path,
    }
}

/// Where whoever asks has reached the gateway: by the domain that the gateway itself serves, never by a header. A stage
/// is part of the gateway's own addresses only; a custom domain stands for one.
fn origin(event: &Value) -> Option<String> {
    let context = |name: &str| event.pointer(&format!("/requestContext/{name}"))?.as_str();
    let plain = |text: &&str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        !text.is_empty() && text.bytes().all(fits)
    };
    let domain = context("domainName").filter(plain)?;
    let stage = context("stage")
        .filter(plain)
        .filter(|_| domain.contains(".execute-api."));
    Some(match stage {
        Some(stage) => format!("https://{domain}/{stage}"),
        None => format!("https://{domain}"),
    })
}

/// An HTTP API puts a named stage in front of the path.
fn without_stage(path: String, stage: Option<&str>) -> String {
    match stage {
        Some(stage) if stage != "$default" => match path.strip_prefix(&format!("/{stage}")) {
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => path,
        },
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_alias_is_the_last_part_of_the_arn() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:dynamic-read";
        assert_eq!(alias_of(arn), None);
        assert_eq!(
            alias_of(&format!("{arn}:reports")).as_deref(),
            Some("reports")
        );
    }

    #[test]
    fn a_stage_is_cut_once() {
        assert_eq!(
            without_stage("/v1/v1/secrets".into(), Some("v1")),
            "/v1/secrets"
        );
        assert_eq!(
            without_stage("/v1x/secrets".into(), Some("v1")),
            "/v1x/secrets"
        );
        assert_eq!(
            without_stage("/v1/secrets".into(), Some("$default")),
            "/v1/secrets"
        );
    }

    #[test]
    fn the_origin_is_what_the_gateway_knows_whatever_headers_say() {
        let origin = |domain: &str, stage: &str| {
            let mut event = json!({
                "rawPath": "/v1/clients",
                "headers": {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"},
                "requestContext": {"stage": stage, "domainName": domain},
            });
            normalise(&mut event, "r").origin
        };
        let gateway = "a1b2.execute-api.us-east-1.amazonaws.com";
        for (domain, stage, expected) in [
            (gateway, "$default", Some(format!("https://{gateway}"))),
            (gateway, "prod", Some(format!("https://{gateway}/prod"))),
            (
                "a1b2.lambda-url.us-east-1.on.aws",
                "$default",
                Some("https://a1b2.lambda-url.us-east-1.on.aws".to_owned()),
            ),
            (
                "vault.example.com",
                "prod",
                Some("https://vault.example.com".to_owned()),
            ),
            ("evil.example/x?", "$default", None),
            ("", "$default", None),
        ] {
            assert_eq!(origin(domain, stage), expected, "{domain} {stage}");
        }
        let mut balancer = json!({"path": "/v1/clients", "requestContext": {"elb": {}}});
        assert_eq!(normalise(&mut balancer, "r").origin, None);
    }

    #[test]
    fn what_the_parser_would_stumble_over_is_taken_out() {
        let mut event = json!({
            "rawPath": "/v1/secrets/a b", "rawQueryString": "searchTerm=a b\"<",
            "headers": {"Host": "no host", "X-Forwarded-Proto": "ht tp", "accept": "x"},
            "requestContext": {"stage": "$default", "domainName": "bad host", "http": {"sourceIp": "192.0.2.1"}},
        });
        let arrival = normalise(&mut event, "r");
        assert_eq!(arrival.path, RawPath::Decoded("/v1/secrets/a b".into()));
        assert_eq!(arrival.source, "192.0.2.1");
        assert_eq!(arrival.origin, None);
        assert_eq!(event["rawPath"], "/v1/secrets/a%20b");
        assert_eq!(event["rawQueryString"], "searchTerm=a%20b%22%3C");
        assert_eq!(event["headers"], json!({"accept": "x"}));
    }
}
