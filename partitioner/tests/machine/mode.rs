//! MIG on and off, on GPUs that change at once and on those that need a reset.

use kerf_types::{MigMode, PciAddress, Step};
use nvidia_ml::control::{LoadRequest, LoadSelector, clear_load, load, reset, set_policy};
use nvidia_ml::model::machine::{AmpereMode, Policy};

use crate::world::{Asks, Code, World, create, mig};

fn mig_with_reset(gpu: PciAddress, enabled: bool) -> Step {
    Step::SetMigMode {
        gpu,
        enabled,
        allow_reset: true,
    }
}

fn whole_gpu_load(world: &World) {
    let pid = std::process::id();
    let request = LoadRequest {
        gpu: 0,
        gi: None,
        ci: None,
        sm_percent: 9,
        memory_bytes: 1 << 20,
        pid,
    };
    load(&world.info.dir, request).expect("a process");
}

#[test]
fn hopper_changes_at_once_but_not_under_a_process() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    whole_gpu_load(&world);
    let (code, words) = worker.refused(&mig(pci, true));
    assert_eq!(code, Code::InUse);
    assert!(
        words.contains(&format!("process {}", std::process::id())),
        "{words}"
    );
    assert_eq!(worker.gpu(0).mig_mode, MigMode::Disabled);
    assert!(clear_load(&world.info.dir, LoadSelector::default()).expect("a machine"));
    assert_eq!(worker.step(&mig(pci, true)).mig_mode, MigMode::Enabled);
    worker.step(&create(pci, 19, 0, 1));
    let (code, words) = worker.refused(&mig(pci, false));
    assert_eq!(
        code,
        Code::InUse,
        "the driver would take the instance with it"
    );
    assert!(words.contains("1 GPU instance"), "{words}");
    assert_eq!(worker.gpu(0).instances.len(), 1);
}

#[test]
fn ampere_is_not_reset_unasked() {
    let world = World::new("a100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    let (code, words) = worker.refused(&mig(pci, true));
    assert_eq!(code, Code::ResetRequired, "{words}");
    assert_eq!(
        worker.gpu(0).mig_mode,
        MigMode::Disabled,
        "nothing is left pending"
    );
    assert_eq!(
        worker.step(&mig_with_reset(pci, true)).mig_mode,
        MigMode::Enabled
    );
    assert_eq!(
        worker.step(&mig(pci, true)).mig_mode,
        MigMode::Enabled,
        "there already"
    );
    assert_eq!(worker.refused(&mig(pci, false)).0, Code::ResetRequired);
    assert_eq!(
        worker.step(&mig_with_reset(pci, false)).mig_mode,
        MigMode::Disabled
    );
}

#[test]
fn a_passed_through_gpu_stays_pending_only_where_that_was_allowed() {
    let world = World::new("a100x1");
    let policy = Policy {
        ampere_mode: AmpereMode::ResetRequired,
        ..Policy::default()
    };
    set_policy(&world.info.dir, policy).expect("a machine");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    assert_eq!(worker.refused(&mig(pci, true)).0, Code::ResetRequired);
    assert_eq!(worker.gpu(0).mig_mode, MigMode::Disabled);
    let (code, words) = worker.refused(&mig_with_reset(pci, true));
    assert_eq!(code, Code::ResetRequired);
    assert!(words.contains("pending until the GPU is reset"), "{words}");
    assert_eq!(worker.gpu(0).mig_mode, MigMode::EnablePending);
    assert_eq!(
        worker.refused(&mig_with_reset(pci, true)).0,
        Code::ResetRequired,
        "again"
    );
    // Off is what it is: setting it takes the pending change back and needs no reset.
    assert_eq!(worker.step(&mig(pci, false)).mig_mode, MigMode::Disabled);
    assert_eq!(
        worker.refused(&mig_with_reset(pci, true)).0,
        Code::ResetRequired
    );
    reset(&world.info.dir, 0).expect("a reset from outside");
    assert_eq!(worker.gpu(0).mig_mode, MigMode::Enabled);
    assert_eq!(worker.step(&mig(pci, true)).mig_mode, MigMode::Enabled);
}
