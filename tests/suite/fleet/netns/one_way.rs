//! A way that is cut in one direction: whoever is not heard by one is not dead, and jobs go where they can.

use std::time::Duration;

use kerf_tests::{Capability, poll, require};

use super::super::spec::{Spec, gate};
use super::super::world::{
    LIMIT, all_see, hosts_of, is_empty, job, leases, node, open, until, until_so, waits,
};
use super::net::{Family, Net, name, of};

/// Long against what a suspicion may take, twice over.
const WATCHED: Duration = Duration::from_secs(30);

/// The host that does not hear.
const DEAF: usize = 3;

#[test]
fn a_host_that_one_other_cannot_reach_is_not_dead_and_one_that_hears_nobody_comes_back() {
    let Some(net) = of(4, Family::V4, 7) else {
        return;
    };
    deaf_to_one(&net);
    deaf_to_all(&net);
    for number in net.numbers() {
        is_empty(&net, number);
    }
    net.stop();
}

/// Host 1 is heard by all but one. It has nothing from that one that it does not ask others for.
fn deaf_to_one(net: &Net) {
    deafen(net, Some(1));
    let script = |name: &str| gate(&format!("gate-{name}"));
    let whole = |name: &str| Spec::new(&script(name)).asks("gpu:1").on(&[DEAF, 4]);
    // The second has only the host that does not hear.
    let first = whole("first").submit(net, 1);
    let second = whole("second").submit(net, 1);
    let runs = || [&first, &second].map(|id| job(net, 1, id)["state"] == "running");
    let one = poll::until_true("one of both", LIMIT, || runs().contains(&true));
    one.unwrap_or_else(|error| {
        panic!(
            "{error:#}: {:#} {:#}",
            job(net, 1, &first),
            job(net, 1, &second)
        )
    });
    let slandered = poll::until("a word that it is dead", WATCHED, || {
        let says = |number: &usize| node(net, *number, &name(DEAF))["presence"] == "down";
        net.numbers().find(says)
    });
    assert!(slandered.is_err(), "{slandered:?}");
    let at_work = runs();
    assert_eq!(at_work.iter().filter(|runs| **runs).count(), 1);
    let (running, waiting) = match at_work {
        [true, _] => ((&first, "first"), (&second, "second")),
        _ => ((&second, "second"), (&first, "first")),
    };
    assert_eq!(hosts_of(&job(net, 1, running.0)), [name(4)]);
    assert_eq!(leases(net, DEAF).len(), 0, "nobody could ask it");
    hear(net);
    let late = until(net, 1, waiting.0, "running");
    assert_eq!(hosts_of(&late), [name(DEAF)]);
    for (id, gate) in [running, waiting] {
        open(net, &format!("gate-{gate}"));
        until(net, 1, id, "succeeded");
    }
}

/// It says what it has to say and cannot answer: the others have to do without it.
fn deaf_to_all(net: &Net) {
    deafen(net, None);
    for number in [1, 2, 4] {
        waits(net, number, "a host that does not answer", |net| {
            node(net, number, &name(DEAF))["presence"] == "down"
        });
    }
    let spec = Spec::new("true").asks("gpu:1").on(&[DEAF, 4]);
    let ended = until(net, 1, &spec.submit(net, 1), "succeeded");
    assert_eq!(hosts_of(&ended), [name(4)], "{ended}");
    let only = Spec::new("true").asks("gpu:1").on(&[DEAF]).submit(net, 1);
    until_so(net, 1, &only, "waiting", |job| job["state"] == "pending");
    hear(net);
    all_see(net, 4);
    let ended = until(net, 1, &only, "succeeded");
    assert_eq!(hosts_of(&ended), [name(DEAF)], "{ended}");
    net.converges();
}

/// By the firewall of the host itself, where that is to be had: nothing on the way knows of it.
fn deafen(net: &Net, to: Option<usize>) {
    if !require(Capability::Nft) {
        let from = to.map_or("*".to_owned(), |one| one.to_string());
        net.tell(&format!("way {from} {DEAF} cut"));
        return;
    }
    let from = to.map_or("10.77.0.0/24".to_owned(), |one| {
        net.namespace(one).v4().to_string()
    });
    let chain = "type filter hook input priority 0;";
    let rules =
        format!("table inet kerf {{ chain in {{ {chain} iif k0 ip saddr {from} drop; }}; }}");
    net.run(DEAF, &["nft", &rules]);
}

fn hear(net: &Net) {
    if require(Capability::Nft) {
        net.run(DEAF, &["nft", "delete table inet kerf"]);
    }
    net.heal();
}
