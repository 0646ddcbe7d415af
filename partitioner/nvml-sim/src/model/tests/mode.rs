//! Changes of MIG mode on both architectures.

use super::*;
use crate::model::load::Process;
use crate::model::machine::AmpereMode;
use crate::model::mig::Activation;

fn run_something(machine: &mut Machine) {
    let process = Process {
        pid: 42,
        started: None,
        pid_namespace: None,
        gi: None,
        ci: None,
        sm_percent: 1,
        memory_bytes: 0,
        mps: None,
    };
    machine.set_load(0, process, START_US).expect("it fits");
}

fn mode(machine: &Machine) -> (bool, bool) {
    (machine.gpus[0].mig, machine.gpus[0].mig_pending)
}

#[test]
fn hopper_changes_at_once_and_refuses_while_busy() {
    let mut machine = machine("h100x1");
    assert_eq!(
        machine.set_mig_mode(0, true, START_US),
        Ok(Activation::Done)
    );
    assert_eq!(mode(&machine), (true, true));
    machine.set_mig_mode(0, false, START_US).expect("idle");
    run_something(&mut machine);
    assert_eq!(machine.set_mig_mode(0, true, START_US), Err(Status::InUse));
    assert_eq!(mode(&machine), (false, false));
}

#[test]
fn ampere_waits_for_a_reset_while_busy() {
    let mut machine = machine("a100x1");
    run_something(&mut machine);
    assert_eq!(
        machine.set_mig_mode(0, true, START_US),
        Ok(Activation::Pending(Status::InUse))
    );
    assert_eq!(mode(&machine), (false, true));
    assert_eq!(create(&mut machine, 19, None), Err(Status::NotSupported));
    assert_eq!(machine.reset(0, START_US), Err(Status::InUse));
    machine.end_processes(START_US, |_, _| true);
    assert_eq!(
        mode(&machine),
        (false, true),
        "the end of the client is no reset"
    );
    machine.reset(0, START_US).expect("idle");
    assert_eq!(mode(&machine), (true, true));
}

#[test]
fn ampere_in_a_guest_needs_a_reset_even_when_idle() {
    let mut machine = machine("a100x1");
    machine.policy.ampere_mode = AmpereMode::ResetRequired;
    let pending = Activation::Pending(Status::ResetRequired);
    assert_eq!(machine.set_mig_mode(0, true, START_US), Ok(pending));
    assert_eq!(
        machine.set_mig_mode(0, false, START_US),
        Ok(Activation::Done),
        "taken back"
    );
    assert_eq!(mode(&machine), (false, false));
    machine.set_mig_mode(0, true, START_US).expect("accepted");
    machine.reset(0, START_US).expect("idle");
    assert_eq!(mode(&machine), (true, true));
}

#[test]
fn an_idle_ampere_on_bare_metal_changes_at_once() {
    let mut machine = machine("a100x1");
    assert_eq!(
        machine.set_mig_mode(0, true, START_US),
        Ok(Activation::Done)
    );
    assert_eq!(mode(&machine), (true, true));
}

#[test]
fn instances_do_not_survive_the_mode() {
    let mut machine = mig_machine("h100x1");
    create_full(&mut machine, 9, None);
    machine.set_mig_mode(0, false, START_US).expect("idle");
    machine.set_mig_mode(0, true, START_US).expect("idle");
    assert_eq!(layout(&machine), "");
}

#[test]
fn without_mig_mode_there_are_no_instances() {
    assert_eq!(
        create(&mut machine("h100x1"), 19, None),
        Err(Status::NotSupported)
    );
}

#[test]
fn a_gpu_that_is_not_there_is_an_invalid_argument() {
    let mut machine = machine("h100x1");
    assert_eq!(
        machine.set_mig_mode(1, true, START_US),
        Err(Status::InvalidArgument)
    );
}

#[test]
fn an_ampere_gpu_that_something_holds_waits_for_a_reset() {
    let mut machine = machine("a30x4");
    machine.policy.persistence_daemon = true;
    assert_eq!(
        machine.set_mig_mode(0, true, START_US),
        Ok(Activation::Pending(Status::InUse))
    );
    assert_eq!(machine.reset(0, START_US), Err(Status::InUse));
    assert_eq!(mode(&machine), (false, true));
    machine.policy.persistence_daemon = false;
    machine.reset(0, START_US).expect("nothing holds it");
    assert_eq!(mode(&machine), (true, true));
}

#[test]
fn a_gpu_that_is_away_while_the_driver_is_loaded_forgets_its_mode_as_the_others_do() {
    for (name, remembers) in [("a100x1", true), ("h100x1", false)] {
        let mut machine = mig_machine(name);
        machine.leave(0, START_US).expect("a GPU");
        assert_eq!(mode(&machine), (true, true), "{name}");
        machine.reload(START_US).expect("nothing holds it");
        assert_eq!(mode(&machine), (remembers, remembers), "{name}");
    }
}

#[test]
fn a_hopper_gpu_changes_its_mode_whatever_holds_it() {
    let mut machine = machine("h100x1");
    machine.policy.drm_module = true;
    assert_eq!(
        machine.set_mig_mode(0, true, START_US),
        Ok(Activation::Done)
    );
}
