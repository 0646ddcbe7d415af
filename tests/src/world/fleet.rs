//! Several hosts on one machine: a kerfd each, with folders, a simulated machine, ports and a containerd namespace of its
//! own, over one containerd.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::kerfd::{Peering, Settings};
use super::{Containerd, IMAGE, Kerfd, busybox_image, leftovers};
use crate::{Scratch, process};

/// The file with the image, in the folder that holds everything.
const ARCHIVE: &str = "busybox.tar";

/// Hosts that know of each other; dropping them ends them.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<Kerfd>,
    containerd: Containerd,
    scratch: Scratch,
}

impl Fleet {
    /// A containerd and no host yet.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn new(scratch: Scratch) -> Result<Self> {
        busybox_image(&scratch.join(ARCHIVE), IMAGE)?;
        let containerd = Containerd::start(&scratch.join("c"))?;
        Ok(Self {
            hosts: Vec::new(),
            containerd,
            scratch,
        })
    }

    /// Starts one more host on a machine of the simulator. It is called `node-1`, `node-2` and so on, and joins the
    /// first one.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn add(&mut self, machine: &str, config: &str) -> Result<&Kerfd> {
        let number = self.hosts.len() + 1;
        self.add_as(&format!("node-{number}"), machine, config)
    }

    /// The same with a name of its own, which may be another host's.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn add_as(&mut self, name: &str, machine: &str, config: &str) -> Result<&Kerfd> {
        let settings = self.settings(name, machine, config)?;
        self.start(settings)
    }

    /// What one more host would be started with; its containerd has the image in a namespace of the host's own.
    ///
    /// # Errors
    /// When containerd does not take the image.
    pub fn settings(&self, name: &str, machine: &str, config: &str) -> Result<Settings> {
        let number = self.hosts.len() + 1;
        let namespace = self.namespace(number);
        self.containerd.import_in(&namespace, &self.archive())?;
        let first = self.hosts.first().and_then(Kerfd::peers_address);
        Ok(Settings {
            folder: self.scratch.join(format!("k{number}")),
            machine: machine.to_owned(),
            containerd: self.containerd.socket().to_path_buf(),
            namespace,
            config: format!("[host]\nname = \"{name}\"\n{config}"),
            peering: Some(Peering::new(first)),
            network: None,
        })
    }

    /// Starts one more host with these settings.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self, settings: Settings) -> Result<&Kerfd> {
        let kerfd = Kerfd::start(settings)?;
        self.hosts.push(kerfd);
        self.hosts.last().context("it was just added")
    }

    /// The containerd namespace of the host of this number, which may not be there yet.
    #[must_use]
    pub fn namespace(&self, number: usize) -> String {
        format!("{}-{number}", self.containerd.namespace())
    }

    /// The image that each host has, as an archive.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.scratch.join(ARCHIVE)
    }

    /// The host of this number, counted from 1.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&self, number: usize) -> Result<&Kerfd> {
        let host = number.checked_sub(1).and_then(|at| self.hosts.get(at));
        host.with_context(|| format!("there is no host {number}"))
    }

    /// The same, to be killed or restarted.
    ///
    /// # Errors
    /// When there is none.
    pub fn host_mut(&mut self, number: usize) -> Result<&mut Kerfd> {
        let host = number.checked_sub(1).and_then(|at| self.hosts.get_mut(at));
        host.with_context(|| format!("there is no host {number}"))
    }

    /// All hosts, in the order in which they were added.
    #[must_use]
    pub fn hosts(&self) -> &[Kerfd] {
        &self.hosts
    }

    /// The containerd of all of them.
    #[must_use]
    pub fn containerd(&self) -> &Containerd {
        &self.containerd
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// What `kerf` on a host says to these words, where it must succeed.
    ///
    /// # Errors
    /// When it does not; the text holds what it said.
    pub fn says(&self, number: usize, words: &[&str]) -> Result<String> {
        process::run(self.host(number)?.kerf()?.args(words))
    }

    /// Ends every kerfd and containerd, and sees that nothing is left.
    ///
    /// # Errors
    /// With what is left; all of the rest has been cleaned up.
    pub fn stop(self) -> Result<()> {
        let mut wrong = Vec::new();
        for host in self.hosts {
            if let Err(error) = host.stop() {
                wrong.push(format!("{error:#}"));
            }
        }
        if let Err(error) = self.containerd.stop() {
            wrong.push(format!("{error:#}"));
        }
        let folder = self.scratch.path();
        if let Err(error) = leftovers::end_guards(folder) {
            wrong.push(format!("{error:#}"));
        }
        let mounts = leftovers::mounts_below(folder);
        wrong.extend(mounts.iter().map(|at| format!("mount {}", at.display())));
        let pids = leftovers::processes_naming(&folder.display().to_string());
        let named = |pid: &u32| format!("process {pid}: {}", leftovers::command_line(*pid));
        wrong.extend(pids.iter().map(named));
        anyhow::ensure!(wrong.is_empty(), "left behind: {}", wrong.join("; "));
        Ok(())
    }
}
