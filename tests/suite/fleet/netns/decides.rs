//! The host that took a gang in vanishes between its decision and the moment at which any owner hears of it.

use std::time::{Duration, Instant};

use kerf_tests::poll;

use super::super::spec::Spec;
use super::super::world::{LIMIT, is_empty, job, known, leases, measured, out, until_so};
use super::net::{Family, Net, of};
use super::saved::{agreed, phases};

/// What a reservation may take to end of which nobody asks: the 30 s that it waits for a successor, and what the owner
/// needs.
const FREE_LIMIT: Duration = Duration::from_secs(45);

/// The way of a word from the host that decides: long enough for a test to come between decision and confirmation.
const SLOW: &str = "delay_ms=250";

/// The hosts of members, which have room for one of each kind.
const OWNERS: [usize; 2] = [2, 3];

/// What becomes of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is heard again before another one takes over.
    CutOffShortly,
    /// It lives, and is heard again when another one has brought the gang to its end.
    CutOff,
    /// It dies at that moment, and returns when another one has.
    Dies,
    /// No host hears any other, so nobody can take over, until all reservations have ended.
    AllAlone,
}

/// A gang that was decided, of which nobody else has heard.
struct Gang {
    id: String,
    fate: Fate,
    coordinator: usize,
    gone: Instant,
}

#[test]
fn a_coordinator_that_vanishes_between_decision_and_confirmation_starts_no_part_of_a_gang() {
    let Some(mut net) = of(4, Family::V4, 1) else {
        return;
    };
    let shortly = decided(&mut net, Fate::CutOffShortly, 1, "4g.40gb");
    // A reservation is asked about each second; this takes some of these questions away.
    let limit = Duration::from_secs(3);
    let begins = poll::until_true("a beginning", limit, || !begun(&net, &shortly).is_empty());
    assert!(begins.is_err(), "{:?}", begun(&net, &shortly));
    assert_eq!(OWNERS.map(|owner| leases(&net, owner).len()), [1, 1]);
    net.heal();
    runs_once(&net, &shortly);
    for (fate, coordinator) in [(Fate::Dies, 1), (Fate::CutOff, 4)] {
        let gang = decided(&mut net, fate, coordinator, "4g.40gb");
        another_goes_on(&net, &gang);
        if fate == Fate::Dies {
            net.restart(coordinator);
        }
        net.heal();
        // It hears how the gang has ended without it, and starts nothing of it.
        runs_once(&net, &gang);
        net.converges();
    }
    let alone = decided(&mut net, Fate::AllAlone, 1, "4g.40gb");
    all_are_free(&net, &alone);
    let nothing: [String; 0] = [];
    assert_eq!(begun(&net, &alone), nothing, "nobody has confirmed");
    net.heal();
    runs_once(&net, &alone);
    for number in net.numbers() {
        is_empty(&net, number);
    }
    net.converges();
    net.stop();
}

/// Has a host take a gang in, and takes it out of the network when it has decided and before any owner hears of it.
fn decided(net: &mut Net, fate: Fate, coordinator: usize, ask: &str) -> Gang {
    let log = log(fate);
    let script = format!(
        "echo begin $(hostname) >> /out/{log}; sleep 0.3; echo end $(hostname) >> /out/{log}"
    );
    for owner in OWNERS {
        net.tell(&format!("way {coordinator} {owner} {SLOW}"));
    }
    let spec = Spec::new(&script).asks(ask).with("members", 2);
    let id = spec.on(&OWNERS).submit(net, coordinator);
    let decided = poll::until_true("a decision", LIMIT, || {
        agreed(net, &id).as_deref() == Some("committed")
    });
    decided.unwrap_or_else(|error| panic!("{fate:?}: {error:#}: {:#}", job(net, coordinator, &id)));
    net.around(&[coordinator], "cut");
    match fate {
        Fate::Dies => net.kill(coordinator),
        Fate::AllAlone => net.numbers().for_each(|one| net.around(&[one], "cut")),
        Fate::CutOffShortly | Fate::CutOff => {}
    }
    let gone = Instant::now();
    let held = OWNERS.map(|owner| phases(net, owner, &id));
    let reserved = held.iter().all(|phases| phases == &["reserved"]);
    assert!(reserved, "{fate:?}: the moment was missed: {held:?}");
    Gang {
        id,
        fate,
        coordinator,
        gone,
    }
}

/// Another host that keeps the gang goes on with what was decided, while the one that decided it is away.
fn another_goes_on(net: &Net, gang: &Gang) {
    let others: Vec<usize> = net
        .numbers()
        .filter(|one| *one != gang.coordinator)
        .collect();
    let ended = poll::until("the end at another host", LIMIT, || {
        others.iter().find(|one| {
            let job = known(net, **one, &gang.id);
            job.is_some_and(|job| job["state"] == "succeeded")
        })
    });
    let successor = ended.unwrap_or_else(|error| {
        let host = |one: &usize| net.host(*one).expect("a host").log_tail();
        let logs: Vec<String> = others.iter().map(host).collect();
        panic!("{:?}: {error:#}\n{}", gang.fate, logs.join("\n---\n"))
    });
    measured(&format!(
        "{:?}: host {successor} has ended it {:?} after that moment",
        gang.fate,
        gang.gone.elapsed()
    ));
}

fn all_are_free(net: &Net, gang: &Gang) {
    for owner in OWNERS {
        let free = || leases(net, owner).is_empty();
        let freed = poll::until_true("the end of leases", FREE_LIMIT, free);
        freed.unwrap_or_else(|error| panic!("{error:#}: {:#?}", leases(net, owner)));
    }
    let took = gang.gone.elapsed();
    measured(&format!("{:?}: free {took:?} after that moment", gang.fate));
}

/// The host that took it in tells its end, and each member ran one time: in the attempt that was decided if its
/// reservations stood until somebody went on with it, else in another.
fn runs_once(net: &Net, gang: &Gang) {
    let (id, fate) = (&gang.id, gang.fate);
    // Where another host has ended it, the place follows the end.
    let ended = until_so(net, gang.coordinator, id, "known to have ended", |job| {
        job["state"] == "succeeded" && !job["members"][0]["attempt"].is_null()
    });
    let attempt = ended["members"][0]["attempt"].as_u64();
    let attempt = attempt.expect("it was tried");
    let took = gang.gone.elapsed();
    measured(&format!(
        "{fate:?}: ended {took:?} after that moment, attempt {attempt}"
    ));
    assert_eq!(attempt == 1, fate != Fate::AllAlone, "{ended}");
    let mut said = begun(net, gang);
    said.sort_unstable();
    // Containers count attempts from 0.
    let of = |word: &str, tail: &str| format!("{word} kerf-{id}-{}{tail}", attempt - 1);
    let once = [
        of("begin", ""),
        of("begin", "-m1"),
        of("end", ""),
        of("end", "-m1"),
    ];
    assert_eq!(said, once, "{fate:?}: each member once");
}

/// What members have written, the latest last.
fn begun(net: &Net, gang: &Gang) -> Vec<String> {
    let text = std::fs::read_to_string(out(net, &log(gang.fate))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn log(fate: Fate) -> String {
    format!("log-{fate:?}")
}
