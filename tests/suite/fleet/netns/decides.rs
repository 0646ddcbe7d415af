//! The host that took a gang in vanishes between its decision and the moment at which anybody hears of it.

use std::time::{Duration, Instant};

use kerf_tests::poll;

use super::super::spec::Spec;
use super::super::world::{LIMIT, is_empty, job, leases, measured, out, until};
use super::net::{Family, Net, of};
use super::saved::{decision, phases};

/// What a reservation may take to end of which nobody asks: its time to live of 10 s, and what the owner needs.
const FREE_LIMIT: Duration = Duration::from_secs(20);

/// The way of a word from the host that decides: long enough for a test to come between decision and confirmation.
const SLOW: &str = "delay_ms=250";

/// The hosts of members, which have room for one of each kind.
const OWNERS: [usize; 2] = [2, 3];

/// What becomes of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is heard again while its reservations still stand.
    CutOffShortly,
    /// It lives, and is heard again when all of them have ended.
    CutOff,
    /// It dies at that moment, and returns when all of them have ended.
    Dies,
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
    // Both at once, since most of it is that reservations end.
    let dead = decided(&mut net, Fate::Dies, 1, "4g.40gb");
    let living = decided(&mut net, Fate::CutOff, 4, "3g.40gb");
    let gangs = [dead, living];
    all_are_free(&net, &gangs);
    for gang in &gangs {
        let nothing: [String; 0] = [];
        assert_eq!(begun(&net, gang), nothing, "nobody has confirmed");
    }
    net.restart(1);
    net.heal();
    for gang in &gangs {
        runs_once(&net, gang);
    }
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
        decision(net, coordinator, &id).as_deref() == Some("committed")
    });
    decided.unwrap_or_else(|error| panic!("{fate:?}: {error:#}: {:#}", job(net, coordinator, &id)));
    net.around(&[coordinator], "cut");
    if let Fate::Dies = fate {
        net.kill(coordinator);
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

fn all_are_free(net: &Net, gangs: &[Gang]) {
    for owner in OWNERS {
        let free = || leases(net, owner).is_empty();
        let freed = poll::until_true("the end of leases", FREE_LIMIT, free);
        freed.unwrap_or_else(|error| panic!("{error:#}: {:#?}", leases(net, owner)));
    }
    for gang in gangs {
        let took = gang.gone.elapsed();
        measured(&format!("{:?}: free {took:?} after that moment", gang.fate));
    }
}

/// Its coordinator is heard again, and each member runs one time: in the attempt that was decided if its reservations
/// still stood, else in another.
fn runs_once(net: &Net, gang: &Gang) {
    let (id, fate) = (&gang.id, gang.fate);
    let ended = until(net, gang.coordinator, id, "succeeded");
    let attempt = ended["members"][0]["attempt"].as_u64();
    let attempt = attempt.expect("it was tried");
    let took = gang.gone.elapsed();
    measured(&format!(
        "{fate:?}: ended {took:?} after that moment, attempt {attempt}"
    ));
    assert_eq!(attempt == 1, fate == Fate::CutOffShortly, "{ended}");
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
