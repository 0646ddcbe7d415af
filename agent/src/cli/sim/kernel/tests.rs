//! How faults are written, and what the verbs do to a machine.

use std::path::Path;

use nvidia_ml::kernel::Errno;
use nvidia_ml::kernel::state::FaultKind;
use nvidia_ml::machine::{self, CreateOptions};

use super::super::SimError;
use super::{ClientArgs, FaultArgs, KernelFault, Verb, VmArgs, run};
use crate::errors::chain;

const FILE: &str = "/sys/class/drm/card0/device/current_compute_partition";

#[test]
fn faults_are_words_with_or_without_a_number() {
    let errno = Errno::from_number(16);
    let right = [
        ("fail=16", FaultKind::Fail(errno)),
        ("fail-done=16", FaultKind::FailDone(errno)),
        ("delay=3", FaultKind::Delay(3)),
        ("ignore", FaultKind::Ignore),
        ("hang", FaultKind::Hang),
    ];
    for (text, kind) in right {
        assert_eq!(text.parse(), Ok(KernelFault(kind)), "{text}");
    }
    for wrong in ["", "fail", "fail=", "fail=-1", "fail=x", "ignore=1", "lost"] {
        wrong.parse::<KernelFault>().expect_err(wrong);
    }
}

#[test]
fn values_clients_faults_and_a_reload_reach_the_machine() {
    let world = tempfile::tempdir().expect("a folder");
    let options = CreateOptions { seed: Some(1) };
    let made = machine::create("mi300x8", world.path(), Path::new(""), &options);
    made.expect("a machine");
    let dir = world.path().to_owned();
    let write = |file: &str, value: &str| {
        let (dir, file, value) = (dir.clone(), file.to_owned(), value.to_owned());
        run(&Verb::Write { dir, file, value })
    };
    let words = |answer: Result<(), SimError>| chain(&answer.expect_err("a refusal"));
    let shown = || {
        let text = std::fs::read_to_string(dir.join("root").join(&FILE[1..]));
        text.expect("a mode").trim().to_owned()
    };
    write(FILE, "dpx").expect("nobody uses it");
    assert_eq!(shown(), "DPX");
    let client = |gpu: Option<u32>| {
        let args = ClientArgs {
            dir: dir.clone(),
            pid: 4_000_001,
            gpu,
            memory: "1GiB".parse().expect("bytes"),
            clear: gpu.is_none(),
        };
        run(&Verb::Client(args))
    };
    client(Some(0)).expect("GPU 0");
    assert!(words(write(FILE, "SPX")).contains("busy"));
    let reload = || run(&Verb::Reload { dir: dir.clone() });
    assert!(words(reload()).contains("processes use the driver"));
    assert!(words(client(Some(8))).contains("no AMD GPU 8"));
    client(None).expect("closed");
    reload().expect("nobody uses it");
    let fault = |fault: Option<&str>| {
        let args = FaultArgs {
            dir: dir.clone(),
            file: fault.map(|_| FILE.to_owned()),
            fault: fault.map(|fault| fault.parse().expect("a fault")),
            read: false,
            times: None,
            clear: fault.is_none(),
        };
        run(&Verb::Fault(args))
    };
    fault(Some("ignore")).expect("set");
    write(FILE, "SPX").expect("a lie");
    assert_eq!(shown(), "DPX");
    fault(None).expect("mended");
    write(FILE, "SPX").expect("nobody uses it");
    assert_eq!(shown(), "SPX");
    let nowhere = run(&Verb::Reload {
        dir: world.path().join("nowhere"),
    });
    assert!(words(nowhere).contains("no simulated machine"));
}

#[test]
fn a_vgpu_is_kept_by_its_virtual_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("library");
    std::fs::write(&library, "").expect("written");
    let dir = folder.path().join("machine");
    let options = CreateOptions { seed: Some(1) };
    machine::create("h200x8", &dir, &library, &options).expect("a machine");
    let gpu = nvidia_ml::kernel::Kernel::open(&dir).expect("a kernel");
    let gpu = gpu.state().expect("a state").vgpu.expect("vGPUs").gpus[0]
        .bdf
        .clone();
    let write = |file: &str, value: &str| {
        let file = format!("/sys/bus/pci/devices/{gpu}/{file}");
        let (dir, value) = (dir.clone(), value.to_owned());
        run(&Verb::Write { dir, file, value })
    };
    let function = format!("{}.4", gpu.trim_end_matches(".0"));
    let vm = |clear: bool| {
        run(&Verb::Vm(VmArgs {
            dir: dir.clone(),
            pid: 4_000_001,
            vgpu: (!clear).then(|| function.clone()),
            name: "guest".to_owned(),
            errno: 1,
            clear,
        }))
    };
    let mix = |allowed| {
        let dir = dir.clone();
        run(&Verb::Mix {
            dir,
            gpu: 0,
            allowed,
        })
    };
    write("sriov_numvfs", "16").expect("nobody uses it");
    mix(true).expect("no vGPU");
    assert!(chain(&vm(false).expect_err("none")).contains("no vGPU of that name"));
    write("virtfn0/nvidia/current_vgpu_type", "1202").expect("free");
    vm(false).expect("a vGPU");
    assert!(chain(&mix(false).expect_err("in use")).contains("in use"));
    let refused = write("virtfn0/nvidia/current_vgpu_type", "0").expect_err("kept");
    assert!(chain(&refused).contains("not permitted"), "{refused}");
    vm(true).expect("there");
    write("virtfn0/nvidia/current_vgpu_type", "0").expect("free");
    let other = write("virtfn0/nvidia/gpu_instance_id", "1").expect_err("not told");
    assert!(matches!(other, SimError::Refused { .. }));
}
