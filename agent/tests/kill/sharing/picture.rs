//! What is shared, read from processes, the machine, the store and the daemons' own word, and never from kerfd.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use kerf_partitioner::sharing::MpsPlace;
use kerf_tests::world::leftovers;
use nvidia_ml::control::tools::devices;
use rusqlite::Connection;
use serde_json::Value;

use crate::judge::{Picture as Everything, documents};
use crate::lane::Lane;

/// The compute mode of a GPU that one process may use, as NVML numbers it.
const EXCLUSIVE: u32 = 3;

/// GPUs of a lane.
const GPUS: usize = 2;

/// A daemon that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    pub pid: u32,
    pub place: MpsPlace,
    /// Threads and memory of a client, as it says.
    pub limits: [String; 2],
}

/// Everything.
pub struct Picture {
    everything: Everything,
    /// Time slice and compute mode of each GPU, as NVML numbers them.
    settings: BTreeMap<u32, (u32, u32)>,
    /// Daemons by what their device is: `gpu 0`, or `gpu 0 4:4`.
    pub daemons: BTreeMap<String, Vec<Daemon>>,
    /// What the record in the run folder says.
    record: Value,
    /// The layout that the host is to have.
    kept: Value,
    /// Names in the folder of places.
    places: Vec<String>,
}

/// The daemons of this lane, as processes.
pub fn pids(lane: &Lane) -> Vec<u32> {
    let folder = lane.path().display().to_string();
    let mut pids = leftovers::processes_naming(&folder);
    pids.retain(|pid| leftovers::command_line(*pid).contains("nvidia-cuda-mps-control -f"));
    pids
}

/// What the record of a lane says.
pub fn record(lane: &Lane) -> Value {
    let record = fs::read(lane.config.paths.run_dir.join("sharing.json"));
    record.map_or(Value::Null, |bytes| {
        serde_json::from_slice(&bytes).expect("a record")
    })
}

impl Picture {
    /// Reads everything; nothing is under way meanwhile.
    pub fn take(lane: &Lane) -> Self {
        let names = names(lane);
        let mut daemons: BTreeMap<String, Vec<Daemon>> = BTreeMap::new();
        for pid in pids(lane) {
            let daemon = daemon(lane, pid);
            let name = names.get(&daemon.place.device).cloned();
            let name = name.unwrap_or_else(|| format!("nobody's {}", daemon.place.device));
            daemons.entry(name).or_default().push(daemon);
        }
        let settings = devices(&lane.info.dir).expect("the machine").into_iter();
        let settings = settings.take(GPUS);
        let settings = settings.map(|gpu| (gpu.index, (gpu.time_slice, gpu.compute_mode)));
        let store = Connection::open(lane.config.paths.state_dir.join("state.db"));
        let mut kept = documents(&store.expect("the store"), "layout");
        let places = fs::read_dir(lane.config.paths.run_dir.join("mps"));
        let places = places.into_iter().flatten().flatten();
        Self {
            everything: Everything::take(lane),
            settings: settings.collect(),
            daemons,
            record: record(lane),
            kept: kept.pop().unwrap_or_default(),
            places: places
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
        }
    }

    /// What two runs have in common.
    pub fn shape(&self) -> String {
        let mut lines = vec![self.everything.shape()];
        for (gpu, (slice, mode)) in &self.settings {
            lines.push(format!(
                "gpu {gpu}: time slice {slice}, compute mode {mode}"
            ));
        }
        for (device, all) in &self.daemons {
            let limits: Vec<&[String; 2]> = all.iter().map(|daemon| &daemon.limits).collect();
            lines.push(format!("daemons of {device}: {limits:?}"));
        }
        lines.push(format!("record: {}", self.record["gpus"]));
        lines.push(format!("kept: {}", self.kept["layout"]));
        lines.join("\n")
    }

    /// What must hold whenever nothing is under way. `known` are the daemons that the owner shows.
    pub fn faults(&self, known: &[u32]) -> Vec<String> {
        let mut faults = self.everything.faults();
        faults.extend(self.disagreements());
        let mut running = Vec::new();
        let mut places = Vec::new();
        for (device, daemons) in &self.daemons {
            if daemons.len() > 1 || device.starts_with("nobody's") {
                faults.push(format!("daemons of {device}: {daemons:?}"));
            }
            running.extend(daemons.iter().map(|daemon| daemon.pid));
            places.extend(daemons.iter().filter_map(name_of));
        }
        let (mut known, mut there) = (known.to_vec(), self.places.clone());
        for list in [&mut running, &mut known] {
            list.sort_unstable();
        }
        if running != known {
            faults.push(format!("{running:?} run, and the owner shows {known:?}"));
        }
        for list in [&mut places, &mut there] {
            list.sort_unstable();
        }
        if places != there {
            faults.push(format!("daemons in {places:?}, and places {there:?}"));
        }
        for (what, value) in [
            ("not settled", &self.record["unsettled"]),
            ("not there", &self.kept["unmet"]),
        ] {
            if value.as_array().is_some_and(|gpus| !gpus.is_empty()) {
                faults.push(format!("{what}: {value}"));
            }
        }
        faults
    }
}

impl Picture {
    /// Where daemons, settings and the kept layout are not what the record says.
    fn disagreements(&self) -> Vec<String> {
        let (mut faults, mut daemons) = (Vec::new(), BTreeMap::new());
        let mut settings: BTreeMap<u32, (u32, u32)> =
            self.settings.keys().map(|gpu| (*gpu, (0, 0))).collect();
        for (pci, sharing) in self.record["gpus"].as_object().into_iter().flatten() {
            let gpu = self.everything.index(pci).expect("a GPU of the machine");
            let is_mig = self.everything.modes[&gpu].0;
            let (mps, turns) = (&sharing["mps"], &sharing["time-slice"]);
            let intervals = ["default", "short", "medium", "long"];
            let slice = (0..).zip(intervals);
            let slice = slice.filter(|(_, word)| turns["interval"] == **word);
            let slice = slice.map(|(number, _)| number).next().unwrap_or(0);
            let is_exclusive = mps.is_object() && !is_mig;
            settings.insert(gpu, (slice, if is_exclusive { EXCLUSIVE } else { 0 }));
            let threads = mps["threads"].as_u64().unwrap_or(100);
            for device in self.devices(gpu).filter(|_| mps.is_object()) {
                daemons.insert(device, format!("ok {threads}.0"));
            }
        }
        if settings != self.settings {
            faults.push(format!("settings {:?}, not {settings:?}", self.settings));
        }
        let running: BTreeMap<String, String> = self
            .daemons
            .iter()
            .flat_map(|(device, all)| {
                all.iter()
                    .map(|one| (device.clone(), one.limits[0].clone()))
            })
            .collect();
        if running != daemons {
            faults.push(format!("daemons {running:?}, not {daemons:?}"));
        }
        if self.kept_sharing() != self.record["gpus"] {
            let (kept, record) = (self.kept_sharing(), &self.record["gpus"]);
            faults.push(format!("kept is {kept}, and shared {record}"));
        }
        faults
    }

    /// What of a GPU is shared where it is: the whole, or each of its slices.
    fn devices(&self, gpu: u32) -> impl Iterator<Item = String> {
        let is_mig = self.everything.modes[&gpu].0;
        let slices = self.everything.instances.keys();
        let own = slices.filter(move |(of, ..)| is_mig && *of == gpu);
        let slices = own.map(|(gpu, start, size)| format!("gpu {gpu} {start}:{size}"));
        let whole = (!is_mig).then(|| format!("gpu {gpu}"));
        slices.chain(whole)
    }

    /// How GPUs are to be shared after the next boot.
    fn kept_sharing(&self) -> Value {
        let text = self.kept["layout"].as_str().unwrap_or("{}");
        let layout: Value = serde_json::from_str(text).expect("a layout");
        let rules = layout["rules"].as_array().into_iter().flatten();
        let shared = rules.filter(|rule| rule["sharing"].is_object());
        let shared = shared.filter_map(|rule| {
            let gpu = rule["gpus"][0].as_str()?.to_owned();
            Some((gpu, rule["sharing"].clone()))
        });
        Value::Object(shared.collect())
    }
}

/// The name of a daemon's folder.
fn name_of(daemon: &Daemon) -> Option<String> {
    let name = daemon.place.run.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// What the UUIDs of devices stand for.
fn names(lane: &Lane) -> BTreeMap<String, String> {
    let machine = nvidia_ml::control::show(&lane.info.dir).expect("the machine");
    let mut names = BTreeMap::new();
    for gpu in &machine.gpus {
        names.insert(gpu.uuid.clone(), format!("gpu {}", gpu.index));
        for gi in &gpu.instances {
            let (start, size) = gi.placement;
            for ci in &gi.compute {
                let name = format!("gpu {} {start}:{size}", gpu.index);
                names.insert(ci.uuid.clone(), name);
            }
        }
    }
    names
}

/// A daemon, by its environment and its word.
fn daemon(lane: &Lane, pid: u32) -> Daemon {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let value = |name: &str| {
        let mut all = environment.split('\0');
        let found = all.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    let pipe = PathBuf::from(value("CUDA_MPS_PIPE_DIRECTORY"));
    let run = pipe.parent().unwrap_or(lane.path()).to_owned();
    let questions = [
        "get_default_active_thread_percentage",
        "get_default_device_pinned_mem_limit 0",
    ];
    Daemon {
        pid,
        place: MpsPlace {
            device: value("CUDA_VISIBLE_DEVICES"),
            run,
            log: PathBuf::from(value("CUDA_MPS_LOG_DIRECTORY")),
        },
        limits: questions.map(|question| said(&pipe, question)),
    }
}

/// What a daemon says, as its own tool asks it.
fn said(pipe: &Path, question: &str) -> String {
    let asked = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(pipe.join("control_privileged"))?;
        stream.write_all(format!("{question}\n").as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.trim().replace('\n', " "))
    };
    asked().unwrap_or_else(|error| error.to_string())
}
