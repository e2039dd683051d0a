//! The program killed again and again while it mints: no lease is lost, and everything is taken back in the end.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use mayfly::clock::{Clock as _, SystemClock, wire_seconds};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    cloud::{Cloud, GRAPH, KINDS, Tenant},
    running::{Running, folder},
};

const KILLS: u32 = 20;
/// The shortest that there is.
const TTL: u32 = 60;
/// More than the ten minutes that lie between two sweeps.
const SETTLED: i64 = 11 * 60;
/// So many times ten minutes are enough for everything to be taken back, trouble on the way included.
const ROUNDS: u32 = 8;

/// Numbers that repeat for a seed: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The clock that vault and cloud share.
struct Clock {
    file: PathBuf,
    ahead: i64,
}

impl Clock {
    fn new(dir: &Path) -> Self {
        let clock = Self {
            file: dir.join("ahead"),
            ahead: 0,
        };
        clock.write();
        clock
    }

    /// Puts it forward. Both processes see it at their next look.
    fn advance(&mut self, seconds: i64) {
        self.ahead += seconds;
        self.write();
    }

    fn write(&self) {
        let partial = self.file.with_extension("partial");
        std::fs::write(&partial, self.ahead.to_string()).unwrap();
        std::fs::rename(partial, &self.file).unwrap();
    }

    /// What it shows so many seconds from now, as leases are written.
    fn shows_in(&self, seconds: i64) -> String {
        let shown = SystemClock.now() + time::Duration::seconds(self.ahead + seconds);
        wire_seconds(shown)
    }
}

/// A vault that comes and goes, and a cloud that stays.
struct Scene {
    dir: tempfile::TempDir,
    clock: Clock,
    cloud: Cloud,
    /// What was in the cloud before anything was minted.
    first: Value,
    seed: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let dir = folder();
        let clock = Clock::new(dir.path());
        let file = clock.file.to_str().unwrap().to_owned();
        let cloud = Cloud::start(dir.path(), &["--clock-ahead", &file]);
        let first = cloud.tenant.everything();
        let scene = Self {
            dir,
            clock,
            cloud,
            first,
            seed,
        };
        let vault = scene.start();
        scene.cloud.link(&vault, &vault.token(), TTL);
        scene
    }

    fn tenant(&self) -> &Tenant {
        &self.cloud.tenant
    }

    fn start(&self) -> Running {
        let file = self.clock.file.to_str().unwrap();
        let options = ["--cloud", "real", "--clock-ahead", file];
        Running::start_in(self.dir.path(), &options, &self.cloud.settings())
    }

    /// Kills the vault again and again while it is read; what was answered with a credential.
    fn kill_while_reading(&mut self) -> Vec<Value> {
        let mut chance = Chance(self.seed);
        let mut answered = Vec::new();
        for _ in 0..KILLS {
            let vault = self.start();
            let token = vault.token();
            self.assert_nothing_is_lost(&vault, &token);
            let after = Duration::from_millis(30 + chance.below(600));
            let new = read_and_kill(&vault, &token, after);
            self.assert_all_sign_in(&new);
            answered.extend(new);
            let seconds = chance.below(80);
            self.clock.advance(i64::try_from(seconds).unwrap());
        }
        answered
    }

    /// Lets the vault take back what has ended, ten minutes at a time; how many leases there were, and how often it took.
    fn take_back(&mut self) -> (usize, u32) {
        for round in 0..ROUNDS {
            let vault = self.start();
            let token = vault.token();
            let leases = self.wait_for_sweep(&vault, &token);
            self.assert_nothing_is_lost(&vault, &token);
            if leases.iter().all(|lease| lease["state"] == "revoked") {
                return (leases.len(), round);
            }
            drop(vault);
            self.clock.advance(SETTLED);
        }
        panic!("seed {}: not everything was taken back", self.seed);
    }

    /// What was answered and has not ended works, whatever was killed since.
    fn assert_all_sign_in(&self, answered: &[Value]) {
        let soon = self.clock.shows_in(5);
        for credential in answered.iter().map(|answer| &answer["data"]) {
            if credential["expiration"].as_str().unwrap() > soon.as_str() {
                let signed_in = self.tenant().sign_in(credential, GRAPH);
                assert!(
                    signed_in.is_ok(),
                    "seed {}: {signed_in:?}, {credential}",
                    self.seed
                );
            }
        }
    }

    fn assert_all_have_ended(&self, answered: &[Value]) {
        for credential in answered.iter().map(|answer| &answer["data"]) {
            let signed_in = self.tenant().sign_in(credential, GRAPH);
            assert!(
                signed_in.is_err(),
                "seed {}: {credential} has ended",
                self.seed
            );
        }
    }

    /// Everything in the cloud that was not there at first belongs to an unfinished lease.
    fn assert_nothing_is_lost(&self, vault: &Running, token: &str) {
        // The cloud first: what is there by now was intended before.
        let now = self.tenant().everything();
        let unfinished: BTreeSet<String> = vault
            .leases(token)
            .iter()
            .filter(|lease| lease["state"] != "revoked")
            .map(|lease| lease["id"].as_str().unwrap().to_owned())
            .collect();
        for (what, lease) in added(&self.first, &now) {
            let has_lease = lease.is_some_and(|lease| unfinished.contains(&lease.to_string()));
            assert!(has_lease, "seed {}: no lease has {what}", self.seed);
        }
    }

    /// Waits until nothing is due that nobody works on.
    fn wait_for_sweep(&self, vault: &Running, token: &str) -> Vec<Value> {
        let mut quiet = 0;
        for _ in 0..300 {
            let leases = vault.leases(token);
            let now = self.clock.shows_in(0);
            let is_due = |lease: &Value| {
                lease["state"] != "revoked" && lease["next"].as_str().unwrap() <= now.as_str()
            };
            quiet = if leases.iter().any(is_due) {
                0
            } else {
                quiet + 1
            };
            if quiet == 3 {
                return leases;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("it does not get through: {:?}", vault.leases(token));
    }
}

/// Reads every kind until the vault is killed; what was answered with a credential.
fn read_and_kill(vault: &Running, token: &str, after: Duration) -> Vec<Value> {
    std::thread::scope(|scope| {
        let readers = KINDS.map(|path| {
            scope.spawn(move || {
                let mut answered = Vec::new();
                loop {
                    let answer = vault.ask(token, "GET", path, "");
                    if answer.is_null() {
                        return answered;
                    }
                    if answer["data"]["clientSecret"].is_string() {
                        answered.push(answer);
                    }
                }
            })
        });
        sleep(after);
        vault.signal("-KILL");
        readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap())
            .collect()
    })
}

/// What is there now and was not at first, with the lease that its name tells.
fn added(first: &Value, now: &Value) -> Vec<(String, Option<Uuid>)> {
    let items = |cloud: &Value, list: &str| cloud[list].as_array().unwrap().clone();
    let id_in = |name: &str, prefix: &str| -> Option<Uuid> {
        let rest = name.strip_prefix(prefix)?;
        Uuid::try_parse(rest.get(..36)?).ok()
    };
    let mut found = Vec::new();
    for list in [
        "applications",
        "servicePrincipals",
        "deletedApplications",
        "deletedPrincipals",
    ] {
        let before = items(first, list);
        for item in items(now, list) {
            match before.iter().find(|other| other["id"] == item["id"]) {
                None => {
                    let name = item["displayName"].as_str().unwrap_or_default();
                    found.push((format!("{list}: {item}"), id_in(name, "dsv-")));
                }
                Some(other) => {
                    let passwords = item["passwordCredentials"].as_array().into_iter().flatten();
                    for password in passwords {
                        let known = other["passwordCredentials"].as_array().unwrap();
                        if !known.contains(password) {
                            let name = password["displayName"].as_str().unwrap_or_default();
                            found.push((format!("password: {password}"), id_in(name, "mayfly-")));
                        }
                    }
                }
            }
        }
    }
    for item in items(now, "roles") {
        if !items(first, "roles").contains(&item) {
            let name = item["name"].as_str().unwrap_or_default();
            found.push((format!("role: {item}"), id_in(name, "")));
        }
    }
    for item in items(now, "appRoles") {
        let principals = items(now, "servicePrincipals");
        let holder = principals
            .iter()
            .find(|one| one["id"] == item["principalId"]);
        let name = holder.and_then(|one| one["displayName"].as_str());
        let lease = name.and_then(|name| id_in(name, "dsv-"));
        found.push((format!("application role: {item}"), lease));
    }
    found
}

/// Says it past the capture of what tests print.
fn say(words: &str) {
    let line = format!("kills: {words}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn no_kill_loses_a_lease_and_everything_is_taken_back() {
    let seed = Uuid::new_v4().as_u64_pair().0;
    say(&format!("seed {seed}"));
    let mut scene = Scene::new(seed);
    let answered = scene.kill_while_reading();
    let read = KINDS.map(|kind| {
        let path = kind.replace('/', ":");
        let of_kind = answered.iter().filter(|answer| answer["path"] == *path);
        of_kind.count()
    });
    assert!(
        read.iter().all(|count| *count > 2),
        "seed {seed}: hardly read: {read:?}"
    );
    scene.clock.advance(TTL.into());
    scene.assert_all_have_ended(&answered);
    let (leases, rounds) = scene.take_back();
    assert!(leases > answered.len(), "seed {seed}: no kill met a mint");
    assert_eq!(scene.tenant().everything(), scene.first, "seed {seed}");
    scene.assert_all_have_ended(&answered);
    say(&format!(
        "{read:?} read, {leases} leases, taken back in {rounds} rounds"
    ));
}
