//! A containerd of one's own: started in a folder, used through `ctr`, ended without a trace.
//!
//! ```text
//!  start ──► running ──► stop ──► nothing left   (an error names what is)
//!               │  ▲
//!      kill9 ──►│  │◄── restart                  (containers live on in between)
//! ```

mod teardown;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::config::{self, Cri, Generation};
use crate::engines::Suite;
use crate::{ChildGuard, bins, poll, process};

/// How long containerd may take to answer after its start; it takes 0.2 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Makes namespaces of one process differ.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A private containerd; dropping it ends it and every container in it.
#[derive(Debug)]
pub struct Containerd {
    child: ChildGuard,
    programs: Programs,
    folder: PathBuf,
    socket: PathBuf,
    namespace: String,
    stopped: bool,
}

/// The programs of one version: a `ctr` and a shim of another one may not know what it asks of them.
#[derive(Debug, Clone)]
struct Programs {
    containerd: PathBuf,
    ctr: PathBuf,
    /// Where containerd finds its shim, and the shim its runc; none for those of the system.
    path: Option<OsString>,
}

impl Containerd {
    /// Starts the containerd of the system with all its files in `folder`, which must be short:
    /// a socket's path has at most 107 bytes.
    ///
    /// # Errors
    /// When it is not installed or does not come up; the text holds the end of its log.
    pub fn start(folder: &Path) -> Result<Self> {
        let program = |name| bins::system(name).with_context(|| format!("{name} is not installed"));
        let programs = Programs {
            containerd: program("containerd")?,
            ctr: program("ctr")?,
            path: None,
        };
        Self::start_programs(programs, folder, None)
    }

    /// [`Containerd::start`] with containerd, shim, `ctr` and runc of another version, and with CRI where a
    /// test has pods: those have the namespace `k8s.io`, and [`Containerd::namespace`] should be their parent cgroup.
    ///
    /// # Errors
    /// As [`Containerd::start`].
    pub fn start_suite(suite: Suite, folder: &Path, cri: Option<&Cri>) -> Result<Self> {
        let programs = Programs {
            containerd: suite.program("containerd")?,
            ctr: suite.program("ctr")?,
            path: Some(suite.path()?),
        };
        Self::start_programs(programs, folder, cri)
    }

    fn start_programs(programs: Programs, folder: &Path, cri: Option<&Cri>) -> Result<Self> {
        let socket = folder.join("c.sock");
        let version = process::run(Command::new(&programs.containerd).arg("--version"))?;
        let generation = Generation::parse(&version)
            .with_context(|| format!("cannot read a version from {version:?}"))?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(
            folder.join("config.toml"),
            config::text(generation, folder, &socket, cri),
        )?;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            child: spawn(&programs, folder, &socket)?,
            programs,
            folder: folder.to_path_buf(),
            socket,
            namespace: format!("kerf-{}-{number}", std::process::id()),
            stopped: false,
        })
    }

    /// The socket of its gRPC services.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A containerd namespace that nobody else on this machine has: runc's state and cgroups of
    /// all containerds on a host are told apart by namespace and id alone.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// A `ctr` for this containerd and its own namespace, to be given arguments.
    #[must_use]
    pub fn ctr(&self) -> Command {
        self.ctr_in(&self.namespace)
    }

    /// A `ctr` for any namespace.
    #[must_use]
    pub fn ctr_in(&self, namespace: &str) -> Command {
        let mut command = Command::new(&self.programs.ctr);
        command
            .arg("--address")
            .arg(&self.socket)
            .args(["--namespace", namespace]);
        command
    }

    /// `ctr run` with its FIFOs in the private folder, to be given flags, image, id and command.
    ///
    /// Without the flag they lie in `/run/containerd/fifo` and stay when a client is killed.
    #[must_use]
    pub fn ctr_run(&self) -> Command {
        let mut command = self.ctr();
        command
            .args(["run", "--fifo-dir"])
            .arg(self.folder.join("fifo"));
        command
    }

    /// Imports an OCI archive into the private namespace.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, archive: &Path) -> Result<()> {
        self.import_in(&self.namespace, archive)
    }

    /// Imports an OCI archive into any namespace.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import_in(&self, namespace: &str, archive: &Path) -> Result<()> {
        let mut command = self.ctr_in(namespace);
        process::run(command.args(["images", "import"]).arg(archive)).map(drop)
    }

    /// The sockets of shims, as each bundle names its own: they lie outside the private folder.
    #[must_use]
    pub fn shim_sockets(&self) -> Vec<PathBuf> {
        let bundles = self.folder.join("state/io.containerd.runtime.v2.task");
        let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let bundles = entries(&bundles).flat_map(|namespace| entries(&namespace.path()));
        bundles
            .filter_map(|bundle| shim_socket(&bundle.path()))
            .collect()
    }

    /// Kills containerd itself with SIGKILL; shims and containers live on.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill().map(drop)
    }

    /// Starts it again on the same folder after [`Containerd::kill9`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.programs, &self.folder, &self.socket)?;
        Ok(())
    }

    /// Ends every container, then containerd, and removes what they leave behind.
    ///
    /// # Errors
    /// Names everything that is still there; all of the rest has been cleaned up nevertheless.
    pub fn stop(mut self) -> Result<()> {
        let remains = self.teardown();
        ensure!(
            remains.is_empty(),
            "containerd left behind: {}",
            remains.join("; ")
        );
        Ok(())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if !self.stopped {
            drop(self.teardown());
        }
    }
}

fn spawn(programs: &Programs, folder: &Path, socket: &Path) -> Result<ChildGuard> {
    let log = folder.join("containerd.log");
    let mut command = Command::new(&programs.containerd);
    command.arg("--config").arg(folder.join("config.toml"));
    if let Some(path) = &programs.path {
        command.env("PATH", path);
    }
    let mut child = ChildGuard::spawn("containerd", &mut command, &log)?;
    let answered = poll::until("an answer of containerd", START_LIMIT, || {
        match child.exited() {
            Ok(None) => {}
            Ok(Some(status)) => return Some(Err(anyhow::anyhow!("containerd ended: {status}"))),
            Err(error) => return Some(Err(error)),
        }
        let mut version = Command::new(&programs.ctr);
        version.arg("--address").arg(socket).arg("version");
        process::run(&mut version).is_ok().then_some(Ok(()))
    });
    answered
        .flatten()
        .with_context(|| format!("its log ends with:\n{}", child.log_tail(20)))?;
    Ok(child)
}

/// The address in a bundle: containerd 1.6 has a file of that name, later ones a JSON document.
fn shim_socket(bundle: &Path) -> Option<PathBuf> {
    let address = match std::fs::read(bundle.join("bootstrap.json")) {
        Ok(text) => {
            let document: serde_json::Value = serde_json::from_slice(&text).ok()?;
            document.get("address")?.as_str()?.to_owned()
        }
        Err(_) => std::fs::read_to_string(bundle.join("address")).ok()?,
    };
    address.trim().strip_prefix("unix://").map(PathBuf::from)
}
