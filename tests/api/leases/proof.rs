//! The crash proof: a process dies, or sleeps, at every call it makes, and nothing is left behind.
//!
//! A recording run of each kind finds the points: every call to the table and to the cloud, of the reader and then of the
//! worker. At each of them the process is dropped whole, with the call that was under way never sent, done unheard, or
//! done much later; or it sleeps while others work, and wakes up. Then a new process with empty memories goes on.

use std::collections::BTreeSet;

use mayfly::{clock::Clock, leases::rule::Rule};
use mayfly_tests::{
    Answer, Vault,
    azure::Kind,
    stop::{Fate, Stop},
};
use serde_json::{Value, json};

use crate::scene::{GRAPH, Scene, sweep};

/// What becomes of the call at which a process stops, and when a late one arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Unsent,
    Applied,
    /// Done after the worker's first run.
    LateAfterARun,
    /// Done after the first sweep that found nothing left.
    LateAfterACleanSweep,
    /// The process wakes up when all is over.
    Asleep,
}

impl End {
    pub(crate) const ALL: [Self; 5] = [
        Self::Unsent,
        Self::Applied,
        Self::LateAfterARun,
        Self::LateAfterACleanSweep,
        Self::Asleep,
    ];

    fn fate(self) -> Fate {
        match self {
            Self::Unsent => Fate::Unsent,
            Self::Applied => Fate::Applied,
            Self::LateAfterARun | Self::LateAfterACleanSweep => Fate::Late,
            Self::Asleep => Fate::Asleep,
        }
    }
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Reader,
    Worker,
}

/// One process that stops at its `point`th call, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) who: Who,
    pub(crate) point: usize,
    pub(crate) end: End,
}

/// What a run breaks, in words, if it breaks anything.
type Verdict = Result<(), String>;

/// The writes and cloud calls that the reader and then the worker make for `kind`, if nobody dies.
async fn points(kind: Kind) -> [Vec<String>; 2] {
    let scene = Scene::start().await;
    let reader = scene.process();
    reader.read(kind.path()).await.expect(200);
    let worker = scene.vault.another();
    while scene.go_to_next() {
        sweep(&worker).await;
    }
    [reader, worker].map(|process| {
        let calls = process.wire.calls().into_iter();
        let points = calls.filter(mayfly_tests::wire::Call::is_point);
        points.map(|call| call.operation).collect()
    })
}

/// Reads `kind` once while processes die, lets the worker finish, and judges what is left. The scene can be used again
/// after a run that breaks nothing.
pub(crate) async fn run(scene: &Scene, kind: Kind, deaths: &[Death]) -> Verdict {
    scene.sign_in_again().await;
    let mut run = Run {
        scene,
        kind,
        answered: None,
        late: Vec::new(),
        runs: 0,
        clean: false,
    };
    let of = |who| deaths.iter().filter(move |death| death.who == who);
    let mut sleepers = Vec::new();
    for death in of(Who::Reader) {
        sleepers.extend(run.read(Some(*death)).await);
    }
    if of(Who::Reader).count() == 0 {
        run.read(None).await;
    }
    run.meddle().await?;
    run.work(of(Who::Worker).copied().collect()).await?;
    for (stop, reading) in sleepers {
        stop.wake();
        // What it answers now is for nobody: its caller is gone.
        drop(reading.await);
        run.work(Vec::new()).await?;
    }
    run.judge_the_end()
}

type Reading = std::pin::Pin<Box<dyn Future<Output = Answer>>>;

struct Run<'a> {
    scene: &'a Scene,
    kind: Kind,
    answered: Option<Value>,
    late: Vec<(Stop, End)>,
    runs: usize,
    clean: bool,
}

impl Run<'_> {
    /// Reads in a process of its own, which may die. One that only sleeps is answered, to be woken later.
    async fn read(&mut self, death: Option<Death>) -> Option<(Stop, Reading)> {
        let process = self.scene.process();
        let path = self.kind.path();
        let Some(death) = death else {
            self.keep(&process.read(path).await.expect(200));
            return None;
        };
        let stop = process.wire.stop_at(death.point, death.end.fate());
        let mut reading: Reading = Box::pin(async move { process.read(path).await });
        tokio::select! {
            biased;
            () = stop.reached() => {}
            answer = &mut reading => {
                self.keep(&answer);
                return None;
            }
        }
        match death.end {
            End::Asleep => Some((stop, reading)),
            end => {
                drop(reading);
                self.late.push((stop, end));
                None
            }
        }
    }

    fn keep(&mut self, answer: &Answer) {
        if answer.status == 200 {
            self.answered = Some(answer.json()["data"].clone());
        }
    }

    /// Tries to make the base another principal, which must not work while anything must be taken back with it.
    async fn meddle(&self) -> Verdict {
        if self.scene.unfinished().is_empty() {
            return Ok(());
        }
        let other = json!({"data": {"clientId": "11111111-2222-4333-8444-555555555555"}});
        let answer = self.scene.observer().update("azure/base", other).await;
        if answer.status == 200 {
            // The proof goes on: what comes of it is what counts.
            return Ok(());
        }
        let text = answer.text();
        if answer.status == 400 && text.contains("unfinished leases") {
            Ok(())
        } else {
            Err(format!("meddling was answered {text}"))
        }
    }

    /// Lets time pass and the worker run, each process until it dies, until nothing is unfinished and nothing is on its
    /// way.
    async fn work(&mut self, mut deaths: Vec<Death>) -> Verdict {
        let mut sleepers: Vec<Stop> = Vec::new();
        let mut process = self.worker(deaths.pop());
        for _ in 0..120 {
            if !self.scene.go_to_next() {
                if !self.let_through(true).await {
                    return Ok(());
                }
                continue;
            }
            let died = if let Some((stop, death)) = &process.1 {
                tokio::select! {
                    biased;
                    () = stop.reached() => Some((stop.clone(), *death)),
                    _ = sweep(&process.0) => None,
                }
            } else {
                sweep(&process.0).await;
                None
            };
            self.runs += 1;
            if let Some((stop, death)) = died {
                match death.end {
                    // Its future is gone with it; that it was asleep makes no difference to a worker.
                    End::Asleep => sleepers.push(stop),
                    end => self.late.push((stop, end)),
                }
                process = self.worker(deaths.pop());
            }
            self.judge().await?;
            self.let_through(false).await;
        }
        Err(format!("leases do not end: {:#?}", self.scene.leases()))
    }

    fn worker(&self, death: Option<Death>) -> (Vault, Option<(Stop, Death)>) {
        let process = self.scene.vault.another();
        let stop = death.map(|death| (process.wire.stop_at(death.point, death.end.fate()), death));
        (process, stop)
    }

    /// Lets the late calls arrive whose time has come, or all; answers whether there were any.
    async fn let_through(&mut self, all: bool) -> bool {
        let leases = self.scene.leases();
        self.clean |= leases
            .iter()
            .any(|lease| lease["cleanSince"].is_i64() || lease["state"] == "revoked");
        let (runs, clean) = (self.runs, self.clean);
        let mut any = false;
        let late = std::mem::take(&mut self.late);
        for (stop, end) in late {
            let due = match end {
                End::LateAfterACleanSweep => clean,
                _ => runs > 0,
            };
            if all || due {
                any |= stop.let_through().await;
            } else {
                self.late.push((stop, end));
            }
        }
        any
    }

    /// What must be true after every step.
    async fn judge(&self) -> Verdict {
        self.everything_has_its_lease()?;
        self.what_was_answered_works().await
    }

    /// Every object that is not of the seed belongs to an unfinished lease.
    fn everything_has_its_lease(&self) -> Verdict {
        let unfinished = self.scene.unfinished();
        let leases: BTreeSet<&str> = unfinished
            .iter()
            .filter_map(|lease| lease["id"].as_str())
            .collect();
        for name in names(&self.scene.cloud()).difference(&names(&self.scene.seed)) {
            if !leases.iter().any(|lease| name.contains(lease)) {
                return Err(format!("{name} belongs to no unfinished lease"));
            }
        }
        Ok(())
    }

    /// A credential that was answered signs in until its end, and has its role once the task says so.
    async fn what_was_answered_works(&self) -> Verdict {
        let Some(data) = &self.answered else {
            return Ok(());
        };
        let now = mayfly::clock::wire_seconds(self.scene.vault.clock.now());
        if data["expiration"].as_str().unwrap_or_default() <= now.as_str() {
            return Ok(());
        }
        if let Err(error) = self.scene.sign_in(data, GRAPH).await {
            return Err(format!("what was answered does not sign in: {error}"));
        }
        let lease = self.scene.leases().into_iter().find(|lease| {
            lease["appId"] == data["clientId"] && lease["assignment"]["state"] == "SUCCESS"
        });
        let (Some(_), Kind::Rbac) = (lease, self.kind) else {
            return Ok(());
        };
        let cloud = self.scene.cloud();
        let given = cloud["roleAssignments"].as_array().unwrap();
        if given
            .iter()
            .any(|given| given["principalId"] == data["servicePrincipleId"])
        {
            Ok(())
        } else {
            Err("a task says SUCCESS, and there is no role".to_owned())
        }
    }

    /// An hour after the last end the cloud is its seed, and every lease is over.
    fn judge_the_end(&self) -> Verdict {
        self.scene
            .vault
            .clock
            .advance(std::time::Duration::from_hours(1));
        let unfinished = self.scene.unfinished();
        if !unfinished.is_empty() {
            return Err(format!("unfinished: {unfinished:#?}"));
        }
        let cloud = self.scene.cloud();
        if cloud == self.scene.seed {
            // Every look at the table reads all of it; the next run need not look at this one's remains.
            for prefix in ["LEASE#", "TASK#", "AUDIT#"] {
                for item in self.scene.vault.items_of(prefix) {
                    self.scene.vault.delete_item(&item);
                }
            }
            return Ok(());
        }
        let more: Vec<String> = names(&cloud)
            .symmetric_difference(&names(&self.scene.seed))
            .cloned()
            .collect();
        Err(format!("the cloud is not its seed: {more:?}"))
    }
}

/// What tells the objects of a cloud apart: names that hold the id of a lease, if they are ours.
fn names(cloud: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let list = |kind: &str| cloud[kind].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for app in list("applications") {
        names.insert(format!("application {}", text(&app["displayName"])));
        for password in app["passwords"].as_array().into_iter().flatten() {
            let key = text(&password["keyId"]);
            names.insert(format!("password {} {key}", text(&password["displayName"])));
        }
    }
    for principal in list("servicePrincipals") {
        names.insert(format!("principal {}", text(&principal["displayName"])));
    }
    for deleted in list("deletedItems") {
        let (kind, item) = (text(&deleted["type"]), &deleted["item"]);
        let id = text(&item["id"]);
        names.insert(format!(
            "deleted {kind} {} {id}",
            text(&item["displayName"])
        ));
    }
    for given in list("roleAssignments") {
        names.insert(format!("role assignment {}", text(&given["name"])));
    }
    names
}

/// Every single death of a reader or of the worker.
fn single_deaths(points: &[Vec<String>; 2]) -> impl Iterator<Item = Death> {
    [
        (Who::Reader, points[0].len()),
        (Who::Worker, points[1].len()),
    ]
    .into_iter()
    .flat_map(|(who, count)| (1..=count).map(move |point| (who, point)))
    .flat_map(|(who, point)| End::ALL.map(|end| Death { who, point, end }))
}

/// Visits every point of one kind with every end; answers how many points the reader and the worker have.
async fn die_everywhere(kind: Kind) -> (usize, usize) {
    let points = points(kind).await;
    let scene = Scene::start().await;
    for death in single_deaths(&points) {
        if let Err(problem) = Box::pin(run(&scene, kind, &[death])).await {
            panic!("{kind:?} {death:?} of {points:?}: {problem}");
        }
    }
    (points[0].len(), points[1].len())
}

#[tokio::test]
async fn a_client_secret_survives_no_death_of_a_process() {
    assert_eq!(Box::pin(die_everywhere(Kind::Existing)).await, (5, 11));
}

#[tokio::test]
async fn a_principal_with_an_azure_role_survives_no_death_of_a_process() {
    assert_eq!(Box::pin(die_everywhere(Kind::Rbac)).await, (13, 32));
}

#[tokio::test]
async fn a_principal_with_an_application_role_survives_no_death_of_a_process() {
    assert_eq!(Box::pin(die_everywhere(Kind::AppRole)).await, (11, 28));
}

/// How many times two processes die at random, over all kinds.
const RANDOM_RUNS: u64 = 510;

/// Runs a third of the random deaths, all of one kind. The seed is printed, and can be given.
async fn die_twice_at_random(kind: Kind) {
    let given = std::env::var_os("MAYFLY_TEST_SEED").and_then(|seed| seed.to_str()?.parse().ok());
    let seed =
        given.unwrap_or_else(|| u64::try_from(uuid::Uuid::new_v4().as_u128() >> 65).unwrap());
    let mut dice = Dice(seed);
    let points = points(kind).await;
    let scene = Scene::start().await;
    for number in 0..RANDOM_RUNS / 3 {
        let deaths = [dice.death(&points), dice.death(&points)];
        if let Err(problem) = Box::pin(run(&scene, kind, &deaths)).await {
            panic!("MAYFLY_TEST_SEED={seed}, run {number}: {kind:?} {deaths:?}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_client_secret_survives_no_two_deaths() {
    Box::pin(die_twice_at_random(Kind::Existing)).await;
}

#[tokio::test]
async fn a_principal_with_an_azure_role_survives_no_two_deaths() {
    Box::pin(die_twice_at_random(Kind::Rbac)).await;
}

#[tokio::test]
async fn a_principal_with_an_application_role_survives_no_two_deaths() {
    Box::pin(die_twice_at_random(Kind::AppRole)).await;
}

/// Steele, Lea and Flood's `SplitMix64`: the same seed throws the same.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % sides
    }

    fn death(&mut self, points: &[Vec<String>; 2]) -> Death {
        let all: Vec<Death> = single_deaths(points).collect();
        all[self.throw(all.len())]
    }
}

#[tokio::test]
async fn every_rule_is_needed() {
    for rule in Rule::ALL {
        let harm = Box::pin(first_harm(rule)).await;
        assert!(harm.is_some(), "{rule:?} could be left out");
    }
}

/// What goes wrong first with `rule` broken.
async fn first_harm(rule: Rule) -> Option<String> {
    for kind in Kind::ALL {
        let points = points(kind).await;
        let mut scene = Scene::start().await;
        scene.vault = scene.vault.breaking(rule);
        for deaths in deaths_against(rule, &points) {
            if let Err(problem) = Box::pin(run(&scene, kind, &deaths)).await {
                return Some(format!("{kind:?} {deaths:?}: {problem:.300}"));
            }
        }
    }
    None
}

/// The deaths among which one must do harm. Unknown ids take two: of the reader before it has saved one, and of the worker
/// after it has deleted what it found.
fn deaths_against(rule: Rule, points: &[Vec<String>; 2]) -> Vec<Vec<Death>> {
    if rule != Rule::KnownIds {
        return single_deaths(points).map(|death| vec![death]).collect();
    }
    let made = points[0]
        .iter()
        .position(|call| call == "PATCH applications");
    let Some(made) = made else {
        return Vec::new();
    };
    let reader = Death {
        who: Who::Reader,
        point: made + 2,
        end: End::Unsent,
    };
    let worker = |point| Death {
        who: Who::Worker,
        point,
        end: End::Applied,
    };
    (1..=points[1].len())
        .map(|point| vec![reader, worker(point)])
        .collect()
}
