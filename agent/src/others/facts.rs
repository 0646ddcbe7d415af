//! What is there, under the root of a machine: processes, units, sockets, files. Reads, and opens nothing for writing;
//! what cannot be read is not there, and each kind of thing is bounded.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Most processes that are looked at; Linux has no more pids by default (`kernel.pid_max` on 64 bits is 4,194,304, and
/// hosts with more than this many processes are not in use).
const PROCESSES: usize = 65_536;

/// What is read of a command line, in bytes: names and options come first.
const COMMAND_LINE: u64 = 4 << 10;

/// What is read of an environment, in bytes; pods have thousands of variables of services.
const ENVIRONMENT: u64 = 256 << 10;

/// What is read of an engine's file, in bytes.
const ENGINE_FILE: u64 = 1 << 20;

/// Most entries of a folder.
const ENTRIES: usize = 4_096;

/// The variable by which NVIDIA's device plugin and operator say how they hand out slices.
const STRATEGY: &str = "MIG_STRATEGY";

/// The folder whose subfolders say which units are enabled.
const ENABLED: &str = "etc/systemd/system";

/// Where kubelet's plugins put their sockets.
const SOCKETS: [&str; 2] = [
    "var/lib/kubelet/device-plugins",
    "var/lib/kubelet/plugins_registry",
];

/// Folders of CDI files.
const CDI: [&str; 2] = ["etc/cdi", "var/run/cdi"];

/// NVIDIA's wrapper of an OCI runtime, in all its modes.
const RUNTIME: &str = "nvidia-container-runtime";

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The name of its program, without folders.
    pub name: String,
    /// How it hands out slices, where it says so.
    pub mig_strategy: Option<String>,
}

/// An engine that has NVIDIA's runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeUse {
    /// Its file.
    pub file: String,
    /// The runtime's name there.
    pub handler: String,
    /// Whether containers get it that name none.
    pub is_default: bool,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Processes.
    pub processes: Vec<Process>,
    /// Units of NVIDIA's that some target wants, so that they do their work at each boot.
    pub units: Vec<String>,
    /// Sockets of kubelet's plugins.
    pub sockets: Vec<String>,
    /// CDI files of nvidia-ctk's.
    pub cdi: Vec<String>,
    /// Engines with NVIDIA's runtime.
    pub runtimes: Vec<RuntimeUse>,
}

impl Facts {
    /// What decides who may cut: what runs, and what runs at the next boot.
    pub fn of_cutting(root: &Path) -> Self {
        Self {
            processes: processes(root),
            units: units(root),
            ..Self::default()
        }
    }

    /// Everything.
    pub fn of_all(root: &Path) -> Self {
        let sockets = SOCKETS.iter().flat_map(|folder| {
            let names = names(&root.join(folder)).into_iter();
            names.map(move |name| format!("/{folder}/{name}"))
        });
        let cdi = CDI.iter().flat_map(|folder| {
            let names = names(&root.join(folder)).into_iter();
            let names = names.filter(|name| is_nvidia_cdi(name));
            names.map(move |name| format!("/{folder}/{name}"))
        });
        Self {
            sockets: sockets.collect(),
            cdi: cdi.collect(),
            runtimes: runtimes(root),
            ..Self::of_cutting(root)
        }
    }
}

fn processes(root: &Path) -> Vec<Process> {
    let proc = root.join("proc");
    let entries = fs::read_dir(&proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut pids: Vec<u32> = pids.take(PROCESSES).collect();
    pids.sort_unstable();
    let found = pids.into_iter().filter_map(|pid| {
        let folder = proc.join(pid.to_string());
        if !may_count(&folder) {
            return None;
        }
        let line = read(&folder.join("cmdline"), COMMAND_LINE)?;
        let mut process = process(pid, &line)?;
        if process.mig_strategy.is_none() && process.name.contains("device-plugin") {
            let environment = read(&folder.join("environ"), ENVIRONMENT).unwrap_or_default();
            process.mig_strategy = strategy_in(&environment);
        }
        Some(process)
    });
    found.collect()
}

/// Whether a process may be a manager: root's, and of a name that one has. Its command line is in its own memory, which
/// does not let itself be read while the process is stuck in a driver, and anybody may write any words there; the name
/// that the kernel keeps, cut at fifteen bytes, is neither.
fn may_count(folder: &Path) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    let is_roots = fs::metadata(folder).is_ok_and(|facts| [0, own].contains(&facts.uid()));
    let name = read(&folder.join("comm"), COMMAND_LINE);
    is_roots && name.is_none_or(|name| super::is_known(String::from_utf8_lossy(&name).trim()))
}

/// A process by its command line, whose words end with zeros. Threads of the kernel and zombies have none.
pub(super) fn process(pid: u32, line: &[u8]) -> Option<Process> {
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next().filter(|program| !program.is_empty())?;
    // Some programs write a title of several words over it.
    let program = program.split_whitespace().next()?;
    let name = program.rsplit('/').next()?.trim_end_matches(':').to_owned();
    let words: Vec<String> = words.map(|word| word.into_owned()).collect();
    let given = |at: usize, word: &str| match word.strip_prefix("--mig-strategy")? {
        "" => words.get(at + 1).filter(|next| !next.is_empty()).cloned(),
        rest => rest.strip_prefix('=').map(str::to_owned),
    };
    let mut strategies = words.iter().enumerate();
    let mig_strategy = strategies.find_map(|(at, word)| given(at, word));
    Some(Process {
        pid,
        name,
        mig_strategy,
    })
}

/// The strategy in an environment; nothing else of it is kept.
pub(super) fn strategy_in(environment: &[u8]) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        let (name, value) = text.split_once('=')?;
        (name == STRATEGY).then(|| value.to_owned())
    })
}

/// Units that a target wants: `multi-user.target.wants/x.service`.
fn units(root: &Path) -> Vec<String> {
    let folder = root.join(ENABLED);
    let wants = names(&folder).into_iter();
    let wants = wants.filter(|name| name.ends_with(".wants") || name.ends_with(".requires"));
    let names = wants.flat_map(|want| names(&folder.join(want)));
    let mut names: Vec<String> = names.filter(|name| name.contains("nvidia")).collect();
    names.sort();
    names.dedup();
    names
}

/// What nvidia-ctk and its refresh write: `nvidia.yaml`, `nvidia-container-toolkit.json` and the like.
fn is_nvidia_cdi(name: &str) -> bool {
    let stem = ["yaml", "yml", "json"]
        .iter()
        .find_map(|end| name.strip_suffix(end)?.strip_suffix('.'));
    stem.is_some_and(|stem| stem.starts_with("nvidia"))
}

/// Engines whose files name NVIDIA's runtime.
fn runtimes(root: &Path) -> Vec<RuntimeUse> {
    let mut found = Vec::new();
    let mut containerd = vec!["etc/containerd/config.toml".to_owned()];
    let drop_ins = names(&root.join("etc/containerd/conf.d")).into_iter();
    let drop_ins = drop_ins.filter(|name| name.ends_with(".toml"));
    containerd.extend(drop_ins.map(|name| format!("etc/containerd/conf.d/{name}")));
    for file in containerd {
        let text = read(&root.join(&file), ENGINE_FILE).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        found.extend(in_containerd(&format!("/{file}"), &text));
    }
    let file = "etc/docker/daemon.json";
    let text = read(&root.join(file), ENGINE_FILE).unwrap_or_default();
    found.extend(in_docker(&format!("/{file}"), &text));
    found
}

/// Handlers of the CRI plugin whose program is NVIDIA's, in a file of any version.
pub(super) fn in_containerd(file: &str, text: &str) -> Vec<RuntimeUse> {
    let Ok(document) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let plugins = document.get("plugins").and_then(toml::Value::as_table);
    let plugins = plugins.into_iter().flat_map(|plugins| plugins.values());
    let mut found = Vec::new();
    for containerd in plugins.filter_map(|plugin| plugin.get("containerd")) {
        let default = containerd
            .get("default_runtime_name")
            .and_then(toml::Value::as_str);
        let runtimes = containerd.get("runtimes").and_then(toml::Value::as_table);
        for (handler, runtime) in runtimes.into_iter().flatten() {
            let program = runtime
                .get("options")
                .and_then(|options| options.get("BinaryName"));
            if program.and_then(toml::Value::as_str).is_some_and(is_nvidia) {
                found.push(RuntimeUse {
                    file: file.to_owned(),
                    handler: handler.clone(),
                    is_default: default == Some(handler),
                });
            }
        }
    }
    found
}

/// Runtimes of Docker's whose program is NVIDIA's.
pub(super) fn in_docker(file: &str, text: &[u8]) -> Vec<RuntimeUse> {
    let document: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let default = document
        .get("default-runtime")
        .and_then(serde_json::Value::as_str);
    let runtimes = document
        .get("runtimes")
        .and_then(serde_json::Value::as_object);
    let runtimes = runtimes.into_iter().flatten().filter(|(_, runtime)| {
        let program = runtime.get("path").and_then(serde_json::Value::as_str);
        program.is_some_and(is_nvidia)
    });
    let use_of = |(handler, _): (&String, _)| RuntimeUse {
        file: file.to_owned(),
        handler: handler.clone(),
        is_default: default == Some(handler),
    };
    runtimes.map(use_of).collect()
}

fn is_nvidia(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    name.starts_with(RUNTIME)
}

/// Names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(ENTRIES).collect();
    names.sort();
    names
}

/// The first bytes of a file; none of a pipe, which would not end.
fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
