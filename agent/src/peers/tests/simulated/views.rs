//! What hosts know of each other while the network is cut and they crash, and what they say to each other meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_membership::State;
use kerf_types::HostId;

use super::super::super::Event;
use super::super::message;
use super::{ALL, cut, measured, members, name, network, start, step};

/// How many seeds are run.
const SEEDS: std::ops::Range<u64> = 1..9;

/// The part of messages at which a way begins to fail.
const FAILS: f64 = 0.01;

/// How long a view may take to be true: what membership promises of a dead host, and what it needs to find the fleet again.
const VIEW_LIMIT: Duration = Duration::from_secs(30);

/// Time between two messages of a host to each other one.
const SAYS_EVERY: Duration = Duration::from_millis(500);

/// What one host has seen, as its own tasks wrote it down.
#[derive(Debug, Default)]
struct Seen {
    /// Which start of it this is.
    starts: u64,
    states: BTreeMap<HostId, State>,
    revisions: BTreeMap<HostId, u64>,
    /// Messages that came: from whom, in which of its lives, and the number that was said.
    heard: BTreeSet<(HostId, u32)>,
    wrong: Vec<String>,
}

type Log = Arc<Mutex<Seen>>;

#[test]
fn views_become_true_and_messages_come_once_whatever_the_network_does() {
    let folder = members();
    for seed in SEEDS {
        run(seed, folder.path());
    }
}

fn run(seed: u64, folder: &Path) {
    let mut sim = network(seed, Duration::from_secs(600), FAILS).build();
    let logs: BTreeMap<u8, Log> = ALL.map(|number| (number, Log::default())).into();
    for (number, log) in &logs {
        let (number, log, folder) = (*number, Arc::clone(log), folder.to_owned());
        sim.host(name(number), move || {
            live(number, Arc::clone(&log), seed, folder.clone())
        });
    }
    let all_alive = |_: u8, _: u8| State::Alive;
    until(&mut sim, &logs, seed, "all of them", all_alive);
    // Two that are in the minority, and the one that all had joined is one of them.
    let (few, many) = ([1, 2], [3, 4, 5]);
    cut(&sim, &few, &many, true);
    let here = |one: u8, other: u8| few.contains(&one) == few.contains(&other);
    until(&mut sim, &logs, seed, "two parts", |one, other| {
        if here(one, other) {
            State::Alive
        } else {
            State::Down
        }
    });
    let before = heard(&logs);
    cut(&sim, &few, &many, false);
    until(&mut sim, &logs, seed, "one again", all_alive);
    until_heard(&mut sim, &logs, seed, &before);
    // One that dies and comes back, while one way is cut in one direction.
    sim.crash(name(4));
    sim.partition_oneway(name(3), name(5));
    until(&mut sim, &logs, seed, "a death", |one, other| {
        if one != 4 && other == 4 {
            State::Down
        } else {
            State::Alive
        }
    });
    sim.repair_oneway(name(3), name(5));
    sim.bounce(name(4));
    until(&mut sim, &logs, seed, "its return", all_alive);
    for (number, log) in &logs {
        let log = log.lock().expect("nobody panics");
        assert!(
            log.wrong.is_empty(),
            "seed {seed}, host {number}: {:?}",
            log.wrong
        );
    }
    let messages: usize = heard(&logs).values().sum();
    let text = format!("{messages} messages in {:?}", sim.elapsed());
    measured(seed, &text);
}

/// A host: it publishes, it says something to all others, it writes down what comes.
async fn live(number: u8, log: Log, seed: u64, folder: PathBuf) -> turmoil::Result {
    let incarnation = {
        let mut log = log.lock().expect("nobody panics");
        log.starts += 1;
        log.states.clear();
        log.starts
    };
    let mut host = start(number, incarnation, seed, &folder).await;
    let mut says = tokio::time::interval(SAYS_EVERY);
    let mut list = host.peers.watch();
    let mut count = 0_u32;
    loop {
        tokio::select! {
            _ = says.tick() => {
                count += 1;
                host.publish(incarnation * 1_000_000 + u64::from(count));
                // Numbers of one life are above all of those before.
                let said = u32::try_from(incarnation * 1_000_000).expect("few lives") + count;
                for other in ALL.into_iter().filter(|other| *other != number) {
                    host.peers.send(HostId::from_bits(other.into()), message(said));
                }
            }
            Ok(()) = list.changed() => {
                let mut log = log.lock().expect("nobody panics");
                let peers = list.borrow_and_update().clone();
                log.states = peers.iter().map(|peer| (peer.identity.host, peer.state)).collect();
            }
            Some(event) = host.events.recv() => note(&log, event),
        }
    }
}

fn note(log: &Log, event: Event) {
    let mut log = log.lock().expect("nobody panics");
    match event {
        Event::Record(record) => {
            let revision = record.version.revision;
            let before = log.revisions.insert(record.id, revision).unwrap_or(0);
            if revision < before {
                let text = format!("{} goes from {before} to {revision}", record.id);
                log.wrong.push(text);
            }
        }
        Event::Message { from, message } => {
            if !log.heard.insert((from, message.tag.member)) {
                let text = format!("{from} is heard twice to say {}", message.tag.member);
                log.wrong.push(text);
            }
        }
        Event::Keeper { .. } => log.wrong.push("nobody keeps a job".to_owned()),
        Event::StillFresh(_) | Event::Presence { .. } | Event::Forgotten(_) | Event::Removed(_) => {
        }
    }
}

/// Runs until each host sees each other one so; one that is dead sees nothing.
fn until(
    sim: &mut turmoil::Sim<'_>,
    logs: &BTreeMap<u8, Log>,
    seed: u64,
    what: &str,
    wanted: impl Fn(u8, u8) -> State,
) {
    let begun = sim.elapsed();
    loop {
        step(sim, seed);
        let wrong = logs.iter().find_map(|(one, log)| {
            if !sim.is_host_running(name(*one)) {
                return None;
            }
            let log = log.lock().expect("nobody panics");
            let mut others = ALL.into_iter().filter(|other| other != one);
            let other = others.find(|other| {
                let state = log.states.get(&HostId::from_bits((*other).into()));
                state != Some(&wanted(*one, *other))
            });
            other.map(|other| format!("host {one} of {other}: {:?}", log.states))
        });
        let Some(wrong) = wrong else {
            return;
        };
        let took = sim.elapsed() - begun;
        assert!(took < VIEW_LIMIT, "seed {seed}, {what}: {wrong}");
    }
}

/// Runs until each host has heard each other one say something new.
fn until_heard(
    sim: &mut turmoil::Sim<'_>,
    logs: &BTreeMap<u8, Log>,
    seed: u64,
    before: &BTreeMap<(u8, u8), usize>,
) {
    let begun = sim.elapsed();
    loop {
        step(sim, seed);
        let now = heard(logs);
        let silent = now.iter().find(|(pair, count)| **count <= before[pair] + 2);
        let Some((pair, _)) = silent else {
            return;
        };
        let took = sim.elapsed() - begun;
        assert!(took < VIEW_LIMIT, "seed {seed}: nothing new of {pair:?}");
    }
}

/// How much each host has heard of each other one.
fn heard(logs: &BTreeMap<u8, Log>) -> BTreeMap<(u8, u8), usize> {
    let mut counts = BTreeMap::new();
    for (one, log) in logs {
        let log = log.lock().expect("nobody panics");
        for other in ALL.into_iter().filter(|other| other != one) {
            let from = HostId::from_bits(other.into());
            let of = log.heard.iter().filter(|(host, _)| *host == from);
            counts.insert((*one, other), of.count());
        }
    }
    counts
}
