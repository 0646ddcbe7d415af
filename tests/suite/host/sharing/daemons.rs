//! Daemons that crash, refuse to start, outlive their kerfd, and end with a boot.

use std::path::Path;

use kerf_tests::ChildGuard;

use super::{MPS, NOT_SHARED, Shared};
use crate::host::faults::{until_degraded, until_well};
use crate::host::world::SAMPLED;

#[test]
fn a_daemon_that_is_killed_comes_back_and_one_that_always_ends_rests() {
    let Some(shared) = Shared::bare("h100x8", SAMPLED) else {
        return;
    };
    let world = &shared.0;
    shared.settles(MPS);
    let lease = world.client.lease("gpu,mps", "", "").expect("a place");
    let first = shared.daemon();
    shared.kill(first);
    world.until("another daemon", || {
        shared.devices()[0]["daemon_pid"]
            .as_i64()
            .is_some_and(|pid| pid != first)
    });
    until_well(world);
    assert_eq!(world.lease().id, lease.id);
    let events = shared.kerf(&["events"]).ends(0);
    assert!(events.contains("it is started again in 250 ms"), "{events}");
    // Whatever is wrong, asking the driver for ever does not mend it.
    shared.fault("--mps", "start=refuse");
    shared.kill(shared.daemon());
    until_degraded(world, &["mps daemon of 0000:", "rests"]);
    assert!(shared.refusal("gpu,mps").contains("rests"));
    assert_eq!(world.lease().id, lease.id);
    shared.fault("--mps", "clear");
    shared.layout("apply", MPS).ends(0);
    shared.daemon();
    until_well(world);
    world.client.lease("gpu,mps", "", "").expect("a place");
}

#[test]
fn what_cannot_begin_is_taken_back() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    shared.fault("--mps", "start=refuse");
    let refused = shared.layout("apply", MPS);
    assert!(refused.err.contains("taken back"), "{refused:?}");
    refused.refuses(&["cannot be changed"]);
    shared.layout("assert", NOT_SHARED).ends(0);
    let history = shared.kerf(&["history"]).ends(0);
    assert!(history.contains("failed"), "{history}");
    // The whole GPU is as free as it was.
    let lease = shared.0.client.lease("gpu:8", "", "").expect("all of them");
    shared.0.client.release(&lease.id).expect("nobody has it");
    shared.fault("--mps", "clear");
    shared.settles(MPS);
}

#[test]
fn daemons_outlive_their_kerfd_and_begin_anew_after_a_boot() {
    let Some(mut shared) = Shared::bare("h100x8", "") else {
        return;
    };
    shared.settles(MPS);
    let lease = shared
        .0
        .client
        .lease("gpu,mps", "", "")
        .expect("a place")
        .id;
    let first = shared.daemon();
    shared.0.kerfd.kill9().expect("it goes");
    shared.0.kerfd.restart().expect("kerfd comes up");
    assert_eq!(
        (shared.daemon(), shared.0.lease().id.clone()),
        (first, lease.clone())
    );
    // One that ended while nobody looked is there before a lease is.
    shared.0.kerfd.kill9().expect("it goes");
    shared.kill(first);
    shared.0.kerfd.restart().expect("kerfd comes up");
    assert_ne!(shared.daemon(), first);
    shared.0.client.release(&lease).expect("nobody has it");
    // A boot ends everything of it, and the layout stays.
    shared.0.kerfd.terminate().expect("it ends well");
    for pid in shared.daemons() {
        shared.kill(i64::from(pid));
    }
    shared.0.begin_boot(1);
    shared.0.kerfd.restart().expect("kerfd comes up");
    shared.daemon();
    shared.layout("assert", MPS).ends(0);
    let history = shared.kerf(&["history"]).ends(0);
    assert!(history.contains("reapply"), "{history}");
    shared.0.client.lease("gpu,mps", "", "").expect("a place");
}

#[test]
fn daemons_are_out_of_the_way_in_maintenance() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    shared.settles(MPS);
    let first = shared.daemon();
    // Exits with 3 where not every process can be looked into, as in a container.
    let entered = shared.kerf(&["maintenance", "enter"]);
    assert!(matches!(entered.code, Some(0 | 3)), "{entered:?}");
    assert_eq!(shared.daemons(), Vec::<u32>::new());
    nvidia_ml::control::reset(&shared.0.kerfd.machine(), 0).expect("nobody is in the way");
    shared.kerf(&["maintenance", "leave"]).ends(0);
    assert_ne!(shared.daemon(), first);
    shared.layout("assert", MPS).ends(0);
    shared.settles(NOT_SHARED);
}

/// A client of the only daemon, which computes once this returns.
pub fn client(shared: &Shared, name: &str) -> ChildGuard {
    client_of(shared, &shared.pipes()[0], name)
}

/// A client of the daemon with these pipes, which computes once this returns.
pub fn client_of(shared: &Shared, pipe: &Path, name: &str) -> ChildGuard {
    let mut command = shared.0.kerfd.kerf().expect("kerf is built");
    command.args(["sim", "mps-client"]).arg(pipe);
    let log = shared.0.scratch.join(format!("{name}.log"));
    let child = ChildGuard::spawn("client", &mut command, &log).expect("it starts");
    shared.0.until("a client that computes", || {
        std::fs::read_to_string(&log).is_ok_and(|said| said.contains("client "))
    });
    child
}

#[test]
fn a_client_that_nobody_knows_of_is_in_the_way_and_the_server_that_it_leaves_is_not() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    shared.settles(MPS);
    shared.daemon();
    let mut stranger = client(&shared, "stranger");
    shared.layout("apply", NOT_SHARED).refuses(&["process"]);
    assert!(shared.refusal("gpu,mps").contains("used by process"));
    stranger.kill().expect("it goes");
    // The server stays for the next client, and is nobody's use of the GPU.
    let mut lease = None;
    shared.0.until("a free place", || {
        lease = shared.0.client.lease("gpu,mps", "", "").ok();
        lease.is_some()
    });
    let own = client(&shared, "own");
    let id = lease.expect("a lease").id;
    let refused = shared.0.client.release(&id).expect_err("somebody computes");
    assert!(refused.message().contains("not yet clean"), "{refused:?}");
    drop(own);
    shared.0.until_no_leases();
    shared.settles(NOT_SHARED);
    assert_eq!(shared.daemons(), Vec::<u32>::new());
}
