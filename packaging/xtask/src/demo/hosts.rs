//! The hosts that the demo plays on: one folder, a containerd and a kerfd for each host in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use kerf_tests::world::{Fleet, Kerfd};
use kerf_tests::{Scratch, bins, process, scratch};
use serde_json::Value;

/// The simulated machines of `node-1`, `node-2` and `node-3`.
pub const MACHINES: [&str; 3] = ["h100x8", "a100x8", "h100x1"];

/// Everything that steps start and find; dropping it ends all of it.
#[derive(Debug)]
pub struct Hosts {
    folder: PathBuf,
    /// The folder's owner until the fleet is.
    scratch: Option<Scratch>,
    fleet: Option<Fleet>,
    /// The job that a step submitted for later ones.
    pub job: Option<String>,
    /// The job that waits for a host.
    pub waiting: Option<String>,
    /// The MIG UUID of the slice that a job holds.
    pub slice: Option<String>,
    /// What node-2 said of its leases before it was killed.
    pub leases: Option<Value>,
}

impl Hosts {
    /// A folder, and nothing running yet.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new("kerf-demo")?;
        Ok(Self {
            folder: scratch.path().to_path_buf(),
            scratch: Some(scratch),
            fleet: None,
            job: None,
            waiting: None,
            slice: None,
            leases: None,
        })
    }

    /// The folder that holds everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The layout that the demo applies.
    pub fn layout(&self) -> PathBuf {
        self.folder.join("layout.yaml")
    }

    /// Starts the containerd of all hosts.
    pub fn start_containerd(&mut self) -> Result<&Fleet> {
        let scratch = self.scratch.take().context("containerd runs already")?;
        Ok(self.fleet.insert(Fleet::new(scratch)?))
    }

    /// Starts the next host, and puts a `kerf` that speaks to it into a folder of the host's name.
    pub fn start_next(&mut self) -> Result<&Kerfd> {
        let fleet = self.fleet_mut()?;
        let number = fleet.hosts().len() + 1;
        let machine = MACHINES.get(number - 1).context("all hosts run")?;
        let settings = fleet.settings(&name(number), machine, "")?;
        let kerfd = fleet.start_alone(settings)?;
        let line = process::shell_line(&kerfd.kerf()?);
        let program = self.program(number);
        fs::create_dir_all(program.parent().context("it lies in a folder")?)?;
        fs::write(&program, format!("#!/bin/sh\nexec {line} \"$@\"\n"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        self.kerfd(number)
    }

    /// The `kerf` of a host.
    fn program(&self, number: usize) -> PathBuf {
        self.folder.join(name(number)).join("kerf")
    }

    /// The hosts and their containerd.
    pub fn fleet(&self) -> Result<&Fleet> {
        self.fleet.as_ref().context("no host runs")
    }

    /// The same, to be killed or restarted.
    pub fn fleet_mut(&mut self) -> Result<&mut Fleet> {
        self.fleet.as_mut().context("no host runs")
    }

    /// The kerfd of a host, counted from 1.
    pub fn kerfd(&self, number: usize) -> Result<&Kerfd> {
        self.fleet()?.host(number)
    }

    /// `kerf` on the first host with these arguments.
    pub fn kerf(&self, arguments: &[&str]) -> Result<Command> {
        self.kerf_on(1, arguments)
    }

    /// `kerf` on a host.
    pub fn kerf_on(&self, number: usize, arguments: &[&str]) -> Result<Command> {
        self.kerfd(number)?;
        let mut command = Command::new(self.program(number));
        command.args(arguments);
        Ok(command)
    }

    /// What somebody can try while the demo stays up.
    pub fn hints(&self) -> Result<Vec<String>> {
        let kerf = self.program(MACHINES.len()).display().to_string();
        let first = self.kerfd(1)?;
        let asks = "run --accel 1g.10gb --image busybox:kerf -- ls /dev/nvidia-caps";
        Ok(vec![
            format!("open http://{}/ in a browser", first.web_address()),
            format!("curl http://{}/metrics", first.metrics_address()),
            format!("{kerf} nodes"),
            format!("{kerf} {asks}"),
        ])
    }

    /// The ends of the logs of all kerfd, to be shown when a step has failed.
    pub fn log_tails(&self) -> String {
        let hosts = self.fleet.iter().flat_map(Fleet::hosts).enumerate();
        let tails = hosts.map(|(at, kerfd)| format!("{}:\n{}\n", name(at + 1), kerfd.log_tail()));
        tails.collect()
    }

    /// Ends everything and looks whether something is left.
    pub fn close(self) -> Result<()> {
        let mut wrong = Vec::new();
        if let Some(Err(error)) = self.fleet.map(Fleet::stop) {
            wrong.push(format!("{error:#}"));
        }
        drop(self.scratch);
        if self.folder.exists() && std::env::var_os(scratch::KEEP_ENV).is_none() {
            wrong.push(format!("folder {}", self.folder.display()));
        }
        if !wrong.is_empty() {
            bail!("{}", wrong.join("; "));
        }
        Ok(())
    }
}

/// The name of a host, counted from 1.
pub fn name(number: usize) -> String {
    format!("node-{number}")
}

/// The programs that the demo starts, so that a missing one is told before anything runs.
pub fn check_built() -> Result<()> {
    bins::kerfd()?;
    bins::kerf()?;
    bins::partitioner()?;
    bins::simulator_library()?;
    bins::runtime().map(drop)
}
