//! A long way and a lossy one: jobs start all the same, and nobody who lives is called dead.

use std::time::{Duration, Instant};

use kerf_tests::poll;

use super::super::spec::Spec;
use super::super::world::{is_empty, job, measured, nodes, until};
use super::net::{Family, Net, of};

/// Each way takes this long, and loses one frame in twenty; one in a hundred comes twice.
const ROUGH: &str = "way * * delay_ms=100 jitter_ms=20 loss_permille=50 double_permille=10";

/// How long nobody may be called dead.
const WATCHED: Duration = Duration::from_secs(60);

#[test]
fn jobs_start_and_nobody_is_called_dead_over_a_long_and_lossy_way() {
    let Some(net) = of(5, Family::V6, 6) else {
        return;
    };
    net.tell(ROUGH);
    let begun = Instant::now();
    let mut jobs: Vec<(usize, String)> = Vec::new();
    let mut suspects = 0_u32;
    let calm = poll::until("a host that is called dead", WATCHED, || {
        // One more every few seconds, on each host in turn: of one member, of two, of three.
        let due = begun.elapsed().as_secs() / 5 >= jobs.len() as u64;
        if due && jobs.len() < 9 {
            jobs.push(submit(&net, jobs.len()));
        }
        net.numbers().find_map(|number| {
            let nodes = nodes(&net, number);
            let is = |word: &str| nodes.iter().filter(|node| node["presence"] == word).count();
            suspects += u32::try_from(is("suspect")).unwrap_or(u32::MAX);
            let gone = nodes.iter().find(|node| node["presence"] == "down");
            gone.map(|node| format!("host {number} says of {}: dead", node["name"]))
        })
    });
    assert!(calm.is_err(), "{calm:?}");
    for (host, id) in &jobs {
        let ended = until(&net, *host, id, "succeeded");
        assert_eq!(ended["restarts"], 0, "{ended}");
    }
    measured(&format!(
        "{} jobs, {suspects} looks at a suspect, {}",
        jobs.len(),
        net.tell("counts")
    ));
    assert_eq!(jobs.len(), 9, "{:#}", job(&net, jobs[0].0, &jobs[0].1));
    net.heal();
    net.converges();
    for number in net.numbers() {
        is_empty(&net, number);
    }
    net.stop();
}

fn submit(net: &Net, count: usize) -> (usize, String) {
    let host = 1 + count % 5;
    let spec = Spec::new("sleep 1")
        .asks("1g.10gb")
        .with("members", 1 + count % 3);
    (host, spec.submit(net, host))
}
