//! Sharing: the owner killed at changes of the driver, both sides of commits and both sides of every step of sharing,
//! such as the start of a daemon, while a layout begins, changes and ends it, and while the next owner makes good what
//! that left. Afterwards how the GPU is shared is the old or the new, daemons run exactly for what is shared and are
//! known, the settings are those of the layout, and a daemon and a lease on another GPU have noticed nothing.

mod course;
mod late;
mod picture;
mod scenes;

use std::time::Instant;

use kerf_agent::store::Side;
use kerf_tests::{Capability, bins, require};

use crate::drill::POINTS_ENV;
use crate::judge::assert_no_faults;
use crate::lanes::on_lanes;
use crate::life::{End, Kills, Passed, Point, is_change};
use course::Course;
use scenes::{SCENES, Scene};

/// Points of a scene where the whole drill was not asked for.
const SHARE: usize = 8;

/// Of the points one in so many has its recovery killed too, at one point; where their number is given, at so many.
const RECOVERY_EACH: usize = 4;
const OF_A_RECOVERY: usize = 6;

/// What is worth a kill: steps of sharing, commits, and changes of the driver; with the rest where all is asked for.
fn points(passed: &Passed, is_all: bool) -> Vec<Point> {
    let steps = u64::try_from(passed.steps.len()).expect("a count");
    let steps = (0..steps)
        .flat_map(|number| [Side::Before, Side::After].map(|side| Point::Step(number, side)));
    let is_worth = |point: &Point| match point {
        Point::Call(number) => {
            let at = usize::try_from(*number).expect("an index");
            let name = passed.calls[at].as_str();
            is_all || is_change(name) || name.contains("SetComputeMode")
        }
        Point::Write(..) | Point::Step(..) => true,
    };
    let others = passed.points().into_iter().filter(is_worth);
    steps.chain(others).collect()
}

/// So many of the points, one of each part of them: not always the same side of what they are about.
fn spread(points: &[Point], most: usize, seed: usize) -> Vec<Point> {
    let part = points.len().div_ceil(most.max(1)).max(1);
    let parts = points.chunks(part).take(most).enumerate();
    let chosen = parts.map(|(at, part)| part[(at + seed) % part.len()]);
    chosen.collect()
}

/// A point in words.
fn named(point: Point, passed: &Passed) -> String {
    let name = |names: &[String], number: u64| {
        let at = usize::try_from(number).expect("an index");
        names.get(at).cloned().unwrap_or_default()
    };
    let name = match point {
        Point::Call(number) => name(&passed.calls, number),
        Point::Step(number, _) => name(&passed.steps, number),
        Point::Write(..) => String::new(),
    };
    format!("{point} {name}")
}

/// Kills at a point, and then the recovery from it at these.
fn drill_point(
    course: &Course,
    point: Point,
    (of_recovery, seed): (usize, usize),
) -> (Kills, Vec<String>) {
    let (mut faults, mut kills) = (Vec::new(), Kills::default());
    let (kill, _) = course.kill(Some(point));
    kills.count(&kill.end);
    let (End::Done(recovered), passed) = course.recover(None) else {
        panic!("nothing kills this recovery");
    };
    let name = named(point, &course.passed);
    let scene = course.scene.name;
    let found = course.judge(&kill, recovered).into_iter();
    faults.extend(found.map(|fault| format!("{scene}, killed at {name}: {fault}")));
    for second in spread(&points(&passed, false), of_recovery, seed) {
        // Processes cannot be put back, so it is killed anew.
        let (kill, _) = course.kill(Some(point));
        kills.count(&kill.end);
        kills.count(&course.recover(Some(second)).0);
        let (End::Done(recovered), _) = course.recover(None) else {
            panic!("nothing kills the second recovery");
        };
        let second = named(second, &passed);
        let found = course.judge(&kill, recovered).into_iter();
        let told = |fault| format!("{scene}, killed at {name}, then at {second}: {fault}");
        faults.extend(found.map(told));
    }
    (kills, faults)
}

/// A scene with its share of points.
fn drill(scene: Scene) -> (String, Kills, Vec<String>) {
    let begun = Instant::now();
    let course = Course::new(scene);
    let (most, of_recovery) = match std::env::var(POINTS_ENV).ok().as_deref() {
        None => (SHARE, 1),
        Some("all") => (usize::MAX, OF_A_RECOVERY),
        Some(text) => (text.parse().expect("a number or all"), OF_A_RECOVERY),
    };
    let all = points(&course.passed, most == usize::MAX);
    let count = all.len();
    let (mut faults, mut kills) = (Vec::new(), Kills::default());
    for (at, point) in spread(&all, most, 0).into_iter().enumerate() {
        let is_one = at % RECOVERY_EACH == 1;
        let of_recovery = if is_one { of_recovery } else { 0 };
        let (more, found) = drill_point(&course, point, (of_recovery, at));
        kills += more;
        faults.extend(found);
    }
    let (name, Kills { meant, met }, took) = (scene.name, kills, begun.elapsed());
    let words = format!(
        "sharing, {name}: {meant} kills, of which {met} met their point; {count} points in all; {took:?}"
    );
    (words, kills, faults)
}

#[test]
fn a_kill_at_any_point_leaves_the_old_sharing_or_the_new() {
    if !require(Capability::Root) {
        return;
    }
    bins::simulator_tools().expect("cargo build -p kerf-sim-tools");
    let done = on_lanes(SCENES.into_iter(), drill);
    let mut sum = Kills::default();
    for (words, kills, _) in &done {
        println!("{words}");
        sum += *kills;
    }
    let faults: Vec<String> = done.into_iter().flat_map(|(.., faults)| faults).collect();
    assert_no_faults(&faults);
    sum.assert_met();
}
