//! The drill: each plan once to its end, then once to each point, and what that leaves made good by the next
//! owner, which may be killed at each point in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::corpus::{PLANS, Plan, Random, plan};
use crate::course::Course;
use crate::judge::assert_no_faults;
use crate::lanes::on_lanes;
use crate::life::{Kills, Passed, Point, is_change};

/// How many points are drilled: a number for each plan, or `all`.
pub const POINTS_ENV: &str = "KERF_KILL_POINTS";

/// Points of a plan that are drilled without it, and of the recovery from one of them.
const SHARE: Share = Share {
    points: 12,
    recoveries: 1,
    of_recovery: 4,
};

/// Points of which one has its recovery killed too, where their number is given.
const POINTS_OF_A_RECOVERY: usize = 16;

/// Points of a recovery then.
const OF_A_RECOVERY: usize = 8;

/// How much of a plan is drilled.
#[derive(Debug, Clone, Copy)]
struct Share {
    points: usize,
    /// Kills after which the recovery is killed too.
    recoveries: usize,
    /// Points of each of these recoveries.
    of_recovery: usize,
}

/// Sums over all plans.
#[derive(Debug, Default)]
struct Sums {
    calls: AtomicUsize,
    writes: AtomicUsize,
    in_recovery: AtomicUsize,
    met: AtomicUsize,
}

/// Chooses among points: those next to a change of the driver first, then any, from the plan's seed.
fn chosen(random: &mut Random, passed: &Passed, most: usize) -> Vec<Point> {
    let mut all = passed.points();
    if all.len() <= most {
        return all;
    }
    let is_near = |point: &Point| match point {
        Point::Write(..) | Point::Step(..) => true,
        Point::Call(number) => {
            let at = usize::try_from(*number).expect("an index");
            let near = at.saturating_sub(1)..=at;
            let mut names = passed.calls[near].iter();
            names.any(|name| is_change(name))
        }
    };
    let mut picked = Vec::new();
    let mut near: Vec<Point> = all.iter().copied().filter(is_near).collect();
    while picked.len() < most {
        let from = if picked.len() * 4 < most * 3 && !near.is_empty() {
            &mut near
        } else {
            &mut all
        };
        let count = u64::try_from(from.len()).expect("a count");
        if count == 0 {
            break;
        }
        let at = usize::try_from(random.below(count)).expect("an index");
        let point = from.swap_remove(at);
        if !picked.contains(&point) {
            picked.push(point);
        }
    }
    picked
}

/// One plan with its share of points; what is wrong, by point.
fn drill(plan: &Plan, share: Share, sums: &Sums) -> Vec<String> {
    let course = Course::new(plan);
    let mut random = Random::new(plan.number + PLANS);
    let points = chosen(&mut random, &course.passed, share.points);
    let recoveries = share
        .recoveries
        .min(points.len().div_ceil(POINTS_OF_A_RECOVERY));
    let every = points.len().div_ceil(recoveries.max(1)).max(1);
    let mut faults = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let (kill, passed, found) = course.drill(*point);
        let sum = match point {
            Point::Call(_) => &sums.calls,
            Point::Write(..) | Point::Step(..) => &sums.writes,
        };
        sum.fetch_add(1, Ordering::SeqCst);
        sums.met.fetch_add(usize::from(kill.met), Ordering::SeqCst);
        let name = |recovery: Option<Point>| {
            let recovery = recovery.map(|point| format!(", then {point} of the recovery"));
            let (number, recovery) = (plan.number, recovery.unwrap_or_default());
            format!(
                "plan {number}, killed at {point}{recovery}, {} answered",
                kill.answered
            )
        };
        faults.extend(found.iter().map(|fault| format!("{}: {fault}", name(None))));
        if at % every != every / 2 {
            continue;
        }
        for second in chosen(&mut random, &passed, share.of_recovery) {
            let (met, found) = course.drill_recovery(&kill, second);
            sums.in_recovery.fetch_add(1, Ordering::SeqCst);
            sums.met.fetch_add(usize::from(met), Ordering::SeqCst);
            faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{}: {fault}", name(Some(second)))),
            );
        }
    }
    faults
}

fn share() -> Share {
    let of = |points: usize| Share {
        points,
        recoveries: points.div_ceil(POINTS_OF_A_RECOVERY),
        of_recovery: OF_A_RECOVERY,
    };
    match std::env::var(POINTS_ENV).ok().as_deref() {
        None => SHARE,
        Some("all") => of(usize::MAX),
        Some(text) => of(text.parse().expect("KERF_KILL_POINTS is a number or all")),
    }
}

#[test]
fn a_kill_at_any_point_leaves_the_old_state_or_the_new() {
    let share = share();
    let sums = Arc::new(Sums::default());
    let begun = std::time::Instant::now();
    let faults = on_lanes((0..PLANS).map(plan), |plan| drill(&plan, share, &sums));
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    let count = |sum: &AtomicUsize| sum.load(Ordering::SeqCst);
    let kills = Kills {
        meant: count(&sums.calls) + count(&sums.writes) + count(&sums.in_recovery),
        met: count(&sums.met),
    };
    println!(
        "{} points: {} driver calls, {} sides of commits, {} in recoveries; {} were met, {:?}",
        kills.meant,
        count(&sums.calls),
        count(&sums.writes),
        count(&sums.in_recovery),
        kills.met,
        begun.elapsed(),
    );
    kills.assert_met();
    assert_no_faults(&faults);
}
