//! Makes the folder of a machine: library, state, and a tree that stands for `/`. Owns the order
//! of creation, which ends with the state file: a folder that has one is whole.

pub(crate) mod amdgpu;
mod cards;
pub(crate) mod class;
pub(crate) mod config_space;
pub(crate) mod cpu;
pub(crate) mod cpuinfo;
pub(crate) mod driver;
pub(crate) mod identity;
pub(crate) mod library;
pub(crate) mod link;
pub(crate) mod network;
pub(crate) mod nodes;
pub(crate) mod numa;
mod nvme;
pub(crate) mod pci;
mod sriov;
mod sys;
pub(crate) mod tools;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::kernel::amd::{Amd, Majors};
use crate::kernel::state::State;
use crate::kernel::vgpu::Vgpu;
use crate::kernel::{self, KERNEL_FILE};
use crate::model::machine::{Machine, Policy};
use crate::model::spec::{MachineSpec, Role};
use crate::model::tables;
use crate::store::{STATE_FILE, Store, StoreError, now_us};

pub use library::{INSTALLED, LIBRARY, find_library};
pub use tools::TOOLS;
pub(crate) use tree::{Tree, failed};

/// Present while a machine is being made; a folder with it may be begun anew.
const MAKING_FILE: &str = "machine.making";

/// What may be chosen when a machine is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// Fixes UUIDs and serial numbers; without it they are random.
    pub seed: Option<u64>,
}

/// A machine that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineInfo {
    /// Name, such as `h100x8`.
    pub name: String,
    /// The folder, without symbolic links in its path.
    pub dir: PathBuf,
    /// Library to give to NVML clients, where it has one.
    pub library: PathBuf,
    /// Whether it has one: a machine of another vendor's GPUs has not.
    pub has_library: bool,
    /// The tree that stands for `/`.
    pub sysroot: PathBuf,
    /// Whether its device nodes are real ones, and not plain files made without privilege.
    pub real_nodes: bool,
}

/// Why a machine could not be made or found.
#[derive(Debug, Error)]
pub enum CreateError {
    /// No such machine.
    #[error("there is no machine called {name:?}")]
    UnknownMachine {
        /// Name asked for.
        name: String,
    },
    /// Something is in the way.
    #[error("{} exists already", .path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The folder belongs to the kernel or the system.
    #[error("{} is no place for a simulated machine", .path.display())]
    Forbidden {
        /// The folder.
        path: PathBuf,
    },
    /// A real driver has the major that was chosen.
    #[error("a driver of this machine owns the character major {major}")]
    MajorTaken {
        /// The major.
        major: u32,
    },
    /// The library is not installed or built.
    #[error("the simulator's library is in none of {} places", .searched.len())]
    NoLibrary {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// No randomness for the UUIDs.
    #[error("the system gave no random number")]
    Random(#[source] getrandom::Error),
    /// The state.
    #[error("the state could not be written")]
    Store(#[from] StoreError),
    /// The system refused.
    #[error("cannot {operation} {}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The machines that can be made: name and one line.
#[must_use]
pub fn machines() -> Vec<(&'static str, &'static str)> {
    tables::MACHINES
        .iter()
        .map(|spec| (spec.name, spec.summary))
        .collect()
}

/// Whether the machine of that name has a driver library; one that nobody knows would have one.
#[must_use]
pub fn has_library(machine: &str) -> bool {
    tables::machine(machine).is_none_or(|spec| spec.nvidia().is_some())
}

/// Makes machine `machine` in `dir`, with a copy of `library` and of the tools that lie beside it.
///
/// # Errors
/// `UnknownMachine`; `Exists` when the folder holds a machine or anything of that name; the
/// others of `CreateError`.
pub fn create(
    machine: &str,
    dir: &Path,
    library: &Path,
    options: &CreateOptions,
) -> Result<MachineInfo, CreateError> {
    let spec = tables::machine(machine).ok_or_else(|| CreateError::UnknownMachine {
        name: machine.to_owned(),
    })?;
    make(dir, options, |dir, seed| fill(spec, dir, library, seed))
}

/// Makes a machine in `dir`, which `fill` fills: the state file is the last that it writes.
pub(crate) fn make(
    dir: &Path,
    options: &CreateOptions,
    fill: impl FnOnce(&Path, u64) -> Result<(), CreateError>,
) -> Result<MachineInfo, CreateError> {
    let (dir, _lock) = &prepare(dir)?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(CreateError::Random)?,
    };
    fill(dir, seed)?;
    let making = dir.join(MAKING_FILE);
    fs::remove_file(&making).map_err(|error| failed("remove", &making, error))?;
    open(dir)
}

/// The machine in `dir`, if there is one.
///
/// # Errors
/// `Store` when there is none or its state cannot be read.
pub fn open(dir: &Path) -> Result<MachineInfo, CreateError> {
    let dir = dir
        .canonicalize()
        .map_err(|error| failed("find", dir, error))?;
    let machine = Store::new(&dir).read()?;
    Ok(MachineInfo {
        name: machine.name.clone(),
        library: dir.join(LIBRARY),
        has_library: machine.spec().is_some_and(|spec| spec.nvidia().is_some()),
        sysroot: dir.join("root"),
        real_nodes: machine.nodes.real,
        dir,
    })
}

/// Whether a machine lies in the folder.
#[must_use]
pub fn is_machine(dir: &Path) -> bool {
    dir.join(STATE_FILE).is_file()
}

/// Shows in the tree of the machine in `dir` what holds its GPUs. A library that stands alone with its
/// state has no tree.
pub(crate) fn show_holders(dir: &Path, policy: Policy) -> Result<(), CreateError> {
    let root = dir.join("root");
    if !root.is_dir() {
        return Ok(());
    }
    driver::write_holders(&Tree::new(root), policy)
}

/// Replaces the library and the tools of an existing machine, for instance after an upgrade. Processes that
/// have the old one mapped keep it.
///
/// # Errors
/// As `open`, and `Io`.
pub fn replace_library(dir: &Path, library: &Path) -> Result<MachineInfo, CreateError> {
    let info = open(dir)?;
    library::install(&info.dir, library)?;
    tools::install(&info.dir, library)?;
    Ok(info)
}

/// Makes the folder, or takes one that an interrupted creation left. Anything that might be
/// somebody else's is refused and never removed: `kerf sim create h100x8 /` must not touch `/root`.
///
/// Returns the folder, opened and locked: a second creator waits until the first has ended, and
/// then finds a machine, or half of one. The lock is on the folder and not on a file in it, for a
/// file would have to be made before it is known whose folder this is.
fn prepare(dir: &Path) -> Result<(PathBuf, File), CreateError> {
    fs::create_dir_all(dir).map_err(|error| failed("create", dir, error))?;
    let dir = dir
        .canonicalize()
        .map_err(|error| failed("find", dir, error))?;
    let system = ["/dev", "/proc", "/sys"];
    let theirs = system.iter().any(|system| dir.starts_with(system));
    if dir == Path::new("/") || (theirs && !dir.starts_with("/dev/shm")) {
        return Err(CreateError::Forbidden { path: dir });
    }
    let lock = File::open(&dir).map_err(|error| failed("open", &dir, error))?;
    lock.lock().map_err(|error| failed("lock", &dir, error))?;
    let (making, root) = (dir.join(MAKING_FILE), dir.join("root"));
    if making.exists() && !dir.join(STATE_FILE).exists() {
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| failed("remove", &root, error))?;
        }
    } else {
        for name in [
            STATE_FILE,
            KERNEL_FILE,
            "root",
            LIBRARY,
            library::LINK,
            TOOLS,
        ] {
            let path = dir.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(CreateError::Exists { path });
            }
        }
        fs::write(&making, "").map_err(|error| failed("write", &making, error))?;
    }
    Ok((dir, lock))
}

fn fill(
    spec: &'static MachineSpec,
    dir: &Path,
    library: &Path,
    seed: u64,
) -> Result<(), CreateError> {
    let devices = Path::new("/proc/devices");
    let devices = fs::read_to_string(devices).map_err(|error| failed("read", devices, error))?;
    let nodes = nodes::choose(dir, &devices)?;
    let mut machine = Machine::new(spec, seed, nodes, now_us());
    let tree = Tree::new(dir.join("root"));
    cpu::write(&tree, spec)?;
    cpuinfo::write(&tree, spec)?;
    numa::write(&tree, spec)?;
    pci::write(&tree, spec)?;
    network::write(&tree, spec)?;
    nvme::write(&tree, spec)?;
    let majors = Majors {
        drm: machine.nodes.frontend,
        kfd: machine.nodes.uvm,
    };
    let amd = Amd::new(spec, seed, majors);
    if let Some(product) = spec.nvidia() {
        driver::write(&tree, product, &machine)?;
        machine.nodes.real = nodes::write(&tree, product, &machine)?;
        library::install(dir, library)?;
        tools::install(dir, library)?;
    }
    sriov::write(&tree, spec)?;
    if let Some(amd) = &amd {
        machine.nodes.real = amdgpu::write(&tree, amd)?;
    }
    if let Some(card) = spec.card() {
        machine.nodes.real = cards::write(&tree, spec, card, seed, machine.nodes)?;
    }
    kernel::begin(
        dir,
        State {
            amd,
            vgpu: Vgpu::new(spec),
            ..State::default()
        },
    )?;
    Store::new(dir).begin(&machine)?;
    Ok(())
}

/// Device and subsystem ids of a function as NVML has them: device in the high half.
pub(crate) fn pci_ids(spec: &MachineSpec, role: Role) -> (u32, u32) {
    let ids = identity::identity(spec, role);
    let both = |device: u16, vendor: u16| u32::from(device) << 16 | u32::from(vendor);
    (
        both(ids.device, ids.vendor),
        both(ids.subsystem.1, ids.subsystem.0),
    )
}

/// Words of 32 bits that hold `bits`.
fn words(bits: u32) -> usize {
    usize::try_from(bits.div_ceil(32)).unwrap_or(usize::MAX)
}
