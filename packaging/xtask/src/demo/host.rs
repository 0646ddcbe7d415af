//! The host that the demo plays on: one folder, a containerd and a kerfd in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use kerf_tests::world::kerfd::Settings;
use kerf_tests::world::{Containerd, IMAGE, Kerfd, busybox_image, leftovers};
use kerf_tests::{Scratch, bins};

/// The simulated machine.
pub const MACHINE: &str = "h100x8";

/// Everything that steps start and find; dropping it ends all of it, in the order of the fields.
#[derive(Debug)]
pub struct Host {
    kerfd: Option<Kerfd>,
    containerd: Option<Containerd>,
    scratch: Scratch,
    /// The job that a step submitted for later ones.
    pub job: Option<String>,
    /// The MIG UUID of the slice that this job holds.
    pub slice: Option<String>,
}

impl Host {
    /// A folder, and nothing running yet.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new("kerf-demo")?;
        Ok(Self {
            kerfd: None,
            containerd: None,
            scratch,
            job: None,
            slice: None,
        })
    }

    /// The folder that holds everything.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The layout that the demo applies.
    pub fn layout(&self) -> PathBuf {
        self.scratch.join("layout.yaml")
    }

    /// Starts containerd and gives it the image.
    pub fn start_containerd(&mut self) -> Result<&Containerd> {
        let archive = self.scratch.join("busybox.tar");
        busybox_image(&archive, IMAGE)?;
        let containerd = Containerd::start(&self.scratch.join("c"))?;
        containerd.import(&archive)?;
        Ok(self.containerd.insert(containerd))
    }

    /// Starts kerfd on the simulated machine.
    pub fn start_kerfd(&mut self) -> Result<&Kerfd> {
        let containerd = self
            .containerd
            .as_ref()
            .context("containerd is not running")?;
        let settings = Settings {
            folder: self.scratch.join("k"),
            machine: MACHINE.to_owned(),
            containerd: containerd.socket().to_path_buf(),
            namespace: containerd.namespace().to_owned(),
            config: String::new(),
        };
        let kerfd = Kerfd::start(settings)?;
        Ok(self.kerfd.insert(kerfd))
    }

    /// The running kerfd.
    pub fn kerfd(&self) -> Result<&Kerfd> {
        self.kerfd.as_ref().context("kerfd is not running")
    }

    /// A `kerf` for it with these arguments.
    pub fn kerf(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.kerfd()?.kerf()?;
        command.args(arguments);
        Ok(command)
    }

    /// What somebody can try while the demo stays up.
    pub fn hints(&self) -> Result<[String; 3]> {
        let metrics: SocketAddr = self.kerfd()?.metrics_address();
        let page: SocketAddr = self.kerfd()?.web_address();
        let status = kerf_tests::process::shell_line(&self.kerf(&["status"])?);
        Ok([
            format!("open http://{page}/ in a browser"),
            format!("curl http://{metrics}/metrics"),
            status,
        ])
    }

    /// The end of kerfd's log, to be shown when a step has failed.
    pub fn log_tail(&self) -> String {
        self.kerfd.as_ref().map(Kerfd::log_tail).unwrap_or_default()
    }

    /// Ends everything and looks whether something is left.
    pub fn close(self) -> Result<()> {
        let Self {
            kerfd,
            containerd,
            scratch,
            ..
        } = self;
        let mut wrong = Vec::new();
        for ended in [kerfd.map(Kerfd::stop), containerd.map(Containerd::stop)] {
            if let Some(Err(error)) = ended {
                wrong.push(format!("{error:#}"));
            }
        }
        let folder = scratch.path().to_path_buf();
        let name = folder.display().to_string();
        wrong.extend(
            leftovers::mounts_below(&folder)
                .iter()
                .map(|at| format!("mount {at:?}")),
        );
        wrong.extend(
            leftovers::processes_naming(&name)
                .iter()
                .map(|pid| format!("process {pid}")),
        );
        drop(scratch);
        if folder.exists() && std::env::var_os(kerf_tests::scratch::KEEP_ENV).is_none() {
            wrong.push(format!("folder {name}"));
        }
        if !wrong.is_empty() {
            bail!("left behind: {}", wrong.join("; "));
        }
        Ok(())
    }
}

/// The programs that the demo starts, so that a missing one is told before anything runs.
pub fn check_built() -> Result<()> {
    bins::kerfd()?;
    bins::kerf()?;
    bins::partitioner()?;
    bins::simulator_library()?;
    bins::runtime().map(drop)
}
