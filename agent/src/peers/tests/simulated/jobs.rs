//! Gangs over the real calls, while the network is cut and hosts crash: no member runs twice at once, no gang runs in
//! parts, nothing stays reserved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::json::job::spec_hash;
use kerf_scheduler::core::Input;
use kerf_types::job::{JobSpec, JobState, OnPartition, RestartPolicy};
use kerf_types::peer::{By, SpecHash};
use kerf_types::{JobId, Moment};
use tokio::sync::mpsc;

use super::node::{Machine, Node, Run, Shared};
use super::{cut, name, network, start};

/// How many seeds are run.
const SEEDS: std::ops::Range<u64> = 1..7;

const ALL: [u8; 5] = [1, 2, 3, 4, 5];

/// Jobs: one is submitted in each second, on each host in turn, of one member to four.
const JOBS: u64 = 20;

/// Until all of them have ended, once the network is whole: a member that is given up takes 40 s, a wait for another 10.
const END_LIMIT: Duration = Duration::from_secs(180);

const BY: By = By {
    uid: 1_000,
    gid: 1_000,
    admin: false,
};

#[test]
fn gangs_run_once_and_whole_whatever_the_network_does() {
    for seed in SEEDS {
        run(seed);
    }
}

type Wishes = BTreeMap<u8, Arc<std::sync::Mutex<Vec<mpsc::UnboundedSender<Input>>>>>;

fn run(seed: u64) {
    let mut sim = network(seed, Duration::from_secs(900)).build();
    let machines: BTreeMap<u8, Shared> = ALL.map(|number| (number, Shared::default())).into();
    let wishes: Wishes = ALL.map(|number| (number, Arc::default())).into();
    for number in ALL {
        let (machine, wishes) = (Arc::clone(&machines[&number]), Arc::clone(&wishes[&number]));
        sim.host(name(number), move || {
            let (sender, receiver) = mpsc::unbounded_channel();
            wishes.lock().expect("nobody panics").push(sender);
            live(number, Arc::clone(&machine), receiver, seed)
        });
    }
    let mut jobs: Vec<(u8, JobId)> = Vec::new();
    let mut plan = Plan::new(seed);
    while jobs.len() < usize::try_from(JOBS).expect("few") || plan.is_on() {
        step(&mut sim, &machines, seed);
        plan.go_on(&mut sim);
        let due = sim.elapsed().as_secs().saturating_sub(10);
        if u64::try_from(jobs.len()).expect("few") < JOBS.min(due) {
            jobs.extend(submit(&mut sim, &wishes, jobs.len()));
        }
    }
    let begun = sim.elapsed();
    while let Some(left) = left(&jobs, &machines) {
        step(&mut sim, &machines, seed);
        let took = sim.elapsed() - begun;
        assert!(took < END_LIMIT, "seed {seed}: {left}");
    }
    judge(seed, &jobs, &machines);
}

/// What is not over yet: a job, or a lease.
fn left(jobs: &[(u8, JobId)], machines: &BTreeMap<u8, Shared>) -> Option<String> {
    let open = jobs.iter().find_map(|(host, job)| {
        let machine = machines[host].lock().expect("nobody panics");
        // A host that crashed before it had read what was submitted knows nothing of it.
        let report = machine.reports.get(job)?;
        (!report.settled).then(|| format!("host {host}: {report:?}"))
    });
    open.or_else(|| {
        let held = machines.iter().find_map(|(host, machine)| {
            let held = machine.lock().expect("nobody panics").leases();
            (held > 0).then(|| format!("host {host} holds {held} leases"))
        });
        held
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
        let (far, dead) = (host(0), host(3));
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
fn submit(sim: &mut turmoil::Sim<'_>, wishes: &Wishes, count: usize) -> Option<(u8, JobId)> {
    let host = ALL[count % ALL.len()];
    let number = u64::try_from(count).expect("few");
    let spec = JobSpec {
        name: format!("job-{count}"),
        image: "none".to_owned(),
        members: u32::try_from(1 + count % 4).expect("few"),
        restart: RestartPolicy::OnFailure { max: 5 },
        on_partition: OnPartition::Stop,
        ..JobSpec::default()
    };
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let job = JobId::new(number, random);
    let input = Input::Submit {
        job,
        spec_hash: SpecHash(spec_hash(&spec)),
        spec: Arc::new(spec),
        by: BY,
    };
    if !sim.is_host_running(name(host)) {
        return None;
    }
    let wishes = wishes[&host].lock().expect("nobody panics");
    let taken = wishes.last().is_some_and(|way| way.send(input).is_ok());
    taken.then_some((host, job))
}

async fn live(
    number: u8,
    machine: Shared,
    wishes: mpsc::UnboundedReceiver<Input>,
    seed: u64,
) -> turmoil::Result {
    let incarnation = {
        let mut machine = machine.lock().expect("nobody panics");
        machine.starts += 1;
        machine.starts
    };
    let host = start(number, incarnation, seed).await;
    Node::new(host, machine, seed ^ u64::from(number))
        .run(wishes)
        .await;
    Ok(())
}

/// A step of the network, and of the containers of hosts that are dead.
fn step(sim: &mut turmoil::Sim<'_>, machines: &BTreeMap<u8, Shared>, seed: u64) {
    let stepped = sim.step();
    assert!(stepped.is_ok(), "seed {seed}: {stepped:?}");
    let now = 1_000_000 + u64::try_from(sim.elapsed().as_millis()).expect("soon");
    for machine in machines.values() {
        let mut machine = machine.lock().expect("nobody panics");
        Machine::pass(&mut machine, Moment(now));
    }
}

/// All clocks are the same one here, so runs can be held against each other.
fn judge(seed: u64, jobs: &[(u8, JobId)], machines: &BTreeMap<u8, Shared>) {
    let mut runs: BTreeMap<JobId, Vec<Run>> = BTreeMap::new();
    for machine in machines.values() {
        for run in &machine.lock().expect("nobody panics").runs {
            runs.entry(run.tag.job).or_default().push(run.clone());
        }
    }
    let (mut again, mut forgotten) = (0, 0);
    for (at, (host, job)) in jobs.iter().enumerate() {
        let machine = machines[host].lock().expect("nobody panics");
        let runs = runs.remove(job).unwrap_or_default();
        let Some(report) = machine.reports.get(job) else {
            assert!(
                runs.is_empty(),
                "seed {seed}: {runs:?} of a job that nobody knows"
            );
            forgotten += 1;
            continue;
        };
        for one in &runs {
            for other in &runs {
                let apart = one.until <= other.from || other.until <= one.from;
                let same = one.tag.attempt == other.tag.attempt;
                assert!(same || apart, "seed {seed}: {one:?} and {other:?}");
            }
        }
        let last = runs.iter().map(|run| run.tag.attempt).max();
        let members = runs.iter().filter(|run| Some(run.tag.attempt) == last);
        again += u32::from(runs.iter().any(|run| Some(run.tag.attempt) != last));
        assert_eq!(report.state, JobState::Succeeded, "seed {seed}: {report:?}");
        assert_eq!(
            members.count(),
            1 + at % 4,
            "seed {seed}: {report:?} {runs:?}"
        );
    }
    assert!(
        runs.is_empty(),
        "seed {seed}: {runs:?} of no job that was submitted"
    );
    assert!(forgotten <= 1, "seed {seed}: one host crashes, once");
    println!("seed {seed}: {} jobs, {again} ran again", jobs.len());
}
