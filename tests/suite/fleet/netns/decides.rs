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

/// The host that takes the gang in.
const COORDINATOR: usize = 1;

/// The hosts of its members, which have room for one each.
const OWNERS: [usize; 2] = [2, 3];

/// What becomes of the coordinator.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is heard again while its reservations still stand.
    CutOffShortly,
    /// It lives, and is heard again when all of them have ended.
    CutOff,
    /// It dies at that moment, and returns when all of them have ended.
    Dies,
}

#[test]
fn a_coordinator_that_vanishes_between_decision_and_confirmation_starts_no_part_of_a_gang() {
    let Some(mut net) = of(4, Family::V4, 1) else {
        return;
    };
    for fate in [Fate::CutOffShortly, Fate::CutOff, Fate::Dies] {
        vanishes(&mut net, fate);
    }
    net.converges();
    net.stop();
}

fn vanishes(net: &mut Net, fate: Fate) {
    let log = format!("log-{fate:?}");
    let script = format!(
        "echo begin $(hostname) >> /out/{log}; sleep 0.3; echo end $(hostname) >> /out/{log}"
    );
    for owner in OWNERS {
        net.tell(&format!("way {COORDINATOR} {owner} {SLOW}"));
    }
    let spec = Spec::new(&script).asks("gpu:1").with("members", 2);
    let id = spec.on(&OWNERS).submit(net, COORDINATOR);
    let decided = poll::until_true("a decision", LIMIT, || {
        decision(net, COORDINATOR, &id).as_deref() == Some("committed")
    });
    decided.unwrap_or_else(|error| panic!("{fate:?}: {error:#}: {:#}", job(net, COORDINATOR, &id)));
    net.around(&[COORDINATOR], "cut");
    if let Fate::Dies = fate {
        net.kill(COORDINATOR);
    }
    let gone = Instant::now();
    let held = OWNERS.map(|owner| phases(net, owner, &id));
    let reserved = held.iter().all(|phases| phases == &["reserved"]);
    assert!(reserved, "{fate:?}: the moment was missed: {held:?}");
    match fate {
        Fate::CutOffShortly => {
            // A reservation is asked about each second; this takes some of these questions away.
            let limit = Duration::from_secs(3);
            let waited = poll::until_true("a while", limit, || !begun(net, &log).is_empty());
            assert!(waited.is_err(), "{fate:?}: {:?}", begun(net, &log));
            assert_eq!(OWNERS.map(|owner| leases(net, owner).len()), [1, 1]);
        }
        Fate::CutOff | Fate::Dies => all_are_free(net, fate, gone),
    }
    assert_eq!(begun(net, &log), [""; 0], "{fate:?}: nobody has confirmed");
    if let Fate::Dies = fate {
        net.restart(COORDINATOR);
    }
    net.heal();
    let ended = until(net, COORDINATOR, &id, "succeeded");
    measured(&format!(
        "{fate:?}: ended {:?} after that moment, attempt {}",
        gone.elapsed(),
        ended["members"][0]["attempt"]
    ));
    let said = std::fs::read_to_string(out(net, &log)).expect("it ran");
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    let of = |word: &str, tail: &str| format!("{word} kerf-{id}-0{tail}");
    let once = [
        of("begin", ""),
        of("begin", "-m1"),
        of("end", ""),
        of("end", "-m1"),
    ];
    assert_eq!(said, once, "{fate:?}: each member once");
    for number in net.numbers() {
        is_empty(net, number);
    }
}

fn all_are_free(net: &Net, fate: Fate, gone: Instant) {
    for owner in OWNERS {
        let free = || leases(net, owner).is_empty();
        let freed = poll::until_true("the end of its lease", FREE_LIMIT, free);
        freed.unwrap_or_else(|error| panic!("{fate:?}: {error:#}: {:#?}", leases(net, owner)));
    }
    measured(&format!(
        "{fate:?}: free {:?} after that moment",
        gone.elapsed()
    ));
}

/// Lines of members that began.
fn begun(net: &Net, log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(out(net, log)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
