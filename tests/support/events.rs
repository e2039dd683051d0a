//! One client request as each kind of front door hands it to a function, and the function's answer read back.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};

use crate::answer::Answer;

/// The stage of the front doors that have a named one.
pub const STAGE: &str = "prod";

/// Content types whose bodies the payload format 2.0 carries as text; it carries all others in Base64, forms included.
const TEXT: [&str; 4] = [
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
];

/// A kind of front door, by the event that it makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An HTTP API on its default stage, payload format 2.0.
    HttpApi,
    /// An HTTP API on the stage [`STAGE`], which then begins the path, payload format 2.0.
    HttpApiStage,
    /// A REST API on the stage [`STAGE`], payload format 1.0.
    RestApi,
    /// A function URL, payload format 2.0.
    FunctionUrl,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::HttpApi,
        Self::HttpApiStage,
        Self::RestApi,
        Self::FunctionUrl,
    ];

    /// The host name under which clients reach this front door.
    pub fn host(self) -> &'static str {
        match self {
            Self::HttpApi | Self::HttpApiStage | Self::RestApi => {
                "mayfly0api.execute-api.us-east-1.amazonaws.com"
            }
            Self::FunctionUrl => "mayfly0url.lambda-url.us-east-1.on.aws",
        }
    }

    fn stage(self) -> &'static str {
        match self {
            Self::HttpApi | Self::FunctionUrl => "$default",
            Self::HttpApiStage | Self::RestApi => STAGE,
        }
    }
}

/// What a client sent: the bytes of the request, before any front door has touched them.
#[derive(Clone, Debug)]
pub struct Sent {
    method: String,
    path: Vec<u8>,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    source_ip: String,
}

impl Sent {
    /// Begins with a method and a request target; the first `?` of the target begins the query.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref();
        let mut halves = target.splitn(2, |byte| *byte == b'?');
        let path = halves.next().unwrap_or_default().to_vec();
        let query = String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned();
        Self {
            method: method.to_owned(),
            path,
            query,
            headers: Vec::new(),
            body: Vec::new(),
            source_ip: "192.0.2.7".to_owned(),
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body; its content type is a header of its own.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Sets the address that the request comes from.
    #[must_use]
    pub fn source_ip(mut self, address: &str) -> Self {
        address.clone_into(&mut self.source_ip);
        self
    }

    /// Makes the event that a front door of this shape would send.
    pub fn event(&self, shape: Shape) -> Value {
        match shape {
            Shape::HttpApi => self.version_2(shape, &cut(&decoded(&self.path))),
            Shape::HttpApiStage => {
                let path = format!("/{STAGE}{}", cut(&decoded(&self.path)));
                self.version_2(shape, &path)
            }
            Shape::FunctionUrl => self.version_2(shape, &self.path_as_sent()),
            Shape::RestApi => self.version_1(shape),
        }
    }

    fn version_2(&self, shape: Shape, path: &str) -> Value {
        let (cookies, headers): (Vec<_>, Vec<_>) = self
            .delivered_headers(shape)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .partition(|(name, _)| name == "cookie");
        let host = shape.host();
        let (body, is_base64) = self.body_of_version_2(&headers);
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": joined(headers, ","),
            "requestContext": {
                "accountId": if shape == Shape::FunctionUrl { "anonymous" } else { "123456789012" },
                "apiId": host.split('.').next(),
                "domainName": host,
                "domainPrefix": host.split('.').next(),
                "http": {
                    "method": self.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.source_ip,
                    "userAgent": "test",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "$default",
                "stage": shape.stage(),
                "time": "10/Mar/2020:05:16:23 +0000",
                "timeEpoch": 1_583_817_383_220_u64,
            },
            "isBase64Encoded": is_base64,
        });
        // This format leaves out what is empty.
        if !cookies.is_empty() {
            event["cookies"] = cookies.into_iter().map(|(_, value)| value).collect();
        }
        if !self.query.is_empty() {
            event["queryStringParameters"] = joined(self.decoded_query(), ",");
        }
        if !body.is_empty() {
            event["body"] = body.into();
        }
        event
    }

    fn version_1(&self, shape: Shape) -> Value {
        let path = self.path_as_sent();
        let headers = self.delivered_headers(shape);
        let query = self.decoded_query();
        let host = shape.host();
        // This format writes what is empty as null, and of what is repeated also the last alone.
        let or_null = |map: Value| if map == json!({}) { Value::Null } else { map };
        json!({
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": self.method,
            "headers": last(headers.clone()),
            "multiValueHeaders": listed(headers),
            "queryStringParameters": or_null(last(query.clone())),
            "multiValueQueryStringParameters": or_null(listed(query)),
            "pathParameters": {"proxy": path.trim_start_matches('/')},
            "stageVariables": null,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": host.split('.').next(),
                "domainName": host,
                "domainPrefix": host.split('.').next(),
                "httpMethod": self.method,
                "identity": {"sourceIp": self.source_ip, "userAgent": "test"},
                "path": format!("/{}{path}", shape.stage()),
                "protocol": "HTTP/1.1",
                "requestId": "41b45ea3-70b5-11e6-b7bd-69b5aaebc7d9",
                "requestTime": "10/Mar/2020:05:16:23 +0000",
                "requestTimeEpoch": 1_583_817_383_220_u64,
                "resourceId": "us4z18",
                "resourcePath": "/{proxy+}",
                "stage": shape.stage(),
            },
            "body": if self.body.is_empty() { Value::Null } else { text(&self.body).into() },
            "isBase64Encoded": false,
        })
    }

    /// The client's headers and those that every front door adds.
    fn delivered_headers(&self, shape: Shape) -> Vec<(String, String)> {
        let is_added = |name: &str| name == "host" || name.starts_with("x-forwarded-");
        let claimed = self.headers.iter().filter_map(|(name, value)| {
            name.eq_ignore_ascii_case("x-forwarded-for")
                .then_some(value)
        });
        // What the client claims about earlier hops stays, in front of what is known.
        let hops: Vec<_> = claimed.chain([&self.source_ip]).cloned().collect();
        let added = [
            ("Host", shape.host().to_owned()),
            ("X-Forwarded-For", hops.join(", ")),
            ("X-Forwarded-Port", "443".to_owned()),
            ("X-Forwarded-Proto", "https".to_owned()),
        ];
        self.headers
            .iter()
            .filter(|(name, _)| !is_added(&name.to_ascii_lowercase()))
            .cloned()
            .chain(added.map(|(name, value)| (name.to_owned(), value)))
            .collect()
    }

    fn body_of_version_2(&self, headers: &[(String, String)]) -> (String, bool) {
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        let is_text =
            content_type.is_none_or(|(_, kind)| TEXT.iter().any(|prefix| kind.starts_with(prefix)));
        if is_text {
            (text(&self.body), false)
        } else {
            (STANDARD.encode(&self.body), true)
        }
    }

    fn decoded_query(&self) -> Vec<(String, String)> {
        serde_urlencoded::from_str(&self.query).unwrap_or_default()
    }

    fn path_as_sent(&self) -> String {
        text(&self.path)
    }
}

/// Decodes once; a `+` is a `+` in a path.
fn decoded(path: &[u8]) -> String {
    percent_decode(path).decode_utf8_lossy().into_owned()
}

/// Cuts where a decoded question mark seems to begin a query.
fn cut(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

/// Text as JSON can carry it.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn joined(pairs: Vec<(String, String)>, separator: &str) -> Value {
    let Value::Object(lists) = listed(pairs) else {
        return Value::Null;
    };
    let join = |list: Value| {
        let values: Vec<_> = list.as_array().into_iter().flatten().collect();
        let values: Vec<_> = values.iter().filter_map(|value| value.as_str()).collect();
        Value::from(values.join(separator))
    };
    lists
        .into_iter()
        .map(|(name, list)| (name, join(list)))
        .collect()
}

fn listed(pairs: Vec<(String, String)>) -> Value {
    let mut lists = Map::new();
    for (name, value) in pairs {
        let list = lists.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(value.into());
        }
    }
    lists.into()
}

fn last(pairs: Vec<(String, String)>) -> Value {
    pairs
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect()
}

/// Reads what a function answered to an event of any shape.
///
/// # Errors
/// It is no answer that a front door would take.
pub fn answer(answer: &Value) -> anyhow::Result<Answer> {
    let status = answer["statusCode"].as_u64().context("no statusCode")?;
    let body = answer["body"].as_str().unwrap_or_default();
    let is_base64 = answer["isBase64Encoded"].as_bool().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, values) in answer["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten()
    {
        for value in values.as_array().into_iter().flatten() {
            append(&mut headers, name, value)?;
        }
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        if !headers.contains_key(name) {
            append(&mut headers, name, value)?;
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        append(&mut headers, "set-cookie", cookie)?;
    }
    Ok(Answer {
        status: status.try_into().context("statusCode out of range")?,
        headers,
        body: if is_base64 {
            STANDARD.decode(body).context("body is not Base64")?
        } else {
            body.as_bytes().to_vec()
        },
    })
}

fn append(headers: &mut HeaderMap, name: &str, value: &Value) -> anyhow::Result<()> {
    let value = value
        .as_str()
        .with_context(|| format!("header {name} is no text"))?;
    headers.append(
        HeaderName::try_from(name)?,
        HeaderValue::try_from(value).with_context(|| format!("header {name} is malformed"))?,
    );
    Ok(())
}

/// A record of the table's stream: that an item was inserted, by its partition key. `number` counts the records.
pub fn inserted(number: u64, pk: &str) -> Value {
    json!({
        "eventID": format!("{number:032x}"),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_225_600.0,
            "Keys": {"pk": {"S": pk}, "sk": {"S": "HEAD"}},
            "SequenceNumber": sequence(number),
            "SizeBytes": 60,
            "StreamViewType": "KEYS_ONLY",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/mayfly/stream/2026-01-01T00:00:00.000",
    })
}

/// The sequence number of the record that [`inserted`] makes.
pub fn sequence(number: u64) -> String {
    format!("4000000000000000000000{number:010}")
}

/// A batch of the table's stream, as Lambda sends it.
pub fn batch(records: &[Value]) -> Value {
    json!({ "Records": records })
}

/// What `EventBridge` sends when a rule's schedule has come.
pub fn scheduled() -> Value {
    json!({
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/mayfly-sweep"],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "/v1/secrets/a%2Fb+c%3Fd%20%25?x=1%202&y=&x=%33";

    #[test]
    fn http_api_decodes_the_path_and_cuts_it() {
        let event = Sent::new("GET", TARGET).event(Shape::HttpApi);
        assert_eq!(event["rawPath"], "/v1/secrets/a/b+c");
        assert_eq!(event["requestContext"]["http"]["path"], event["rawPath"]);
        assert_eq!(event["requestContext"]["stage"], "$default");
        assert_eq!(event["rawQueryString"], "x=1%202&y=&x=%33");
        assert_eq!(
            event["queryStringParameters"],
            json!({"x": "1 2,3", "y": ""})
        );
    }

    #[test]
    fn path_is_decoded_only_once() {
        let event = Sent::new("GET", "/a%252Fb").event(Shape::HttpApi);
        assert_eq!(event["rawPath"], "/a%2Fb");
    }

    #[test]
    fn named_stage_begins_the_path() {
        let event = Sent::new("GET", "/v1/secrets").event(Shape::HttpApiStage);
        assert_eq!(event["rawPath"], "/prod/v1/secrets");
        assert_eq!(event["requestContext"]["stage"], "prod");
    }

    #[test]
    fn function_url_hands_the_path_over_as_sent() {
        let event = Sent::new("GET", TARGET).event(Shape::FunctionUrl);
        assert_eq!(event["rawPath"], "/v1/secrets/a%2Fb+c%3Fd%20%25");
        let domain = event["requestContext"]["domainName"].as_str().unwrap();
        assert!(domain.ends_with(".lambda-url.us-east-1.on.aws"));
    }

    #[test]
    fn rest_api_leaves_the_path_and_decodes_the_query() {
        let event = Sent::new("GET", TARGET).event(Shape::RestApi);
        assert_eq!(event["path"], "/v1/secrets/a%2Fb+c%3Fd%20%25");
        let context = &event["requestContext"];
        assert_eq!(context["path"], "/prod/v1/secrets/a%2Fb+c%3Fd%20%25");
        let lists = json!({"x": ["1 2", "3"], "y": [""]});
        assert_eq!(event["multiValueQueryStringParameters"], lists);
        assert_eq!(event["queryStringParameters"], json!({"x": "3", "y": ""}));
    }

    #[test]
    fn source_is_what_the_front_door_saw_not_what_the_client_claims() {
        let sent = Sent::new("GET", "/")
            .header("X-Forwarded-For", "10.0.0.1")
            .source_ip("198.51.100.4");
        for shape in Shape::ALL {
            let event = sent.event(shape);
            let (source, hops) = if shape == Shape::RestApi {
                let identity = &event["requestContext"]["identity"];
                (&identity["sourceIp"], &event["headers"]["X-Forwarded-For"])
            } else {
                let http = &event["requestContext"]["http"];
                (&http["sourceIp"], &event["headers"]["x-forwarded-for"])
            };
            assert_eq!(source, "198.51.100.4", "{shape:?}");
            assert_eq!(hops, "10.0.0.1, 198.51.100.4", "{shape:?}");
        }
    }

    #[test]
    fn repeated_headers_are_joined_or_listed() {
        let sent = Sent::new("GET", "/").header("X-A", "1").header("X-A", "2");
        assert_eq!(sent.event(Shape::HttpApi)["headers"]["x-a"], "1,2");
        let event = sent.event(Shape::RestApi);
        assert_eq!(event["multiValueHeaders"]["X-A"], json!(["1", "2"]));
        assert_eq!(event["headers"]["X-A"], "2");
    }

    #[test]
    fn forms_travel_in_base64_and_json_as_text() {
        let form = Sent::new("POST", "/")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("a=1");
        let event = form.event(Shape::HttpApi);
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("YT0x"), &json!(true))
        );
        let event = Sent::new("POST", "/")
            .json(&json!({}))
            .event(Shape::HttpApi);
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{}"), &json!(false))
        );
        assert_eq!(form.event(Shape::RestApi)["body"], "a=1");
        assert!(
            Sent::new("GET", "/")
                .event(Shape::HttpApi)
                .get("body")
                .is_none()
        );
    }

    #[test]
    fn answers_of_both_formats_are_read() {
        let answer = json!({
            "statusCode": 201, "headers": {"content-type": "application/json"}, "multiValueHeaders": {},
            "cookies": ["a=1", "b=2"], "body": "{\"n\":1}", "isBase64Encoded": false,
        });
        let answer = super::answer(&answer).unwrap();
        assert_eq!((answer.status, answer.json()), (201, json!({"n": 1})));
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);

        let answer = json!({
            "statusCode": 204, "headers": {"X-A": "2"}, "multiValueHeaders": {"x-a": ["1", "2"]},
            "body": "AAE=", "isBase64Encoded": true,
        });
        let answer = super::answer(&answer).unwrap();
        assert_eq!((answer.status, answer.body), (204, vec![0, 1]));
        assert_eq!(answer.headers.get_all("x-a").iter().count(), 2);
        assert!(super::answer(&json!({"message": "x"})).is_err());
    }
}
