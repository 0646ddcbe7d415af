//! Sharing through the vendor's tools of a simulated machine, with the launcher in its namespace: daemons from start
//! to end, limits, clients, time slices, and tools that go wrong.

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kerf_partitioner::in_words;
use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, SharingError, Tools};
use kerf_sim_tools::client::{Client, ClientRequest};
use kerf_tests::bins;
use kerf_tests::capability::{Capability, require};
use kerf_types::Bytes;
use kerf_types::sharing::{Interval, Mps};
use nvidia_ml::control::{self, FaultRequest, show};
use nvidia_ml::model::tool::{Tool, ToolFault, ToolTrouble};

use crate::world::{Asks, World, create, fill, mig, program};

/// Short enough for a test of something that must not come.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// A machine with tools, and the daemons that a test leaves, which end with it.
struct Share {
    world: World,
    tools: Tools,
    folder: tempfile::TempDir,
}

impl Share {
    fn new(machine: &str) -> Self {
        bins::simulator_tools().expect("the simulator's tools");
        let world = World::new(machine);
        Self {
            tools: Tools::under(&world.info.sysroot, program()),
            folder: tempfile::tempdir().expect("a folder"),
            world,
        }
    }

    fn uuid(&self, gpu: usize) -> String {
        show(&self.world.info.dir).expect("a machine").gpus[gpu]
            .uuid
            .clone()
    }

    fn place(&self, device: &str) -> MpsPlace {
        MpsPlace {
            device: device.to_owned(),
            run: self.folder.path().join(device),
            log: self.folder.path().join("log").join(device),
        }
    }

    fn gpu(&self) -> MpsPlace {
        self.place(&self.uuid(0))
    }

    fn start(&self, place: &MpsPlace) -> MpsDaemon {
        let started = self.tools.mps_start(place, &limits(None, None));
        started.unwrap_or_else(|error| panic!("{}", in_words(&error)))
    }

    fn client(&self, place: &MpsPlace) -> Client {
        Client::connect(&ClientRequest {
            pipe: place.pipe(),
            device: "0".to_owned(),
            memory_bytes: 1 << 20,
            sm_percent: 100,
        })
        .expect("room")
    }

    fn trouble(&self, tool: Tool, command: &str, how: ToolTrouble, left: Option<u32>) {
        let command = command.to_owned();
        let fault = ToolFault {
            tool,
            command,
            how,
            left,
        };
        self.fault(FaultRequest::Tool(fault));
    }

    fn fault(&self, request: FaultRequest) {
        control::fault(&self.world.info.dir, request).expect("a machine");
    }
}

impl Drop for Share {
    /// Ends what a failed test has left.
    fn drop(&mut self) {
        for entry in fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let place = self.place(&name);
            if let Ok(Some(daemon)) = self.tools.mps_find(&place) {
                self.tools.mps_stop(&place, &daemon).ok();
            }
        }
    }
}

fn limits(threads: Option<u32>, memory: Option<Bytes>) -> Mps {
    Mps {
        clients: NonZeroU32::MIN,
        threads,
        memory,
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, SharingError>) -> SharingError {
    result.expect_err("it cannot be")
}

#[test]
fn a_daemon_lives_alone_with_its_limits() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x8");
    let place = share.place(&share.uuid(5));
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
    let memory = Some(Bytes(18 << 30));
    let started = share.tools.mps_start(&place, &limits(Some(25), memory));
    let daemon = started.unwrap_or_else(|error| panic!("{}", in_words(&error)));
    assert_eq!(share.tools.mps_find(&place).expect("a file"), Some(daemon));
    let state = share.tools.mps_state(&place).expect("it answers");
    assert_eq!((state.threads, state.memory), (25.0, memory));
    assert!(state.servers.is_empty());

    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", daemon.pid)).expect("it runs");
    let shm = place.shm().display().to_string();
    let own = mounts.lines().find(|line| {
        line.contains(" /dev/shm ") && shm.ends_with(line.split(' ').nth(3).unwrap_or("?"))
    });
    assert!(own.is_some(), "{mounts}");
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("it runs");
    assert_ne!(namespace(&daemon.pid.to_string()), namespace("self"));
    assert_ne!(session(daemon.pid), session(std::process::id()));

    let again = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(again, SharingError::Occupied { pid, .. } if pid == daemon.pid));
    share
        .tools
        .mps_stop(&place, &daemon)
        .expect("it has no clients");
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
    assert!(!daemon.is_alive());
    share
        .tools
        .mps_stop(&place, &daemon)
        .expect("it has ended already");
}

/// Session of a process: the fourth field behind its name.
fn session(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(3).map(str::to_owned)
}

#[test]
fn clients_are_seen_and_keep_their_daemon() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    let client = share.client(&place);
    let own = std::process::id();
    let state = share.tools.mps_state(&place).expect("it answers");
    assert_eq!(state.clients().collect::<Vec<_>>(), [own]);
    assert_eq!(state.servers[0].pid, client.server());
    let gpu = share.world.worker().gpu(0);
    let pids: Vec<u32> = gpu.processes.iter().map(|process| process.pid).collect();
    let mut expected = [client.server(), own];
    expected.sort_unstable();
    assert_eq!(pids, expected);
    let error = refused(share.tools.mps_stop(&place, &daemon));
    assert!(matches!(error, SharingError::InUse { clients, .. } if clients == [own]));
    assert!(daemon.is_alive());
    share
        .tools
        .mps_limit(&place, &limits(Some(50), None))
        .expect("for later servers");
    drop(client);
    let end = Instant::now() + Duration::from_secs(30);
    while share
        .tools
        .mps_state(&place)
        .expect("it answers")
        .clients()
        .count()
        > 0
    {
        assert!(Instant::now() < end, "the client stays");
    }
    share.tools.mps_stop(&place, &daemon).expect("idle");
}

#[test]
fn a_slice_has_a_daemon_of_its_own_and_no_time_slice() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let mut worker = share.world.worker();
    let pci = worker.gpu(0).pci;
    worker.step(&mig(pci, true));
    worker.step(&create(pci, 9, 0, 4));
    let gpu = worker.step(&fill(pci, 0, 4, 2));
    let slice = gpu.instances[0].compute[0].uuid.to_string();
    let place = share.place(&slice);
    let daemon = share.start(&place);
    let client = share.client(&place);
    let processes = worker.gpu(0).processes;
    assert!(
        processes
            .iter()
            .all(|process| process.gi == Some(gpu.instances[0].id))
    );
    drop(client);
    let gpu = share.uuid(0);
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Short));
    assert!(matches!(error, SharingError::Refused { .. }), "{error:?}");
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = share.tools.mps_stop(&place, &daemon) {
        assert!(Instant::now() < end, "{}", in_words(&error));
    }
}

#[test]
fn a_sudden_end_is_seen_at_once_and_made_good() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let how = ToolTrouble::Die { after_ms: 1_500 };
    share.trouble(Tool::MpsControl, "start", how, Some(1));
    let place = share.gpu();
    let daemon = share.start(&place);
    let watched = daemon.watch().expect("a descriptor").expect("it lives");
    let mut polled = [nix::poll::PollFd::new(
        std::os::fd::AsFd::as_fd(&watched),
        nix::poll::PollFlags::POLLIN,
    )];
    let seen = nix::poll::poll(&mut polled, nix::poll::PollTimeout::from(30_000_u16));
    assert_eq!(seen, Ok(1), "its end is seen");
    assert!(!daemon.is_alive());
    assert!(daemon.watch().expect("no process").is_none());
    assert!(place.pipe().join("nvidia-cuda-mps-control.pid").exists());
    assert_eq!(share.tools.mps_find(&place).expect("a stale file"), None);
    let next = share.start(&place);
    assert_ne!(next, daemon);
    share.tools.mps_stop(&place, &next).expect("idle");
}

#[test]
fn who_finds_another_process_under_the_id_leaves_it_alone() {
    let share = Share::new("h100x1");
    let place = share.gpu();
    fs::create_dir_all(place.pipe()).expect("a folder");
    let file = place.pipe().join("nvidia-cuda-mps-control.pid");
    fs::write(&file, std::process::id().to_string()).expect("a file");
    assert_eq!(share.tools.mps_find(&place).expect("somebody else"), None);
    fs::write(&file, "none").expect("a file");
    assert_eq!(share.tools.mps_find(&place).expect("nonsense"), None);
    let stranger = MpsDaemon {
        pid: std::process::id(),
        start_ticks: 1,
    };
    share
        .tools
        .mps_stop(&place, &stranger)
        .expect("it has ended long ago");
}

#[test]
fn a_daemon_that_does_not_start_says_why() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let place = share.gpu();
    share.trouble(Tool::MpsControl, "start", ToolTrouble::Refuse, Some(1));
    let error = refused(share.tools.mps_start(&place, &limits(None, None)));
    let text = in_words(&error);
    let said = "Failed to start the MPS control daemon";
    assert!(
        text.starts_with("the daemon of GPU-") && text.ends_with(said),
        "{text}"
    );

    share.tools.patience.start = IMPATIENCE;
    share.trouble(Tool::MpsControl, "start", ToolTrouble::Hang, None);
    let error = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    assert!(error.hint().is_some());
    share.fault(FaultRequest::ToolClear(Tool::MpsControl));
    share.tools.patience.start = Duration::from_secs(10);

    let set = "set_default_active_thread_percentage";
    for how in [ToolTrouble::Refuse, ToolTrouble::Ignore] {
        share.trouble(Tool::MpsControl, set, how, Some(1));
        let error = refused(share.tools.mps_start(&place, &limits(Some(10), None)));
        match how {
            ToolTrouble::Refuse => assert!(matches!(error, SharingError::Refused { .. })),
            _ => assert!(matches!(error, SharingError::NotDone { .. })),
        }
        assert_eq!(share.tools.mps_find(&place).expect("ended again"), None);
    }
}

#[test]
fn a_daemon_that_answers_nothing_is_ended_by_signal() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    share.tools.patience.call = IMPATIENCE;
    let question = "get_default_active_thread_percentage";
    share.trouble(Tool::MpsControl, question, ToolTrouble::Hang, None);
    let error = refused(share.tools.mps_state(&place));
    assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    share.tools.mps_stop(&place, &daemon).expect("by signal");
    assert!(!daemon.is_alive());
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
}

#[test]
fn time_slices_are_set_and_read_back() {
    let mut share = Share::new("h100x8");
    let gpu = share.uuid(6);
    let intervals = [
        Interval::Short,
        Interval::Medium,
        Interval::Long,
        Interval::Default,
    ];
    for interval in intervals {
        share
            .tools
            .time_slice_set(&gpu, interval)
            .expect("a healthy GPU");
        assert_eq!(
            share.tools.time_slice_get(&gpu).expect("a healthy GPU"),
            interval
        );
    }
    share.trouble(Tool::Smi, "set-timeslice", ToolTrouble::Ignore, Some(1));
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Long));
    let expected = format!("time slice of {gpu} reads back as Default, not Long");
    assert_eq!(in_words(&error), expected);
    share.trouble(Tool::Smi, "list", ToolTrouble::Garble, Some(1));
    let error = refused(share.tools.time_slice_get(&gpu));
    assert!(matches!(error, SharingError::Answer { .. }), "{error:?}");
    share.tools.patience.call = IMPATIENCE;
    share.trouble(Tool::Smi, "list", ToolTrouble::Hang, None);
    for _ in 0..2 {
        let error = refused(share.tools.time_slice_get(&gpu));
        assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    }
    // They may be inside the driver, so they were left behind, and no more are begun.
    let error = refused(share.tools.time_slice_get(&gpu));
    assert!(
        matches!(error, SharingError::StillHangs { count: 2, .. }),
        "{error:?}"
    );
    share.fault(FaultRequest::ToolClear(Tool::Smi));
    share.tools.patience.call = Duration::from_secs(5);
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = share.tools.time_slice_get(&gpu) {
        assert!(Instant::now() < end, "{}", in_words(&error));
    }
}

#[test]
fn what_cannot_be_named_or_is_not_there_is_said() {
    let mut share = Share::new("h100x1");
    for name in [
        "0",
        "GPU-",
        "GPU-../../etc/passwd/0000000000000000000",
        "--help",
    ] {
        let error = refused(share.tools.time_slice_get(name));
        assert!(
            matches!(error, SharingError::Device { .. }),
            "{name}: {error:?}"
        );
    }
    assert_eq!(share.tools.mps_version().expect("a version"), "13.1");
    share.trouble(Tool::MpsControl, "version", ToolTrouble::Garble, Some(1));
    let error = refused(share.tools.mps_version());
    assert!(matches!(error, SharingError::Answer { .. }), "{error:?}");
    let mut deep = share.gpu();
    deep.run = share.folder.path().join("d".repeat(80));
    let error = refused(share.tools.mps_start(&deep, &limits(None, None)));
    assert!(
        matches!(error, SharingError::PipeTooLong { .. }),
        "{error:?}"
    );
    let error = refused(share.tools.mps_state(&share.gpu()));
    assert!(in_words(&error).ends_with("Cannot find MPS control daemon process"));
    share.tools.smi = PathBuf::from("/nowhere/nvidia-smi");
    let error = refused(share.tools.time_slice_get(&share.uuid(0)));
    assert_eq!(in_words(&error), "there is no /nowhere/nvidia-smi");
    assert!(error.hint().is_some());
}
