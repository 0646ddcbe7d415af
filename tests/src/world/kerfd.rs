//! A kerfd of one's own on a simulated machine: every file in one folder, metrics on loopback.

mod said;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;

use super::leftovers;
use super::network::Namespace;
use crate::http::{self, Answer};
use crate::{ChildGuard, bins, poll};
use said::Addresses;

/// How long kerfd may take until it answers: it makes a machine, a store and a first observation.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long it may drain after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long its workers may take to see that it is gone.
const WORKERS_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to refuse: it reads its configuration and opens its store.
const REFUSAL_LIMIT: Duration = Duration::from_secs(60);

/// How long one answer of the metrics listener may take.
const SCRAPE_LIMIT: Duration = Duration::from_secs(30);

/// What a kerfd is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds everything; short, since sockets lie in it.
    pub folder: PathBuf,
    /// A machine of the simulator, for example `h100x8`.
    pub machine: String,
    /// containerd's socket.
    pub containerd: PathBuf,
    /// The containerd namespace of kerf's jobs.
    pub namespace: String,
    /// TOML to add to the configuration file, for example `[partition]` and what follows it.
    pub config: String,
    /// How it meets other hosts; `None` for a host that runs alone.
    pub peering: Option<Peering>,
    /// Where its network is; `None` for the network of this process.
    pub network: Option<Namespace>,
}

/// How a kerfd meets other hosts.
#[derive(Debug, Clone)]
pub struct Peering {
    /// Where it listens; after the start the address that it got, so that it has the same after a restart.
    pub listen: SocketAddr,
    /// A host of the fleet to join.
    pub join: Option<SocketAddr>,
}

impl Peering {
    /// A free port of loopback.
    #[must_use]
    pub fn new(join: Option<SocketAddr>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            join,
        }
    }
}

/// A running kerfd; dropping it kills it.
#[derive(Debug)]
pub struct Kerfd {
    child: ChildGuard,
    settings: Settings,
    at: Addresses,
    /// Its end was wanted: it has nothing to be asked for any more.
    killed: bool,
}

impl Kerfd {
    /// Starts the kerfd that was built with the running tests, and waits until it answers.
    ///
    /// # Errors
    /// When something has not been built, or kerfd does not come up; the text holds the end of its
    /// log.
    pub fn start(mut settings: Settings) -> Result<Self> {
        prepare(&settings)?;
        let (child, at) = spawn(&settings)?;
        if let (Some(peering), Some(listen)) = (&mut settings.peering, at.peers) {
            peering.listen = listen;
        }
        Ok(Self {
            child,
            settings,
            at,
            killed: false,
        })
    }

    /// Starts a kerfd that is to refuse these settings, and returns what it said.
    ///
    /// # Errors
    /// When it does not end by itself, or ends with success.
    pub fn refused(settings: &Settings) -> Result<String> {
        prepare(settings)?;
        let log = settings.folder.join("refused.log");
        let mut child = ChildGuard::spawn("kerfd", &mut daemon(settings)?, &log)?;
        let status = child.wait(REFUSAL_LIMIT)?;
        ensure!(
            !status.success(),
            "kerfd did not refuse\n{}",
            child.log_tail(30)
        );
        Ok(child.log_tail(200))
    }

    /// The command that started it, as somebody could type it.
    ///
    /// # Errors
    /// When kerfd has not been built.
    pub fn command(&self) -> Result<Command> {
        daemon(&self.settings)
    }

    /// A `kerf` for this daemon, to be given a verb.
    ///
    /// # Errors
    /// When kerf has not been built.
    pub fn kerf(&self) -> Result<Command> {
        client(&self.settings)
    }

    /// The process id of kerfd.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// The folder of the simulated machine: what `LD_LIBRARY_PATH` of an NVML client names.
    #[must_use]
    pub fn machine(&self) -> PathBuf {
        self.settings.folder.join("state/sim")
    }

    /// The root of the machine's `/sys`, `/proc/driver` and `/dev`.
    #[must_use]
    pub fn sysroot(&self) -> PathBuf {
        self.machine().join("root")
    }

    /// The socket of its API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.settings.folder.join("run/kerf.sock")
    }

    /// The runtime wrapper that talks to this kerfd and no other.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.settings.folder.join("state/bin/kerf-runtime")
    }

    /// The folder of the store.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.settings.folder.join("state")
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The folder with the CDI files.
    #[must_use]
    pub fn cdi(&self) -> PathBuf {
        self.settings.folder.join("cdi")
    }

    /// Where the metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> SocketAddr {
        self.at.metrics
    }

    /// Where the status page is served.
    #[must_use]
    pub fn web_address(&self) -> SocketAddr {
        self.at.web
    }

    /// Where other hosts reach it; `None` for a host that runs alone.
    #[must_use]
    pub fn peers_address(&self) -> Option<SocketAddr> {
        self.at.peers
    }

    /// One GET of the metrics listener.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let get = || http::get(self.at.metrics, path, SCRAPE_LIMIT);
        match &self.settings.network {
            Some(namespace) => namespace.inside(get)?,
            None => get(),
        }
    }

    /// Where `path` is served, for a client that takes only some media types.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get_as(&self, path: &str, accept: &str) -> Result<Answer> {
        http::get_as(self.at.metrics, path, accept, SCRAPE_LIMIT)
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// When it does not answer, or with something else than 200.
    pub fn metrics(&self) -> Result<String> {
        let answer = self.get("/metrics")?;
        ensure!(answer.status == 200, "/metrics answered {}", answer.status);
        Ok(answer.body)
    }

    /// The last lines of its log, for error messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.child.log_tail(30)
    }

    /// Kills it with SIGKILL: what it has promised must hold after [`Kerfd::restart`].
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.killed = true;
        Ok(())
    }

    /// Starts it again on the same folders; its metrics and its page have other addresses then.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        (self.child, self.at) = spawn(&self.settings)?;
        self.killed = false;
        Ok(())
    }

    /// Ends it with SIGTERM; [`Kerfd::restart`] may follow.
    ///
    /// # Errors
    /// When it does not end in time, or not with success.
    pub fn terminate(&mut self) -> Result<()> {
        let status = self.child.terminate(STOP_LIMIT)?;
        ensure!(
            status.success(),
            "kerfd ended with {status}\n{}",
            self.log_tail()
        );
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.child.signal(signal)
    }

    /// Ends it with SIGTERM unless [`Kerfd::kill9`] has, and sees that no worker outlives it.
    ///
    /// # Errors
    /// When it does not end in time or leaves a worker, which is killed then.
    pub fn stop(mut self) -> Result<()> {
        if !self.killed {
            self.terminate()?;
        }
        let gone = poll::until_true("the end of workers", WORKERS_LIMIT, || {
            self.every_worker().is_empty()
        });
        if gone.is_err() {
            leftovers::kill_all(&self.every_worker());
        }
        gone
    }

    /// The process ids of its workers for hardware, abandoned ones included.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        let is_one = |pid: &u32| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).nth(1) == Some(b"worker")
        };
        self.every_worker().into_iter().filter(is_one).collect()
    }

    /// Those for processes as well.
    fn every_worker(&self) -> Vec<u32> {
        leftovers::programs_naming("kerf-partitioner", &self.machine().display().to_string())
    }
}

impl Drop for Kerfd {
    fn drop(&mut self) {
        drop(self.child.kill());
        // Somebody can be looking at the machine with a program of theirs: only workers are ours.
        leftovers::kill_all(&self.every_worker());
    }
}

/// Makes the folder and the configuration file in it.
fn prepare(settings: &Settings) -> Result<()> {
    std::fs::create_dir_all(&settings.folder)?;
    let file = settings.folder.join("kerf.toml");
    std::fs::write(&file, &settings.config)
        .with_context(|| format!("cannot write {}", file.display()))
}

fn daemon(settings: &Settings) -> Result<Command> {
    let folder = &settings.folder;
    let mut command = super::boot::command(folder, &bins::kerfd()?);
    command.args(["--simulate", &settings.machine]);
    command.arg("--config").arg(folder.join("kerf.toml"));
    command.arg("--run-dir").arg(folder.join("run"));
    command.arg("--state-dir").arg(folder.join("state"));
    command.arg("--cdi-dir").arg(folder.join("cdi"));
    command.args(["--metrics", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
    if let Some(peering) = &settings.peering {
        trust(&mut command);
        command.arg("--peers").arg(peering.listen.to_string());
        if let Some(join) = peering.join {
            command.arg("--join").arg(join.to_string());
        }
    }
    command.arg("--containerd").arg(&settings.containerd);
    command.arg("--namespace").arg(&settings.namespace);
    command.arg("--runtime").arg(bins::runtime()?);
    Ok(match &settings.network {
        Some(namespace) => namespace.command(&command),
        None => command,
    })
}

/// Why the hosts of a test believe each other: nobody else reaches them.
fn trust(command: &mut Command) {
    command.arg("--insecure-dev");
}

fn client(settings: &Settings) -> Result<Command> {
    let mut command = Command::new(bins::kerf()?);
    command
        .arg("--socket")
        .arg(settings.folder.join("run/kerf.sock"));
    Ok(command)
}

fn spawn(settings: &Settings) -> Result<(ChildGuard, Addresses)> {
    let log = settings.folder.join("kerfd.log");
    // The log grows over restarts; only what comes now is of this kerfd.
    let before = log.metadata().map_or(0, |facts| facts.len());
    let mut child = ChildGuard::spawn("kerfd", &mut daemon(settings)?, &log)?;
    let answered = poll::until("an answer of kerfd", START_LIMIT, || match child.exited() {
        Ok(Some(status)) => Some(Err(anyhow!("kerfd ended: {status}"))),
        Err(error) => Some(Err(error)),
        Ok(None) => said::serving(&log, before).map(Ok),
    });
    let at = answered
        .flatten()
        .with_context(|| format!("its log ends with:\n{}", child.log_tail(30)))?;
    Ok((child, at))
}
