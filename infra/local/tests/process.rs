//! The `mayfly` program as a person meets it: started, used, stopped, killed, started again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test"
)]

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running vault; killed when dropped.
struct Running {
    child: Child,
    said: PathBuf,
    ready: Value,
}

impl Running {
    /// Starts a vault on a free port with its data in `dir`, and waits until it answers requests.
    fn start(dir: &Path, more: &[&str]) -> Self {
        let file = dir.join("ready.json");
        let before = std::fs::read_to_string(&file).ok();
        let mut child = mayfly()
            .args(["--port", "0", "--ready-file"])
            .arg(&file)
            .arg("--data-dir")
            .arg(dir.join("data"))
            .args(more)
            .stdout(File::create(dir.join("said")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        for _ in 0..600 {
            // Every start takes another port, so the file of an earlier one differs.
            let now = std::fs::read_to_string(&file)
                .ok()
                .filter(|text| Some(text) != before.as_ref());
            if let Some(text) = now {
                return Self {
                    child,
                    said: dir.join("said"),
                    ready: serde_json::from_str(&text).unwrap(),
                };
            }
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut said)
                    .unwrap();
                panic!("it ended with {status}: {said}");
            }
            sleep(Duration::from_millis(50));
        }
        panic!("it did not become ready");
    }

    fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    fn token(&self) -> String {
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": self.ready["clientId"],
            "client_secret": self.ready["clientSecret"],
        });
        let answer = http(self.url(), "POST", "/v1/token", "", &body.to_string());
        answer["accessToken"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Value {
        let path = format!("/v1/secrets/{path}");
        http(self.url(), method, &path, token, body)
    }

    fn signal(&self, name: &str) {
        let line = format!("kill {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().unwrap();
        assert!(status.success());
    }

    /// What it printed, once it has printed everything.
    fn wait_for_banner(&self) -> String {
        for _ in 0..200 {
            let said = std::fs::read_to_string(&self.said).unwrap();
            if said.contains("Stop it with") {
                return said;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("it printed nothing");
    }

    /// Stops it; whether it stopped cleanly.
    fn stop(mut self, signal: &str) -> bool {
        self.signal(signal);
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn mayfly() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    for name in [
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "MAYFLY_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// One request over a connection of its own; `Null` if it was cut off.
fn http(url: &str, method: &str, path: &str, token: &str, body: &str) -> Value {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: vault\r\nAuthorization: {token}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_default()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_first_start_shows_a_credential_and_how_to_mint_another() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let text = |name: &str| vault.ready[name].as_str().unwrap().to_owned();
    let (url, id, secret) = (text("url"), text("clientId"), text("clientSecret"));
    let said = vault.wait_for_banner();
    for part in [
        "ASIASANDBOX",
        &format!(
            "curl -s {url}/v1/token -d grant_type=client_credentials -d client_id={id} -d client_secret={secret}"
        ),
        &format!("{url}/v1/secrets/samples/aws/reader"),
    ] {
        assert!(said.contains(part), "{part}\nis not in:\n{said}");
    }
}

#[test]
fn a_second_start_has_everything_and_shows_no_secret() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let token = vault.token();
    vault.ask(&token, "POST", "kept", r#"{"data":{"a":1}}"#);
    let secret = vault.ready["clientSecret"].as_str().unwrap().to_owned();
    assert!(vault.stop("-INT"), "SIGINT is a clean stop");

    let vault = Running::start(dir.path(), &[]);
    assert_eq!(
        vault.ready["clientSecret"],
        secret.as_str(),
        "the client of the ready file still works"
    );
    assert_eq!(
        vault.ask(&token, "GET", "kept", "")["data"]["a"],
        1,
        "an old token still counts"
    );
    let minted = vault.ask(&vault.token(), "GET", "samples/aws/reader", "");
    assert_eq!(
        minted["data"]["ttl"], 900,
        "the sandbox knows its users again: {minted}"
    );
    let said = vault.wait_for_banner();
    assert!(vault.stop("-TERM"), "SIGTERM is a clean stop");
    assert!(!said.contains(&secret), "the admin's secret is shown once");
    assert!(
        said.contains("ASIASANDBOX"),
        "a credential is shown at every start"
    );
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = folder();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4 {
        let vault = Running::start(dir.path(), &[]);
        let token = vault.token();
        for name in &acknowledged {
            let found = vault.ask(&token, "GET", name, "");
            assert_eq!(found["data"]["name"], Value::from(name.as_str()), "{found}");
        }
        std::thread::scope(|scope| {
            let writers = [0, 1, 2].map(|writer| {
                let (vault, token) = (&vault, &token);
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for n in 0.. {
                        let name = format!("kill:{round}:{writer}:{n}");
                        let body = json!({"data": {"name": name}}).to_string();
                        if vault.ask(token, "POST", &name, &body)["version"] != "0" {
                            return done;
                        }
                        done.push(name);
                    }
                    done
                })
            });
            sleep(Duration::from_millis(250 + 70 * round));
            vault.signal("-KILL");
            for writer in writers {
                acknowledged.extend(writer.join().unwrap());
            }
        });
        drop(vault);
    }
    assert!(
        acknowledged.len() > 8,
        "only {} secrets were written",
        acknowledged.len()
    );
}

#[test]
fn a_taken_port_is_said_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refused(
        &mayfly()
            .args(["--ephemeral", "--port", &port])
            .output()
            .unwrap(),
    );
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
}

#[test]
fn a_directory_in_use_or_of_another_cloud_is_refused() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let start = |more: &[&str]| {
        let mut command = mayfly();
        command
            .args(["--port", "0", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(more);
        refused(&command.output().unwrap())
    };
    assert!(start(&[]).contains("another process owns"));
    vault.stop("-TERM");
    let said = start(&["--cloud", "real"]);
    assert!(said.contains("--cloud sandbox"), "{said}");
}

#[test]
fn the_ready_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let _vault = Running::start(dir.path(), &[]);
    let mode = std::fs::metadata(dir.path().join("ready.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn recover_makes_another_admin() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let first = vault.ready["clientId"].clone();
    vault.stop("-TERM");
    std::fs::remove_file(dir.path().join("ready.json")).unwrap();
    let vault = Running::start(dir.path(), &["--recover"]);
    assert_ne!(vault.ready["clientId"], first);
    let token = vault.token();
    assert_eq!(
        vault.ask(&token, "GET", "samples/aws/base::description", "")["version"],
        "0"
    );
}

#[test]
fn a_vault_can_wait_for_whoever_makes_its_first_admin() {
    let dir = folder();
    let said = dir.path().join("said");
    let child = mayfly()
        .args(["--port", "0", "--ephemeral", "--no-admin"])
        .stdout(File::create(&said).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let vault = Running {
        child,
        said,
        ready: Value::Null,
    };
    let banner = vault.wait_for_banner();
    assert!(banner.contains("/v1/initialize"), "{banner}");
    let after = banner.split_once("Mayfly is at ").unwrap().1;
    let url = after.lines().next().unwrap().trim();
    let heartbeat = || http(url, "GET", "/v1/heartbeat", "", "")["statusCode"].clone();
    assert_eq!(heartbeat(), 2);
    let admin = r#"{"UserName": "alice", "Password": "correct horse battery"}"#;
    http(url, "POST", "/v1/initialize", "", admin);
    assert_eq!(heartbeat(), 1);
    let login =
        r#"{"grant_type": "password", "username": "alice", "password": "correct horse battery"}"#;
    let grant = http(url, "POST", "/v1/token", "", login);
    let token = grant["accessToken"].as_str().unwrap();
    let config = http(url, "GET", "/v1/config", token, "");
    assert_eq!(
        config["permissionDocument"][0]["subjects"][0],
        "users:alice"
    );
}

#[test]
fn resealing_moves_every_secret_to_a_new_key() {
    let dir = folder();
    Running::start(dir.path(), &[]).stop("-TERM");
    let reseal = || {
        let mut command = mayfly();
        command
            .args(["reseal", "--data-dir"])
            .arg(dir.path().join("data"));
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let done = reseal();
    assert_eq!(
        (&done["branchKey"], &done["moved"], &done["missed"]),
        (&json!(2), &json!(2), &json!(0))
    );
    let vault = Running::start(dir.path(), &[]);
    assert_eq!(
        vault.ask(&vault.token(), "GET", "samples/aws/reader", "")["data"]["ttl"],
        900
    );
}

#[test]
fn the_table_definition_is_json_for_any_client() {
    let output = mayfly()
        .args(["table", "--name", "vault"])
        .output()
        .unwrap();
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(table["TableName"], "vault");
    assert_eq!(table["GlobalSecondaryIndexes"].as_array().unwrap().len(), 5);
}

#[test]
fn a_vault_mints_from_a_sandbox_in_another_process() {
    use std::io::{BufRead, BufReader};
    let dir = folder();
    let mut cloud = mayfly()
        .args(["sandbox", "--port", "0", "--data-dir"])
        .arg(dir.path().join("cloud"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    for line in BufReader::new(cloud.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        printed.push_str(&line);
        if line == "}" {
            break;
        }
    }
    let key: Value = serde_json::from_str(&printed).unwrap();
    let file = dir.path().join("ready.json");
    let vault = mayfly()
        .args([
            "--ephemeral",
            "--cloud",
            "real",
            "--port",
            "0",
            "--ready-file",
        ])
        .arg(&file)
        .env("AWS_ENDPOINT_URL_STS", key["url"].as_str().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut vault = Running {
        child: vault,
        said: PathBuf::new(),
        ready: wait_for(&file),
    };
    let token = vault.token();
    let base = json!({
        "attributes": {"type": "aws"},
        "data": {"accessKey": key["accessKey"], "secretKey": key["secretKey"], "region": "eu-west-1"},
    });
    vault.ask(&token, "POST", "base", &base.to_string());
    let dynamic = json!({"attributes": {
        "linkConfig": {"linkType": "dynamic", "linkedSecret": "base"},
        "providerType": "assumeRole", "roleArn": key["roleArn"],
    }});
    vault.ask(&token, "POST", "reader", &dynamic.to_string());
    let minted = vault.ask(&token, "GET", "reader", "");
    // It may have ended already.
    _ = cloud.kill();
    _ = cloud.wait();
    _ = vault.child.kill();
    assert_eq!(minted["data"]["ttl"], 900, "{minted}");
}

fn wait_for(file: &Path) -> Value {
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).unwrap();
        }
        sleep(Duration::from_millis(50));
    }
    panic!("it did not become ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_keeps_its_table_in_the_dynamodb_that_it_is_told() {
    let database = mayfly_local::embedded::open(None).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(dynoxide::server::serve_on(listener, database.clone()));
    let dir = folder();
    let file = dir.path().join("ready.json");
    let options = ["--cloud", "real", "--port", "0", "--ready-file"];
    let command = |more: &[&str]| {
        let mut command = mayfly();
        command
            .args(options)
            .arg(&file)
            .args(more)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &url);
        command
    };

    let said = refused(&command(&["--ephemeral"]).output().unwrap());
    assert!(said.contains("--data-dir"), "{said}");

    let data = dir.path().join("data");
    let child = command(&["--data-dir", data.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = tokio::task::block_in_place(|| wait_for(&file));
    let vault = Running {
        child,
        said: PathBuf::new(),
        ready,
    };
    let read = tokio::task::block_in_place(|| {
        let token = vault.token();
        vault.ask(&token, "POST", "kept", r#"{"data":{"a":1}}"#);
        vault.ask(&token, "GET", "kept", "")
    });
    assert_eq!(read["data"]["a"], 1, "{read}");
    let get = json!({
        "TableName": mayfly_local::embedded::TABLE,
        "Key": {"pk": {"S": "SECRET#kept"}, "sk": {"S": "HEAD"}},
    });
    let found = database
        .get_item(serde_json::from_value(get).unwrap())
        .unwrap();
    assert!(found.item.is_some(), "the table that was told has it");
}
