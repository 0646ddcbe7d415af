//! Jobs whose keepers are lost for good, but one: they wait, and go on where an operator gives the lost ones up.

use kerf_tests::world::Fleet;
use serde_json::Value;

use super::spec::{Spec, gate};
use super::world::{document, measured, of, open, until, waits};

/// The host that takes the jobs in.
const COORDINATOR: usize = 5;

/// Those that die for good; host 1 has the members.
const LOST: [usize; 3] = [2, 3, 4];

/// Two other hosts keep each job: that host 1 is one of them for all of these has a chance of one in a thousand.
const JOBS: usize = 10;

#[test]
fn jobs_whose_keepers_are_lost_go_on_by_force_and_say_so() {
    let Some(mut fleet) = of(&["h100x1"; COORDINATOR]) else {
        return;
    };
    let script = format!("{}; exit 0", gate("on"));
    let spec = Spec::new(&script).on(&[1]);
    let spec = spec.with("on_partition", "continue");
    let jobs: Vec<String> = (0..JOBS)
        .map(|_| spec.submit(&fleet, COORDINATOR))
        .collect();
    for job in &jobs {
        until(&fleet, COORDINATOR, job, "running");
    }
    refused_while_they_live(&fleet, &jobs[0]);
    for number in LOST {
        fleet
            .host_mut(number)
            .expect("it")
            .kill9()
            .expect("it dies");
    }
    waits(&fleet, COORDINATOR, "the deaths are seen", |fleet| {
        let nodes = super::world::nodes(fleet, COORDINATOR);
        nodes
            .iter()
            .filter(|node| node["presence"] == "down")
            .count()
            == LOST.len()
    });
    let lost: Vec<(&String, [String; 2])> = jobs
        .iter()
        .filter_map(|job| Some((job, lost_of(&fleet, job)?)))
        .collect();
    measured(&format!(
        "{} of {JOBS} jobs have lost two keepers",
        lost.len()
    ));
    assert!(!lost.is_empty(), "host 1 keeps every job");
    for (job, keepers) in &lost {
        forced(&fleet, job, keepers);
    }
    open(&fleet, "on");
    for job in &jobs {
        let ended = until(&fleet, COORDINATOR, job, "succeeded");
        assert_eq!(ended["restarts"], 0, "{ended}");
    }
    for number in [1, COORDINATOR] {
        said_at(&fleet, number, &lost);
    }
    fleet.stop().expect("nothing is left");
}

fn refused_while_they_live(fleet: &Fleet, job: &str) {
    let mut alive = 0;
    for number in 1..COORDINATOR {
        let name = format!("node-{number}");
        let words = ["force", job, "--give-up", &name];
        let error = fleet.says(COORDINATOR, &words).expect_err("nobody is lost");
        let error = format!("{error:#}");
        alive += usize::from(error.contains(&format!("{name} lives")));
        assert!(
            error.contains("lives") || error.contains("does not keep job"),
            "{error}"
        );
    }
    assert_eq!(alive, 2, "two others keep it");
}

/// The two keepers of a job that are lost; none where host 1 is one of the two.
fn lost_of(fleet: &Fleet, job: &str) -> Option<[String; 2]> {
    let pairs = [(2, 3), (2, 4), (3, 4)];
    let names = pairs.map(|(a, b)| [format!("node-{a}"), format!("node-{b}")]);
    names.into_iter().find(|[a, b]| {
        let words = ["force", job, "--dry-run", "--give-up", a, "--give-up", b];
        fleet.says(COORDINATOR, &words).is_ok()
    })
}

/// Gives them up: the only other host that lives keeps the job from then on.
fn forced(fleet: &Fleet, job: &str, [a, b]: &[String; 2]) {
    let words = ["force", job, "--give-up", a, "--give-up", b];
    let forced = document(fleet, COORDINATOR, &words);
    let names = |field: &str| -> Vec<String> {
        let hosts = forced[field].as_array().expect("a list").iter();
        let name = |host: &Value| host["name"].as_str().expect("a name").to_owned();
        let mut names: Vec<String> = hosts.map(name).collect();
        names.sort();
        names
    };
    assert_eq!(names("keepers"), ["node-1", "node-5"], "{forced}");
    assert_eq!(&names("given_up"), &[a.clone(), b.clone()], "{forced}");
    assert_eq!(forced["dry_run"], false, "{forced}");
}

/// A host that keeps the jobs now has an event for each.
fn said_at(fleet: &Fleet, number: usize, lost: &[(&String, [String; 2])]) {
    let events = document(fleet, number, &["events"]);
    let events = events["events"].as_array().expect("a list");
    for (job, keepers) in lost {
        let said = events.iter().filter(|event| {
            let text = event["text"].as_str().unwrap_or_default();
            event["subject"] == job.as_str()
                && text.contains("by force of an operator at node-5")
                && keepers.iter().all(|name| text.contains(name.as_str()))
        });
        assert_eq!(said.count(), 1, "host {number}: {events:#?}");
    }
}
