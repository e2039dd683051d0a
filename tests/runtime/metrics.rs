//! What a function writes to its log stream: one line for each invocation, and metrics as CloudWatch reads them.

use mayfly::metrics::{METRICS, NAMESPACE, VAULT};
use mayfly_local::{embedded::TABLE, sandbox::Fault};
use mayfly_tests::{
    deployment::Deployment,
    events::{Sent, Shape, batch, scheduled},
    runtime_api::Function,
    vault::{assume_role, base, dynamic},
};
use serde_json::{Value, json};

/// The lines of a function: its invocations, and its metrics.
struct Lines {
    answered: Vec<Value>,
    metrics: Vec<Value>,
    text: String,
}

impl Lines {
    /// Ends the function. Every line it has written must be JSON.
    async fn of(function: &Function) -> Self {
        let text = function.stop().await.unwrap().logs;
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let (metrics, lines): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|line| line.get("_aws").is_some());
        let answered = lines
            .into_iter()
            .filter(|line| line["message"] == "answered");
        let lines = Self {
            answered: answered.collect(),
            metrics,
            text,
        };
        lines.check();
        lines
    }

    fn check(&self) {
        for line in &self.answered {
            for field in ["timestamp", "level", "request_id", "method", "function"] {
                assert!(line[field].is_string(), "{field}: {line}");
            }
            assert!(line["status"].is_u64() && line["millis"].is_u64(), "{line}");
        }
        for line in &self.metrics {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], NAMESPACE);
            assert_eq!(line[VAULT], TABLE);
            let mut fields = 1 + directive["Dimensions"][0].as_array().unwrap().len();
            for told in directive["Metrics"].as_array().unwrap() {
                let name = told["Name"].as_str().unwrap();
                let metric = METRICS.iter().find(|metric| metric.name == name).unwrap();
                let dimensions: Vec<_> = [VAULT].iter().chain(metric.dimensions).collect();
                assert_eq!(directive["Dimensions"][0], json!(dimensions), "{name}");
                assert!(line[name].is_u64() || line[name].is_array(), "{line}");
                fields += 1;
            }
            assert_eq!(
                line.as_object().unwrap().len(),
                fields,
                "nothing else: {line}"
            );
        }
    }

    /// How often something was counted, where its dimensions are these.
    fn count(&self, name: &str, dimensions: &Value) -> u64 {
        let fits = |line: &&Value| {
            let mut wanted = dimensions.as_object().unwrap().iter();
            wanted.all(|(name, value)| line[name] == *value)
        };
        let values = self.metrics.iter().filter(fits);
        values.filter_map(|line| line[name].as_u64()).sum()
    }

    /// How many lines have values of a metric.
    fn lines_with(&self, name: &str) -> usize {
        let has = |line: &&Value| line.get(name).is_some();
        self.metrics.iter().filter(has).count()
    }

    /// Method, route and status of each invocation.
    fn seen(&self) -> Vec<String> {
        let words = self.answered.iter().map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or("-");
            format!("{} {} {}", text("method"), text("route"), line["status"])
        });
        words.collect()
    }
}

/// Reads in each way, by HTTP and directly, from a vault whose alias `reports` acts as the admin; answers the token.
async fn read(vault: &Deployment) -> String {
    let token = vault.first_token().await.unwrap();
    let send = async |method: &str, path: &str, body: Value| {
        let sent = Sent::new(method, format!("/v1/secrets/{path}"));
        let sent = sent.header("authorization", &token).json(&body);
        vault.send(Shape::HttpApi, &sent).await.unwrap().status
    };
    for (path, body) in [
        ("plain", json!({"data": {"password": "x"}})),
        ("base", base(json!({}))),
        ("wanted-by-many", dynamic("base", assume_role())),
    ] {
        assert_eq!(send("POST", path, body).await, 201);
    }
    for path in ["plain", "wanted-by-many", "missing"] {
        send("GET", path, Value::Null).await;
    }
    let faults = vault.sandbox.faults();
    faults.always("AssumeRole", Fault::Throttle);
    send("GET", "wanted-by-many", Value::Null).await;
    faults.clear();
    for alias in ["reports", "other"] {
        let payload = json!({"path": "wanted-by-many"});
        let reader = &vault.dynamic_read;
        reader.invoke_as(Some(alias), payload).await.unwrap();
    }
    token
}

#[tokio::test]
async fn each_invocation_leaves_one_line_and_its_metrics() {
    let env = [("MAYFLY_ALIASES", r#"{"reports":"roles:admin"}"#)];
    let vault = Deployment::start(&env).await.unwrap();
    let token = read(&vault).await;

    let lines = Lines::of(&vault.dynamic_read).await;
    let expected = [
        "GET /v1/secrets/{path+} 200",
        "GET /v1/secrets/{path+} 200",
        "GET /v1/secrets/{path+} 404",
        "GET /v1/secrets/{path+} 429",
        "INVOKE - 200",
        "INVOKE - 403",
    ];
    assert_eq!(lines.seen(), expected);
    for word in ["wanted-by-many", "missing", "roles:admin", &token] {
        assert!(!lines.text.contains(word), "{word} in {}", lines.text);
    }
    for (kind, outcome, count) in [
        ("static", "ok", 1),
        ("aws", "ok", 2),
        ("unknown", "refused", 1),
        ("aws", "refused", 1),
    ] {
        let dimensions = json!({"Kind": kind, "Outcome": outcome});
        assert_eq!(lines.count("Reads", &dimensions), count, "{dimensions}");
    }
    assert_eq!(lines.lines_with("UpstreamLatency"), 3);
    let sts = json!({"Provider": "sts"});
    assert_eq!(lines.count("UpstreamErrors", &sts), 1);
    let function = json!({"Function": lines.answered[0]["function"]});
    assert_eq!(lines.count("ColdStarts", &function), 1);
    assert_eq!(lines.lines_with("ColdStarts"), 1);
}

#[tokio::test]
async fn signing_in_recovering_and_sweeping_are_counted() {
    let vault = Deployment::start(&[]).await.unwrap();
    vault.first_token().await.unwrap();
    let wrong = json!({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"});
    let sent = Sent::new("POST", "/v1/token").json(&wrong);
    vault.send(Shape::HttpApi, &sent).await.unwrap().expect(401);
    let recovered = vault.token.invoke(json!({"recover": true})).await.unwrap();
    recovered.answer().unwrap();
    let unreadable = batch(&[json!({"eventSource": "aws:dynamodb", "dynamodb": "?"})]);
    for event in [
        scheduled(),
        json!({"mayfly": "sweep"}),
        unreadable,
        json!(7),
    ] {
        vault.lease_worker.invoke(event).await.unwrap();
    }

    let none = json!({});
    let token = Lines::of(&vault.token).await;
    assert_eq!(token.answered.len(), 4);
    assert_eq!(token.count("FailedSignIns", &none), 1);
    assert_eq!(token.count("AdminRecoveries", &none), 1);
    let worker = Lines::of(&vault.lease_worker).await;
    let expected = ["EVENT - 200", "EVENT - 200", "EVENT - 200", "EVENT - 400"];
    assert_eq!(worker.seen(), expected);
    assert_eq!(worker.lines_with("WorkerLag"), 2, "one for each sweep");
    assert_eq!(worker.count("UnreadableRecords", &none), 1);
}

/// Standard streams are what CloudWatch is paid for: a dynamic read must not become talkative.
#[tokio::test]
async fn a_dynamic_read_writes_less_than_a_kilobyte() {
    let vault = Deployment::start(&[]).await.unwrap();
    let token = vault.first_token().await.unwrap();
    let sent = |method: &str, path: &str| {
        Sent::new(method, format!("/v1/secrets/{path}")).header("authorization", &token)
    };
    for (path, body) in [
        ("base", base(json!({}))),
        ("reader", dynamic("base", assume_role())),
    ] {
        let create = sent("POST", path).json(&body);
        vault
            .send(Shape::HttpApi, &create)
            .await
            .unwrap()
            .expect(201);
    }
    let mut sizes = Vec::new();
    for _ in 0..3 {
        vault
            .send(Shape::HttpApi, &sent("GET", "reader"))
            .await
            .unwrap()
            .expect(200);
        sizes.push(vault.dynamic_read.logs().len());
    }
    let warm = sizes[2] - sizes[1];
    let logs = vault.dynamic_read.logs();
    assert!(
        (400..1024).contains(&warm),
        "{warm} bytes, {sizes:?}: {logs}"
    );
}
