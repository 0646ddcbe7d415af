//! Devices that several containers share: by MPS with a real daemon process of the simulated driver, and by time
//! slices. What is shared is shared, and nothing else is.

mod daemons;
mod forgotten;
mod watched;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kerf_tests::world::leftovers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::faults::until_well;
use super::isolation::{expected, lease_of, own, probe};
use super::said::{Said, kerf, text};
use super::world::{World, names};

/// Two places, each with a quarter of the threads and 18 GiB.
const MPS: &str =
    "- {gpus: [0], mig: false, sharing: {mps: {clients: 2, threads: 25, memory: 18GiB}}}";

const NOT_SHARED: &str = "- {gpus: [0], mig: false}";

/// A host with shared devices. Daemons outlive kerfd, so they are ended with the test.
struct Shared(World);

impl Drop for Shared {
    fn drop(&mut self) {
        leftovers::kill_all(&self.daemons());
    }
}

impl Shared {
    /// A host without containers; nothing where this machine cannot have one.
    fn bare(machine: &str, config: &str) -> Option<Self> {
        World::bare(machine, config).map(Self)
    }

    fn kerf(&self, words: &[&str]) -> Said {
        kerf(&self.0, words)
    }

    /// Runs a verb on a layout of these rules.
    fn layout(&self, verb: &str, rules: &str) -> Said {
        let path = self.0.scratch.join("layout.yaml");
        fs::write(&path, format!("rules:\n{rules}\n")).expect("written");
        self.kerf(&[verb, "-f", text(&path)])
    }

    /// A layout is applied, is what is there then, and a second time plans nothing.
    #[track_caller]
    fn settles(&self, rules: &str) {
        self.layout("apply", rules).ends(0);
        self.layout("assert", rules).ends(0);
        let plan = self.layout("plan", rules).ends(0);
        assert!(plan.contains("nothing to do"), "{plan}");
    }

    /// What is shared, as `kerf slices` tells it.
    fn shared(&self) -> Vec<Value> {
        let slices = self.kerf(&["slices", "-o", "json"]).ends(0);
        let document: Value = serde_json::from_str(&slices).expect("JSON");
        document["shared"].as_array().expect("a list").clone()
    }

    /// Every shared device of the host.
    fn devices(&self) -> Vec<Value> {
        let gpus = self.shared();
        let devices = gpus.iter().filter_map(|gpu| gpu["devices"].as_array());
        devices.flatten().cloned().collect()
    }

    /// The process of the only daemon, once it is ready.
    fn daemon(&self) -> i64 {
        let mut pid = None;
        self.0.until("a daemon that is ready", || {
            let devices = self.devices();
            let [device] = devices.as_slice() else {
                return false;
            };
            pid = device["daemon_pid"].as_i64();
            device["state"] == "ready" && pid.is_some()
        });
        pid.expect("a process")
    }

    /// Pipe directories of this host's daemons.
    fn pipes(&self) -> Vec<PathBuf> {
        let folder = self.0.kerfd.folder().join("run/mps");
        let places = names(&folder).into_iter();
        places.map(|name| folder.join(name).join("pipe")).collect()
    }

    /// Daemons by their pid files, whoever knows of them.
    fn daemons(&self) -> Vec<u32> {
        let pid = |pipe: PathBuf| {
            let text = fs::read_to_string(pipe.join("nvidia-cuda-mps-control.pid")).ok()?;
            let pid: u32 = text.trim().parse().ok()?;
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let is_daemon = String::from_utf8_lossy(&line).contains("nvidia-cuda-mps-control");
            is_daemon.then_some(pid)
        };
        self.pipes().into_iter().filter_map(pid).collect()
    }

    fn kill(&self, pid: i64) {
        let pid = i32::try_from(pid).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }

    fn fault(&self, tool: &str, fault: &str) {
        let machine = self.0.kerfd.machine();
        let machine = machine.to_str().expect("text");
        self.kerf(&["sim", "fault", machine, tool, fault]).ends(0);
    }

    /// The refusal of an ask for a lease.
    fn refusal(&self, ask: &str) -> String {
        let refused = self.0.client.lease(ask, "", "").expect_err(ask);
        refused.message().to_owned()
    }
}

/// The environment and the mounts of a container's first process.
fn inside(world: &World, id: &str) -> (BTreeSet<String>, String) {
    let mut env = String::new();
    // The process may be about to become the container's program.
    world.until("its environment", || {
        env = world.exec(id, "tr '\\0' '\\n' < /proc/1/environ");
        !env.is_empty()
    });
    let mounts = world.exec(id, "cat /proc/1/mounts");
    (env.lines().map(str::to_owned).collect(), mounts)
}

/// A container of an MPS share has its limits, and the way to its daemon, which it cannot write beside.
fn has_its_place(world: &World, id: &str) {
    let (env, mounts) = inside(world, id);
    for word in [
        "KERF_ISOLATION=mps",
        "CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps",
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25",
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=18432M",
    ] {
        assert!(env.contains(word), "{id} lacks {word}: {env:?}");
    }
    let at = |place: &str| -> Vec<&str> {
        let lines = mounts.lines();
        lines.filter(|line| line.contains(place)).collect()
    };
    let (pipe, memory) = (at(" /tmp/nvidia-mps "), at(" /dev/shm "));
    assert_eq!((pipe.len(), memory.len()), (1, 1), "{mounts}");
    assert!(pipe[0].contains(" ro,"), "{mounts}");
    let socket = world.exec(id, "test -S /tmp/nvidia-mps/control && echo there");
    assert_eq!(socket.trim(), "there");
    let subject = &lease_of(world, id).subjects[0];
    assert_eq!(subject.isolation, "mps");
}

#[test]
fn two_containers_share_a_gpu_by_mps_and_a_third_finds_no_place() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    let shared = Shared(world);
    let world = &shared.0;
    shared.settles(MPS);
    let exported = shared.kerf(&["export"]).ends(0);
    assert!(
        exported.contains("clients: 2") && exported.contains("memory: 18GiB"),
        "{exported}"
    );
    world.start("a", "gpu,mps");
    world.start("b", "memory>=18GiB,mps");
    let none = world.refuse("c", &[("kerf.dev/accelerator", "gpu,mps")]);
    assert!(none.contains("all of its 2 places are taken"), "{none}");
    let nodes = world.nodes();
    let gpu: BTreeSet<String> = ["nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"]
        .map(str::to_owned)
        .into();
    for id in ["a", "b"] {
        assert_eq!(own(&probe(world, id, &nodes)), gpu, "{id}");
        has_its_place(world, id);
    }
    let [device] = &shared.devices()[..] else {
        panic!("one device");
    };
    assert_eq!(
        device["taken"].as_array().map(Vec::len),
        Some(2),
        "{device}"
    );
    // Nobody gets the whole of it, and nobody changes how it is shared.
    assert!(shared.refusal("gpu:8").contains("it is shared by mps"));
    assert!(shared.refusal("gpu=0").contains("shared by mps"));
    shared
        .layout("apply", NOT_SHARED)
        .refuses(&["leased by container"]);
    world.end("a");
    world.until("its place", || world.client.leases().len() == 1);
    world.start("c", "gpu,mps");
    let share = lease_of(world, "c").subjects[0].share.clone();
    assert_eq!(share.map(|share| (share.index, share.of)), Some((0, 2)));
    world.end("b");
    world.end("c");
    world.until_no_leases();
    shared.settles(NOT_SHARED);
    assert!(shared.shared().is_empty() && shared.daemons().is_empty());
    world.start("d", "gpu:8");
    world.end("d");
}

#[test]
fn slices_are_shared_each_by_a_daemon_of_its_own() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let world = &shared.0;
    let two = "- {gpus: [0], slices: {3g.40gb: 2}, sharing: {mps: {clients: 2}}}";
    shared.settles(two);
    let devices = shared.devices();
    let uuids: BTreeSet<&str> = devices
        .iter()
        .filter_map(|one| one["uuid"].as_str())
        .collect();
    let pids: BTreeSet<Option<i64>> = devices
        .iter()
        .map(|one| one["daemon_pid"].as_i64())
        .collect();
    assert!(
        uuids.len() == 2 && uuids.iter().all(|uuid| uuid.starts_with("MIG-")),
        "{devices:?}"
    );
    assert!(pids.len() == 2 && !pids.contains(&None), "{devices:?}");
    let leases: Vec<String> = (0..4)
        .map(|_| {
            world
                .client
                .lease("3g.40gb,mps", "", "")
                .expect("a place")
                .id
        })
        .collect();
    assert!(
        shared
            .refusal("3g.40gb,mps")
            .contains("all of its 2 places are taken")
    );
    assert!(
        shared
            .refusal("memory>=1GiB,mps")
            .contains("no limit of memory")
    );
    // Another slice of that size is cut elsewhere, for somebody who asks for one of their own.
    let own = world.client.lease("3g.40gb", "", "").expect("a slice");
    assert_eq!(own.subjects[0].isolation, "hardware");
    world.client.release(&own.id).expect("nobody has it");
    let one = "- {gpus: [0], slices: {7g.80gb: 1}, sharing: {mps: {clients: 48}}}";
    shared.layout("apply", one).refuses(&["leased by user"]);
    for lease in &leases {
        world.client.release(lease).expect("nobody has it");
    }
    shared.settles(one);
    assert_eq!(shared.devices().len(), 1);
    shared.daemon();
    assert_eq!(shared.daemons().len(), 1);
    let many = "- {gpus: [0], slices: {1g.10gb: 7}, sharing: {mps: {clients: 7}}}";
    shared.layout("plan", many).refuses(&["serves at most 6"]);
    shared.settles(NOT_SHARED);
    assert_eq!(shared.daemons(), Vec::<u32>::new());
}

#[test]
fn containers_have_places_of_a_slice_and_of_a_gpu_in_turns() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    let shared = Shared(world);
    let world = &shared.0;
    shared.settles(
        "- {gpus: [0], slices: {3g.40gb: 1}, sharing: {mps: {clients: 2}}}\n\
         - {gpus: [1], mig: false, sharing: {time-slice: {replicas: 2}}}",
    );
    world.start("slice", "3g.40gb,mps");
    world.start("turn", "gpu,time-slice");
    let nodes = world.nodes();
    let of_slice = expected(world, &lease_of(world, "slice"));
    assert_eq!(own(&probe(world, "slice", &nodes)), of_slice);
    let of_gpu = ["nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"];
    let of_gpu: BTreeSet<String> = of_gpu.map(str::to_owned).into();
    assert_eq!(own(&probe(world, "turn", &nodes)), of_gpu);
    for (id, isolation, has_daemon) in [("slice", "mps", true), ("turn", "time-slice", false)] {
        let (env, mounts) = inside(world, id);
        let word = format!("KERF_ISOLATION={isolation}");
        assert!(env.contains(&word), "{id} lacks {word}: {env:?}");
        assert_eq!(mounts.contains(" /tmp/nvidia-mps "), has_daemon, "{mounts}");
        let is_limit = |one: &String| one.starts_with("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=");
        assert!(!env.iter().any(is_limit), "{env:?}");
    }
    world.end("slice");
    world.end("turn");
    world.until_no_leases();
}

#[test]
fn time_slices_are_given_to_so_many_and_promise_no_memory() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let world = &shared.0;
    let slices = "- {gpus: [0], mig: false, sharing: {time-slice: {replicas: 2, interval: long}}}";
    shared.settles(slices);
    let lease = |ask| world.client.lease(ask, "", "").expect("a place");
    let (first, second) = (lease("gpu,time-slice"), lease("fp8,time-slice"));
    assert_eq!(first.subjects[0].isolation, "time-slice");
    assert!(
        shared
            .refusal("gpu,time-slice")
            .contains("all of its 2 places are taken")
    );
    let memory = shared.refusal("memory>=1GiB,time-slice");
    assert!(
        memory.contains("a time slice has no limit of memory"),
        "{memory}"
    );
    let listed = shared.kerf(&["lease", "list"]).ends(0);
    assert!(
        listed.contains("ISOLATION") && listed.contains("time-slice"),
        "{listed}"
    );
    let shown = shared.kerf(&["slices"]).ends(0);
    assert!(
        shown.contains("no limit of memory, no isolation of faults"),
        "{shown}"
    );
    shared.layout("apply", MPS).refuses(&["leased by user"]);
    for lease in [first, second] {
        world.client.release(&lease.id).expect("nobody has it");
    }
    // What is shared is not named, and goes from one way to the other.
    let cdi = world.kerfd.cdi();
    let files = names(&cdi);
    let named = files
        .iter()
        .map(|name| fs::read_to_string(Path::new(&cdi).join(name)));
    let uuid = shared.shared()[0]["uuid"]
        .as_str()
        .expect("a UUID")
        .to_owned();
    assert!(
        named
            .filter_map(Result::ok)
            .all(|text| !text.contains(&format!("\"{uuid}\"")))
    );
    shared.fault("--smi", "set-timeslice=refuse");
    shared.layout("apply", MPS).refuses(&["cannot be changed"]);
    // Whether the interval is the old one is not known then: it is a difference until it was set anew.
    shared.layout("assert", slices).ends(3);
    let degraded = world.client.degraded().join("\n");
    assert!(degraded.contains("sharing of GPU"), "{degraded}");
    // Once the driver takes it, it is set without anybody's doing.
    shared.fault("--smi", "clear");
    until_well(world);
    shared.layout("assert", slices).ends(0);
    shared.settles(slices);
    shared.settles(MPS);
    shared.settles(NOT_SHARED);
}
