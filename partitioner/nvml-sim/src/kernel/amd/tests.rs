//! amdgpu's rules: which values it takes, with which errno it refuses, and what follows.

use crate::kernel::amd::{Busy, Policy, XcpNames};
use crate::kernel::state::{Access, Fault, FaultKind};
use crate::kernel::{ControlError, Errno, Kernel};

const FIRST: &str = "/sys/class/drm/card0/device";

fn kernel() -> Kernel {
    Kernel::in_memory("mi300x8", 7).expect("a machine with AMD GPUs")
}

fn text(kernel: &Kernel, path: &str) -> String {
    let bytes = kernel
        .read(path)
        .unwrap_or_else(|errno| panic!("{path}: {errno}"));
    String::from_utf8(bytes).expect("text").trim().to_owned()
}

fn compute(kernel: &Kernel) -> String {
    text(kernel, &format!("{FIRST}/current_compute_partition"))
}

fn set(kernel: &Kernel, value: &str) -> Result<(), i32> {
    let path = format!("{FIRST}/current_compute_partition");
    let answer = kernel.write(&path, value.as_bytes());
    answer.map_err(Errno::number)
}

fn request(kernel: &Kernel, value: &str) -> Result<(), i32> {
    let path = format!("{FIRST}/current_memory_partition");
    let answer = kernel.write(&path, value.as_bytes());
    answer.map_err(Errno::number)
}

/// KFD nodes that are partitions of a GPU, by render minor.
fn listed(kernel: &Kernel) -> Vec<(u32, u32)> {
    let nodes = "/sys/class/kfd/kfd/topology/nodes";
    let numbers = kernel.list(nodes).expect("nodes");
    let mut found = Vec::new();
    for number in numbers {
        let properties = text(kernel, &format!("{nodes}/{number}/properties"));
        let minor = properties
            .lines()
            .find_map(|line| line.strip_prefix("drm_render_minor "))
            .and_then(|minor| minor.parse().ok())
            .expect("a minor");
        if minor > 0 {
            found.push((minor, number.parse().expect("a number")));
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn the_mode_is_read_by_three_letters_in_either_case() {
    for (value, mode) in [
        ("CPX", "CPX"),
        ("dpx\n", "DPX"),
        ("QpXyz", "QPX"),
        ("spx ", "SPX"),
    ] {
        let kernel = kernel();
        set(&kernel, value).unwrap_or_else(|errno| panic!("{value:?}: {errno}"));
        assert_eq!(compute(&kernel), mode, "{value:?}");
    }
    let kernel = kernel();
    for value in ["", "CP", "XPC", "0", " CPX", "TPX"] {
        assert_eq!(set(&kernel, value), Err(22), "{value:?}");
        assert_eq!(compute(&kernel), "SPX", "{value:?}");
    }
}

#[test]
fn each_memory_mode_has_its_compute_modes() {
    let table = [
        ("NPS1", "SPX", &["SPX", "DPX", "QPX", "CPX"][..]),
        ("NPS2", "DPX", &["DPX"]),
        ("NPS4", "QPX", &["QPX", "CPX"]),
    ];
    for (memory, first, possible) in table {
        let kernel = kernel();
        request(&kernel, memory).expect("offered");
        kernel.reload_driver().expect("nobody uses it");
        assert_eq!(compute(&kernel), first, "{memory}");
        for mode in ["SPX", "DPX", "TPX", "QPX", "CPX"] {
            let taken = set(&kernel, mode).is_ok();
            assert_eq!(taken, possible.contains(&mode), "{memory} {mode}");
        }
    }
}

#[test]
fn partitions_are_listed_behind_all_others_and_renumber_them() {
    let kernel = kernel();
    let before = listed(&kernel);
    assert_eq!(before.len(), 8);
    assert_eq!((before[0], before[1]), ((128, 2), (136, 3)));
    set(&kernel, "cpx").expect("nobody uses it");
    let after = listed(&kernel);
    assert_eq!(after.len(), 15);
    // The second GPU has moved up to the first place, and the first one's partitions stand at the end.
    assert!(after.contains(&(136, 2)), "{after:?}");
    let own: Vec<_> = after.iter().filter(|(minor, _)| *minor < 136).collect();
    let expected: Vec<(u32, u32)> = (0..8).map(|n| (128 + n, 9 + n)).collect();
    assert_eq!(own, expected.iter().collect::<Vec<_>>());
    let config = format!("{FIRST}/compute_partition_config");
    assert_eq!(text(&kernel, &format!("{config}/xcc/num_inst")), "1");
    assert_eq!(text(&kernel, &format!("{config}/dec/num_shared")), "2");
    set(&kernel, "spx").expect("back");
    assert_eq!(listed(&kernel).len(), 8);
}

#[test]
fn the_present_mode_is_taken_whatever_else_is_wrong() {
    let kernel = kernel();
    kernel.open_kfd(4_000_001, 3, 1 << 30).expect("a client");
    assert_eq!(set(&kernel, "SPX"), Ok(()));
    assert_eq!(set(&kernel, "CPX"), Err(16));
    assert_eq!(set(&kernel, "TPX"), Err(22));
    let policy = Policy {
        busy: Busy::OwnClients,
        ..Policy::default()
    };
    kernel.set_policy(policy).expect("AMD");
    assert_eq!(set(&kernel, "CPX"), Ok(()), "it uses another GPU");
    assert!(kernel.close_kfd(4_000_001).expect("AMD"));
    kernel.open_kfd(4_000_001, 0, 1 << 30).expect("a client");
    assert_eq!(set(&kernel, "SPX"), Err(16));
}

#[test]
fn a_gpu_in_reset_answers_not_permitted_in_both_directions() {
    let kernel = kernel();
    kernel.set_reset(0, true).expect("GPU 0");
    let path = format!("{FIRST}/current_compute_partition");
    assert_eq!(kernel.read(&path), Err(Errno::EPERM));
    assert_eq!(set(&kernel, "SPX"), Err(1));
    assert_eq!(request(&kernel, "NPS4"), Err(1));
    assert_eq!(text(&kernel, &format!("{FIRST}/unique_id")).len(), 16);
    kernel.set_reset(0, false).expect("GPU 0");
    assert_eq!(set(&kernel, "CPX"), Ok(()));
    assert_eq!(
        kernel.set_reset(8, true),
        Err(ControlError::NoGpu { gpu: 8 })
    );
}

#[test]
fn a_memory_mode_is_a_request_of_the_hive_until_the_driver_is_loaded_anew() {
    let kernel = kernel();
    let memory = |card: u32| {
        let path = format!("/sys/class/drm/card{card}/device/current_memory_partition");
        text(&kernel, &path)
    };
    for value in ["NPS8", "NPS3", "NPS", "4"] {
        assert_eq!(request(&kernel, value), Err(22), "{value:?}");
    }
    request(&kernel, "nps4").expect("offered");
    assert_eq!((memory(0).as_str(), memory(56).as_str()), ("NPS1", "NPS1"));
    // Writing what it has does not take the request back.
    request(&kernel, "NPS1").expect("taken");
    kernel.open_kfd(4_000_001, 5, 0).expect("a client");
    assert_eq!(kernel.reload_driver(), Err(ControlError::InUse));
    kernel.close_kfd(4_000_001).expect("AMD");
    kernel.reload_driver().expect("nobody uses it");
    assert_eq!((memory(0).as_str(), memory(56).as_str()), ("NPS4", "NPS4"));
    assert_eq!(listed(&kernel).len(), 32, "QPX on eight GPUs");
    assert_eq!(set(&kernel, "SPX"), Err(22));
    kernel.reload_driver().expect("nobody uses it");
    assert_eq!(memory(0), "NPS4", "no request, no change");
}

#[test]
fn clients_are_shown_by_process_and_gpu() {
    let kernel = kernel();
    let proc = "/sys/class/kfd/kfd/proc";
    assert_eq!(kernel.list(proc), Ok(Vec::new()));
    kernel.open_kfd(4_000_001, 1, 5 << 30).expect("a client");
    assert_eq!(kernel.list(proc), Ok(vec!["4000001".to_owned()]));
    let gpu_id = text(&kernel, "/sys/class/kfd/kfd/topology/nodes/3/gpu_id");
    let held = format!("{proc}/4000001/vram_{gpu_id}");
    assert_eq!(text(&kernel, &held), (5_u64 << 30).to_string());
    let used = "/sys/class/drm/card8/device/mem_info_vram_used";
    let used: u64 = text(&kernel, used).parse().expect("bytes");
    assert!(used > 5 << 30);
    assert_eq!(kernel.close_kfd(77), Ok(false));
}

#[test]
fn platform_devices_have_either_spelling() {
    let kernel = kernel();
    let names = |kernel: &Kernel| {
        let all = kernel.list("/sys/devices/platform").expect("a folder");
        (all.len(), all.first().cloned().unwrap_or_default())
    };
    assert_eq!(names(&kernel), (56, "amdgpu_xcp_0".to_owned()));
    let policy = Policy {
        xcp_names: XcpNames::Dot,
        ..Policy::default()
    };
    kernel.set_policy(policy).expect("AMD");
    assert_eq!(names(&kernel), (56, "amdgpu_xcp.0".to_owned()));
    let link = kernel.link("/sys/class/drm/renderD129").expect("a link");
    assert_eq!(link, "../../devices/platform/amdgpu_xcp.0/drm/renderD129");
}

#[test]
fn faults_lie_refuse_and_delay() {
    let kernel = kernel();
    let fault = |on, kind| {
        let path = format!("{FIRST}/current_compute_partition");
        let times = Some(1);
        let fault = Fault {
            path,
            on,
            kind,
            times,
        };
        kernel.set_fault(fault).expect("set");
    };
    fault(Access::Write, FaultKind::Fail(Errno::EIO));
    assert_eq!(set(&kernel, "CPX"), Err(5));
    assert_eq!(compute(&kernel), "SPX");
    fault(Access::Write, FaultKind::Ignore);
    assert_eq!(set(&kernel, "CPX"), Ok(()));
    assert_eq!(compute(&kernel), "SPX");
    fault(Access::Write, FaultKind::FailDone(Errno::EIO));
    assert_eq!(set(&kernel, "CPX"), Err(5));
    assert_eq!(compute(&kernel), "CPX");
    fault(Access::Read, FaultKind::Fail(Errno::EIO));
    let path = format!("{FIRST}/current_compute_partition");
    assert_eq!(kernel.read(&path), Err(Errno::EIO));
    assert_eq!(compute(&kernel), "CPX");
    fault(Access::Write, FaultKind::Delay(3));
    assert_eq!(set(&kernel, "SPX"), Ok(()));
    let nodes = || {
        let nodes = kernel.list("/sys/class/kfd/kfd/topology/nodes");
        nodes.expect("nodes").len()
    };
    assert_eq!((nodes(), nodes(), nodes()), (17, 17, 10));
}

#[test]
fn what_takes_no_value_and_what_is_not_there_says_so() {
    let kernel = kernel();
    let write = |path: &str| kernel.write(path, b"1").map_err(Errno::number);
    assert_eq!(write("/sys/class/drm/card0/device/unique_id"), Err(13));
    assert_eq!(write("/sys/class/drm/card0/device/vendor"), Err(13));
    assert_eq!(write("/sys/class/drm/card0/device"), Err(21));
    assert_eq!(write("/sys/class/drm/card0/device/nothing"), Err(2));
    assert_eq!(
        kernel.read("/sys/class/drm/card99/device"),
        Err(Errno::ENOENT)
    );
    assert_eq!(kernel.read("/sys/class/drm"), Err(Errno::EISDIR));
    assert_eq!(kernel.list("/sys/class/drm/card0/dev"), Err(Errno::ENOTDIR));
    assert_eq!(kernel.link("/sys/class/drm/card0/dev"), Err(Errno::EINVAL));
    assert_eq!(kernel.link("/sys/nothing"), Err(Errno::ENOENT));
}
