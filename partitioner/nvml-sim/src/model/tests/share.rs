//! Compute modes, time slices and clients of MPS.

use super::*;
use crate::model::load::{LoadError, Process};
use crate::model::share::{
    COMPUTE_DEFAULT, COMPUTE_EXCLUSIVE_PROCESS, COMPUTE_PROHIBITED, MPS_CLIENTS, MpsRole,
};
use crate::model::status::Status;
use crate::model::tool::{Tool, ToolFault, ToolTrouble};

fn process(pid: u32, mps: Option<MpsRole>) -> Process {
    Process {
        pid,
        started: None,
        pid_namespace: None,
        gi: None,
        ci: None,
        sm_percent: 1,
        memory_bytes: 0,
        mps,
    }
}

#[test]
fn an_exclusive_gpu_has_one_process_and_the_clients_of_its_server() {
    let mut machine = machine("h100x1");
    let mode = machine.set_compute_mode(0, COMPUTE_EXCLUSIVE_PROCESS);
    assert_eq!(mode, Ok(()));
    let mut set = |process| machine.set_load(0, process, START_US);
    assert_eq!(set(process(1, Some(MpsRole::Server))), Ok(()));
    assert_eq!(set(process(2, Some(MpsRole::Client))), Ok(()));
    assert_eq!(set(process(3, Some(MpsRole::Client))), Ok(()));
    let other = Err(LoadError::Exclusive { gpu: 0, pid: 1 });
    assert_eq!(set(process(4, None)), other);
    assert_eq!(
        set(process(1, Some(MpsRole::Server))),
        Ok(()),
        "it has it already"
    );
    machine
        .set_compute_mode(0, COMPUTE_PROHIBITED)
        .expect("a mode");
    let nobody = Err(LoadError::Prohibited { gpu: 0 });
    assert_eq!(machine.set_load(0, process(5, None), START_US), nobody);
    machine
        .set_compute_mode(0, COMPUTE_DEFAULT)
        .expect("a mode");
    assert_eq!(machine.set_load(0, process(5, None), START_US), Ok(()));
}

#[test]
fn with_mig_there_is_no_mode_but_the_default_and_no_time_slice() {
    let mut machine = mig_machine("h100x1");
    let refused = Err(Status::NotSupported);
    assert_eq!(
        machine.set_compute_mode(0, COMPUTE_EXCLUSIVE_PROCESS),
        refused
    );
    assert_eq!(machine.set_compute_mode(0, COMPUTE_DEFAULT), Ok(()));
    assert_eq!(machine.set_compute_mode(0, 9), Err(Status::InvalidArgument));
    assert_eq!(machine.set_time_slice(0, 1), refused);
}

#[test]
fn settings_go_with_the_driver() {
    let mut machine = machine("h100x1");
    machine
        .set_compute_mode(0, COMPUTE_EXCLUSIVE_PROCESS)
        .expect("a mode");
    machine.set_time_slice(0, 3).expect("a time slice");
    assert_eq!(machine.set_time_slice(0, 4), Err(Status::InvalidArgument));
    machine.reload(START_US).expect("idle");
    let settings = machine.gpus[0].settings;
    assert_eq!((settings.compute_mode, settings.time_slice), (0, 0));
}

#[test]
fn a_slice_takes_its_part_of_the_clients() {
    let mut machine = mig_machine("h100x1");
    create_full(&mut machine, 9, None);
    create_full(&mut machine, 19, None);
    let ids: Vec<u32> = machine.gpus[0].instances.iter().map(|gi| gi.id).collect();
    let clients = |gi| machine.mps_clients(0, gi);
    assert_eq!(clients(None), Ok(MPS_CLIENTS));
    assert_eq!(clients(Some(ids[0])), Ok(48 * 3 / 7));
    assert_eq!(clients(Some(ids[1])), Ok(48 / 7));
    assert_eq!(clients(Some(99)), Err(Status::InvalidArgument));
}

#[test]
fn faults_of_tools_come_in_order_and_are_counted() {
    let mut machine = machine("h100x1");
    let arm = |how, left| ToolFault {
        tool: Tool::Smi,
        command: "list".to_owned(),
        how,
        left,
    };
    machine.tool_faults.push(arm(ToolTrouble::Refuse, Some(2)));
    machine.tool_faults.push(arm(ToolTrouble::Garble, None));
    let mut take = || machine.take_tool_trouble(Tool::Smi, "list");
    let expected = [
        ToolTrouble::Refuse,
        ToolTrouble::Refuse,
        ToolTrouble::Garble,
        ToolTrouble::Garble,
    ];
    for how in expected {
        assert_eq!(take(), Some(how));
    }
    assert_eq!(machine.tool_trouble(Tool::MpsControl, "list"), None);
    assert_eq!(machine.tool_trouble(Tool::Smi, "set-timeslice"), None);
}
