//! A vault in a process of its own, and requests to it.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running vault; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) said: PathBuf,
    pub(crate) ready: Value,
}

impl Running {
    /// Starts a vault on a free port with its data in `dir`, and waits until it answers requests.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        Self::start_in(dir, more, &[])
    }

    /// As [`start`](Self::start), with settings in its environment.
    pub(crate) fn start_in(dir: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        let file = dir.join("ready.json");
        let before = std::fs::read_to_string(&file).ok();
        let mut child = mayfly()
            .args(["--port", "0", "--ready-file"])
            .arg(&file)
            .arg("--data-dir")
            .arg(dir.join("data"))
            .args(more)
            .envs(settings.iter().copied())
            .stdout(File::create(dir.join("said")).unwrap())
            .stderr(File::create(dir.join("logged")).unwrap())
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
                let logged = std::fs::read_to_string(dir.join("logged")).unwrap();
                panic!("it ended with {status}: {logged}");
            }
            sleep(Duration::from_millis(50));
        }
        panic!("it did not become ready");
    }

    pub(crate) fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    pub(crate) fn token(&self) -> String {
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

    pub(crate) fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Value {
        let path = format!("/v1/secrets/{path}");
        http(self.url(), method, &path, token, body)
    }

    /// All leases there are.
    pub(crate) fn leases(&self, token: &str) -> Vec<Value> {
        let mut leases = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/leases?limit=500&cursor={cursor}");
            let page = http(self.url(), "GET", &path, token, "");
            let found = page["data"].as_array();
            leases.extend(found.unwrap_or_else(|| panic!("{page}")).iter().cloned());
            match page["cursor"].as_str() {
                Some("") | None => return leases,
                Some(next) => next.clone_into(&mut cursor),
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().unwrap();
        assert!(status.success());
    }

    /// What it printed, once it has printed everything.
    pub(crate) fn wait_for_banner(&self) -> String {
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
    pub(crate) fn stop(mut self, signal: &str) -> bool {
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

pub(crate) fn mayfly() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    for name in [
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "MAYFLY_AZURE_LOGIN_ENDPOINT",
        "MAYFLY_AZURE_GRAPH_ENDPOINT",
        "MAYFLY_AZURE_ARM_ENDPOINT",
        "MAYFLY_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// One request over a connection of its own; `Null` if it was cut off.
pub(crate) fn http(url: &str, method: &str, path: &str, token: &str, body: &str) -> Value {
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

pub(crate) fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn wait_for(file: &Path) -> Value {
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).unwrap();
        }
        sleep(Duration::from_millis(50));
    }
    panic!("it did not become ready");
}
