//! Starting, using, stopping, killing, starting again.

use std::{fs::File, path::PathBuf, process::Stdio, thread::sleep, time::Duration};

use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, GRAPH, KINDS},
    running::{Running, folder, http, mayfly, refused, wait_for},
};

#[test]
fn a_first_start_shows_a_credential_and_how_to_mint_another() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let text = |name: &str| vault.ready[name].as_str().unwrap().to_owned();
    let (url, id, secret) = (text("url"), text("clientId"), text("clientSecret"));
    let said = vault.wait_for_banner();
    for part in [
        "ASIASANDBOX",
        "\"clientSecret\": \"sandbox~",
        "\"roleName\": \"Reader\"",
        &format!(
            "curl -s {url}/v1/token -d grant_type=client_credentials -d client_id={id} -d client_secret={secret}"
        ),
        &format!("{url}/v1/secrets/samples/aws/reader"),
        &format!("{url}/v1/secrets/samples/azure/reader"),
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
        (&json!(2), &json!(7), &json!(0))
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
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "KEYS_ONLY");
}

#[test]
fn every_kind_of_sample_mints() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let token = vault.token();
    for (path, field) in [
        ("samples/aws/reader", "sessionToken"),
        ("samples/azure/token", "accessToken"),
        ("samples/azure/existing", "clientSecret"),
        ("samples/azure/reader", "clientSecret"),
        ("samples/azure/graph", "clientSecret"),
    ] {
        let minted = vault.ask(&token, "GET", path, "");
        assert!(minted["data"][field].is_string(), "{path}: {minted}");
    }
    let status = || {
        let leases = vault.leases(&token);
        let task = leases.iter().find_map(|lease| lease["task"].as_str());
        let path = format!("/v1/task/status/{}", task.unwrap());
        http(vault.url(), "GET", &path, &token, "")["state"].clone()
    };
    let given = (0..200).any(|_| {
        sleep(Duration::from_millis(50));
        status() == "SUCCESS"
    });
    assert!(given, "the base may give the role");
}

#[test]
fn a_directory_from_before_there_was_azure_still_starts() {
    let dir = folder();
    let vault = Running::start(dir.path(), &[]);
    let token = vault.token();
    for name in ["reader", "graph", "existing", "token", "base"] {
        let path = format!("samples/azure/{name}?force=true");
        vault.ask(&token, "DELETE", &path, "");
    }
    vault.stop("-TERM");
    std::fs::remove_file(dir.path().join("data/cloud.d/azure.json")).unwrap();
    let vault = Running::start(dir.path(), &[]);
    let said = vault.wait_for_banner();
    assert!(said.contains("samples/aws/reader"), "{said}");
    assert!(!said.contains("azure"), "{said}");
}

#[test]
fn a_vault_mints_from_a_sandbox_in_another_process() {
    let dir = folder();
    let cloud = Cloud::start(dir.path(), &[]);
    let vault = Running::start_in(dir.path(), &["--cloud", "real"], &cloud.settings());
    let token = vault.token();
    let key = &cloud.printed;
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
    assert_eq!(minted["data"]["ttl"], 900, "{minted}");

    cloud.link(&vault, &token, 900);
    for path in KINDS {
        let minted = vault.ask(&token, "GET", path, "");
        let signed_in = cloud.tenant.sign_in(&minted["data"], GRAPH);
        assert!(signed_in.is_ok(), "{path}: {minted}");
    }
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
