//! What containers did, by their own word: each writes ten times a second that it lives, when, and who it is. All of
//! them are on one machine, so their moments are of one clock.

use std::collections::BTreeMap;

use kerf_tests::world::Fleet;

use super::super::spec::gate;
use super::super::world::out;

/// How long ago a beat may be of one that lives, in hundredths of a second.
const RECENT: u64 = 300;

/// A container that lived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// What it made up for itself: no two containers have the same.
    pub who: String,
    /// The run of the job that it belongs to, counted from 0 by its restarts.
    pub run: u32,
    /// Its member.
    pub member: u32,
    /// Its first beat and its last one, in hundredths of a second since the boot.
    pub first: u64,
    /// See `first`.
    pub last: u64,
}

/// The script of a member that beats until a gate is open.
pub fn script(name: &str) -> String {
    // The gate is looked for beside the beats, not between them.
    format!(
        "me=$(cat /proc/sys/kernel/random/uuid); \
         (while :; do read now rest < /proc/uptime; echo $now $me $(hostname) >> /out/beats-{name}; sleep 0.1; done) & \
         {}; kill $!",
        gate(&format!("gate-{name}"))
    )
}

/// Everybody who has lived so far.
pub fn lives(fleet: &Fleet, name: &str) -> Vec<Life> {
    let text = std::fs::read_to_string(out(fleet, &format!("beats-{name}"))).unwrap_or_default();
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    // What follows the last line feed is being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let beat = beat(line).unwrap_or_else(|| panic!("{line:?} is no beat"));
        let life = lives.entry(beat.who).or_insert_with(|| Life {
            who: beat.who.to_owned(),
            run: beat.run,
            member: beat.member,
            first: beat.at,
            last: beat.at,
        });
        life.last = life.last.max(beat.at);
    }
    lives.into_values().collect()
}

/// Those that beat a moment ago: a machine that is busy does not let everybody write ten times a second.
pub fn living(fleet: &Fleet, name: &str) -> Vec<Life> {
    let now = now();
    let mut lives = lives(fleet, name);
    lives.retain(|life| life.last + RECENT >= now);
    lives
}

/// No member ever lived twice at one moment, and no run began before all of the one before had ended.
pub fn never_two(lives: &[Life]) {
    for one in lives {
        for other in lives.iter().filter(|other| other.who != one.who) {
            let apart = one.last < other.first || other.last < one.first;
            let same_run = one.run == other.run && one.member != other.member;
            assert!(apart || same_run, "{one:?} and {other:?}: {lives:#?}");
        }
    }
}

/// Now, on the clock of beats.
pub fn now() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").expect("the kernel says it");
    let word = text.split(' ').next().unwrap_or_default();
    hundredths(word).unwrap_or_else(|| panic!("{text:?}"))
}

struct Beat<'a> {
    at: u64,
    who: &'a str,
    run: u32,
    member: u32,
}

/// Reads a line: a moment, who, and a host name `kerf-<job>-<run>` with `-m<member>` behind it, but for the first.
fn beat(line: &str) -> Option<Beat<'_>> {
    let mut words = line.split(' ');
    let (at, who, host) = (words.next()?, words.next()?, words.next()?);
    let (host, member) = match host.rsplit_once("-m") {
        Some((host, member)) => (host, member.parse().ok()?),
        None => (host, 0),
    };
    let (_, run) = host.rsplit_once('-')?;
    Some(Beat {
        at: hundredths(at)?,
        who,
        run: run.parse().ok()?,
        member,
    })
}

/// The kernel writes two digits behind the point.
fn hundredths(text: &str) -> Option<u64> {
    let (seconds, rest) = text.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    Some(seconds * 100 + rest.parse::<u64>().ok()?)
}

#[test]
fn two_at_one_moment_are_noticed() {
    let life = |who: &str, run, member, first, last| Life {
        who: who.to_owned(),
        run,
        member,
        first,
        last,
    };
    let gang = [life("a", 0, 0, 10, 50), life("b", 0, 1, 12, 90)];
    never_two(&gang);
    never_two(&[&gang[..], &[life("c", 1, 0, 91, 99)]].concat());
    let early = [&gang[..], &[life("c", 1, 0, 80, 99)]].concat();
    let twice = [&gang[..], &[life("c", 0, 0, 20, 30)]].concat();
    for wrong in [early, twice] {
        let noticed = std::panic::catch_unwind(|| never_two(&wrong));
        assert!(noticed.is_err());
    }
    let read = beat("77.05 x kerf-0190-1-m3").expect("a beat");
    assert_eq!((read.at, read.run, read.member), (7_705, 1, 3));
}
