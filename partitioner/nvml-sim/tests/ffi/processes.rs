//! Many processes on one machine: changes are atomic across them, survive each of them, and a hang
//! blocks exactly the calls that it should.
//!
//! A child is this test binary again, told by the environment what to do.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Nvml, World, check};
use nvidia_ml::control::{self, FaultRequest, show};

const ROLE: &str = "KERF_SIM_TEST_ROLE";
const LIBRARY: &str = "KERF_SIM_TEST_LIBRARY";
const GPU: &str = "KERF_SIM_TEST_GPU";
const GPU_IS_LOST: u32 = 15;
const INSUFFICIENT_RESOURCES: u32 = 23;

/// Starts this binary in a role.
fn child_in(role: &str, world: &World, gpu: u32) -> Child {
    Command::new(env::current_exe().expect("this binary"))
        .args(["--exact", "processes::a_child_process", "--nocapture"])
        .env(ROLE, role)
        .env(LIBRARY, &world.machine.library)
        .env(GPU, gpu.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

/// What a child does; in a normal run there is no role and nothing happens.
#[test]
fn a_child_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let nvml = Nvml::load(Path::new(&env::var(LIBRARY).expect("a library")));
    let gpu = env::var(GPU).expect("a GPU").parse().expect("a number");
    let device = nvml.gpu(gpu).expect("a GPU");
    match role.as_str() {
        // Takes and gives back slices, never more than it got.
        "churn" => {
            for _ in 0..40 {
                match nvml.create_gi(device, 19, None) {
                    Ok(gi) => {
                        let ci = nvml.create_ci(gi, 0).expect("an empty instance");
                        assert!(nvml.uuid(nvml.ci_info(ci).expect("mine").device).is_ok());
                        nvml.destroy_ci(ci).expect("mine and idle");
                        nvml.destroy_gi(gi).expect("mine and empty");
                    }
                    Err(code) => assert_eq!(code, INSUFFICIENT_RESOURCES),
                }
            }
        }
        // Takes what is left and keeps it.
        "fill" => while nvml.create_gi(device, 19, None).is_ok() {},
        "forever" => loop {
            if let Ok(gi) = nvml.create_gi(device, 19, None) {
                let ci = nvml.create_ci(gi, 0).expect("an empty instance");
                nvml.destroy_ci(ci).expect("mine and idle");
                nvml.destroy_gi(gi).expect("mine and empty");
            }
        },
        other => panic!("no role {other}"),
    }
}

fn wait_all(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().expect("our own child").success());
    }
}

#[test]
fn many_processes_take_and_give_back_without_a_double() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    nvml.set_mig(nvml.gpu(0).expect("a GPU"), true)
        .expect("idle");
    wait_all((0..10).map(|_| child_in("churn", &world, 0)).collect());
    assert!(
        show(world.dir()).expect("a machine").gpus[0]
            .instances
            .is_empty()
    );
    wait_all((0..4).map(|_| child_in("fill", &world, 0)).collect());
    let instances = show(world.dir()).expect("a machine").gpus[0]
        .instances
        .clone();
    let ids: BTreeSet<u32> = instances.iter().map(|gi| gi.id).collect();
    assert_eq!(
        instances.len(),
        7,
        "they outlive the processes that made them"
    );
    assert_eq!(ids, (7..14).collect());
}

#[test]
fn a_killed_process_leaves_the_old_state_or_the_new_one() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let device = nvml.gpu(0).expect("a GPU");
    nvml.set_mig(device, true).expect("idle");
    let kept = nvml.cut(device, 9, 4, 4);
    let uuid = nvml.uuid(kept.device).expect("a slice");
    for round in 0..30u64 {
        let mut victim = child_in("forever", &world, 0);
        thread::sleep(Duration::from_millis(20 + round * 3 % 17));
        victim.kill().expect("our own child");
        victim.wait().expect("our own child");
        // Whatever it was doing, the machine answers, and what it did not touch is as it was.
        assert_eq!(nvml.uuid(kept.device), Ok(uuid.clone()));
        let shown = show(world.dir()).expect("a readable state");
        assert!(shown.gpus[0].instances.len() <= 1 + usize::try_from(round + 1).expect("small"));
        // The next client repairs the capability files and can cut and free.
        let fresh = world.nvml();
        for gi in shown.gpus[0].instances.iter().filter(|gi| gi.id != 2) {
            let caps = world
                .machine
                .sysroot
                .join("proc/driver/nvidia/capabilities/gpu0/mig");
            assert!(caps.join(format!("gi{}", gi.id)).join("access").exists());
            let gi = crate::common::get!(
                fresh,
                nvmlDeviceGetGpuInstanceById,
                std::ptr::null_mut(),
                device,
                gi.id
            );
            let gi = gi.expect("it is shown");
            let ci = crate::common::get!(
                fresh,
                nvmlGpuInstanceGetComputeInstanceById,
                std::ptr::null_mut(),
                gi,
                0
            );
            if let Ok(ci) = ci {
                fresh.destroy_ci(ci).expect("idle");
            }
            fresh.destroy_gi(gi).expect("empty");
        }
    }
    assert_eq!(
        show(world.dir()).expect("a machine").gpus[0]
            .instances
            .len(),
        1
    );
}

/// Runs `call` in a thread, for it may block.
fn started<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(call()));
    result
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_hung_gpu_blocks_its_own_calls_until_it_is_mended() {
    let world = World::new("h100x8");
    let nvml = world.nvml();
    control::fault(world.dir(), FaultRequest::Hang { gpu: 3 }).expect("a GPU");
    let library = world.machine.library.clone();
    let blocked = started(move || {
        let nvml = Nvml::load(&library);
        let device = nvml.gpu(3).expect("the look-up answers");
        nvml.uuid(device)
    });
    assert!(blocked.recv_timeout(SHORT).is_err(), "it must block");
    let begin = Instant::now();
    for index in [0, 1, 2, 4, 5, 6, 7] {
        let device = nvml.gpu(index).expect("a well GPU");
        nvml.uuid(device).expect("a well GPU");
        nvml.set_mig(device, true).expect("a well GPU");
        nvml.cut(device, 14, 0, 2);
    }
    assert!(begin.elapsed() < LONG, "the other seven answer");
    control::fault(world.dir(), FaultRequest::Clear { gpu: 3 }).expect("a GPU");
    let uuid = blocked
        .recv_timeout(LONG)
        .expect("it goes on")
        .expect("a well GPU");
    assert!(uuid.starts_with("GPU-"), "{uuid}");
}

#[test]
fn a_hung_driver_blocks_everything_init_included() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    control::fault(world.dir(), FaultRequest::DriverHang).expect("a driver");
    let library = world.machine.library.clone();
    let init = started(move || Nvml::load_only(&library).init());
    let device = std::sync::atomic::AtomicBool::new(false);
    let call = thread::scope(|scope| {
        let call = scope.spawn(|| {
            let found = nvml.gpu(0).is_ok();
            device.store(true, std::sync::atomic::Ordering::SeqCst);
            found
        });
        assert!(init.recv_timeout(SHORT).is_err(), "init must block");
        assert!(
            !device.load(std::sync::atomic::Ordering::SeqCst),
            "a call must block"
        );
        control::fault(world.dir(), FaultRequest::DriverClear).expect("a driver");
        call.join().expect("no panic")
    });
    assert!(call);
    init.recv_timeout(LONG)
        .expect("it goes on")
        .expect("nvmlInit");
}

#[test]
fn a_lost_gpu_says_so_and_the_others_do_not_care() {
    let world = World::new("h100x8");
    let nvml = world.nvml();
    let device = nvml.gpu(5).expect("a GPU");
    control::fault(world.dir(), FaultRequest::Lost { gpu: 5 }).expect("a GPU");
    assert_eq!(nvml.uuid(device), Err(GPU_IS_LOST));
    assert_eq!(nvml.gpu(5), Err(GPU_IS_LOST));
    assert_eq!(nvml.set_mig(device, true), Err(GPU_IS_LOST));
    assert_eq!(
        crate::common::get!(nvml, nvmlDeviceGetCount_v2, 0u32),
        Ok(8),
        "it still counts"
    );
    nvml.uuid(nvml.gpu(4).expect("a GPU")).expect("a well GPU");
    control::fault(world.dir(), FaultRequest::Clear { gpu: 5 }).expect("a GPU");
    nvml.uuid(device).expect("a well GPU");
}

#[test]
fn without_a_state_there_is_no_driver() {
    let world = World::new("h100x1");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let copy = elsewhere.path().join("libnvidia-ml.so.1");
    std::fs::copy(&world.machine.library, &copy).expect("a copy");
    assert_eq!(Nvml::load_only(&copy).init(), Err(9));
    // The library in the machine's tree finds the machine above it.
    let inside = world
        .machine
        .sysroot
        .join("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
    assert_eq!(Nvml::load_only(&inside).init(), Ok(()));
}

#[test]
fn calls_before_init_and_after_shutdown_are_refused() {
    let world = World::new("h100x1");
    let nvml = Nvml::load_only(&world.machine.library);
    assert_eq!(nvml.gpu(0), Err(1));
    nvml.init().expect("nvmlInit");
    nvml.init().expect("it counts");
    // SAFETY: no argument.
    let shutdown = || check(unsafe { nvml.0.nvmlShutdown() });
    shutdown().expect("the inner one");
    nvml.gpu(0).expect("still open");
    shutdown().expect("the outer one");
    assert_eq!(nvml.gpu(0), Err(1));
    assert_eq!(shutdown(), Err(1));
}
