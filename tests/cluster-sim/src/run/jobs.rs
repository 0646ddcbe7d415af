//! The work of a run: what is submitted where and when, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_scheduler::Rng;
use kerf_types::JobId;
use kerf_types::job::{JobSpec, OnPartition, RestartPolicy};
use kerf_types::peer::{By, SpecHash};

use super::dice::{between, chance};
use super::setup::{Scenario, Shape};
use crate::world::{HostIndex, Micros, SECOND};

/// Who submits here.
pub const BY: By = By {
    uid: 1_000,
    gid: 1_000,
    admin: false,
};

/// One job, as whoever submits it knows it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where it is submitted.
    pub host: HostIndex,
    /// When.
    pub at: Micros,
    /// When its end is asked for.
    pub cancel: Option<Micros>,
    /// Its description.
    pub spec: Arc<JobSpec>,
    /// Hash of the description.
    pub spec_hash: SpecHash,
    /// How long its containers run.
    pub runs: Micros,
    /// It was seen in its host's store.
    pub accepted: Option<Micros>,
    /// Several hosts keep it.
    pub shared: bool,
    /// Its host has lost it with its store, and kept it alone.
    pub forgotten: bool,
    /// Its end is durable.
    pub ended: Option<Micros>,
    /// All its members have started, in one attempt.
    pub started: Option<Micros>,
    /// It could have been placed all the time that counts.
    pub feasible: bool,
}

/// The work of a run.
#[derive(Debug, Default)]
pub struct Jobs {
    /// By id.
    pub all: BTreeMap<JobId, Job>,
}

impl Jobs {
    /// Draws the work of a scenario.
    pub fn draw(scenario: Scenario, shape: &Shape, hosts: usize, rng: &mut Rng) -> Self {
        let mut all = BTreeMap::new();
        if scenario == Scenario::Gang {
            gangs(shape, hosts, rng, &mut all);
            return Self { all };
        }
        let count = shape.jobs_per_host * u64::try_from(hosts).unwrap_or(0);
        for number in 0..count {
            let at = between(rng, SECOND / 2, shape.heal - SECOND);
            let mut spec = spec(rng);
            if shape.crowded {
                crowd(&mut spec, hosts, rng);
            }
            let id = id_of(number, rng);
            let cancel = chance(rng, 120).then(|| at + between(rng, 0, 8 * SECOND));
            let mut job = job(rng.index(hosts), at, spec, number);
            job.cancel = cancel;
            // Some outlast every silence that the protocol waits for.
            job.runs = match chance(rng, 300) {
                true => between(rng, 6 * SECOND, 25 * SECOND),
                false => between(rng, SECOND / 2, 6 * SECOND),
            };
            all.insert(id, job);
        }
        Self { all }
    }

    /// A job that somebody may see.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id)
    }
}

fn id_of(number: u64, rng: &mut Rng) -> JobId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&rng.next_u64().to_be_bytes());
    JobId::new(number + 1, random)
}

fn job(host: HostIndex, at: Micros, spec: JobSpec, number: u64) -> Job {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    Job {
        host,
        at,
        cancel: None,
        spec: Arc::new(spec),
        spec_hash: SpecHash(hash),
        runs: SECOND,
        accepted: None,
        shared: false,
        forgotten: false,
        ended: None,
        started: None,
        feasible: true,
    }
}

fn spec(rng: &mut Rng) -> JobSpec {
    let ask = match rng.below(12) {
        0..=4 => Some("1g.10gb"),
        5 | 6 => Some("2g.20gb"),
        7 | 8 => Some("3g.40gb"),
        9 => Some("7g.80gb"),
        10 => Some("gpu:1"),
        _ => None,
    };
    let members = match rng.below(8) {
        0..=2 => 1,
        3..=5 => 2,
        6 => 3,
        _ => 4,
    };
    JobSpec {
        name: "simulated".to_owned(),
        image: "simulated".to_owned(),
        accelerator: ask.map(|ask| ask.parse().expect("it is an ask")),
        members,
        restart: match rng.below(3) {
            0 => RestartPolicy::Never,
            _ => RestartPolicy::OnFailure { max: 2 },
        },
        checkpoint_grace_seconds: rng.below(3),
        on_partition: match chance(rng, 250) {
            true => OnPartition::Continue,
            false => OnPartition::Stop,
        },
        ..JobSpec::default()
    }
}

/// Makes a gang of it that needs two to four fifths of all GPUs, or slices of as many.
fn crowd(spec: &mut JobSpec, hosts: usize, rng: &mut Rng) {
    let ask = ["gpu:1", "7g.80gb", "3g.40gb"][rng.index(3)];
    spec.accelerator = Some(ask.parse().expect("it is an ask"));
    let hosts = u64::try_from(hosts).unwrap_or(1).max(2);
    let members = hosts - 1 + rng.below(hosts);
    spec.members = u32::try_from(members).unwrap_or(1);
}

/// One gang after the other, each of as many members as leave room for a host to die.
fn gangs(shape: &Shape, hosts: usize, rng: &mut Rng, all: &mut BTreeMap<JobId, Job>) {
    let gpus = u64::try_from(hosts).unwrap_or(0) * u64::from(shape.gpus);
    let members = u32::try_from((gpus * 4 / 5).clamp(1, 64)).unwrap_or(1);
    let mut at = shape.faults_from;
    let mut number = 0;
    while at + 40 * SECOND < shape.heal {
        let spec = JobSpec {
            name: "gang".to_owned(),
            image: "simulated".to_owned(),
            accelerator: Some("gpu:1".parse().expect("it is an ask")),
            members,
            restart: RestartPolicy::OnFailure { max: 3 },
            ..JobSpec::default()
        };
        let mut job = job(rng.index(hosts), at, spec, number);
        job.runs = between(rng, 3 * SECOND, 6 * SECOND);
        all.insert(id_of(number, rng), job);
        number += 1;
        at += between(rng, 18 * SECOND, 22 * SECOND);
    }
}
