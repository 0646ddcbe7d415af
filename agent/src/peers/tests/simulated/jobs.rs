//! Gangs over the real calls, while the network fails, is cut, and hosts crash: each job runs to its end once, whole, and
//! nothing stays reserved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_api::json::job::spec_hash;
use kerf_scheduler::core::Input;
use kerf_types::job::{JobSpec, OnPartition, RestartPolicy};
use kerf_types::peer::{By, SpecHash};
use kerf_types::{JobId, Moment};
use tokio::sync::mpsc;

use super::judge::{Asked, judge, reports};
use super::node::{Machine, Node, Shared};
use super::{ALL, cut, measured, members, name, network, start};
use crate::process::SIMULATED_FROM_MS;

/// How many seeds are run.
const SEEDS: std::ops::Range<u64> = 1..7;

/// The part of messages at which a way begins to fail.
const FAILS: f64 = 0.002;

/// Jobs: one is submitted in each second, on each host in turn, of one member to four.
const JOBS: usize = 20;

/// How long their members run. The long ones are ended by their fences where their host is cut off.
const SHORT_S: u64 = 3;
/// See [`SHORT_S`].
const LONG_S: u64 = 40;

/// When the first is submitted: hosts know each other by then.
const FIRST_S: u64 = 10;

/// Until all of them have ended, once the network is whole: a member that is given up takes 40 s, a wait for another 10.
const END_LIMIT: Duration = Duration::from_secs(240);

const BY: By = By {
    uid: 1_000,
    gid: 1_000,
    admin: false,
};

/// What is submitted on one host: the way to its newest life.
type Wishes = Arc<Mutex<Option<mpsc::UnboundedSender<Input>>>>;

#[test]
fn gangs_run_once_and_whole_whatever_the_network_does() {
    let folder = members();
    for seed in SEEDS {
        run(seed, folder.path());
    }
}

fn run(seed: u64, folder: &Path) {
    let mut sim = network(seed, Duration::from_secs(900), FAILS).build();
    let machines: BTreeMap<u8, Shared> = ALL.map(|number| (number, Shared::default())).into();
    let wishes: BTreeMap<u8, Wishes> = ALL.map(|number| (number, Wishes::default())).into();
    for number in ALL {
        let (machine, wishes) = (Arc::clone(&machines[&number]), Arc::clone(&wishes[&number]));
        let folder = folder.to_owned();
        sim.host(name(number), move || {
            let (sender, receiver) = mpsc::unbounded_channel();
            *wishes.lock().expect("nobody panics") = Some(sender);
            live(number, Arc::clone(&machine), receiver, seed, folder.clone())
        });
    }
    let mut asked: Vec<Asked> = Vec::new();
    let mut plan = Plan::new(seed);
    while asked.len() < JOBS || plan.is_on() {
        step(&mut sim, &machines, seed);
        plan.go_on(&mut sim);
        let due = sim.elapsed().as_secs().saturating_sub(FIRST_S);
        if asked.len() < JOBS && u64::try_from(asked.len()).expect("few") < due {
            asked.extend(submit(&mut sim, &wishes, asked.len()));
        }
    }
    let begun = sim.elapsed();
    while let Some(left) = left(&asked, &machines) {
        step(&mut sim, &machines, seed);
        let took = sim.elapsed() - begun;
        assert!(took < END_LIMIT, "seed {seed}: {left}");
    }
    let verdict = judge(&asked, &machines);
    assert!(
        verdict.wrong.is_empty(),
        "seed {seed}: {:#?}",
        verdict.wrong
    );
    // One host crashes, once, with at most one job that it had not read.
    assert!(verdict.unknown <= 1, "seed {seed}: {verdict:?}");
    let text = format!(
        "{} jobs, {} of them ran again, {} were taken over, all ended after {:?}",
        asked.len(),
        verdict.again,
        verdict.taken_over,
        sim.elapsed()
    );
    measured(seed, &text);
}

/// What is not over yet: a job, or a lease.
fn left(asked: &[Asked], machines: &BTreeMap<u8, Shared>) -> Option<String> {
    let open = asked.iter().find_map(|asked| {
        // A host that crashed before it had read what was submitted knows nothing of it, and nobody else does.
        let reports = reports(asked.job, machines);
        let is_open = reports.iter().all(|report| !report.settled);
        (is_open && !reports.is_empty()).then(|| format!("{asked:?}: {reports:?}"))
    });
    open.or_else(|| {
        machines.iter().find_map(|(host, machine)| {
            let held = machine.lock().expect("nobody panics").leases();
            (held > 0).then(|| format!("host {host} holds {held} leases"))
        })
    })
}

/// Who is cut off, crashed and back, and when; each for as long as a member is believed in and longer.
struct Plan {
    steps: Vec<(u64, Step)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Cut(u8, bool),
    Crash(u8),
    Bounce(u8),
}

impl Plan {
    /// One host is cut off and one crashes, by the seed; it may be the same.
    fn new(seed: u64) -> Self {
        let host = |salt: u64| 1 + u8::try_from((seed * 7 + salt) % 5).expect("five");
        let (far, dead) = (host(0), host(seed % 4));
        let mut steps = vec![
            (15 + seed % 5, Step::Cut(far, true)),
            (17 + seed % 7, Step::Crash(dead)),
            (27, Step::Bounce(dead)),
            (75, Step::Cut(far, false)),
        ];
        steps.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Self { steps }
    }

    fn is_on(&self) -> bool {
        !self.steps.is_empty()
    }

    fn go_on(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = sim.elapsed().as_secs();
        while let Some((_, next)) = self.steps.pop_if(|(at, _)| *at <= now) {
            match next {
                Step::Cut(far, apart) => {
                    let others: Vec<u8> = ALL.into_iter().filter(|one| *one != far).collect();
                    cut(sim, &[far], &others, apart);
                }
                Step::Crash(dead) => sim.crash(name(dead)),
                Step::Bounce(dead) => sim.bounce(name(dead)),
            }
        }
    }
}

/// Submits a job where it is its turn; nothing while that host is dead.
fn submit(
    sim: &mut turmoil::Sim<'_>,
    wishes: &BTreeMap<u8, Wishes>,
    count: usize,
) -> Option<Asked> {
    let host = ALL[count % ALL.len()];
    if !sim.is_host_running(name(host)) {
        return None;
    }
    let members = 1 + count % 4;
    let spec = JobSpec {
        name: format!("job-{count}"),
        image: "none".to_owned(),
        args: vec![if count % 5 == 0 { LONG_S } else { SHORT_S }.to_string()],
        members: u32::try_from(members).expect("few"),
        restart: RestartPolicy::OnFailure { max: 5 },
        on_partition: OnPartition::Stop,
        ..JobSpec::default()
    };
    let number = u64::try_from(count).expect("few");
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let job = JobId::new(number, random);
    let input = Input::Submit {
        job,
        spec_hash: SpecHash(spec_hash(&spec)),
        spec: Arc::new(spec),
        by: BY,
    };
    let wishes = wishes[&host].lock().expect("nobody panics");
    let taken = wishes.as_ref().is_some_and(|way| way.send(input).is_ok());
    taken.then_some(Asked { job, members })
}

async fn live(
    number: u8,
    machine: Shared,
    wishes: mpsc::UnboundedReceiver<Input>,
    seed: u64,
    folder: PathBuf,
) -> turmoil::Result {
    let incarnation = {
        let mut machine = machine.lock().expect("nobody panics");
        machine.starts += 1;
        machine.starts
    };
    let host = start(number, incarnation, seed, &folder).await;
    Node::new(host, machine, seed ^ u64::from(number))
        .run(wishes)
        .await;
    Ok(())
}

/// A step of the network, and of the containers of all hosts, dead ones included.
fn step(sim: &mut turmoil::Sim<'_>, machines: &BTreeMap<u8, Shared>, seed: u64) {
    super::step(sim, seed);
    let now = SIMULATED_FROM_MS + u64::try_from(sim.elapsed().as_millis()).expect("soon");
    for machine in machines.values() {
        let mut machine = machine.lock().expect("nobody panics");
        Machine::pass(&mut machine, Moment(now));
    }
}
