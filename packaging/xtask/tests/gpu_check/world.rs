//! A simulated machine, cut or whole, and runs of the program on it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use kerf_partitioner::client::{Client, WorkerCommand};
use kerf_partitioner::worker::Machine;
use kerf_tests::{Scratch, bins, process, tree};
use kerf_types::{PciAddress, Placement, ProfileId, Step};
use nvidia_ml::{CreateOptions, MachineInfo};

/// Fixes UUIDs and serial numbers.
pub const SEED: u64 = 7;
/// Far more than a step takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a machine, and room for what is played on it.
pub struct World {
    pub scratch: Scratch,
    pub info: MachineInfo,
}

/// What a run printed, and its exit code.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

impl World {
    pub fn new(machine: &str) -> Self {
        let scratch = Scratch::new("kerf-gpu-check").expect("a folder");
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = CreateOptions { seed: Some(SEED) };
        let info = nvidia_ml::create(machine, &scratch.join("machine"), &library, &options);
        Self {
            info: info.expect("a machine"),
            scratch,
        }
    }

    /// `xtask gpu-check` on this machine; what it compares with is the caller's.
    pub fn gpu_check(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("gpu-check")
            .arg("--nvml")
            .arg(&self.info.library)
            .arg("--sysroot")
            .arg(&self.info.sysroot);
        command
    }

    /// Turns MIG on and cuts the first GPU.
    pub fn cut(&self, slices: &[Slice]) {
        let machine = Machine {
            library: Some(self.info.library.clone()),
            sysroot: self.info.sysroot.clone(),
            simulated: None,
        };
        let command = WorkerCommand {
            executable: partitioner(),
            machine,
        };
        let mut worker = Client::spawn(&command).expect("a worker");
        worker.open(PATIENCE).expect("the simulated driver");
        let gpu = worker.observe_gpu(0, PATIENCE).expect("a GPU").pci;
        for step in steps(gpu, slices) {
            let applied = worker.apply(&step, PATIENCE);
            applied.unwrap_or_else(|error| panic!("{step}: {error}"));
        }
    }
}

/// A GPU instance and the compute instances in it.
pub struct Slice {
    pub profile: u32,
    pub place: (u32, u32),
    pub compute: &'static [u32],
}

fn steps(gpu: PciAddress, slices: &[Slice]) -> Vec<Step> {
    let mut steps = vec![Step::SetMigMode {
        gpu,
        enabled: true,
        allow_reset: true,
    }];
    for slice in slices {
        let (start, size) = slice.place;
        let placement = Placement::try_new(start, size).expect("a place");
        steps.push(Step::CreateGpuInstance {
            gpu,
            profile: ProfileId(slice.profile),
            placement,
        });
        let compute = slice.compute.iter().map(|profile| ProfileId(*profile));
        steps.extend(compute.map(|profile| Step::CreateComputeInstance {
            gpu,
            placement,
            profile,
            compute: None,
        }));
    }
    steps
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Ran {
    // The first run builds kerf-partitioner where it is not built; two at once would both.
    partitioner();
    let Output {
        status,
        stdout,
        stderr,
    } = process::output(command).expect("started");
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        errors: String::from_utf8(stderr).expect("text"),
    }
}

impl Ran {
    /// The line of a field, its cells apart.
    pub fn row(&self, of: &str, field: &str) -> Option<Vec<&str>> {
        let cells = |line: &'_ str| line.split("  ").map(str::trim).count();
        let mut rows = self.out.lines().filter(|line| cells(line) > 1).map(|line| {
            let cells = line.split("  ").map(str::trim);
            cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
        });
        rows.find(|cells| cells.first() == Some(&of) && cells.get(1) == Some(&field))
    }

    /// The fields that differ, as the error names them.
    pub fn different(&self) -> Vec<&str> {
        let head = "error: kerf and nvidia-smi differ: ";
        let named = self.errors.lines().find_map(|line| line.strip_prefix(head));
        named.map_or_else(Vec::new, |names| names.split(", ").collect())
    }
}

/// The worker, built once where it is missing.
fn partitioner() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        if let Ok(path) = bins::partitioner() {
            return path;
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "kerf-partitioner", "--target-dir"]);
        cargo.arg(tree::target_dir().expect("a build folder"));
        process::run(cargo.current_dir(tree::workspace_root())).expect("built");
        bins::partitioner().expect("built")
    };
    BUILT.get_or_init(find).clone()
}
