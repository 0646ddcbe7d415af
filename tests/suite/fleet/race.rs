//! Two hosts ask at the same moment for the last slice of a third.

use std::process::Stdio;
use std::time::Instant;

use kerf_tests::poll;
use kerf_tests::world::Fleet;

use super::spec::{Spec, gate};
use super::world::{LIMIT, is_empty, job, leases, measured, of, open, out, until, verdict};

const ROUNDS: u32 = 10;

#[test]
fn one_of_two_hosts_gets_the_last_slice_and_the_other_waits_its_turn() {
    let Some(fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    // What is left on host 1 is one slice of three sevenths.
    let taken = ["lease", "create", "4g.40gb", "--ttl", "1h"];
    fleet.says(1, &taken).expect("it has room");
    let begun = Instant::now();
    for round in 0..ROUNDS {
        last_slice(&fleet, round);
    }
    measured(&format!("{ROUNDS} rounds in {:?}", begun.elapsed()));
    is_empty(&fleet, 2);
    is_empty(&fleet, 3);
    fleet.stop().expect("nothing is left");
}

fn last_slice(fleet: &Fleet, round: u32) {
    let log = format!("log-{round}");
    let script = |who: usize| {
        let gate = gate(&format!("gate-{round}-{who}"));
        format!("echo begin {who} >> /out/{log}; {gate}; echo end {who} >> /out/{log}")
    };
    let spec = |who| Spec::new(&script(who)).asks("3g.40gb").on(&[1]);
    let ids = at_once(fleet, [(2, spec(2)), (3, spec(3))]);
    let jobs = || ids.each_ref().map(|(who, id)| job(fleet, *who, id));
    let refusal =
        |(who, id): &(usize, String)| verdict(fleet, *who, id, "node-1")["refusal"].clone();
    let settled = poll::until("one that runs and one that waits for it", LIMIT, || {
        let jobs = jobs();
        let runs = jobs.iter().position(|job| job["state"] == "running")?;
        let waits = jobs[1 - runs]["state"] == "pending" && !refusal(&ids[1 - runs]).is_null();
        waits.then_some(runs)
    });
    let winner = settled.unwrap_or_else(|error| panic!("round {round}: {error:#}: {:#?}", jobs()));
    let ((first, first_id), (second, second_id)) = (&ids[winner], &ids[1 - winner]);
    let why = refusal(&ids[1 - winner]);
    let is_true = why["constraint"] == "no_room" || why["constraint"] == "said_no";
    let text = why["text"].as_str().unwrap_or_default();
    assert!(
        is_true && text.contains("no room for 3g.40gb"),
        "round {round}: {why}"
    );
    assert_eq!(
        leases(fleet, 1).len(),
        2,
        "round {round}: {:#?}",
        leases(fleet, 1)
    );
    open(fleet, &format!("gate-{round}-{first}"));
    until(fleet, *first, first_id, "succeeded");
    let free = Instant::now();
    until(fleet, *second, second_id, "running");
    measured(&format!(
        "round {round}: {second} ran {:?} after {first}",
        free.elapsed()
    ));
    open(fleet, &format!("gate-{round}-{second}"));
    until(fleet, *second, second_id, "succeeded");
    let said = std::fs::read_to_string(out(fleet, &log)).expect("both ran");
    let expected = format!("begin {first}\nend {first}\nbegin {second}\nend {second}\n");
    assert_eq!(said, expected, "round {round}");
}

/// Submits on two hosts, as much at once as two processes can; hosts and ids.
fn at_once(fleet: &Fleet, jobs: [(usize, Spec); 2]) -> [(usize, String); 2] {
    let begun = jobs.map(|(who, spec)| {
        let mut kerf = spec.client(fleet, who);
        let child = kerf.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        (who, child.expect("kerf starts"))
    });
    begun.map(|(who, child)| {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        (who, said.trim().to_owned())
    })
}
