//! A kerfd of one's own on a simulated machine: every file in one folder, metrics on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::leftovers;
use crate::http::{self, Answer};
use crate::{ChildGuard, bins, poll, process};

/// How long kerfd may take until it answers: it makes a machine, a store and a first observation.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long it may drain after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How long its workers may take to see that it is gone.
const WORKERS_LIMIT: Duration = Duration::from_secs(5);

/// How long one answer of the metrics listener may take.
const SCRAPE_LIMIT: Duration = Duration::from_secs(5);

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
}

/// A running kerfd; dropping it kills it.
#[derive(Debug)]
pub struct Kerfd {
    child: ChildGuard,
    settings: Settings,
    metrics: SocketAddr,
}

impl Kerfd {
    /// Starts the kerfd that was built with the running tests, and waits until it answers.
    ///
    /// # Errors
    /// When something has not been built, or kerfd does not come up; the text holds the end of its
    /// log.
    pub fn start(settings: Settings) -> Result<Self> {
        std::fs::create_dir_all(&settings.folder)?;
        let file = settings.folder.join("kerf.toml");
        let runtime = bins::runtime()?;
        let text = format!("{}\n[paths]\nruntime = {runtime:?}\n", settings.config);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let metrics = http::free_address()?;
        Ok(Self {
            child: spawn(&settings, metrics)?,
            settings,
            metrics,
        })
    }

    /// The command that started it, as somebody could type it.
    ///
    /// # Errors
    /// When kerfd has not been built.
    pub fn command(&self) -> Result<Command> {
        daemon(&self.settings, self.metrics)
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

    /// The folder with the CDI files.
    #[must_use]
    pub fn cdi(&self) -> PathBuf {
        self.settings.folder.join("cdi")
    }

    /// Where the metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// One GET of the metrics listener.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        http::get(self.metrics, path, SCRAPE_LIMIT)
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
        self.child.kill().map(drop)
    }

    /// Starts it again on the same folders.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.settings, self.metrics)?;
        Ok(())
    }

    /// Ends it with SIGTERM, and sees that no worker outlives it.
    ///
    /// # Errors
    /// When it does not end in time or leaves a worker, which is killed then.
    pub fn stop(mut self) -> Result<()> {
        let status = self.child.terminate(STOP_LIMIT)?;
        ensure!(
            status.success(),
            "kerfd ended with {status}\n{}",
            self.log_tail()
        );
        let gone = poll::until_true("the end of workers", WORKERS_LIMIT, || {
            self.workers().is_empty()
        });
        if gone.is_err() {
            leftovers::kill_all(&self.workers());
        }
        gone
    }

    /// The process ids of its workers, abandoned ones included.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        leftovers::programs_naming("kerf-partitioner", &self.machine().display().to_string())
    }
}

impl Drop for Kerfd {
    fn drop(&mut self) {
        drop(self.child.kill());
        leftovers::kill_all(&leftovers::processes_naming(
            &self.machine().display().to_string(),
        ));
    }
}

fn daemon(settings: &Settings, metrics: SocketAddr) -> Result<Command> {
    let folder = &settings.folder;
    let mut command = Command::new(bins::kerfd()?);
    command.args(["--simulate", &settings.machine]);
    command.arg("--config").arg(folder.join("kerf.toml"));
    command.arg("--run-dir").arg(folder.join("run"));
    command.arg("--state-dir").arg(folder.join("state"));
    command.arg("--cdi-dir").arg(folder.join("cdi"));
    command.arg("--metrics").arg(metrics.to_string());
    command.arg("--containerd").arg(&settings.containerd);
    command.arg("--namespace").arg(&settings.namespace);
    Ok(command)
}

fn client(settings: &Settings) -> Result<Command> {
    let mut command = Command::new(bins::kerf()?);
    command
        .arg("--socket")
        .arg(settings.folder.join("run/kerf.sock"));
    Ok(command)
}

fn spawn(settings: &Settings, metrics: SocketAddr) -> Result<ChildGuard> {
    let log = settings.folder.join("kerfd.log");
    let mut child = ChildGuard::spawn("kerfd", &mut daemon(settings, metrics)?, &log)?;
    let answered = poll::until("an answer of kerfd", START_LIMIT, || match child.exited() {
        Ok(Some(status)) => Some(Err(anyhow!("kerfd ended: {status}"))),
        Err(error) => Some(Err(error)),
        Ok(None) => {
            let mut status = client(settings).ok()?;
            process::run(status.arg("status")).is_ok().then_some(Ok(()))
        }
    });
    answered
        .flatten()
        .with_context(|| format!("its log ends with:\n{}", child.log_tail(30)))?;
    Ok(child)
}
