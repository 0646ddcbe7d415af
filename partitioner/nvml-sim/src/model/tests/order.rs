//! The order of destruction, and what dies with what.

use super::*;
use crate::model::events::{MIG_CONFIG, XID};
use crate::model::load::Process;

fn process(gi: u32) -> Process {
    let (pid, started) = (42, None);
    Process {
        pid,
        started,
        pid_namespace: None,
        gi: Some(gi),
        ci: None,
        sm_percent: 50,
        memory_bytes: 1 << 30,
        mps: None,
    }
}

#[test]
fn a_gpu_instance_goes_after_its_compute_instances() {
    let mut machine = mig_machine("h100x1");
    let (gi, ci) = create_full(&mut machine, 14, Some(0));
    assert_eq!(machine.destroy_gi(gi, START_US), Err(Status::InUse));
    machine
        .destroy_ci(ci, START_US)
        .expect("nothing runs on it");
    machine.destroy_gi(gi, START_US).expect("it is empty");
    assert_eq!(machine.destroy_gi(gi, START_US), Err(Status::NotFound));
    assert_eq!(machine.destroy_ci(ci, START_US), Err(Status::NotFound));
}

#[test]
fn what_carries_a_vgpu_is_in_use() {
    let mut machine = mig_machine("h100x1");
    let (gi, ci) = create_full(&mut machine, 14, Some(0));
    let (_, other) = create_full(&mut machine, 14, Some(2));
    let id = machine.gpu(0).and_then(|gpu| Ok(gpu.gi(gi.serial)?.id));
    machine.gpu_mut(0).expect("it is there").vgpus = vec![id.ok()];
    assert_eq!(machine.destroy_ci(ci, START_US), Err(Status::InUse));
    assert_eq!(machine.destroy_gi(gi, START_US), Err(Status::InUse));
    machine
        .destroy_ci(other, START_US)
        .expect("the vGPU is on its sibling");
}

#[test]
fn a_compute_instance_with_a_process_is_in_use() {
    let mut machine = mig_machine("h100x1");
    let (_, ci) = create_full(&mut machine, 14, Some(0));
    let (_, other) = create_full(&mut machine, 14, Some(2));
    machine.set_load(0, process(3), START_US).expect("it fits");
    assert_eq!(machine.destroy_ci(ci, START_US), Err(Status::InUse));
    machine
        .destroy_ci(other, START_US)
        .expect("the process is on its sibling");
    assert!(machine.end_processes(START_US, |_, process| process.pid == 42));
    machine
        .destroy_ci(ci, START_US)
        .expect("the process has ended");
}

#[test]
fn a_handle_of_a_destroyed_instance_does_not_name_its_successor() {
    let mut machine = mig_machine("h100x1");
    let first = create(&mut machine, 14, Some(0)).expect("room");
    machine.destroy_gi(first, START_US).expect("it is empty");
    let second = create(&mut machine, 14, Some(0)).expect("room");
    assert_eq!(layout(&machine), "14@0#3", "the id comes back");
    assert_ne!(first.serial, second.serial);
    assert_eq!(
        machine.create_ci(first, 1, None, START_US),
        Err(Status::NotFound)
    );
}

#[test]
fn mig_indices_have_holes_and_holes_are_filled() {
    let mut machine = mig_machine("h100x1");
    let made: Vec<_> = (0..3)
        .map(|start| create_full(&mut machine, 19, Some(start)))
        .collect();
    let indices = |machine: &Machine| {
        machine.gpus[0]
            .mig_devices()
            .map(|(gi, ci)| (gi.id, ci.mig_index))
            .collect::<Vec<_>>()
    };
    machine
        .destroy_ci(made[1].1, START_US)
        .expect("nothing runs on it");
    assert_eq!(indices(&machine), [(7, 0), (9, 2)]);
    create_full(&mut machine, 19, Some(6));
    assert_eq!(indices(&machine), [(7, 0), (9, 2), (13, 1)]);
}

#[test]
fn compute_instance_ids_are_the_lowest_free_ones() {
    let mut machine = mig_machine("h100x1");
    let gi = create(&mut machine, 0, None).expect("room");
    let first = machine.create_ci(gi, 0, None, START_US).expect("room");
    machine.create_ci(gi, 0, None, START_US).expect("room");
    machine
        .destroy_ci(
            InstanceRef {
                gpu: 0,
                serial: first,
            },
            START_US,
        )
        .expect("idle");
    let again = machine.create_ci(gi, 0, None, START_US).expect("room");
    assert_eq!(machine.gpus[0].ci(again).expect("it is there").1.id, 0);
}

#[test]
fn changes_of_layout_are_events_and_the_log_is_bounded() {
    let mut machine = mig_machine("h100x1");
    let (gi, ci) = create_full(&mut machine, 19, None);
    machine.destroy_ci(ci, START_US).expect("idle");
    machine.destroy_gi(gi, START_US).expect("empty");
    assert_eq!(machine.events.len(), 5);
    assert!(machine.events.iter().all(|event| event.kind == MIG_CONFIG));
    for number in 0..1_000 {
        let about = crate::model::events::About {
            data: number,
            ..Default::default()
        };
        machine.raise(0, XID, about, START_US);
    }
    assert_eq!(machine.events.len(), 128);
    assert_eq!(
        machine
            .events
            .back()
            .map(|event| (event.number, event.data)),
        Some((1_005, 999))
    );
}
