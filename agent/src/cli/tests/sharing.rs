//! Shared devices and changes of them, as people read them.

use kerf_api::json::{Plan, Profiles, Slices};
use kerf_api::v1;
use kerf_api::v1::sharing::{Mode, Mps, TimeSlice};

use super::PLAIN;
use crate::cli::{assert, plan, slices};

fn mps() -> v1::Sharing {
    let mps = Mps {
        clients: 4,
        threads: Some(25),
        memory_bytes: Some(18 << 30),
    };
    v1::Sharing {
        mode: Some(Mode::Mps(mps)),
    }
}

fn time_slices() -> v1::Sharing {
    let slices = TimeSlice {
        replicas: 2,
        interval: "short".to_owned(),
    };
    v1::Sharing {
        mode: Some(Mode::TimeSlice(slices)),
    }
}

#[test]
fn a_shared_gpu_shows_its_places_and_what_they_are_worth() {
    let taken = |index: u32, holder: &str| v1::TakenShare {
        index,
        lease: "01938f5c".to_owned(),
        holder: holder.to_owned(),
    };
    let device = |state: &str, daemon_pid| v1::SharedDevice {
        slice: String::new(),
        uuid: "GPU-1".to_owned(),
        state: state.to_owned(),
        daemon_pid,
        taken: vec![taken(0, "container default/a"), taken(2, "user 7")],
        clients: daemon_pid.map(|pid| v1::MpsClients {
            pids: vec![pid + 1, pid + 2],
        }),
        server: daemon_pid.map_or_else(String::new, |_| "ACTIVE".to_owned()),
    };
    let gpu = |index, sharing, device| v1::SharedGpu {
        index,
        pci: format!("0000:1{index}:00.0"),
        uuid: "GPU-1".to_owned(),
        sharing: Some(sharing),
        devices: vec![device],
    };
    let answer = v1::ListSlicesResponse {
        slices: Vec::new(),
        shared: vec![
            gpu(0, mps(), device("ready", Some(4242))),
            gpu(1, time_slices(), device("ready", None)),
        ],
    };
    let all = Slices::try_from(&answer).expect("a right answer");
    let mut inventory = crate::host::fixture::inventory(Vec::new());
    for index in 0..3 {
        let mut gpu = crate::host::fixture::gpu(index);
        gpu.mig_mode = kerf_types::MigMode::Disabled;
        inventory.gpus.push(gpu);
    }
    let grids = Profiles::from(&inventory);
    insta::assert_snapshot!(slices::render(&all, &grids, PLAIN), @"
    GPU 0  0000:10:00.0  shared: mps for 4 clients, each 25 % of the threads and 18GiB
      isolation mps: own address space, limits by software; a fatal fault of one client ends all of them
      DEVICE     TAKEN  STATE  DAEMON  CLIENTS  SERVER  HOLDERS                      UUID
      whole GPU    2/4  ready    4242        2  ACTIVE  container default/a, user 7  GPU-1

    GPU 1  0000:11:00.0  shared: 2 time slices, interval short
      isolation time-slice: no limit of memory, no isolation of faults
      DEVICE     TAKEN  STATE  DAEMON  CLIENTS  SERVER  HOLDERS                      UUID
      whole GPU    2/2  ready       -        -  -       container default/a, user 7  GPU-1

    GPU 2: not cut
    ");
}

#[test]
fn a_plan_tells_what_is_shared_no_longer_and_what_is_from_then_on() {
    let gpu = v1::GpuPlan {
        pci: "0000:10:00.0".to_owned(),
        mig_from: v1::MigMode::Disabled.into(),
        ..v1::GpuPlan::default()
    };
    let change = v1::SharingPlan {
        index: 0,
        pci: "0000:10:00.0".to_owned(),
        from: Some(time_slices()),
        to: Some(mps()),
    };
    let message = v1::Plan {
        gpus: vec![gpu],
        sharing: vec![change],
        proof: true,
        ..v1::Plan::default()
    };
    let read = Plan::try_from(&message).expect("a right plan");
    assert!(read.changes && read.differs());
    insta::assert_snapshot!(plan::render(&read, PLAIN), @"
    GPU 0  0000:10:00.0  sharing
      -  2 time slices, interval short
      +  mps for 4 clients, each 25 % of the threads and 18GiB
    Plan: 1 step on 1 GPU: 0 slices to create, 0 to destroy, 0 kept
          cost 0: nothing that exists is destroyed (proven: no plan costs less); made from generation 0
    ");
    insta::assert_snapshot!(assert::render(&read, PLAIN), @"
    GPU 0  0000:10:00.0  sharing
      -  2 time slices, interval short
      +  mps for 4 clients, each 25 % of the threads and 18GiB
    GPU 0 of 1 GPU: not as the layout says
    ");
}

#[test]
fn an_end_and_a_beginning_are_steps_with_a_number() {
    let line = |number, from: Option<v1::Sharing>, to: Option<v1::Sharing>| {
        let done = v1::apply_progress::StepDone {
            number,
            of: 54,
            step: None,
            microseconds: 1_500,
            sharing: Some(v1::SharingPlan {
                index: 1,
                pci: "0000:11:00.0".to_owned(),
                from,
                to,
            }),
        };
        let line = crate::cli::apply::step_line(&done, None).expect("a right step");
        line.show(PLAIN)
    };
    let lines = [
        line(1, Some(mps()), None),
        line(54, Some(mps()), Some(time_slices())),
    ];
    insta::assert_snapshot!(lines.concat(), @"
    [ 1/54] GPU 1: share it no longer: mps for 4 clients, each 25 % of the threads and 18GiB  1.5 ms
    [54/54] GPU 1: share it: 2 time slices, interval short  1.5 ms
    ");
}
