//! A simulated machine in a folder of its own, and a worker that serves it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kerf_partitioner::client::{Client, ClientError, WorkerCommand};
use kerf_partitioner::discover::discover;
use kerf_partitioner::worker::Machine;
use kerf_types::Inventory;
use kerf_types::{Gpu, PciAddress, Placement, ProfileId, Step};
use nvidia_ml::{CreateOptions, MachineInfo};
use tempfile::TempDir;

/// Time for an answer that must come: far more than it takes, so that a busy machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Time for an answer that must not come.
pub const IMPATIENCE: Duration = Duration::from_millis(700);

/// A machine and its folder, which goes with it.
pub struct World {
    _folder: TempDir,
    pub info: MachineInfo,
}

impl World {
    pub fn new(machine: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = CreateOptions { seed: Some(7) };
        let info = nvidia_ml::create(machine, &folder.path().join("machine"), &library, &options)
            .expect("a machine");
        Self {
            _folder: folder,
            info,
        }
    }

    pub fn machine(&self) -> Machine {
        Machine {
            library: Some(self.info.library.clone()),
            sysroot: self.info.sysroot.clone(),
            simulated: None,
        }
    }

    pub fn command(&self) -> WorkerCommand {
        WorkerCommand {
            executable: program(),
            machine: self.machine(),
        }
    }

    /// A worker that has opened nothing yet.
    pub fn spawn(&self) -> Client {
        Client::spawn(&self.command()).expect("a worker")
    }

    /// A worker with the library open.
    pub fn worker(&self) -> Client {
        let mut client = self.spawn();
        client.open(PATIENCE).expect("the simulated driver");
        client
    }

    /// What `kerf-partitioner discover` prints.
    pub fn run_discover(&self, arguments: &[&str]) -> String {
        let output = Command::new(program())
            .arg("discover")
            .arg("--nvml")
            .arg(&self.info.library)
            .arg("--sysroot")
            .arg(&self.info.sysroot)
            .args(arguments)
            .output()
            .expect("started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn discover(&self, deadline: Duration) -> Inventory {
        discover(&self.command(), deadline).expect("an inventory")
    }
}

/// The program under test.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_kerf-partitioner").into()
}

/// Asks that must succeed.
pub trait Asks {
    fn gpu(&mut self, index: u32) -> Gpu;
    fn step(&mut self, step: &Step) -> Gpu;
    fn refused(&mut self, step: &Step) -> (Code, String);
}

pub use kerf_api::partitioner::v1::failure::Code;

impl Asks for Client {
    fn gpu(&mut self, index: u32) -> Gpu {
        self.observe_gpu(index, PATIENCE).expect("a healthy GPU")
    }

    fn step(&mut self, step: &Step) -> Gpu {
        self.apply(step, PATIENCE)
            .unwrap_or_else(|error| panic!("{step}: {error}"))
    }

    fn refused(&mut self, step: &Step) -> (Code, String) {
        failure(self.apply(step, PATIENCE).map(|_| ()))
    }
}

/// Code and message of an answer that must be a failure.
pub fn failure<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (Code, String) {
    match answer {
        Err(ClientError::Refused(failure)) => (failure.code(), failure.message),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

pub fn place(start: u32, size: u32) -> Placement {
    Placement::try_new(start, size).expect("a place")
}

/// MIG on or off, without a reset.
pub fn mig(gpu: PciAddress, enabled: bool) -> Step {
    Step::SetMigMode {
        gpu,
        enabled,
        allow_reset: false,
    }
}

/// A GPU instance of profile `profile` at `start:size`.
pub fn create(gpu: PciAddress, profile: u32, start: u32, size: u32) -> Step {
    Step::CreateGpuInstance {
        gpu,
        profile: ProfileId(profile),
        placement: place(start, size),
    }
}

/// The compute instance that fills it.
pub fn fill(gpu: PciAddress, start: u32, size: u32, profile: u32) -> Step {
    Step::CreateComputeInstance {
        gpu,
        placement: place(start, size),
        profile: ProfileId(profile),
        compute: None,
    }
}
