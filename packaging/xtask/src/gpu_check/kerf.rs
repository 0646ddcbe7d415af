//! kerf's side: what `kerf-partitioner` says of this machine, as JSON documents.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kerf_tests::{Scratch, bins, process, tree};
use serde_json::Value;

use crate::out;
use crate::phase::{cargo, visible};

/// Places where NVIDIA's packages and images put the library, Debian and Red Hat first.
const LIBRARY_FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/local/nvidia/lib64",
];

/// How long all answers may take: a few hundred calls to each GPU, each of which may have to be woken.
const ANSWERS_LIMIT: Duration = Duration::from_secs(120);

const LIBRARY: &str = "libnvidia-ml.so.1";

/// The documents of one look at the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Documents {
    /// `kerf.v1.Inventory`.
    pub inventory: Value,
    /// `kerf.v1.Topology`.
    pub topology: Value,
    /// `kerf.v1.Samples`.
    pub samples: Value,
}

impl Documents {
    /// The GPUs of the inventory.
    pub fn gpus(&self) -> &[Value] {
        elements(&self.inventory, "gpus")
    }

    /// The reading of the GPU with this index.
    pub fn sample(&self, index: u64) -> Option<&Value> {
        let samples = elements(&self.samples, "samples");
        samples
            .iter()
            .find(|sample| sample.get("index").and_then(Value::as_u64) == Some(index))
    }

    /// What kerf could not read.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        let all = [&self.inventory, &self.samples];
        all.into_iter()
            .flat_map(|document| elements(document, "problems"))
            .filter_map(Value::as_str)
    }
}

/// The list under a key; nothing where there is none.
pub fn elements<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    let list = document.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The program with the machine that it looks at.
#[derive(Debug)]
pub struct Kerf {
    program: PathBuf,
    library: PathBuf,
    sysroot: PathBuf,
    deadline_ms: u32,
}

impl Kerf {
    /// Finds program and library, and builds the program if it is not there. The deadline is for each
    /// question to a GPU.
    pub fn find(library: Option<&Path>, sysroot: &Path, deadline_ms: u32) -> Result<Self> {
        let library = match library {
            Some(path) => path.to_owned(),
            None => find_library()?,
        };
        ensure!(library.exists(), "{} does not exist", library.display());
        Ok(Self {
            program: find_program()?,
            library,
            sysroot: sysroot.to_owned(),
            deadline_ms,
        })
    }

    /// The driver library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// One look.
    pub fn look(&self) -> Result<Documents> {
        Ok(Documents {
            inventory: self.document("discover", "kerf.v1.Inventory")?,
            topology: self.document("topology", "kerf.v1.Topology")?,
            samples: self.document("sample", "kerf.v1.Samples")?,
        })
    }

    /// What the library answers about MIG, raw. There is no deadline in the program for this, so a call that
    /// does not return in time is left behind: killing a process inside the driver has frozen GPUs.
    pub fn answers(&self) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args([OsStr::new("answers"), OsStr::new("--nvml")]);
        command.arg(&self.library);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::spawn(move || send.send(child.wait_with_output()));
        let line = process::shell_line(&command);
        let Ok(output) = receive.recv_timeout(ANSWERS_LIMIT) else {
            bail!("{line} has not returned within {ANSWERS_LIMIT:?}, the driver may hang");
        };
        let output = output.with_context(|| line.clone())?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{line}: {}\n{}",
            output.status,
            errors.trim_end()
        );
        serde_json::from_slice(&output.stdout).with_context(|| format!("{line} printed no JSON"))
    }

    fn document(&self, verb: &str, schema: &str) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args([verb, "-o", "json", "--deadline-ms"]);
        command.arg(self.deadline_ms.to_string());
        command.args([OsStr::new("--nvml"), self.library.as_os_str()]);
        command.args([OsStr::new("--sysroot"), self.sysroot.as_os_str()]);
        // A file, since a worker that hangs in the driver is left behind and keeps this stream: to wait
        // for the end of a pipe, ours or our caller's, would be to hang with it.
        let scratch = Scratch::new("kerf-gpu-check")?;
        let log = scratch.join("log");
        let errors = File::create(&log).context("cannot make a log")?;
        let output = process::output(command.stderr(errors))?;
        if output.status.code() == Some(2) {
            bail!(
                "{} does not know {verb}: build it anew with cargo build -p kerf-partitioner",
                self.program.display()
            );
        }
        ensure!(
            output.status.success(),
            "{}: {}\n{}",
            process::shell_line(&command),
            output.status,
            std::fs::read_to_string(&log).unwrap_or_default().trim_end()
        );
        let document: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("kerf-partitioner {verb} printed no JSON"))?;
        let named = document.get("schema").and_then(Value::as_str);
        ensure!(
            named == Some(schema),
            "{verb} printed {named:?}, not {schema}"
        );
        Ok(document)
    }
}

fn find_program() -> Result<PathBuf> {
    if let Ok(path) = bins::partitioner() {
        return Ok(path);
    }
    out::line("kerf-partitioner is not built yet");
    let target = tree::target_dir()?;
    let build = ["build", "--package", "kerf-partitioner", "--target-dir"];
    visible(cargo(&build).arg(target))?;
    bins::partitioner()
}

fn find_library() -> Result<PathBuf> {
    let known = LIBRARY_FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(LIBRARY));
    known
        .chain(linked())
        .find(|path| path.exists())
        .with_context(|| format!("{LIBRARY} is in no known folder: name it with --nvml"))
}

/// Where the dynamic linker finds it: `libnvidia-ml.so.1 (libc6,x86-64) => /lib/…/libnvidia-ml.so.1`.
fn linked() -> Option<PathBuf> {
    let ldconfig = bins::system("ldconfig")?;
    let text = process::run(Command::new(ldconfig).arg("-p")).ok()?;
    let line = text
        .lines()
        .find(|line| line.contains(LIBRARY) && line.contains("64"))?;
    line.split_once("=> ").map(|(_, path)| path.trim().into())
}
