//! One simulated machine with the folders of a kerfd, and the workers that are offered to it on a socket, as a
//! service manager does. It outlives every kerfd on it. Workers are threads here: they end when their client is
//! gone, and all have ended before the next kerfd begins.

use std::io::Read;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use kerf_agent::config::{Config, file};
use kerf_partitioner::worker::{self, Machine};
use nvidia_ml::control::{FaultRequest, fault};
use nvidia_ml::fuse::Fuse;
use nvidia_ml::{CreateOptions, MachineInfo};
use tempfile::TempDir;

use crate::life::NO_PROGRAM;

/// The seed of every machine's UUIDs.
const SEED: u64 = 11;

/// A machine and what serves it.
pub struct Lane {
    // The workers end before their folder goes.
    offer: Offer,
    pub info: MachineInfo,
    pub fuse: Arc<Fuse>,
    pub config: Arc<Config>,
    /// The machine's folder, where its kernel takes what the workers write under `/sys`.
    pub simulated: Option<PathBuf>,
    folder: TempDir,
}

impl Lane {
    /// A machine of this name that has only its first `gpus` GPUs, and plain files under `/sys`.
    pub fn new(machine: &str, gpus: u32) -> Self {
        Self::in_folder(folder(), machine, gpus)
    }

    /// The same with everything in this folder.
    pub fn in_folder(folder: TempDir, machine: &str, gpus: u32) -> Self {
        Self::with(folder, machine, gpus, false)
    }

    /// The same with a kernel behind these files.
    pub fn with_kernel(machine: &str, gpus: u32) -> Self {
        Self::with(folder(), machine, gpus, true)
    }

    fn with(folder: TempDir, machine: &str, gpus: u32, kernel: bool) -> Self {
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = CreateOptions { seed: Some(SEED) };
        let place = folder.path().join("machine");
        let info = nvidia_ml::create(machine, &place, &library, &options).expect("a machine");
        let all = nvidia_ml::control::show(&info.dir).expect("the machine");
        for gpu in all.gpus.iter().filter(|gpu| gpu.index >= gpus) {
            fault(&info.dir, FaultRequest::Gone { gpu: gpu.index }).expect("it leaves");
        }
        if !all.gpus.is_empty() {
            number_only(&info, gpus);
        }
        let fuse = Arc::new(Fuse::lay(&info.dir).expect("a fuse"));
        let config = Arc::new(config(folder.path(), &info));
        for part in [&config.paths.run_dir, &config.paths.state_dir] {
            std::fs::create_dir_all(part).expect("a folder");
        }
        let simulated = kernel.then(|| info.dir.clone());
        let machine = Machine {
            library: info.library.exists().then(|| info.library.clone()),
            sysroot: info.sysroot.clone(),
            simulated: simulated.clone(),
        };
        let offer = Offer::start(&config.paths.run_dir.join("partitioner.sock"), machine);
        Self {
            offer,
            info,
            fuse,
            config,
            simulated,
            folder,
        }
    }

    /// The folder that holds everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Workers are threads here, so what is written down of them is the process of this drill, whose end nobody shall
    /// wait for.
    pub fn forget_workers(&self) {
        let records = self.config.paths.run_dir.join("workers");
        let entries = std::fs::read_dir(records).into_iter().flatten().flatten();
        for entry in entries {
            std::fs::remove_file(entry.path()).expect("a file of ours");
        }
    }

    /// Waits until every worker of a kerfd that is gone has ended.
    pub fn quiesce(&self) {
        self.offer.quiesce();
    }
}

/// A folder in memory where there is one: every kill writes what a disk would take milliseconds for.
fn folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("kk-");
    let memory = builder.tempdir_in("/dev/shm");
    memory
        .or_else(|_| builder.tempdir_in("/tmp"))
        .expect("a folder")
}

/// Leaves only the capabilities of the first `gpus` GPUs in the driver's table, which every worker reads
/// anew: the whole one numbers those of 32.
fn number_only(info: &MachineInfo, gpus: u32) {
    let path = info.sysroot.join("proc/driver/nvidia-caps/mig-minors");
    let table = std::fs::read_to_string(&path).expect("the driver's table");
    let is_kept = |line: &&str| {
        let number = line
            .strip_prefix("gpu")
            .and_then(|rest| rest.split('/').next());
        number.is_none_or(|number| number.parse().is_ok_and(|number: u32| number < gpus))
    };
    let kept: String = table
        .lines()
        .filter(is_kept)
        .flat_map(|line| [line, "\n"])
        .collect();
    std::fs::write(&path, kept).expect("a file of ours");
}

fn config(folder: &Path, info: &MachineInfo) -> Config {
    let path = |name: &str| folder.join(name).display().to_string();
    // A machine of another vendor has none.
    let nvml = match info.library.exists() {
        true => info.library.display().to_string(),
        false => "none".to_owned(),
    };
    let text = format!(
        "[paths]\nrun_dir = {:?}\nstate_dir = {:?}\ncdi_dir = {:?}\nsysroot = {:?}\nnvml = {:?}\n\
         partitioner = {:?}\nruntime = \"/bin/true\"\n\
         [driver]\ncall_deadline_ms = 60000\nopen_deadline_ms = 60000\nstep_deadline_ms = 60000\n\
         look_interval_ms = 3600000\n\
         [launch]\nreservation_ttl_ms = 3600000\n\
         [launch.asks]\ndefault = [\"*\"]\n",
        path("run"),
        path("state"),
        path("cdi"),
        info.sysroot,
        nvml,
        path(NO_PROGRAM),
    );
    let parsed = file::parse(Path::new("kerf.toml"), &text);
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}\n{text}"));
    parsed.resolve(folder, "drill").expect("a configuration")
}

/// The listener and its workers.
struct Offer {
    socket: PathBuf,
    ends: Arc<AtomicBool>,
    workers: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listener: Option<JoinHandle<()>>,
}

impl Offer {
    fn start(socket: &Path, machine: Machine) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let ends = Arc::new(AtomicBool::new(false));
        let workers = Arc::new(Mutex::new(Vec::new()));
        let (stop, started) = (Arc::clone(&ends), Arc::clone(&workers));
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, machine) = (stream.expect("a client"), machine.clone());
                let worker = thread::spawn(move || {
                    // One whose client has gone in the middle of a request says so, and to nobody.
                    drop(worker::serve(stream, &machine));
                });
                lock(&started).push(worker);
            }
        });
        Self {
            socket: socket.to_owned(),
            ends,
            workers,
            listener: Some(listening),
        }
    }

    fn quiesce(&self) {
        // Connections are taken in order, so when ours was served every earlier one has its worker.
        let mut probe = UnixStream::connect(&self.socket).expect("the listener");
        probe.shutdown(Shutdown::Write).expect("half a socket");
        let mut nothing = Vec::new();
        probe.read_to_end(&mut nothing).expect("its end");
        let workers = std::mem::take(&mut *lock(&self.workers));
        for worker in workers {
            worker.join().expect("a worker does not panic");
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.socket));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
