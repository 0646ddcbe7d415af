//! Every host that is refused says why, in the order of the filters.

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_types::HostRecord;
use kerf_types::Moment;
use kerf_types::host_record::{Admission, GpuHealth, Occupancy};
use kerf_types::job::Selector;

use super::fixture::{host_id, record, shared, slice, spec};
use super::scores::{fleet, placed};
use crate::fleet::{Fleet, Liveness};
use crate::place::{SaidNo, Wish, place};
use crate::rng::Rng;

fn selector(key: &str, values: &[&str]) -> Selector {
    Selector {
        key: key.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// One host for each filter, each wrong in that and in nothing before it.
fn one_for_each() -> Fleet {
    let full = |number| {
        let mut full = record(number, 1);
        full.gpus[0].slices = (0..7).map(|at| slice(at, Occupancy::Leased)).collect();
        full
    };
    let change = |number, change: fn(&mut HostRecord)| {
        let mut record = full(number);
        record.labels.insert("zone".to_owned(), "a".to_owned());
        change(&mut record);
        record
    };
    let mut fleet = fleet(vec![
        change(1, |_| ()),
        change(2, |_| ()),
        change(3, |_| ()),
        change(4, |record| record.admission = Admission::Cordoned),
        change(5, |record| record.admission = Admission::Draining),
        change(6, |record| record.labels.clear()),
        change(7, |record| {
            record.labels.insert("spot".to_owned(), "yes".to_owned());
        }),
        change(8, |record| {
            record.job_labels = vec![("noisy".to_owned(), "1".to_owned())];
        }),
        change(9, |record| record.gpus.clear()),
        change(10, |record| record.cpu_milli.free = 1),
        change(11, |record| record.memory_bytes.free = 1 << 30),
        change(12, |record| {
            record.gpus[0].slices.clear();
            record.gpus[0].health = GpuHealth::Xid(79);
        }),
        change(13, |record| {
            record.policy.on_demand = false;
            record.gpus[0].slices.clear();
        }),
        change(14, |record| record.gpus[0].occupancy = Occupancy::Leased),
    ]);
    fleet.note(host_id(2), Liveness::Down);
    fleet.note(host_id(3), Liveness::Left);
    fleet
}

#[test]
fn each_filter_names_its_constraint_and_the_facts() {
    let mut fleet = one_for_each();
    let mut job = spec("1g.10gb", 1);
    job.cpu_milli = Some(2_000);
    job.memory = Some(kerf_types::Bytes(4 << 30));
    job.affinity.hosts = vec![selector("zone", &["a", "b"])];
    job.affinity.not_hosts = vec![selector("spot", &[])];
    job.affinity.not_jobs = vec![selector("noisy", &["1"])];
    let why = placed(&mut fleet, &job).expect_err("nobody serves");
    assert!(why.may_pass());
    assert_eq!(
        why.to_string(),
        "waits: no host has room\n\
         \x20 host-1: no room for 1g.10gb: GPU 0 (0000:10:00.0): it holds all 7 of 1g.10gb that it can\n\
         \x20 host-10: 2000 thousandths of a CPU wanted, 1 of 64000 are free\n\
         \x20 host-11: 4GiB of memory wanted, 1GiB of 512GiB are free\n\
         \x20 host-12: no room for 1g.10gb while GPUs are sick: GPU 0: not well: XID 79\n\
         \x20 host-13: no free slice serves 1g.10gb, and cutting on demand is off there\n\
         \x20 host-14: no room for 1g.10gb: GPU 0 (0000:10:00.0): leased by another job\n\
         \x20 host-2: it is down\n\
         \x20 host-3: it has left the fleet\n\
         \x20 host-4: it is cordoned\n\
         \x20 host-5: it is draining\n\
         \x20 host-6: the job wants hosts with zone in [a, b], here is no label zone\n\
         \x20 host-7: the job avoids hosts with label spot, here is spot=yes\n\
         \x20 host-8: the job avoids hosts with jobs of noisy=1, one is here\n\
         \x20 host-9: impossible here: no room for 1g.10gb: this host has no GPU"
    );
}

#[test]
fn an_ask_that_no_host_can_ever_serve_is_told_from_one_that_waits() {
    let mut fleet = fleet(vec![record(1, 1)]);
    let why = placed(&mut fleet, &spec("5g.50gb", 1)).expect_err("no such profile");
    assert!(!why.may_pass());
    assert_eq!(
        why.to_string(),
        "waits: no host has room\n\
         \x20 host-1: impossible here: no room for 5g.50gb: GPU 0 (0000:10:00.0): no profile 5g.50gb \
         here, nearest is 4g.40gb; known: 7g.80gb, 4g.40gb, 3g.40gb, 2g.20gb, 1g.20gb, 1g.10gb"
    );
    let nobody = placed(&mut Fleet::default(), &spec("1g.10gb", 1)).expect_err("no host");
    assert_eq!(nobody.to_string(), "waits: no host is known");
}

#[test]
fn what_is_chosen_is_explained_too() {
    let mut busy = record(2, 1);
    busy.gpus[0].slices = vec![slice(6, Occupancy::Leased)];
    busy.load_per_mille = 450;
    let mut fleet = fleet(vec![record(1, 1), busy]);
    let job = spec("1g.10gb", 2);
    let avoid = BTreeMap::new();
    let wish = Wish {
        spec: &job,
        local: host_id(1),
        now: Moment(10_000),
        stale_after: Duration::from_secs(60),
        avoid: &avoid,
        claims: &[],
    };
    let placement = place(&mut fleet, &wish, &mut Rng::new(1)).expect("room");
    assert_eq!(
        placement.explanation.to_string(),
        "placed\n\
         \x20 host-2: gets member 0, 1 (1 to cut, 1 options lost, 0 whole GPUs left, load 4/10)\n\
         \x20 host-1: could (1 to cut, 4 options lost, 0 whole GPUs left, load 0/10)"
    );
}

#[test]
fn a_host_that_said_no_is_left_out_and_says_so() {
    let mut fleet = fleet(vec![record(1, 1)]);
    fleet.learn(shared(record(2, 1)), Moment(10_000));
    let job = spec("1g.10gb", 1);
    let said = |when, reason: &str| SaidNo {
        when: Moment(when),
        reason: reason.to_owned(),
        seen: None,
    };
    let avoid = BTreeMap::from([
        (host_id(1), said(7_000, "its image policy forbids it")),
        (host_id(2), said(9_000, "did not answer in time")),
    ]);
    let wish = Wish {
        spec: &job,
        local: host_id(1),
        now: Moment(10_000),
        stale_after: Duration::from_secs(60),
        avoid: &avoid,
        claims: &[],
    };
    let why = place(&mut fleet, &wish, &mut Rng::new(1)).expect_err("both said no");
    assert_eq!(
        why.to_string(),
        "waits: no host has room\n\
         \x20 host-1: asked 3 s ago: its image policy forbids it\n\
         \x20 host-2: asked 1 s ago: did not answer in time"
    );
}

#[test]
fn a_record_that_is_too_old_is_not_believed_but_ones_own_is() {
    let mut fleet = fleet(vec![record(1, 0), record(2, 1)]);
    let job = spec("1g.10gb", 1);
    let avoid = BTreeMap::new();
    let wish = Wish {
        spec: &job,
        local: host_id(1),
        now: Moment(85_000),
        stale_after: Duration::from_secs(60),
        avoid: &avoid,
        claims: &[],
    };
    let why = place(&mut fleet, &wish, &mut Rng::new(1)).expect_err("stale");
    assert_eq!(
        why.to_string(),
        "waits: no host has room\n\
         \x20 host-1: impossible here: no room for 1g.10gb: this host has no GPU\n\
         \x20 host-2: nothing was heard of it for 75 s"
    );
}
